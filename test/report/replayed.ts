import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readRecordings } from "../../src/replay/recording.ts";
import { replay } from "../../src/replay/replay.ts";
import { describeReport } from "../../src/report/content.ts";
import type { ReportContent } from "../../src/report/document.ts";
import { gatherReport } from "../../src/report/gather.ts";
import type { ReportInput } from "../../src/report/input.ts";
import type { SignatureLookup } from "../../src/store/attempt-store.ts";
import type { Store } from "../../src/store/store.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";

const RECORDINGS = join(fileURLToPath(import.meta.url), "..", "..", "fixtures", "recordings");
const byId = new Map(catalogue.signatures.map((signature) => [signature.id, signature]));
export const signatures: SignatureLookup = (id) => byId.get(id);

/** A store with what the service would have written while the recorded host ran. */
export async function withRecording<T>(name: string, use: (store: Store) => T | Promise<T>): Promise<T> {
  const boots = readRecordings(join(RECORDINGS, name));
  if ("problem" in boots) assert.fail(boots.problem);
  return replay(boots, catalogue, { use });
}

const inputs = new Map<string, Promise<ReportInput>>();

/** What a report about the newest failed start of a recording is made from; replayed once. */
export function inputFor(recording: string): Promise<ReportInput> {
  const known = inputs.get(recording);
  if (known !== undefined) return known;
  const input = withRecording(recording, (store) => {
    const [newest] = store.attempts.list({ failedOnly: true, limit: 1 });
    const attempt = newest === undefined ? undefined : store.attempts.full(newest.id, signatures);
    assert.ok(attempt !== undefined, `${recording} holds a failed start`);
    return gatherReport({ about: "start", attempt }, store, catalogue, {
      madeAt: Date.UTC(2026, 10, 23, 12),
      madeBy: "vfio-watch test",
      missing: [],
    });
  });
  inputs.set(recording, input);
  return input;
}

/** The report about the newest failed start of a recording, nothing masked. */
export async function contentFor(recording: string): Promise<ReportContent> {
  return describeReport(await inputFor(recording), undefined);
}

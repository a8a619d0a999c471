import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/clock.ts";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { findSources } from "../../src/import/find-sources.ts";
import { type ImportResult, importHistory } from "../../src/import/import-history.ts";
import type { KnownBoot } from "../../src/import/match-boots.ts";
import type { TakeInParts } from "../../src/import/take-in.ts";
import { PIPELINE_DEFAULTS } from "../../src/pipeline/options.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";

// Syslogs on disk are in the machine's own time; the tests' are in UTC.
process.env.TZ = "UTC";

const { catalogue } = loadCatalogue({
  shippedDirectory: fileURLToPath(new URL("../../config/signatures", import.meta.url)),
});
export const matcher = createMatcher(catalogue);
const byId = new Map(catalogue.signatures.map((signature) => [signature.id, signature]));
export const signatures: TakeInParts["signatures"] = (id) => byId.get(id);
export const isKnown = matcher.knows;

/** A history in a directory of its own, and what imports into it. */
export interface Workbench {
  readonly directory: string;
  readonly store: Store;
  readonly parts: TakeInParts;
  /** Writes a file into the directory and gives its path. */
  write(name: string, content: string | Buffer): string;
  /** What the command `import` does with these words. */
  import(
    words: readonly string[],
    options?: { readonly journalctl?: readonly [string, ...string[]]; readonly runningBoot?: KnownBoot },
  ): Promise<ImportResult>;
  /** Boots, starts and sightings, as one value to compare. */
  contents(): unknown;
}

export function createWorkbench(context: TestContext): Workbench {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-import-"));
  const opened = openStore({ path: join(directory, "history.db"), clock: systemClock });
  if (opened.state === "refused") throw new Error(opened.why);
  const { store } = opened;
  context.after(() => {
    store.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const parts: TakeInParts = { store, matcher, signatures, settings: PIPELINE_DEFAULTS };
  return {
    directory,
    store,
    parts,
    write(name, content) {
      const path = join(directory, name);
      writeFileSync(path, content);
      return path;
    },
    import(words, { journalctl, runningBoot } = {}) {
      const sources = findSources(words, {
        paths: createHostPaths(directory),
        isKnown,
        journal: { journalctl: journalctl ?? ["false"], clock: systemClock, patienceMs: 20_000 },
      });
      return importHistory({ sources, parts, runningBoot, now: Date.UTC(2026, 11, 31), progress: () => {} });
    },
    contents: () => ({
      boots: store.boots.list(),
      starts: store.attempts.list(),
      evidence: store.attempts.list().map(({ number }) => store.attempts.full(number, signatures)),
      sightings: store.sightings.list(),
      moments: store.snapshots.timeline(),
    }),
  };
}

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createAlerter } from "../../src/alerts/alerter.ts";
import { composeFailure } from "../../src/alerts/compose.ts";
import { alertText, plainLines } from "../../src/alerts/message.ts";
import { alertPolicy } from "../../src/alerts/policy.ts";
import { askAnswer, questionOf } from "../../src/answer/ask-answer.ts";
import { loadConfig } from "../../src/config.ts";
import { createAlerting } from "../../src/daemon/alerting.ts";
import { diagnose } from "../../src/diagnosis/diagnose.ts";
import { collectFacts } from "../../src/facts/facts-of-host.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import { readHostState } from "../../src/host/host-state.ts";
import { readVmDefinitions } from "../../src/host/virtual-machines.ts";
import type { HostPaths } from "../../src/host-paths.ts";
import type { AlertContent } from "../../src/model/alert.ts";
import type { StartAttempt } from "../../src/model/attempt.ts";
import { type Bdf, bootId, vmName } from "../../src/model/identifiers.ts";
import { mapReading } from "../../src/model/reading.ts";
import type { Store } from "../../src/store/store.ts";
import { runProgram } from "../helpers/command-io.ts";
import { buildForumHost, type ForumHostOptions } from "../helpers/forum-host.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";
import { signatures, withRecording } from "../report/replayed.ts";
import { opened } from "../store/samples.ts";

const VM = vmName("Windows 11");
const DEVICES = ["0000:01:00.0", "0000:01:00.1"] as Bdf[];
const DAY = 86_400_000;
const BEGINNING = Date.UTC(2025, 7, 1, 18);

/** Stores a boot of the host with one start of the VM, diagnosed as the service would. */
function storeBoot(store: Store, paths: HostPaths, index: number, good: boolean): StartAttempt {
  const at = BEGINNING + index * DAY;
  const boot = bootId(`${String(index).padStart(8, "0")}-0000-4000-8000-000000000000`);
  const snapshot = makeSnapshot(collectFacts({ paths }));
  store.boots.begin({ id: boot, startedAt: at, origin: "live" });
  store.snapshots.save(snapshot);
  store.snapshots.link({ bootId: boot, at, snapshotId: snapshot.id, reason: "service start" });
  const attempt: StartAttempt = {
    ...{ id: `start-${index}`, vm: VM, bootId: boot, openedAt: at + 1000, closedAt: at + 2000 },
    ...{ outcome: good ? "started" : "failed", devices: DEVICES, groups: [14], evidence: [] },
  };
  const vms = mapReading(readVmDefinitions(paths), (all) =>
    all.map((definition) => ({ definition, state: { state: "shutoff", reason: "failed" } as const })),
  );
  const host = readHostState({ paths, vms });
  const settled = good ? attempt : { ...attempt, diagnosis: diagnose(attempt, host, { catalogue }) };
  store.attempts.save(settled, { origin: "live", snapshotId: snapshot.id });
  return settled;
}

function alertFor(store: Store, attempt: StartAttempt): AlertContent {
  const paths = { shippedFile: undefined, overrideFile: "/nonexistent", unraid: false };
  const policy = alertPolicy(loadConfig({ paths }).config, { unraid: false, proxmox: false });
  const alerter = createAlerter({
    store: store.alerts,
    clock: { now: () => attempt.openedAt },
    policy: () => policy,
  });
  const alerting = createAlerting({
    ...{ store, alerter, catalogue, host: () => undefined },
    clock: { now: () => attempt.openedAt },
    bootId: attempt.bootId,
  });
  const [row] = store.attempts.list({ limit: 1 });
  store.durable(() => alerting.attemptSettled(attempt, row?.number ?? 0, row?.snapshotId));
  const [incident] = store.alerts.incidents({});
  assert.ok(incident !== undefined);
  return incident.content;
}

interface Answered {
  readonly why: string;
  readonly goBack: readonly { readonly to: string | null; readonly sentence: string }[];
  readonly changes: readonly { readonly sentence: string }[] | null;
  readonly remedies: readonly string[];
}

/** What each place says of the newest start, in a shape in which it can be compared. */
async function everywhere(before: ForumHostOptions, now: ForumHostOptions) {
  const directory = temporaryDirectory();
  try {
    const [then, here] = [
      buildForumHost(`${directory.path}/then`, before),
      buildForumHost(`${directory.path}/now`, now),
    ];
    const database = `${directory.path}/history.db`;
    const store = opened(database);
    storeBoot(store, then, 0, true);
    const failed = storeBoot(store, here, 1, false);
    const alert = alertFor(store, failed);
    store.close();
    const env = { VFIO_WATCH_ROOT: here.root };
    const run = async (...args: readonly string[]) =>
      (await runProgram([...args, "--database", database], env, { columns: 100_000 })).out;
    const json = async (...args: readonly string[]) => JSON.parse(await run(...args, "--json"));
    const shown: Answered = (await json("show")).answer;
    const checked: Answered | null = (await json("check")).vms[0].answer;
    const blamed: Answered | null = (await json("blame")).answer;
    const texts = {
      alert: plainLines(
        alertText({ incidentId: "i", deliveryId: 1, host: "h", createdAt: 0, content: alert }),
      ).join("\n"),
      show: await run("show"),
      check: await run("check"),
      report: await run("report", "--format", "text", "--no-redact"),
      blame: await run("blame"),
      page: (await runProgram(["page", "tools"], { ...env, VFIO_WATCH_DATABASE: database })).out,
      explain: (
        await runProgram(
          ["explain"],
          { ...env, VFIO_WATCH_DATABASE: database },
          { input: REFUSED, columns: 100_000 },
        )
      ).out,
    };
    return { alert, shown, checked, blamed, texts };
  } finally {
    directory.remove();
  }
}

const REFUSED =
  "vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.\n";
const A63 = { bios: "1.A63", demand: false } as const;
/** Places that show the first remedies, those of now, HTML, or a text that may be of another failure. */
const NOT_WHOLE: ReadonlySet<string> = new Set(["alert", "check", "page", "explain"]);
const A95 = { bios: "1.A95", demand: true } as const;

describe("all places say the same of the same moment", () => {
  it("name A63 in the forum's case as the version to go back to", async () => {
    const { alert, shown, checked, blamed, texts } = await everywhere(A63, A95);
    for (const answer of [shown, checked, blamed])
      assert.deepEqual(
        answer?.goBack.map(({ to }) => to),
        ["1.A63"],
      );
    assert.ok(alert.remedies?.includes("Go back to BIOS 1.A63, with which it last worked on 2025-08-01."));
    for (const [place, text] of Object.entries(texts))
      assert.match(text, /Go back to BIOS 1\.A63, with which it last worked on 2025-08-01\./, place);
  });

  it("on generated hosts: the cause, what changed, and what to go back to", async () => {
    const host: fc.Arbitrary<ForumHostOptions> = fc.record({
      bios: fc.constantFrom("1.A63", "1.A70", "1.A95"),
      demand: fc.boolean(),
      commandLine: fc.constantFrom(
        "amd_iommu=on",
        "iommu.passthrough=1 pcie_acs_override=downstream",
        "quiet",
      ),
      machine: fc.constantFrom("pc-q35-9.2", "pc-q35-8.1"),
      managed: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(host, host, async (then, now) => {
        const { alert, shown, checked, blamed, texts } = await everywhere(then, now);
        const changes = shown.changes?.map(({ sentence }) => sentence) ?? [];
        assert.equal(alert.cause, shown.why);
        assert.ok(texts.show.includes(shown.why) && texts.report.includes(shown.why));
        const isDevice = alert.kind === "start-failed";
        for (const sentence of isDevice ? changes.slice(0, 7) : []) {
          assert.ok(alert.changes.includes(sentence), `${sentence} is missing in the alert`);
          assert.ok(texts.show.includes(sentence) && texts.report.includes(sentence), sentence);
        }
        assert.deepEqual(alert.remedies ?? [], shown.remedies.slice(0, 3));
        for (const remedy of shown.remedies)
          for (const [place, text] of Object.entries(texts))
            if (!NOT_WHOLE.has(place) && (place !== "blame" || blamed !== null))
              assert.ok(text.includes(remedy), `${place} does not say: ${remedy}`);
        if (checked !== null) {
          assert.equal(checked.why, shown.why);
          assert.deepEqual(checked.goBack, shown.goBack);
          assert.deepEqual(
            checked.changes?.map(({ sentence }) => sentence),
            changes,
          );
          for (const remedy of checked.remedies) assert.ok(texts.check.includes(remedy), remedy);
        }
        if (blamed !== null) assert.deepEqual(blamed, shown);
      }),
      { numRuns: 8 },
    );
  });

  for (const recording of [
    "bios-update",
    "rmrr-intel",
    "in-use",
    "memlock",
    "not-bound",
    "negative-controls",
  ]) {
    it(`of the recording ${recording}`, async () => {
      await withRecording(recording, async (store) => {
        for (const { id, number, snapshotId } of store.attempts.list({ failedOnly: true })) {
          const attempt = store.attempts.full(id, signatures);
          assert.ok(attempt !== undefined);
          const answer = askAnswer(store, questionOf(attempt, number, snapshotId), catalogue);
          const content = composeFailure({ attempt, number, answer, deviceNames: new Map() });
          const run = async (...args: readonly string[]) =>
            (await runProgram([...args, "--database", store.path], {}, { columns: 100_000 })).out;
          const [shown, reported] = [
            await run("show", String(number)),
            await run("report", String(number), "--format", "text", "--no-redact"),
          ];
          const json: Answered = JSON.parse(await run("show", String(number), "--json")).answer;
          for (const text of [content.cause ?? "", ...answer.remedies])
            assert.ok(shown.includes(text) && reported.includes(text), text);
          assert.deepEqual([json.why, json.remedies], [content.cause, answer.remedies]);
          assert.deepEqual(
            json.goBack.map(({ to }) => to),
            answer.goBack.map(({ to }) => to ?? null),
          );
          for (const text of content.changes)
            assert.ok(shown.includes(text) && reported.includes(text), text);
        }
      });
    });
  }
});

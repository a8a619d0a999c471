import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ConcernedVm,
  composeFactsChanged,
  composeFailure,
  composeHotPlug,
  composeRecovery,
  composeStorm,
  composeTest,
  composeTrouble,
  composeWillNotStart,
} from "../../src/alerts/compose.ts";
import { decide, incidentKey } from "../../src/alerts/incident-policy.ts";
import { alertText } from "../../src/alerts/message.ts";
import { type Answer, type AnswerInput, makeAnswer } from "../../src/answer/answer.ts";
import type { ChangeLine } from "../../src/answer/change-lines.ts";
import { diagnose } from "../../src/diagnosis/diagnose.ts";
import type { StartAttempt } from "../../src/model/attempt.ts";
import type { Cause } from "../../src/model/diagnosis.ts";
import type { Change } from "../../src/model/fact.ts";
import type { HotPlug } from "../../src/model/hot-plug.ts";
import { signatureId, vmName } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import { summaryOf } from "../../src/pipeline/hot-plug.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";
import { bdf } from "./examples.ts";

const cause: Cause = {
  class: "iommu-direct-mapping-required",
  certainty: "certain",
  signature: signatureId("kernel.direct-mapping-required"),
  sentence: "The firmware demands a 1:1 mapping for 0000:01:00.0.",
  evidence: [],
  devices: [bdf("01:00.0")],
  groups: [14],
};
const attempt: StartAttempt = {
  id: "a1",
  vm: vmName("Windows 11"),
  bootId: undefined,
  openedAt: Date.UTC(2026, 10, 23, 9),
  closedAt: Date.UTC(2026, 10, 23, 9, 1),
  outcome: "failed",
  devices: [bdf("01:00.0"), bdf("01:00.1")],
  groups: [14],
  evidence: [],
  diagnosis: { causes: [cause], summary: cause.sentence, deviceRelated: true, noEffect: [] },
};
const bios: Change = {
  group: "firmware",
  key: "firmware.bios.version",
  before: { state: "value", value: "A63" },
  after: { state: "value", value: "A95" },
  sentence: "BIOS version: A63 → A95",
};
const line = (change: Change): ChangeLine => ({
  ...{ knob: "BIOS", sentence: change.sentence, consequences: [], isNew: false, probability: undefined },
  changes: [change],
});
const deviceNames = new Map([[bdf("01:00.0"), "RTX 4060 Ti"]]);
const lastGood = { at: Date.UTC(2026, 10, 20, 18, 2), bios: "A63" };

function answer(given: Partial<AnswerInput> = {}): Answer {
  return makeAnswer(
    {
      ...{
        vm: attempt.vm,
        causes: [cause],
        unexplained: "",
        outcome: "failed",
        here: { at: attempt.openedAt },
      },
      ...{ lastGood: undefined, failing: undefined, changes: undefined, comparedWith: undefined },
      ...{ newKeys: undefined, matters: () => true, suspects: [], truths: {}, demand: undefined },
      ...{ demandedThen: undefined, failedWith: () => false },
      ...given,
    },
    catalogue,
  );
}
const since = { lastGood, changes: [bios], comparedWith: "good start" } as const;

test("a failure by a device names it, its cause, what changed, the last good start and what to go back to", () => {
  const { remedies, ...content } = composeFailure({
    attempt,
    number: 12,
    answer: answer(since),
    deviceNames,
  });
  assert.deepEqual(content, {
    kind: "start-failed",
    importance: "alert",
    vm: "Windows 11",
    devices: [{ bdf: "0000:01:00.0", name: "RTX 4060 Ti" }],
    causeClass: "iommu-direct-mapping-required",
    subject: "'Windows 11' did not start: BIOS demands 1:1 mapping",
    cause: cause.sentence,
    changes: ["BIOS version: A63 → A95"],
    lastGood: "Last good start: 2026-11-20 18:02 UTC, on BIOS A63.",
    remedy: "Go back to BIOS A63, with which it last worked on 2026-11-20.",
    command: "vfio-watch show 12",
  });
  assert.equal(remedies?.[0], content.remedy);
});

test("that nothing changed, that it is not known, and that there never was a good start are three different things", () => {
  const said = (given: Partial<AnswerInput>) =>
    composeFailure({ attempt, answer: answer(given), deviceNames }).lastGood;
  assert.match(said({ ...since, changes: [] }) ?? "", /Nothing that is watched has changed since\.$/);
  assert.match(said({ ...since, changes: undefined }) ?? "", /What has changed since is not on record\.$/);
  assert.equal(said({}), "No good start of it is on record.");
});

test("a good start without the device is not told as one with it, and nothing is to be gone back to", () => {
  const without = { ...since, lastGood: { ...lastGood, without: [bdf("01:00.0")] } };
  const content = composeFailure({ attempt, answer: answer(without), deviceNames });
  assert.match(
    content.lastGood ?? "",
    /^No good start with 0000:01:00\.0 is on record\. It last started without: /,
  );
  assert.ok(content.remedies?.every((text) => !/Go back to/.test(text)));
});

test("a failure without a device is a plain warning without VFIO words", () => {
  const other: Cause = {
    ...cause,
    class: "host-resource-missing",
    sentence: "The disk image is missing.",
    devices: [],
  };
  const content = composeFailure({ attempt, answer: answer({ ...since, causes: [other] }), deviceNames });
  assert.equal(content.kind, "start-failed-other");
  assert.equal(content.importance, "warning");
  assert.deepEqual([content.devices, content.changes, content.lastGood], [[], [], undefined]);
});

test("a refusal is a warning in its own words, and says what changed", () => {
  const content = composeFailure({
    attempt: { ...attempt, outcome: "refused" },
    answer: answer(since),
    deviceNames,
  });
  assert.equal(content.subject, "'Windows 11' was refused: BIOS demands 1:1 mapping");
  assert.equal(content.importance, "warning");
  assert.deepEqual(content.changes, ["BIOS version: A63 → A95"]);
});

test("what is only possible is not told as certain", () => {
  const possible = answer({ causes: [{ ...cause, certainty: "possible" }] });
  assert.match(composeFailure({ attempt, answer: possible, deviceNames }).cause ?? "", /not proven/);
});

test("a recovery says how often it had failed, why, and what changed in between", () => {
  const failed = composeFailure({ attempt, answer: answer(since), deviceNames });
  const at = attempt.openedAt;
  const { incident } = decide(undefined, { key: incidentKey(failed), content: failed, at }, at, {
    reminders: true,
  });
  const back = line({ ...bios, sentence: "BIOS version: A95 → A63" });
  const content = composeRecovery({
    vm: attempt.vm,
    incident: { ...incident, count: 3 },
    changes: [back],
    number: 15,
  });
  assert.equal(content.subject, "'Windows 11' starts again");
  assert.equal(content.cause, `It had failed 3 times since 2026-11-23 09:00 UTC: ${cause.sentence}`);
  assert.deepEqual(content.changes, ["BIOS version: A95 → A63"]);
  const said = (changes: readonly ChangeLine[] | undefined) =>
    composeRecovery({ vm: attempt.vm, incident, changes }).lastGood;
  assert.equal(said([]), "Nothing that is watched has changed in between.");
  assert.equal(said(undefined), "What has changed in between is not on record.");
  assert.equal(said([back]), undefined);
});

test("before anything fails: the VM, the cause and the change that brings it", () => {
  const told = (given: Partial<AnswerInput>) =>
    composeWillNotStart({ vm: attempt.vm, answer: answer({ outcome: undefined, ...given }), deviceNames });
  const content = told({ changes: [bios], comparedWith: "boot before" });
  assert.equal(content.subject, "'Windows 11' will not start: BIOS demands 1:1 mapping");
  assert.equal(content.importance, "alert");
  assert.deepEqual(content.changes, ["BIOS version: A63 → A95"]);
  assert.equal(
    content.lastGood,
    "No good start of it is on record. The changes are those since the last boot.",
  );
  assert.equal(told(since).lastGood, "Last good start: 2026-11-20 18:02 UTC, on BIOS A63.");
});

test("a single changed fact stands in the subject, many are listed and counted", () => {
  const one = composeFactsChanged({
    changes: [line(bios)],
    since: "since the last boot",
    vms: [{ vm: attempt.vm }],
  });
  assert.equal(one.subject, "Changed since the last boot: BIOS version: A63 → A95");
  assert.equal(one.cause, "It may concern 'Windows 11'; no start has failed since.");
  const many = composeFactsChanged({
    changes: Array.from({ length: 11 }, () => line(bios)),
    since: "since the last boot",
  });
  assert.equal(many.subject, "11 things changed since the last boot");
  assert.deepEqual([many.changes.length, many.changes.at(-1)], [8, "and 4 more"]);
});

test("a change says of the VMs that it may concern what became of their starts", () => {
  const causeOf = (...vms: readonly ConcernedVm[]) =>
    composeFactsChanged({ changes: [line(bios)], since: "since the last boot", vms }).cause;
  const [windows, other] = [attempt.vm, vmName("Ubuntu")];
  const failed = { outcome: "crashed-early", why: "The card did not reset." } as const;
  assert.equal(
    causeOf({ vm: windows, failed }, { vm: other }),
    "It may concern 'Windows 11', 'Ubuntu'. 'Windows 11' died after starting in this boot: The card did not reset.",
  );
  assert.equal(
    causeOf({ vm: windows }, { vm: other, isStarting: true }),
    "It may concern 'Windows 11', 'Ubuntu'; a start of 'Ubuntu' is under way.",
  );
});

test("the summary of a storm says how many, and shows some", () => {
  const content = composeStorm({
    kind: "start-failed",
    importance: "alert",
    count: 195,
    examples: ["'a' did not start"],
  });
  assert.equal(content.subject, "195 more alerts about VM starts that failed");
});

/** Every way in which a start can fail that the catalogue knows, and one that nothing explains. */
function* failures(): Generator<StartAttempt> {
  for (const outcome of ["failed", "crashed-early", "refused"] as const) {
    yield { ...attempt, outcome, evidence: [] };
    for (const signature of catalogue.signatures)
      for (const [index, text] of signature.examples.entries()) {
        const observation = {
          ...{ kind: "kernel-record", source: "kernel-log", at: attempt.openedAt, exactTime: true },
          ...{ identity: `${signature.id}/${index}`, sequence: 1, level: 3, text },
        } as Observation;
        const matches = [{ signature, captures: { vm: "Windows 11", bdf: "0000:01:00.0" } }];
        yield {
          ...{ ...attempt, outcome },
          evidence: [{ observation, matches, count: 1, lastAt: observation.at }],
        };
      }
  }
}

const hotPlug: HotPlug = {
  ...{
    id: "h1",
    bootId: undefined,
    at: attempt.openedAt,
    action: "attach",
    outcome: "refused",
    evidence: [],
  },
  ...{ vms: [attempt.vm], devices: [bdf("01:00.0")], groups: [14] },
};

test("no sentence of an alert repeats its title or another one, whatever of the catalogue was said", () => {
  const plain = (text: string) =>
    text
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, " ")
      .trim();
  let told = 0;
  for (const failed of failures()) {
    const { causes, summary } = diagnose(failed, undefined, { catalogue });
    const unexplained = causes.length === 0 ? { unexplained: summary } : {};
    const made = answer({ ...since, causes, ...unexplained, outcome: failed.outcome });
    const failure = composeFailure({ attempt: failed, answer: made, deviceNames });
    const incident = { openedAt: attempt.openedAt, count: 1, content: failure };
    const diagnosis = { causes, summary, deviceRelated: true, noEffect: [] };
    const plug = { ...hotPlug, diagnosis };
    const outcome = failed.outcome === "crashed-early" ? failed.outcome : "failed";
    for (const content of [
      failure,
      ...(causes.length > 0 ? [composeWillNotStart({ vm: attempt.vm, answer: made, deviceNames })] : []),
      composeRecovery({ vm: attempt.vm, incident, changes: [line(bios)] }),
      composeHotPlug({ hotPlug: plug, sentence: summaryOf(plug), deviceNames }),
      composeFactsChanged({
        ...{ changes: [line(bios)], since: "since the last boot" },
        vms: [{ vm: attempt.vm, failed: { outcome, why: summary } }],
      }),
    ]) {
      const message = { incidentId: "i", deliveryId: 1, host: "rig", createdAt: attempt.openedAt, content };
      const { title, parts } = alertText(message);
      const lines = parts.flatMap((part) => part.lines).map(plain);
      const why = `${failed.outcome}: ${title} | ${lines.join(" | ")}`;
      for (const one of lines) assert.ok(!one.includes(plain(title)), why);
      // The head says in short what the details say at length.
      const below = parts.filter(({ place }) => place !== "head").flatMap((part) => part.lines);
      assert.equal(new Set(below.map(plain)).size, below.length, why);
      told += 1;
    }
  }
  assert.ok(told > 3 * catalogue.signatures.length);
});

test("every command that an alert names exists", async () => {
  const { COMMAND_SUMMARIES } = await import("../../src/cli/commands.ts");
  const contents = [
    composeFailure({ attempt, answer: answer(), deviceNames }),
    composeWillNotStart({ vm: attempt.vm, answer: answer(), deviceNames }),
    composeFactsChanged({ changes: [line(bios)], since: "since the last boot" }),
    composeTrouble({ subject: "s", why: "w" }),
    composeStorm({ kind: "start-failed", importance: "alert", count: 2, examples: [] }),
    composeTest("ntfy"),
  ];
  for (const { command } of contents) {
    const name = command?.split(" ")[1] ?? "";
    assert.ok(Object.hasOwn(COMMAND_SUMMARIES, name), `there is no command ${name}`);
  }
});

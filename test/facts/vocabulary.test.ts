import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { diffSnapshots } from "../../src/facts/diff-snapshots.ts";
import { collectFacts } from "../../src/facts/facts-of-host.ts";
import { FACT_KINDS } from "../../src/facts/kinds.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import { typedContent } from "../../src/facts/typed-content.ts";
import { familyOf, knownKey, labelOf, roleOf, thingOf } from "../../src/facts/vocabulary.ts";
import { KNOBS } from "../../src/model/catalogue.ts";
import type { Fact, Snapshot } from "../../src/model/fact.ts";
import { read } from "../../src/model/reading.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { readRecordedVms } from "../../src/replay/recorded-vms.ts";
import {
  bdf,
  buildRecordedTree,
  recordingPath,
  syntheticDevice,
  temporaryDirectory,
} from "../helpers/recorded-tree.ts";
import { opened, withDirectory } from "../store/samples.ts";

function treeDirectory(context: TestContext): string {
  const directory = temporaryDirectory();
  context.after(directory.remove);
  return directory.path;
}

test("every fact that is collected is declared, with a name, a role and a type that it keeps", (context) => {
  const directory = treeDirectory(context);
  const recordings = readdirSync(recordingPath()).filter((name) => name !== "bios-update");
  const roots = new Set(FACT_KINDS.map(({ root }) => root));
  let facts = 0;
  for (const name of recordings) {
    const vms = readRecordedVms(recordingPath(name, "libvirt"));
    const paths = buildRecordedTree(`${directory}/${name}`, name, "snap-before");
    for (const { group, key, value } of collectFacts({ paths, vms })) {
      const known = knownKey(key);
      // Only what speaks for others has a key of no form: a whole kind, or a thing of it.
      if (known === undefined) {
        assert.ok(roots.has(key) || value.state !== "value", key);
        continue;
      }
      facts += 1;
      assert.equal(known.kind.group, group, key);
      assert.doesNotMatch(
        labelOf(known, (identity) => identity),
        /[{}]/,
        key,
      );
      assert.notEqual(familyOf(group, key), "", key);
      if (value.state !== "value") continue;
      const types = { text: "string", number: "number", flag: "boolean", list: "object" };
      const { type = "text" } = known.form;
      if (type !== "texts") assert.equal(typeof value.value, types[type], key);
    }
  }
  assert.ok(facts > 2000);
});

test("no two kinds declare one key, and what follows from knobs follows from ones that there are", () => {
  const keys = FACT_KINDS.flatMap(({ forms }) => forms.map(({ key }) => key));
  assert.equal(new Set(keys).size, keys.length);
  for (const role of FACT_KINDS.flatMap(({ role, forms }) => [role, ...forms.map((form) => form.role)])) {
    if (role === undefined || role === "bystander") continue;
    for (const knob of "knob" in role ? [role.knob] : role.follows) assert.ok(KNOBS.includes(knob), knob);
  }
});

test("knobs are what a person changes, and what has an address or a number of its own follows", () => {
  assert.deepEqual(roleOf("firmware.bios.version"), { knob: "BIOS" });
  assert.deepEqual(roleOf("kernel.parameter.iommu"), { knob: "kernel parameter", which: "name" });
  assert.equal(familyOf("kernel", "kernel.parameter.iommu"), "kernel parameter iommu");
  assert.equal(familyOf("vm", "vm.Windows%2e11.machine"), "definition of VM Windows%2e11");
  assert.deepEqual(roleOf("pci.10de:2805/1462:5174"), { knob: "card in its slot" });
  assert.equal(roleOf("pci.10de:2805/1462:5174.group"), "bystander");
  assert.equal(roleOf("boot-loader./boot/limine.conf.parameters"), "bystander");
});

test("a boot loader's file is a thing with its dots, and a fact that could not be read makes none", () => {
  assert.equal(thingOf("boot-loader./boot/limine.conf.in-effect")?.entity, "boot-loader./boot/limine.conf");
  assert.equal(thingOf("boot-loader./boot/limine.conf"), undefined);
  assert.equal(thingOf("pci.10de:2805/1462:5174"), undefined);
  assert.equal(thingOf("vm.A.device.0000:01:00.0")?.entity, "vm.A");
});

test("what older releases kept as one text is read as what its kind declares", () => {
  assert.deepEqual(typedContent("iommu.group.a.members", "b, a"), ["a", "b"]);
  assert.deepEqual(typedContent("pci.a.reset-methods", "flr bus"), ["flr", "bus"]);
  assert.deepEqual(typedContent("kernel.parameter.video", "efifb:off and vesafb:off"), [
    "efifb:off",
    "vesafb:off",
  ]);
  assert.equal(typedContent("kernel.parameter.iommu", "pt"), "pt");
  assert.equal(typedContent("pci.a.group", "14"), 14);
  assert.equal(typedContent("vm.A.hugepages", "no"), false);
});

test("a group of 39 devices is kept whole, and the one that left it is named", (context) => {
  const directory = treeDirectory(context);
  const snapshotOf = (count: number): Snapshot => {
    const devices = Array.from({ length: count }, (_one, place) =>
      syntheticDevice({
        bdf: `0000:${(place + 1).toString(16).padStart(2, "0")}:00.0`,
        id: `10de:${(0x2000 + place).toString(16)}`,
        subsystem: "1462:5174",
        classCode: "030000",
        group: 1,
      }),
    );
    const members = devices.map((device) => bdf(device.bdf));
    const paths = buildHostTree(`${directory}/${count}`, {
      devices,
      groups: [{ id: 1, type: "DMA", members, reservedRegions: "" }],
    });
    return makeSnapshot(collectFacts({ paths, definitions: read([]) }));
  };
  const [whole, without] = [snapshotOf(39), snapshotOf(38)];
  const membersIn = (facts: readonly Fact[]) => facts.find(({ key }) => key.endsWith(".members"))?.value;
  withDirectory((path) => {
    const store = opened(`${path}/history.sqlite`);
    store.batched(() => store.snapshots.save(whole));
    assert.deepEqual(store.snapshots.get(whole.id), whole);
    store.close();
  });
  const members = membersIn(whole.facts);
  assert.ok(members?.state === "value" && Array.isArray(members.value) && members.value.length === 39);
  assert.match(
    diffSnapshots(whole, without)
      .map(({ sentence }) => sentence)
      .join("\n"),
    /members: lost graphics \(VGA\) 10de:2026 \(0000:27:00\.0\)/,
  );
});

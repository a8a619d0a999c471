import assert from "node:assert/strict";
import { test } from "node:test";
import type { HotPlug } from "../../src/model/hot-plug.ts";
import { type Bdf, vmName } from "../../src/model/identifiers.ts";
import { kernel } from "../attempts/bench.ts";
import { BOOT, GPU, START, withStore } from "./samples.ts";

const NIC = "0000:04:00.0" as Bdf;
const plug = (id: string, at: number, more: Partial<HotPlug> = {}): HotPlug => ({
  ...{ id, vms: [vmName("win")], bootId: BOOT, at: START + at + 0.4, action: "attach", outcome: "refused" },
  ...{ devices: [GPU], groups: [14], evidence: [] },
  ...more,
});
const said = (text: string) => {
  const observation = kernel(0, GPU, text);
  return { observation, matches: [], count: 1, lastAt: observation.at };
};

test("a hot-plug comes back as it was, and what is said later replaces what was said", () =>
  withStore((store) => {
    store.hotPlugs.save(plug("1", 0, { steady: 7.6, evidence: [said("first")] }), "nobody knows");
    const lines = Array.from({ length: 25 }, (_, index) =>
      said(index === 0 ? "x".repeat(3_000) : `${index}`),
    );
    store.hotPlugs.save(
      plug("1", 9, { vms: [vmName("a"), vmName("b")], evidence: lines }),
      "s".repeat(2_049),
    );
    const [one, ...others] = store.hotPlugs.list();
    assert.deepEqual(others, []);
    assert.ok(one);
    const { lines: kept, summary, ...rest } = one;
    assert.deepEqual(rest, {
      ...{ id: "1", bootId: BOOT, at: START, steady: 8, action: "attach", outcome: "refused" },
      ...{ vms: ["a", "b"], devices: [GPU] },
    });
    assert.equal(summary, `${"s".repeat(2_048)} … [1 more characters]`);
    assert.deepEqual([kept.length, kept[0]?.text.length, kept[19]?.text], [20, 2_072, "19"]);
    assert.equal(kept[0]?.source, "kernel-log");
  }));

test("hot-plugs are found by time, device and VM, the newest first", () =>
  withStore((store) => {
    store.hotPlugs.save(plug("1", 100), "");
    store.hotPlugs.save(plug("2", 200, { devices: [NIC] }), "");
    store.hotPlugs.save(plug("3", 300, { vms: [vmName("other"), vmName("win 2")], bootId: undefined }), "");
    const ids = (filter?: Parameters<typeof store.hotPlugs.list>[0]) =>
      store.hotPlugs.list(filter).map(({ id }) => id);
    assert.deepEqual(ids(), ["3", "2", "1"]);
    assert.deepEqual(ids({ limit: 2 }), ["3", "2"]);
    assert.deepEqual(ids({ since: START + 200 }), ["3", "2"]);
    assert.deepEqual(ids({ until: START + 200 }), ["2", "1"]);
    assert.deepEqual(ids({ device: NIC }), ["2"]);
    assert.deepEqual(ids({ device: GPU }), ["3", "1"]);
    assert.deepEqual(ids({ vm: vmName("win") }), ["2", "1"]);
    assert.deepEqual(ids({ vm: vmName("other"), device: NIC }), []);
    const [last] = store.hotPlugs.list({ limit: 1 });
    assert.deepEqual([last?.bootId, "steady" in (last ?? {})], [undefined, false]);
  }));

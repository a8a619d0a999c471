import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AlertContent, Incident } from "../../src/model/alert.ts";
import type { Outcome } from "../../src/model/attempt.ts";
import { vmName } from "../../src/model/identifiers.ts";
import type { Store } from "../../src/store/store.ts";
import { definedVm, GPU_ADDRESS } from "../helpers/made-history.ts";
import { START, sampleAttempt, withStore } from "./samples.ts";

const HOUR = 3_600_000;
const at = (hour: number) => START + hour * HOUR;

function start(store: Store, vm: string, hour: number, outcome: Outcome = "started"): void {
  const attempt = sampleAttempt({ id: `${vm} ${hour}`, vm: vmName(vm), openedAt: at(hour), outcome });
  store.attempts.save(attempt, { origin: "live" });
}

/** Hours and names of the starts, oldest first. */
const startsOf = (store: Store, vm?: string) =>
  store.attempts
    .list({ first: "oldest", ...(vm !== undefined && { vm: vmName(vm) }) })
    .map((row) => [(row.openedAt - START) / HOUR, row.vm]);

const list = (
  store: Store,
  hour: number,
  vms: Readonly<Record<string, string>>,
  devices?: readonly string[],
) =>
  store.vms.remember(
    Object.entries(vms).map(([name, uuid]) => definedVm(name, uuid, devices)),
    at(hour),
  );

describe("libvirt and Proxmox on one host", () => {
  const names = (store: Store) => store.vms.present().map(({ name }) => name);
  const ofProxmox = (vmid: string) => ({
    ...definedVm(`${vmid} (win11)`, `${vmid}/u`),
    manager: "proxmox" as const,
  });

  it("say nothing of each other's VMs", () =>
    withStore((store) => {
      list(store, 0, { tower: "u1", lab: "u2" });
      store.vms.remember([ofProxmox("101"), ofProxmox("102")], at(1), "proxmox");
      assert.deepEqual(names(store), ["101 (win11)", "102 (win11)", "lab", "tower"]);
      list(store, 2, { tower: "u1" });
      assert.deepEqual(names(store), ["101 (win11)", "102 (win11)", "tower"]);
      store.vms.remember([ofProxmox("102")], at(3), "proxmox");
      assert.deepEqual(names(store), ["102 (win11)", "tower"]);
    }));

  it("are told apart in a history of an older release too", () =>
    withStore((store) => {
      list(store, 0, { "101 (win11)": "101/u", tower: "u1" });
      list(store, 1, { tower: "u1" });
      assert.deepEqual(names(store), ["101 (win11)", "tower"]);
      store.vms.remember([], at(2), "proxmox");
      assert.deepEqual(names(store), ["tower"]);
    }));
});

describe("a VM is its UUID", () => {
  it("keeps its history under a new name, also for who asks by the old one", () =>
    withStore((store) => {
      list(store, 0, { win10: "u1" });
      start(store, "win10", 1);
      list(store, 2, { win11: "u1" });
      start(store, "win11", 3, "failed");
      const both = [
        [1, "win11"],
        [3, "win11"],
      ];
      for (const name of ["win10", "win11"]) assert.deepEqual(startsOf(store, name), both);
      assert.deepEqual(
        store.attempts.tallies({ vm: vmName("win11") }).map(({ vm, outcome }) => [vm, outcome]),
        [
          ["win11", "started"],
          ["win11", "failed"],
        ],
      );
      assert.deepEqual(
        store.vms.list().map(({ definition }) => definition.name),
        ["win11"],
      );
      assert.deepEqual(store.vms.past(vmName("win10")), {
        name: "win11",
        formerNames: ["win10"],
        madeAnewAt: [],
      });
    }));

  it("does not inherit from another VM that had the name", () =>
    withStore((store) => {
      list(store, 0, { "101 (win)": "101/a" });
      start(store, "101 (win)", 1);
      list(store, 2, { "101 (win)": "101/b" }, []);
      start(store, "101 (win)", 3);
      assert.deepEqual(startsOf(store, "101 (win)"), [[3, "101 (win)"]]);
      const former = "101 (win) (until 2026-01-01 02:00)";
      assert.deepEqual(startsOf(store), [
        [1, former],
        [3, "101 (win)"],
      ]);
      assert.deepEqual(startsOf(store, former), [[1, former]]);
      assert.deepEqual(
        store.vms.present().map(({ name, uuid }) => [name, uuid]),
        [["101 (win)", "101/b"]],
      );
      // Whoever goes on with a stored start knows it by what it was called when it was read.
      const [old] = store.attempts.list({ first: "oldest", limit: 1 });
      const again = store.attempts.full(old?.number ?? 0, () => undefined);
      assert.ok(again !== undefined);
      store.attempts.save(again, { origin: "live" });
      assert.deepEqual(startsOf(store, former), [[1, former]]);
    }));

  it("is the successor of one with the same name and devices, and its history goes on", () =>
    withStore((store) => {
      list(store, 0, { win: "u1" });
      start(store, "win", 1);
      // Made without the card, which is given to it in a second step.
      list(store, 2, { win: "u2" }, []);
      assert.deepEqual(startsOf(store, "win"), []);
      list(store, 3, { win: "u2" });
      start(store, "win", 4, "failed");
      assert.deepEqual(startsOf(store, "win"), [
        [1, "win"],
        [4, "win"],
      ]);
      assert.deepEqual(store.vms.past(vmName("win")), { name: "win", formerNames: [], madeAnewAt: [at(2)] });
      assert.equal(store.vms.list().length, 1);
    }));

  it("takes over what was known by the name alone, before libvirt was ever asked", () =>
    withStore((store) => {
      start(store, "win", 1);
      list(store, 2, { win: "u1" });
      list(store, 3, { other: "u1" });
      // A log that was read before libvirt told of the new name, and is now known to be its.
      start(store, "third", 4);
      list(store, 5, { third: "u1" });
      assert.deepEqual(startsOf(store, "win"), [
        [1, "third"],
        [4, "third"],
      ]);
    }));

  it("is found by the name that it had at the time, in whatever order things are read", () =>
    withStore((store) => {
      list(store, 0, { a: "u1", b: "u2" });
      // They change names.
      list(store, 5, { b: "u1", a: "u2" });
      for (const hour of [1, 2, 7]) start(store, "a", hour);
      start(store, "b", 8, "failed");
      assert.deepEqual(startsOf(store, "a"), [[7, "a"]]);
      assert.deepEqual(startsOf(store, "b"), [
        [1, "b"],
        [2, "b"],
        [8, "b"],
      ]);
    }));

  it("goes on with the incidents that it had under the old name, and only with its own", () =>
    withStore((store) => {
      const incident = (id: string, vm: string, hour: number): Incident => ({
        id,
        key: JSON.stringify(["start-failed", vm, "unknown", ""]),
        openedAt: at(hour),
        lastAt: at(hour),
        count: 1,
        closedAt: undefined,
        acknowledgedAt: undefined,
        silencedUntil: undefined,
        lastToldAt: undefined,
        reminders: 0,
        bootId: undefined,
        attemptId: undefined,
        content: {
          kind: "start-failed",
          vm: vmName(vm),
          devices: [],
          causeClass: "unknown",
        } as unknown as AlertContent,
      });
      list(store, 0, { win: "u0" });
      store.alerts.saveIncident(incident("of another", "win", 1));
      list(store, 2, { win: "u1" }, []);
      store.alerts.saveIncident(incident("its own", "win", 3));
      store.vms.rememberOne(definedVm("gaming", "u1", []), at(4));
      const found = store.alerts.openIncident(JSON.stringify(["start-failed", "gaming", "unknown", ""]));
      assert.deepEqual([found?.id, found?.content.vm], ["its own", "gaming"]);
      assert.equal(store.alerts.incident("of another")?.content.vm, "win");
    }));

  it("stays one through any number of new names, with the device that is asked for", () =>
    withStore((store) => {
      for (let hour = 0; hour < 20; hour += 2) {
        list(store, hour, { [`name ${hour}`]: "u1" });
        start(store, `name ${hour}`, hour + 1, hour === 18 ? "failed" : "started");
      }
      const rows = store.attempts.list({ vm: vmName("name 6"), device: GPU_ADDRESS as never });
      assert.equal(rows.length, 10);
      assert.deepEqual([...new Set(rows.map(({ vm }) => vm))], ["name 18"]);
      assert.equal(store.vms.past(vmName("name 0")).formerNames.length, 9);
    }));
});

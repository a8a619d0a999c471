import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Refusal } from "../../src/cli/command.ts";
import { meantVm, vmOnRecord, vmsOnRecord, withMeantVm } from "../../src/cli/meant-vm.ts";
import { type VmName, vmName } from "../../src/model/identifiers.ts";
import type { AttemptFilter } from "../../src/store/attempt-store.ts";
import { runProgram } from "../helpers/command-io.ts";
import { temporaryDirectory } from "../sources/observed.ts";
import { opened, sampleAttempt, withStore } from "../store/samples.ts";

const named = (name: string) => ({
  name: vmName(name),
  uuid: "",
  machine: "q35",
  firmware: "uefi",
  memoryKiB: 1,
  hugepages: false,
  hostDevices: [],
});

const meant = (text: string, known: readonly VmName[]) => meantVm(text, known, "here");

test("the number of a Proxmox VM is enough, and a VM of that very name comes first", () => {
  const known = ["101 (win11)", "10 (nas)", "1 (tv)", "Windows 11"].map(vmName);
  assert.equal(meant("101", known), "101 (win11)");
  assert.equal(meant("10", known), "10 (nas)");
  assert.equal(meant("win11", known), "101 (win11)");
  assert.equal(meant("Nas", known), "10 (nas)");
  assert.equal(meant("101", [...known, vmName("101")]), "101");
  // A number is never the beginning of another one.
  assert.throws(() => meant("2", [vmName("23 (web)")]), Refusal);
});

test("a name is meant without regard to case, and by a beginning that it alone has", () => {
  const known = ["Windows 11", "Windows 10", "haiku", "HAIKU 2"].map(vmName);
  assert.equal(meant("windows 11", known), "Windows 11");
  assert.equal(meant("Haiku", known), "haiku");
  assert.equal(meant("haiku ", known), "HAIKU 2");
  assert.equal(meant("E\u0301t\u00c9", [vmName("\u00c9t\u00e9")]), "\u00c9t\u00e9");
  assert.throws(() => meant("win", known), /'win' can be any of 'Windows 11' and 'Windows 10'; say more/);
  // An empty name is the beginning of all, and means none.
  assert.throws(() => meant("", known), Refusal);
});

test("of a name that nobody has, those are told that are near it, else those that there are", () => {
  const known = ["Windows 11", "debian", "Tower", "a", "b", "c"].map(vmName);
  assert.throws(
    () => meant("Widnows 11", known),
    /there is no VM 'Widnows 11' here; did you mean 'Windows 11'\?$/,
  );
  assert.throws(() => meant("dbeian", known), /did you mean 'debian'\?$/);
  assert.throws(
    () => meant("nope nope", known),
    /there is 'Windows 11', 'debian', 'Tower', 'a', 'b' and 1 more/,
  );
  assert.throws(() => meant("nope", []), /there is none at all/);
});

test("a VM that only logs told of is on record, and one of nobody's is an error in every command", () =>
  withStore(async (store, path) => {
    store.attempts.save(sampleAttempt({ vm: vmName("Windows 11") }), { origin: "imported" });
    assert.equal(vmOnRecord("windows", store), "Windows 11");
    for (const [command, ...args] of [
      ["starts", "--vm"],
      ["history", "--vm"],
      ["blame", "--vm"],
      ["diff", "--vm"],
      ["report", "--vm"],
      ["blame", "--device", "10de:2805", "--vm"],
    ] as const) {
      const asked = [command, ...args, "Windoof 11", "--database", path];
      const { code, out, err } = await runProgram(asked);
      assert.deepEqual({ code, out }, { code: 1, out: "" }, command);
      assert.equal(
        err,
        "vfio-watch: there is no VM 'Windoof 11' in the history; did you mean 'Windows 11'?\n",
        command,
      );
      const json = await runProgram([...asked, "--json"]);
      assert.equal(json.code, 1);
      assert.equal(`vfio-watch: ${(JSON.parse(json.out) as { error: string }).error}\n`, err);
    }
  }));

test("of a renamed VM's names the one is meant that it has now", (context) => {
  const store = opened(join(temporaryDirectory(context), "history.db"));
  store.vms.remember([named("101 (alpha)"), named("102 (nas)")], 1000);
  store.vms.remember([named("101 (omega)"), named("102 (nas)")], 2000);
  assert.deepEqual(vmsOnRecord(store), ["101 (omega)", "102 (nas)", "101 (alpha)"]);
  const asked: AttemptFilter = { vm: vmName("101"), limit: 3 };
  assert.deepEqual(withMeantVm(asked, store), { vm: "101 (omega)", limit: 3 });
  assert.deepEqual(withMeantVm({} as AttemptFilter, store), {});
  store.close();
});

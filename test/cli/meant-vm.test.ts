import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { meantVm, vmsOnRecord, withMeantVm } from "../../src/cli/meant-vm.ts";
import { vmName } from "../../src/model/identifiers.ts";
import type { AttemptFilter } from "../../src/store/attempt-store.ts";
import { temporaryDirectory } from "../sources/observed.ts";
import { opened } from "../store/samples.ts";

const named = (name: string) => ({
  name: vmName(name),
  uuid: "",
  machine: "q35",
  firmware: "uefi",
  memoryKiB: 1,
  hugepages: false,
  hostDevices: [],
});

test("the number of a Proxmox VM is enough, and a VM of that very name comes first", () => {
  const known = ["101 (win11)", "10 (nas)", "1 (tv)", "Windows 11"].map(vmName);
  assert.equal(meantVm("101", known), "101 (win11)");
  assert.equal(meantVm("10", known), "10 (nas)");
  assert.equal(meantVm("11", known), "11");
  assert.equal(meantVm("Windows", known), "Windows");
  assert.equal(meantVm("101", [...known, vmName("101")]), "101");
});

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

import assert from "node:assert/strict";
import { test } from "node:test";
import { textOf } from "../../src/facts/fact-value.ts";
import { collectFacts } from "../../src/facts/facts-of-host.ts";
import { createHostTree } from "../helpers/host-tree.ts";
import { smbiosStructure } from "../helpers/smbios-table.ts";

const DEVICE = "/sys/bus/pci/devices/0000:01:00.0";
const UEVENT = "PCI_CLASS=30000\nPCI_ID=10DE:2805\nPCI_SUBSYS_ID=1462:5174\n";
const LINK = "pci.10de:2805/1462:5174.link-at-most";

test("AGESA, PSP, ME, memory encryption, foreign modules and links are facts where the host shows them", (context) => {
  const { paths } = createHostTree(context, {
    "/sys/firmware/dmi/tables/DMI": smbiosStructure(40, 14, ["AGESA!V9 ComboAm5PI 1.2.0.3a"]),
    "/sys/bus/pci/drivers/ccp/0000:0b:00.2/bootloader_version": "00.2d.00.78\n",
    "/sys/bus/pci/drivers/ccp/0000:0b:00.2/tsme_status": "1\n",
    "/sys/class/mei/mei0/fw_ver": "0:16.1.25.1917\n0:16.1.25.1917\n0:16.1.25.1885\n",
    "/proc/modules":
      "nvidia 61 9 nvidia_uvm, Live 0x0 (POE)\nzfs 5 6 - Live 0x0 (O)\nkvm 1 0 - Live 0x0\nsick 1 0 - Live 0x0 (E)\n",
    "/sys/module/nvidia/version": "570.86.16\n",
    [`${DEVICE}/uevent`]: UEVENT,
    [`${DEVICE}/max_link_width`]: "16\n",
    [`${DEVICE}/max_link_speed`]: "32.0 GT/s PCIe\n",
  });
  const facts = new Map(collectFacts({ paths }).map(({ key, value }) => [key, value]));
  const said = (key: string) => textOf(facts.get(key));
  assert.equal(said("firmware.agesa"), "ComboAm5PI 1.2.0.3a");
  assert.equal(said("firmware.security-processor.psp-boot-loader"), "00.2d.00.78");
  assert.equal(said("firmware.security-processor.tsme"), "on");
  assert.equal(said("firmware.security-processor.me"), "16.1.25.1917");
  assert.equal(said("kernel.out-of-tree.nvidia"), "570.86.16");
  assert.equal(said("kernel.out-of-tree.zfs"), "loaded");
  assert.equal(facts.has("kernel.out-of-tree.kvm"), false);
  assert.equal(said(LINK), "x16, 32.0 GT/s PCIe");
});

test("a card without power has no link that could be told, and a machine without any of it none of the facts", (context) => {
  const { paths } = createHostTree(context, {
    "/sys/firmware/dmi/id/bios_version": "1\n",
    [`${DEVICE}/uevent`]: UEVENT,
    [`${DEVICE}/max_link_width`]: "63\n",
    [`${DEVICE}/max_link_speed`]: "Unknown\n",
  });
  const facts = new Map(collectFacts({ paths }).map(({ key, value }) => [key, value]));
  assert.equal(facts.has(LINK), false);
  for (const key of ["firmware.agesa", "firmware.security-processor.me", "firmware.security-processor.tsme"])
    assert.notEqual(facts.get(key)?.state, "value", key);
});

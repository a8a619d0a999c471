import assert from "node:assert/strict";
import { test } from "node:test";
import { createVirtualClock, systemClock } from "../../src/clock.ts";
import { FIRMWARE, FIRMWARE_MODE } from "../../src/facts/kinds/firmware.ts";
import { FIRMWARE_SETTINGS } from "../../src/facts/kinds/firmware-settings.ts";
import { HARDWARE, MEMORY } from "../../src/facts/kinds/hardware.ts";
import { KERNEL } from "../../src/facts/kinds/kernel.ts";
import { KERNEL_PARAMETERS } from "../../src/facts/kinds/kernel-parameters.ts";
import { MODPROBE } from "../../src/facts/kinds/modules.ts";
import { PLUGINS, SOFTWARE } from "../../src/facts/kinds/software.ts";
import { THUNDERBOLT } from "../../src/facts/kinds/thunderbolt.ts";
import { VMS } from "../../src/facts/kinds/vm.ts";
import { parseHardwareReport, readHardware } from "../../src/host/hardware.ts";
import { readHost } from "../../src/host/host-reading.ts";
import { readHostState } from "../../src/host/host-state.ts";
import { detectPlatform } from "../../src/host/platform.ts";
import { pluginVersion } from "../../src/host/software.ts";
import { readVmDefinitions } from "../../src/host/virtual-machines.ts";
import { read } from "../../src/model/reading.ts";
import { factsFrom, shownValues } from "../helpers/facts.ts";
import { createHostTree } from "../helpers/host-tree.ts";

const values = shownValues;

test("firmware is told by name, and what names the single machine is not stored", (context) => {
  const tree = createHostTree(context, {
    "/sys/class/dmi/id/bios_version": "E7E49AMSI.1A7D\n",
    "/sys/class/dmi/id/bios_date": "01/07/2026\n",
    "/sys/class/dmi/id/board_name": "MPG X870E CARBON WIFI (MS-7E49)\n",
    "/sys/class/dmi/id/product_name": "To Be Filled By O.E.M.\n",
    "/sys/class/dmi/id/sys_vendor": "Default string\n",
    "/sys/class/dmi/id/board_serial": "SECRET-1\n",
    "/sys/class/dmi/id/product_uuid": "SECRET-2\n",
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": Buffer.from([6, 0, 0, 0, 1]),
    "/proc/cpuinfo": "processor\t: 0\nmicrocode\t: 0xb404023\n",
    "/sys/class/firmware-attributes/thinklmi/attributes/AMDIommu/current_value": "Enable\n",
    "/sys/class/firmware-attributes/thinklmi/attributes/PowerOnPassword/current_value": "SECRET-3\n",
    "/sys/class/firmware-attributes/thinklmi/attributes/SystemSerial/current_value": "SECRET-4\n",
  });
  const facts = factsFrom(readHost({ paths: tree.paths }), FIRMWARE, FIRMWARE_MODE, FIRMWARE_SETTINGS);
  assert.doesNotMatch(JSON.stringify(facts), /SECRET/);
  const told = values(facts);
  assert.equal(told["firmware.bios.version"], "E7E49AMSI.1A7D");
  assert.equal(told["firmware.system.product"], "(absent)");
  assert.equal(told["firmware.system.vendor"], "(absent)");
  assert.equal(told["firmware.boot-mode"], "uefi");
  assert.equal(told["firmware.secure-boot"], "enabled");
  assert.equal(told["firmware.microcode"], "0xb404023");
  assert.equal(told["firmware.setting.thinklmi.AMDIommu"], "Enable");
  assert.deepEqual(
    readHostState({ paths: tree.paths }).bios,
    read({ version: "E7E49AMSI.1A7D", date: "01/07/2026" }),
  );
});

test("kernel parameters, taint and lockdown are facts; what the loader added is not", (context) => {
  const tree = createHostTree(context, {
    "/proc/sys/kernel/osrelease": "6.12.54-Unraid\n",
    "/proc/sys/kernel/version": "#1 SMP PREEMPT_DYNAMIC Wed Oct 22\n",
    "/proc/sys/kernel/tainted": "4609\n",
    "/proc/cmdline": "BOOT_IMAGE=/bzimage initrd=/bzroot video=efifb:off video=vesafb:off iommu=pt\n",
    "/sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
  });
  assert.deepEqual(values(factsFrom(readHost({ paths: tree.paths }), KERNEL, KERNEL_PARAMETERS)), {
    "kernel.release": "6.12.54-Unraid",
    "kernel.build": "#1 SMP PREEMPT_DYNAMIC Wed Oct 22",
    "kernel.parameter": "listed",
    "kernel.parameter.video": "efifb:off, vesafb:off",
    "kernel.parameter.iommu": "pt",
    "kernel.taint": "PWO",
    "kernel.lockdown": "integrity",
  });
});

test("Thunderbolt's protection is told by its controllers, and absent where there is none", (context) => {
  const protection = (files: Readonly<Record<string, string>>) => {
    const { paths } = createHostTree(context, { "/sys/kernel/x": "", ...files });
    return values(factsFrom(readHost({ paths }), THUNDERBOLT))["iommu.thunderbolt-dma-protection"];
  };
  const domain = (number: number) =>
    `/sys/bus/thunderbolt/devices/domain${number}/iommu_dma_protection` as const;
  assert.equal(protection({}), "(absent)");
  assert.equal(protection({ [domain(0)]: "1\n" }), "on");
  assert.equal(protection({ [domain(0)]: "1\n", [domain(1)]: "0\n" }), "on some controllers");
  assert.equal(protection({ [domain(0)]: "0\n" }), "off");
  assert.equal(protection({ "/sys/bus/thunderbolt/devices/domain0/security": "user\n" }), "(unknown)");
});

test("modprobe.d is read as modprobe does: a name found first hides the same name later", (context) => {
  const tree = createHostTree(context, {
    "/etc/modprobe.d/gpu.conf": "blacklist nouveau\noptions kvm_amd nested=1\nsoftdep nvidia pre: vfio-pci\n",
    "/usr/lib/modprobe.d/gpu.conf": "blacklist amdgpu\n",
    "/boot/config/modprobe.d/i915.conf": "blacklist i915\n",
  });
  assert.deepEqual(values(factsFrom(readHost({ paths: tree.paths }), MODPROBE)), {
    "kernel.modprobe": "listed",
    "kernel.modprobe.blacklist.nouveau": "yes",
    "kernel.modprobe.options.kvm_amd": "nested=1",
    "kernel.modprobe.softdep.nvidia": "pre: vfio-pci",
    "kernel.modprobe.blacklist.i915": "yes",
  });
});

const VM_XML = `<domain type='kvm'><name>Windows 11</name><uuid>8c4731f1-a528-8444-bb25-10ff8d967cc3</uuid>
<memory unit='KiB'>16777216</memory><os><type machine='pc-q35-9.2'>hvm</type><loader type='pflash'>/x/OVMF.fd</loader></os>
<devices><interface type='bridge'><mac address='52:54:00:aa:bb:cc'/></interface>
<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>
<address type='pci' domain='0x0000' bus='0x06' slot='0x00' function='0x0' multifunction='on'/></hostdev>
<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='0x01' slot='0x00' function='0x1'/></source></hostdev>
</devices></domain>`;

test("a VM's facts come from libvirt's files while libvirt is down, and saving it again changes none", (context) => {
  const tree = createHostTree(context, { "/etc/libvirt/qemu/Windows 11.xml": VM_XML });
  tree.link("/etc/libvirt/qemu/autostart/Windows 11.xml", "/etc/libvirt/qemu/Windows 11.xml");
  const facts = factsFrom({ definitions: readVmDefinitions(tree.paths) }, VMS);
  assert.deepEqual(values(facts), {
    vm: "listed",
    "vm.Windows 11.identity": "f3d15e2a32fd",
    "vm.Windows 11.machine": "pc-q35-9.2",
    "vm.Windows 11.firmware": "uefi",
    "vm.Windows 11.memory": "16 GiB",
    "vm.Windows 11.hugepages": "no",
    "vm.Windows 11.memory-hard-limit": "(absent)",
    "vm.Windows 11.autostart": "yes",
    "vm.Windows 11.card.0000:01:00.0": "(unknown)",
    "vm.Windows 11.card.0000:01:00.1": "(unknown)",
    "vm.Windows 11.shares-with": "(absent)",
    "vm.Windows 11.devices": "0000:01:00.0, 0000:01:00.1",
    "vm.Windows 11.device.0000:01:00.0": "at 0000:06:00.0 in the VM, managed, multifunction",
    "vm.Windows 11.device.0000:01:00.1": "no fixed guest address, managed",
  });
  tree.write(
    "/etc/libvirt/qemu/Windows 11.xml",
    VM_XML.replace("52:54:00:aa:bb:cc", "52:54:00:11:22:33").replaceAll("\n", "\n    "),
  );
  assert.deepEqual(factsFrom({ definitions: readVmDefinitions(tree.paths) }, VMS), facts);
});

test("a libvirt directory that is not mounted says nothing about the VMs", (context) => {
  const tree = createHostTree(context);
  assert.equal(readVmDefinitions(tree.paths).state, "unreadable");
  assert.deepEqual(
    factsFrom({ definitions: readVmDefinitions(tree.paths) }, VMS).map(({ key, value }) => [
      key,
      value.state,
    ]),
    [["vm", "unknown"]],
  );
});

test("an Unraid host is known by its version file, with the plugins that are installed", (context) => {
  const tree = createHostTree(context, {
    "/etc/unraid-version": 'version="7.2.3"\n',
    "/boot/config/plugins/nut.plg":
      '<!DOCTYPE PLUGIN [<!ENTITY version "2026.01.02">]><PLUGIN name="nut" version="&version;">',
    "/var/log/packages/libvirt-11.7.0-x86_64-1_SBo_LT": "",
    "/var/log/packages/libvirt-php-0.5.8-x86_64-1": "",
  });
  tree.link("/var/log/plugins/nut.plg", "/boot/config/plugins/nut.plg");
  assert.equal(detectPlatform(tree.paths).kind, "unraid");
  assert.deepEqual(
    values(
      factsFrom(readHost({ paths: tree.paths, softwareVersions: { qemu: "9.2.3" } }), SOFTWARE, PLUGINS),
    ),
    {
      "software.os.name": "Unraid",
      "software.os.version": "7.2.3",
      "software.libvirt": "11.7.0",
      "software.qemu": "9.2.3",
      "software.plugin": "listed",
      "software.plugin.nut": "2026.01.02",
    },
  );
});

test("a systemd distribution keeps libvirtd's log in the journal", (context) => {
  const tree = createHostTree(context, {
    "/etc/os-release": 'NAME="Debian GNU/Linux"\nVERSION_ID="13"\n',
    "/run/systemd/system/x": "",
  });
  const platform = detectPlatform(tree.paths);
  assert.deepEqual([platform.kind, platform.name, platform.version], ["systemd", "Debian GNU/Linux", "13"]);
  assert.equal(platform.logs.libvirtd, "journal");
});

test("a plugin's version is its attribute, directly or by an entity", () => {
  assert.equal(pluginVersion('<PLUGIN name="a" version="1.0">'), "1.0");
  assert.equal(pluginVersion('<!ENTITY v "2.0"><PLUGIN version="&v;">'), "2.0");
  assert.equal(pluginVersion("nothing"), undefined);
});

const REPORT = {
  cpu: { name: "AMD Ryzen 9 9950X3D", cores: 16, threads: 32, virtualization: true },
  board: { manufacturer: "MSI", model: "MPG X870E", version: "1.0" },
  memory: [
    { slot: "DIMM A1", size: 34359738368, type: "DDR5", manufacturer: "G.Skill", part: "F5", speed: 5200 },
    { slot: "DIMM A1", size: 34359738368, type: "DDR5", manufacturer: "G.Skill", part: "F5", speed: 5200 },
    { slot: "DIMM B1", size: 0, type: "Empty", manufacturer: "", part: "" },
  ],
};

test("the hardware child's report becomes facts, slots of one name are told apart", async () => {
  const command = [process.execPath, "-e", `console.log(${JSON.stringify(JSON.stringify(REPORT))})`];
  const report = await readHardware({ command, clock: systemClock });
  assert.deepEqual(values(factsFrom({ hardware: report }, HARDWARE, MEMORY)), {
    "hardware.memory": "listed",
    "hardware.cpu.name": "AMD Ryzen 9 9950X3D",
    "hardware.cpu.cores": "16 cores, 32 threads",
    "hardware.cpu.virtualization": "yes",
    "hardware.board": "MSI MPG X870E 1.0",
    "hardware.memory.DIMM A1": "32 GiB DDR5 G.Skill F5 at 5200 MT/s",
    "hardware.memory.DIMM A1#2": "32 GiB DDR5 G.Skill F5 at 5200 MT/s",
  });
});

test("a hardware child that fails, lies or cannot start is one unknown fact", async () => {
  for (const command of [
    [process.execPath, "-e", "process.exit(3)"],
    [process.execPath, "-e", "console.log('{')"],
    ["/nonexistent/program"],
    [],
  ]) {
    const facts = factsFrom(
      { hardware: await readHardware({ command, clock: systemClock }) },
      HARDWARE,
      MEMORY,
    );
    assert.deepEqual(
      facts.map(({ key, value }) => [key, value.state]),
      [["hardware", "unknown"]],
    );
  }
  assert.equal(parseHardwareReport("[]").state, "unreadable");
});

test("a hardware child that hangs is killed when its time is up", async () => {
  const clock = createVirtualClock(0);
  const reading = readHardware({ command: [process.execPath, "-e", "setInterval(() => {}, 1000)"], clock });
  clock.moveTo(30_000);
  assert.deepEqual(await reading, { state: "unreadable", why: "the hardware child took more than 30 s" });
});

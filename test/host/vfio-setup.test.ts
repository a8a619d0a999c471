import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BINDING_IN_WAIT, DEVICE_BINDINGS, VFIO_SETUP } from "../../src/facts/kinds/vfio-setup.ts";
import { parseKernelParameters } from "../../src/host/kernel-parameters.ts";
import { readModprobeSettings } from "../../src/host/modprobe.ts";
import {
  type BindingPlace,
  isBoundTwice,
  parseVfioIds,
  parseVfioPciConfig,
  readVfioSetup,
} from "../../src/host/vfio-setup.ts";
import type { PciDevice } from "../../src/model/host-state.ts";
import { absent, read, unreadable, valueOr } from "../../src/model/reading.ts";
import { factsFrom } from "../helpers/facts.ts";
import { createHostTree, type HostTree } from "../helpers/host-tree.ts";
import { bdf } from "../helpers/recorded-tree.ts";

const GPU: PciDevice = {
  bdf: bdf("0000:01:00.0"),
  vendorId: "10de",
  deviceId: "2805",
  subsystemVendorId: "1462",
  subsystemDeviceId: "5174",
  classCode: "030000",
  driver: "vfio-pci",
};
const AUDIO: PciDevice = { ...GPU, bdf: bdf("0000:01:00.1"), deviceId: "22bd", classCode: "040300" };
const NVME: PciDevice = {
  ...GPU,
  bdf: bdf("0000:02:00.0"),
  vendorId: "144d",
  deviceId: "a80c",
  driver: "nvme",
};

function setup(tree: HostTree, commandLine = "") {
  return readVfioSetup(tree.paths, {
    commandLine: read(parseKernelParameters(commandLine)),
    modprobe: readModprobeSettings(tree.paths),
    devices: read(new Map([GPU, AUDIO, NVME].map((device) => [device.bdf, device]))),
  });
}

test("every form of Unraid's vfio-pci.cfg is read", () => {
  const entries = parseVfioPciConfig(
    'BIND="01:00.0 0000:01:00.1|10de:22bd 144d:a80c 10de:2805|02:00.0 nonsense"\r\n',
  );
  assert.deepEqual(
    entries.map(({ bdf: address, id, text }) => [address, id, text]),
    [
      ["0000:01:00.0", undefined, "01:00.0"],
      ["0000:01:00.1", "10de:22bd", "0000:01:00.1|10de:22bd"],
      [undefined, "144d:a80c", "144d:a80c"],
      ["0000:02:00.0", "10de:2805", "10de:2805|02:00.0"],
      [undefined, undefined, "nonsense"],
    ],
  );
});

test("a device that vfio-pci.ids and vfio-pci.cfg both ask for is bound twice", (context) => {
  const tree = createHostTree(context, {
    "/boot/config/vfio-pci.cfg": "BIND=0000:01:00.0|10de:2805 0000:01:00.1|10de:22bd\n",
  });
  const result = setup(tree, "vfio-pci.ids=10de:2805");
  const bindings = result.bindings.state === "read" ? result.bindings.value : [];
  assert.deepEqual(
    bindings.map((binding) => [binding.bdf, isBoundTwice(binding)]),
    [
      [GPU.bdf, true],
      [AUDIO.bdf, false],
    ],
  );
  const facts = new Map(
    factsFrom({ vfioSetup: read(result) }, VFIO_SETUP, DEVICE_BINDINGS).map(({ key, value }) => [key, value]),
  );
  assert.deepEqual(facts.get("vfio-setup.device.0000:01:00.0"), {
    state: "value",
    value: "bound by vfio-pci.cfg and by vfio-pci.ids",
  });
});

test("a device that moved away from its line in vfio-pci.cfg is a request that fits nothing", (context) => {
  const tree = createHostTree(context, {
    "/boot/config/vfio-pci.cfg": "BIND=0000:02:00.0|10de:2805\n",
    "/var/log/vfio-pci-errors":
      "Error: Vendor:Device 10de:2805 not found at 0000:02:00.0, unable to bind device\n",
  });
  const result = setup(tree);
  assert.deepEqual(
    result.unmatched.map(({ text }) => text),
    ["0000:02:00.0|10de:2805"],
  );
  assert.equal(result.errors.state === "read" ? result.errors.value.length : 0, 1);
});

test("ids in modprobe.d count, with subsystem and wild cards, and name their file", (context) => {
  const tree = createHostTree(context, {
    "/etc/modprobe.d/vfio.conf":
      "# ids\noptions vfio-pci ids=10de:2805:1462:5174,10de:22bd:ffffffff:ffffffff \\\n disable_vga=1\n",
    "/etc/modprobe.d/sound.conf": "options snd_usb_audio ids=10de:2805\n",
  });
  const result = setup(tree);
  const bindings = result.bindings.state === "read" ? result.bindings.value : [];
  assert.deepEqual(
    bindings.map(({ bdf: address, requests }) => [address, requests.map(({ where }) => where)]),
    [
      [GPU.bdf, ["/etc/modprobe.d/vfio.conf"]],
      [AUDIO.bdf, ["/etc/modprobe.d/vfio.conf"]],
    ],
  );
});

/** What Unraid's script says of a file without a line's end, as the webGUI writes it. */
const bootLog = (config: string) =>
  `Loading config from /boot/config/vfio-pci.cfg\n${config}---\nProcessing 0000:01:00.0 10de:2805\n---\nvfio-pci binding complete\n`;

for (const [name, files, waits] of [
  [
    "nothing where only order and spelling differ",
    { now: "BIND=01:00.1|10de:22bd 0000:01:00.0|10de:2805" },
    [],
  ],
  [
    "what was added and what was removed",
    { now: "BIND=0000:01:00.0|10de:2805 0000:02:00.0|144d:a80c" },
    ["0000:01:00.1|10de:22bd removed", "0000:02:00.0|144d:a80c added"],
  ],
  [
    "all where the webGUI removed the file",
    {},
    ["0000:01:00.0|10de:2805 removed", "0000:01:00.1|10de:22bd removed"],
  ],
] as const)
  test(`a binding that was changed since the boot waits for the next: ${name}`, (context) => {
    const then = "BIND=0000:01:00.0|10de:2805 0000:01:00.1|10de:22bd";
    const now = "now" in files ? { "/boot/config/vfio-pci.cfg": files.now } : {};
    for (const saidBy of [
      { "/var/log/vfio-pci": bootLog(then) },
      { "/var/log/vfio-pci": bootLog(`${then}\n`), "/boot/config/vfio-pci.boot": "BIND=0000:09:00.0|1:2" },
      { "/var/log/vfio-pci": bootLog(`# --- mine ---\r\n${then}\r\n`) },
      { "/boot/config/vfio-pci.boot": then },
    ]) {
      const result = setup(createHostTree(context, { ...now, ...saidBy }));
      assert.deepEqual(
        factsFrom({ vfioSetup: read(result) }, BINDING_IN_WAIT).map(({ value }) => value),
        [waits.length === 0 ? { state: "absent" } : { state: "value", value: waits }],
      );
    }
  });

test("a boot that found no binding says so before a copy that an earlier boot left", (context) => {
  const tree = createHostTree(context, {
    "/boot/config/vfio-pci.cfg": "BIND=0000:01:00.0|10de:2805",
    "/boot/config/vfio-pci.boot": "BIND=0000:01:00.0|10de:2805",
    "/var/log/vfio-pci": "",
  });
  const { changedSinceBoot } = setup(tree);
  assert.deepEqual(
    changedSinceBoot.state === "read" && changedSinceBoot.value.added.map(({ text }) => text),
    ["0000:01:00.0|10de:2805"],
  );
});

test("what a boot found is not known where nothing says it", (context) => {
  const tree = createHostTree(context, { "/boot/config/vfio-pci.cfg": "BIND=0000:01:00.0|10de:2805" });
  assert.equal(setup(tree).changedSinceBoot.state, "absent");
});

const requestsOf = (tree: Parameters<typeof setup>[0], place: BindingPlace) =>
  valueOr(setup(tree).asked[place], []).map(({ text }) => text);

test("VFs that Unraid makes at boot are read as the webGUI writes them, and none where that is off", (context) => {
  const config = {
    "/boot/config/sriov.cfg": "VFS=0000:04:00.1|8086:1521|3 0000:04:00.0|8086:1521|2 nonsense",
  };
  const vfs = (files: Readonly<Record<string, string>>) =>
    factsFrom({ vfioSetup: read(setup(createHostTree(context, files))) }, VFIO_SETUP).find(
      ({ key }) => key === "vfio-setup.vfs",
    )?.value;
  assert.deepEqual(vfs(config), {
    state: "value",
    value: ["0000:04:00.0|8086:1521|2", "0000:04:00.1|8086:1521|3"],
  });
  assert.deepEqual(vfs({ ...config, "/boot/config/sriov_disabled": "" }), { state: "absent" });
  assert.deepEqual(vfs({}), { state: "absent" });
});

test("VFs that Unraid binds at boot are asked for, without their network address, and none where that is off", (context) => {
  const files = {
    "/boot/config/sriovvfs.cfg":
      "VFSETTINGS=0000:04:11.5|8086:1520|0x02|1|62:00:04:11:05:01 0000:04:11.6|8086:1520|0x02|0|62:00:04:11:06:01 x|1",
  };
  const tree = createHostTree(context, files);
  assert.deepEqual(requestsOf(tree, "sriovvfs.cfg"), ["0000:04:11.5|8086:1520"]);
  const facts = factsFrom({ vfioSetup: read(setup(tree)) }, VFIO_SETUP);
  assert.deepEqual(facts.find(({ key }) => key === "vfio-setup.vfs-bound")?.value, {
    state: "value",
    value: ["0000:04:11.5|8086:1520"],
  });
  assert.ok(!JSON.stringify(facts).includes("62:00"));
  const off = createHostTree(context, { ...files, "/boot/config/sriov_disabled": "" });
  assert.deepEqual(requestsOf(off, "sriovvfs.cfg"), []);
});

test("Unraid's own note that no VM starts by itself is read, and libvirt's empty mark is none", (context) => {
  const barred = (files: Readonly<Record<string, string>>) =>
    valueOr(setup(createHostTree(context, files)).autostartBarred, undefined);
  assert.equal(barred({ "/run/libvirt/qemu/autostarted": "vfio-pci bind error\n" }), true);
  assert.equal(barred({ "/run/libvirt/qemu/autostarted": "" }), false);
  assert.equal(barred({}), undefined);
});

test("devices that cannot be read make the bindings unknown and leave the requests known", (context) => {
  const tree = createHostTree(context, { "/boot/config/vfio-pci.cfg": "BIND=01:00.0\n" });
  const result = readVfioSetup(tree.paths, {
    commandLine: read([]),
    modprobe: absent,
    devices: unreadable("needs root"),
  });
  const facts = new Map(
    factsFrom({ vfioSetup: read(result) }, VFIO_SETUP, DEVICE_BINDINGS).map(({ key, value }) => [key, value]),
  );
  assert.deepEqual(facts.get("vfio-setup.config"), { state: "value", value: ["01:00.0"] });
  assert.deepEqual(facts.get("vfio-setup.device"), { state: "unknown", why: "needs root" });
});

test("no configuration text makes the parsers throw", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      for (const { text: shown } of parseVfioPciConfig(`BIND=${text}`)) assert.ok(shown.length <= 64);
      parseVfioIds(text, "vfio-pci.ids", "test");
    }),
  );
});

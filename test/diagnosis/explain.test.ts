import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { createExplainer } from "../../src/diagnosis/explain/explain.ts";

const { catalogue } = loadCatalogue({
  shippedDirectory: join(import.meta.dirname, "../../config/signatures"),
});
const explain = createExplainer(catalogue);

const DIRECT =
  "vfio-pci 0000:03:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.";
const VIABLE =
  'qemu-system-x86_64: -device {"driver":"vfio-pci","host":"0000:03:00.0","id":"hostdev0","bus":"pci.5","addr":"0x0"}: vfio 0000:03:00.0: group 17 is not viable';
const MAPPING =
  "qemu-system-x86_64: -device vfio-pci,host=0000:03:00.0: vfio 0000:03:00.0: failed to setup container for group 17: memory listener initialization failed: Region pc.ram: vfio_container_dma_map(0x55d0aabbccdd, 0x100000, 0x7ff00000, 0x7f0d00000000) = -22 (Invalid argument)";

/** What the way from a host's log to another person's screen does to a text. */
const MUTILATIONS: Readonly<Record<string, (text: string) => string>> = {
  "as it is": (text) => text,
  "dmesg's time stamp": (text) => `[  754.219816] ${text}`,
  "a time stamp without its bracket": (text) => ` 754.219816] ${text}`,
  "dmesg -T": (text) => `[Mon Mar  2 18:11:40 2026] ${text}`,
  "dmesg -T in another language": (text) => `[Mo Mär  2 18:11:40 2026] ${text}`,
  "dmesg -x": (text) => `kern  :err   : [  754.219816] ${text}`,
  "syslog with a host": (text) => `Mar  2 18:11:40 tower kernel: [  754.219816] ${text}`,
  "the journal without a host": (text) => `Mar 02 18:11:40 kernel: ${text}`,
  "a mail's quote marks": (text) => `> > ${text}`,
  "a list": (text) => `- ${text}`,
  "line numbers": (text) => ` 37. ${text}`,
  "a box": (text) => `│ ${text} │`,
  "a table": (text) => `| ${text} | |`,
  "the monitor's prompt": (text) => `(qemu) ${text}`,
  "back-ticks": (text) => `\`${text}\``,
  "bold type": (text) => `**${text}**`,
  "terminal colours": (text) => `\u001b[1;31m${text}\u001b[0m`,
  "a page's entities": (text) =>
    `<p>${text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll(":", "&#58;")}</p>`,
  "tags within the line": (text) => text.replace("0000:03:00.0", '<span class="x">0000:03:00.0</span>'),
  "a forum's tags": (text) => `[CODE][COLOR=#070F14]${text}[/COLOR][/CODE]`,
  JSON: (text) => JSON.stringify({ level: "error", msg: `before\n${text}\nafter` }),
  "JSON in JSON": (text) => JSON.stringify(JSON.stringify({ msg: `before\n${text}\n` })),
  "quoted-printable": (text) => text.replaceAll("=", "=3D").replace(/(.{70})/g, "$1=\n"),
  "a terminal's width, within words": (text) => text.replace(/(.{72})/g, "$1\n"),
  "a mail's width": (text) => text.replace(/(.{1,72}) /g, "$1\n").trim(),
  "a quoted mail's width": (text) => text.replace(/(.{1,70}) /g, "$1\n").replace(/^/gm, "> "),
  "italics around every line": (text) => text.replace(/^(.*)$/gm, "*$1*"),
  "grep -n": (text) => `17:[  754.219816] ${text}`,
  "an empty line after every line": (text) => text.replace(/(.{1,72}) /g, "$1\n\n").trim(),
  "line breaks of a page": (text) => text.replace(/(.{1,72}) /g, "$1<br />\n").trim(),
  capitals: (text) => text.toUpperCase(),
  "no-break spaces": (text) => text.replaceAll(" ", "\u00a0"),
  "curly quotes": (text) => text.replaceAll("'", "\u2019"),
  "carriage returns": (text) => `${text}\r\n`,
  "another message before it on the line": (text) =>
    `[  754.100000] usb 1-1: new device [  754.219816] ${text}`,
  "another message after it": (text) => `[  754.219816] ${text} [  754.300000] usb 1-1: new device`,
};

describe("a message is known through", () => {
  for (const [manner, mutilate] of Object.entries(MUTILATIONS)) {
    test(manner, () => {
      const direct = explain(mutilate(DIRECT));
      assert.equal(direct.causes[0]?.class, "iommu-direct-mapping-required", mutilate(DIRECT));
      assert.deepEqual(direct.devices, ["0000:03:00.0"]);
      assert.equal(direct.deviceRelated, true);
      const viable = explain(mutilate(VIABLE));
      assert.equal(viable.causes[0]?.class, "group-not-viable", mutilate(VIABLE));
      assert.equal(viable.vmStartFailure, true);
      assert.deepEqual(viable.groups, [17]);
      assert.equal(explain(mutilate(MAPPING)).causes[0]?.class, "dma-map-failed", mutilate(MAPPING));
    });
  }
});

describe("text from a host without trouble names no cause", () => {
  const harmless: Readonly<Record<string, string>> = {
    prose: "I would like to pass a graphics card to a VM. Which board has good IOMMU groups?",
    nothing: "",
    "a boot": [
      "[    0.742042] DMAR: Host address width 39",
      "[    0.742062] DMAR: RMRR base: 0x00000047000000 end: 0x0000004f7fffff",
      "[    0.742258] pci 0000:00:00.0: Adding to iommu group 0",
      "[    0.952000] iommu: Default domain type: Translated",
      "[    1.000000] pci 0000:01:00.0: Using iommu direct mapping",
    ].join("\n"),
    "a good start": [
      "[  754.219816] vfio-pci 0000:0c:00.0: enabling device (0400 -> 0403)",
      "[  754.276978] vfio-pci 0000:0c:00.0: vfio_bar_restore: reset recovery - restoring BARs",
      "[  754.500000] vfio-pci 0000:0c:00.0: AMD_NAVI14: reset result = 0",
      "[  754.600000] kvm_amd: kvm [2041]: vcpu0, guest rIP: 0xfffff80243c1b3c2 Unhandled WRMSR(0xc0010115) = 0x0",
    ].join("\n"),
    "a host's graphics driver": [
      "[  100.1] amdgpu 0000:03:00.0: amdgpu: [gfxhub0] no-retry page fault (src_id:0 ring:24 vmid:3 pasid:32769)",
      "[  100.2] radeon 0000:60:04.0: Invalid PCI ROM header signature: expecting 0xaa55, got 0x0000",
      "[  100.3] hyperv_drm 0000:00:08.0: BAR 0: can't reserve [mem 0xf8000000-0xfbffffff]",
    ].join("\n"),
  };
  for (const [what, text] of Object.entries(harmless)) {
    test(what, () => {
      const { causes, vmStartFailure, deviceRelated } = explain(text);
      assert.deepEqual(
        { causes, vmStartFailure, deviceRelated },
        { causes: [], vmStartFailure: false, deviceRelated: false },
      );
    });
  }

  test("and trouble of a host's device is not a VM's", () => {
    const nvme = explain("[65060.797874] nvme 0000:04:00.0: Refused to change power state, currently in D3");
    assert.equal(nvme.causes[0]?.class, "power-state-stuck");
    assert.equal(nvme.deviceRelated, false);
    assert.equal(nvme.vmStartFailure, false);
  });
});

describe("a start failure", () => {
  test("without a known reason is unknown, with what there is as evidence", () => {
    const text =
      "Error starting domain: internal error: process exited while connecting to monitor: something new";
    const { causes, vmStartFailure, deviceRelated } = explain(text);
    assert.equal(vmStartFailure, true);
    assert.equal(causes.length, 1);
    assert.equal(causes[0]?.class, "unknown");
    assert.deepEqual(causes[0]?.evidence, [text]);
    assert.equal(deviceRelated, false);
  });

  const others: Readonly<Record<string, string>> = {
    "a device added to a running VM":
      "error: Failed to attach device from x.xml\nerror: internal error: unable to execute QEMU command 'device_add': vfio 0000:03:00.0: group 17 is not viable",
    "a program that drives its devices itself":
      "EAL: Cannot open /dev/vfio/151: Device or resource busy\nEAL: Failed to open VFIO group 151",
    "a device that misbehaves while the VM runs":
      "qemu-system-x86_64: vfio_region_write(0000:03:00.0:region0+0x11da4, 0x0,1) failed: Device or resource busy",
  };
  for (const [what, text] of Object.entries(others)) {
    test(`is not ${what}`, () => {
      const { vmStartFailure, causes } = explain(text);
      assert.equal(vmStartFailure, false);
      assert.ok(causes.length > 0);
    });
  }
});

describe("names are read", () => {
  test("of devices in every spelling, but not addresses inside the VM", () => {
    const text = [
      "-device vfio-pci,host=01:00.1: vfio error: x",
      "virsh nodedev-detach pci_0000_02_00_0",
      "vfio-pci 10000:e1:00.0: x and vfio 00000:05:00.0: y",
      "XML error: Invalid PCI address 0000:04:10.0. slot must be <= 0",
    ].join("\n");
    assert.deepEqual(explain(text).devices, [
      "0000:01:00.1",
      "0000:02:00.0",
      "10000:e1:00.0",
      "0000:05:00.0",
    ]);
  });
  test("of groups, but not from the list that every boot prints", () => {
    const text = "vfio 0000:03:00.0: group 17 is not viable\n\npci 0000:04:00.0: Adding to iommu group 21";
    assert.deepEqual(explain(text).groups, [17]);
  });
  test("of VMs, also of one called monitor", () => {
    const vms = (text: string) => explain(text).vms;
    assert.deepEqual(
      vms("error: Failed to start domain monitor\nerror: qemu unexpectedly closed the monitor: x"),
      ["monitor"],
    );
    assert.deepEqual(vms("QEMU unexpectedly closed the monitor (vm='Windows 11'): x"), ["Windows 11"]);
    assert.deepEqual(vms("root@pve:~# qm start 108"), ["108"]);
    assert.deepEqual(vms("-name guest=w11,debug-threads=on \\"), ["w11"]);
    assert.deepEqual(vms("machine-qemu\\x2d10\\x2dw\\x2d11.scope: Deactivated"), ["w-11"]);
  });
});

describe("recorded logs, pasted whole,", () => {
  const root = join(import.meta.dirname, "../fixtures/recordings");
  /** The first cause; undefined where no log has the reason (libvirt keeps it to itself, or nothing is wrong). */
  const expected: Readonly<Record<string, string | undefined>> = {
    "busy-outside": "device-busy",
    "good-amd": undefined,
    "good-intel": undefined,
    "group-not-viable": "group-not-viable",
    "in-use": "unknown",
    "intremap-off": "interrupt-remapping-missing",
    "iommu-absent": "iommu-not-enabled",
    "iommu-off": "iommu-not-enabled",
    "ivmd-amd": "iommu-direct-mapping-required",
    memlock: "memlock-limit",
    "no-vfio-module": "driver-binding",
    "no-vfio-node": "iommu-not-enabled",
    "not-bound": "unknown",
    "rmrr-intel": "iommu-direct-mapping-required",
    "rmrr-intel-systemd": "iommu-direct-mapping-required",
    "wrong-address": "device-missing",
  };
  for (const [scenario, answer] of Object.entries(expected)) {
    test(`${scenario}: ${answer ?? "no cause"}`, () => {
      const { causes, vmStartFailure } = explain(pasted(join(root, scenario)));
      assert.equal(causes[0]?.class, answer);
      assert.equal(vmStartFailure, answer !== undefined);
    });
  }
});

/** What a user would paste: the kernel's own messages and libvirt's logs. */
function pasted(directory: string): string {
  const kernel = readFileSync(join(directory, "kmsg.txt"), "utf8")
    .split("\n")
    .filter((record) => /^[0-7],/.test(record))
    .map((record) => record.slice(record.indexOf(";") + 1));
  const logs = readdirSync(join(directory, "libvirt"))
    .filter((name) => name.endsWith(".log"))
    .map((name) => readFileSync(join(directory, "libvirt", name), "utf8"));
  const daemon = join(directory, "libvirtd.log");
  return [kernel.join("\n"), ...logs, existsSync(daemon) ? readFileSync(daemon, "utf8") : ""].join("\n\n");
}

test("whatever is pasted, there is an answer", () => {
  const examples = catalogue.signatures.flatMap((signature) => signature.examples);
  const piece = fc.oneof(
    fc.constantFrom(...examples),
    fc.string(),
    fc.constantFrom("\n", "> ", "&#0;", "=\n", "\\x0", "[  1.2] "),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join("");
      assert.deepEqual(explain(text), createExplainer(catalogue)(text));
    }),
    { numRuns: 30 },
  );
});

test("a huge paste is read as far as is sensible", () => {
  const { causes } = explain(`${DIRECT}\n${"x".repeat(100_000)}\n${`${VIABLE}\n`.repeat(2_000)}`);
  assert.deepEqual(
    causes.map((cause) => cause.class),
    ["iommu-direct-mapping-required", "group-not-viable"],
  );
});

describe("a start that failed is told from everything else", () => {
  const told = (text: string) => explain(text).vmStartFailure;

  test("in the languages of libvirt and virt-manager", () => {
    assert.equal(told("Fehler beim Starten der Domain: Interner Fehler: xyz"), true);
    assert.equal(told("错误：启动域 'w11' 失败\n错误：内部错误：xyz"), true);
    assert.equal(told("Ошибка запуска домена: внутренняя ошибка: xyz"), true);
  });

  test("own words count beside a message and not alone", () => {
    const reset = "kvm: vfio: Cannot reset device 0000:03:00.0, no available reset mechanism.";
    assert.equal(told(reset), false);
    assert.equal(told(`My VM 104 doesn't start any more:\n${reset}`), true);
    assert.equal(told("If your VM does not start, look at the kernel log."), false);
  });

  test("no other call of libvirt's is one, in capitals or not", () => {
    const detach = "libvirt.libvirtError: internal error: no such thing\nvirDomainDetachDeviceFlags() failed";
    assert.equal(told(detach), false);
    assert.equal(told(detach.toUpperCase()), false);
    assert.equal(told(detach.replace("DetachDeviceFlags", "Create")), true);
  });

  test("another command's error is none", () => {
    const refused = "error: Requested operation is not valid: something is not as it should be";
    assert.equal(told(`$ virsh start w11\n${refused}`), true);
    assert.equal(told(`$ virsh undefine w11\n${refused}`), false);
    assert.equal(told(`$ virsh -c qemu:///system pool-destroy isos\n${refused}`), false);
    assert.equal(told("error: Failed to destroy domain w11\nerror: internal error: no"), false);
    assert.equal(told("error: Requested operation is not valid: domain is not running"), false);
  });

  test("a migration is none", () => {
    assert.equal(told("qemu-system-x86_64: load of migration failed: Input/output error"), false);
    assert.equal(
      told("libvirt.libvirtError: internal error: migration was stopped, but no reason was given"),
      false,
    );
  });

  test("a warning of QEMU's that was wrapped is none", () => {
    const warning =
      "qemu-system-x86_64: -device vfio-pci,host=03:00.0: warning:\nvfio_register_ram_discard_listener: possibly running out of DMA mappings.";
    assert.equal(told(warning), false);
    assert.equal(told(warning.replace("warning:\n", "\n  warning: ")), false);
  });

  test("a failed assertion of a window toolkit is no crash of QEMU's", () => {
    const gdk = "(qemu-system-x86_64:77): Gdk-CRITICAL **: gdk_x: assertion 'GDK_IS_WINDOW (window)' failed";
    assert.equal(told(gdk), false);
    assert.deepEqual(explain(gdk).causes, []);
  });
});

describe("what any host or program says", () => {
  const harmless = [
    "[    2.25] pci 0000:25:00.0: BAR 0: no space for [mem size 0x00004000 64bit]",
    'irq 18: nobody cared (try booting with the "irqpoll" option)',
    "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
    "myprogram: unknown option '--frobnicate'",
  ];
  for (const text of harmless) {
    test(`means nothing by itself: ${text.slice(0, 50)}`, () => {
      const { causes, vmStartFailure } = explain(text);
      assert.deepEqual(causes, []);
      assert.equal(vmStartFailure, false);
    });
  }

  test("means something beside words about virtual machines", () => {
    const bar = "vfio-pci 0000:25:00.0: BAR 0: no space for [mem size 0x00004000 64bit]";
    assert.equal(explain(bar).causes[0]?.class, "device-config-invalid");
    const monitor = "qemu-system-x86_64: -vnc :0: Failed to bind socket: Address already in use";
    assert.equal(explain(monitor).causes[0]?.class, "host-resource-missing");
  });
});

describe("a passed-through device is in trouble", () => {
  const related = (text: string) => explain(text).deviceRelated;
  const error = "pcieport 0000:00:01.1: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction Layer";

  test("where a text that speaks of VMs shows the kernel's complaint", () => {
    assert.equal(related(error), false);
    assert.equal(related(`pci 0000:00:01.1: Adding to iommu group 3\n${error}`), false);
    assert.equal(related(`As soon as the VM draws something:\n${error}`), true);
  });

  test("where a VM that has one dies of itself", () => {
    const died = "error: kvm run failed Bad address";
    assert.equal(related(died), false);
    assert.equal(related(`${died}\nvfio-pci 0000:01:00.0: enabling device (0000 -> 0003)`), true);
  });
});

describe("a message that was quoted in part", () => {
  const classOf = (text: string) => explain(`I get this with my VM: "${text}"`).causes[0]?.class;

  test("is known without its reason", () => {
    assert.equal(classOf("Failed to set iommu for container"), "container-setup-failed");
    assert.equal(classOf("vfio 0000:03:00.1: error getting device from group 17"), "device-busy");
    assert.equal(classOf("failed to get group 17 status"), "device-missing");
  });

  test("is known with something else where the device's address stood", () => {
    assert.equal(classOf("vfio: Cannot reset device <BDF>, no available reset mechanism."), "reset-failed");
    assert.equal(classOf("Failed to mmap XX:XX.X BAR <>. Performance may be slow"), "bar-reserve-failed");
    assert.deepEqual(explain("vfio: Cannot reset device XX:XX.X, no available reset mechanism.").devices, []);
  });

  test("is known by QEMU's hint alone", () => {
    const hint = "Please ensure all devices within the iommu_group are bound to their vfio bus driver.";
    assert.equal(classOf(hint), "group-not-viable");
    assert.equal(explain(hint).vmStartFailure, true);
  });
});

describe("the names in a text", () => {
  test("are found in what Kubernetes, Proxmox, Incus and Qubes print", () => {
    const vmsOf = (text: string) => explain(text).vms;
    assert.deepEqual(vmsOf("Created virtual machine pod virt-launcher-win-gpu-x7k2p"), ["win-gpu"]);
    assert.deepEqual(vmsOf("Warning SyncFailed virtualmachineinstance/build-vm server error."), ["build-vm"]);
    assert.deepEqual(vmsOf("VM 104 qmp command failed"), ["104"]);
    assert.deepEqual(vmsOf("kvm: -drive file=/pool/vm-117-disk-0.qcow2: Could not open"), ["117"]);
    assert.deepEqual(vmsOf("qemu-system-x86_64:/run/incus/lab/qemu.conf:28: no"), ["lab"]);
    assert.deepEqual(vmsOf("path=/run/libvirt/qemu/swtpm/3-lab-swtpm.sock,mode=0600"), ["lab"]);
    assert.deepEqual(vmsOf("<domain type='kvm'>\n  <name>Windows 11</name>"), ["Windows 11"]);
    assert.deepEqual(vmsOf("give the VM 4096 MB"), []);
  });

  test("leave out the groups of a listing", () => {
    assert.deepEqual(explain(`${VIABLE}\nIOMMU Group 3:\n\t00:1f.0 ISA bridge\nIOMMU group 4`).groups, [17]);
  });
});

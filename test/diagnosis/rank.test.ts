import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { errnoNamed } from "../../src/diagnosis/errno.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { noEffectAdvice, type RankableLine, rankCauses } from "../../src/diagnosis/rank.ts";
import type { Layer } from "../../src/model/catalogue.ts";
import { parseBdf } from "../../src/model/identifiers.ts";

const { catalogue } = loadCatalogue({
  shippedDirectory: join(import.meta.dirname, "../../config/signatures"),
});
const matcher = createMatcher(catalogue);

function line(layer: Layer, text: string, device?: string): RankableLine {
  const bdf = device === undefined ? undefined : parseBdf(device);
  return { layer, text, matches: matcher.match(layer, text), ...(bdf !== undefined && { device: bdf }) };
}

const DIRECT =
  "vfio-pci 0000:03:00.1: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.";
const qemu = (message: string) =>
  line(
    "qemu",
    `qemu-system-x86_64: -device vfio-pci,host=0000:03:00.0,id=hostdev0: vfio 0000:03:00.0: ${message}`,
  );
const container = (message: string) => qemu(`failed to setup container for group 17: ${message}`);
const mapping = (code: string) =>
  container(
    `memory listener initialization failed: Region pc.ram: vfio_container_dma_map(0x55d0, 0x0, 0x80000000, 0x7f0d) = ${code}`,
  );
const wrapper = line("libvirt", "internal error: process exited while connecting to monitor: ");

function classes(...lines: readonly RankableLine[]): readonly string[] {
  return rankCauses(lines).map((cause) => cause.class);
}

describe("causes are ranked", () => {
  test("with the kernel's word first, and QEMU's step as its evidence", () => {
    const [cause, ...others] = rankCauses([
      container("Failed to set group container: Invalid argument"),
      wrapper,
      line("kernel", DIRECT, "0000:03:00.1"),
    ]);
    assert.deepEqual(others, []);
    assert.equal(cause?.class, "iommu-direct-mapping-required");
    assert.equal(cause?.certainty, "certain");
    assert.equal(cause?.signature, "kernel.direct-mapping-required");
    assert.deepEqual(cause?.devices, ["0000:03:00.1", "0000:03:00.0"]);
    assert.deepEqual(cause?.groups, [17]);
    assert.equal(cause?.evidence.length, 2);
    assert.equal(cause?.evidence[0], DIRECT);
    assert.match(cause?.sentence ?? "", /0000:03:00\.1/);
  });

  test("with QEMU's before libvirt's, and both before symptoms", () => {
    assert.deepEqual(
      classes(
        container("Failed to set iommu for container: Operation not permitted"),
        line("libvirt", "PCI device 0000:03:00.0 is in use by driver QEMU, domain win10"),
        qemu("group 17 is not viable"),
      ),
      ["group-not-viable", "device-busy", "container-setup-failed"],
    );
  });

  test("with the first line first within a layer", () => {
    const busy = qemu("Could not open '/dev/vfio/17': Device or resource busy");
    const viable = qemu("group 17 is not viable");
    assert.deepEqual(classes(busy, viable), ["device-busy", "group-not-viable"]);
    assert.deepEqual(classes(viable, busy), ["group-not-viable", "device-busy"]);
  });

  test("with what makes a start fail before what only hints at trouble", () => {
    assert.deepEqual(
      classes(
        line(
          "kernel",
          "vfio-pci 0000:03:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0011 address=0x1 flags=0x0]",
        ),
        qemu("group 17 is not viable"),
      ),
      ["group-not-viable", "iommu-fault"],
    );
  });

  test("with the host's own devices behind everything about a VM", () => {
    const nvme = "nvme 0000:05:00.0: Unable to change power state from D3cold to D0, device inaccessible";
    assert.deepEqual(
      classes(line("kernel", nvme), container("Failed to set iommu for container: Operation not permitted")),
      ["container-setup-failed", "device-lost"],
    );
  });
});

describe("no cause is", () => {
  const empty: readonly (readonly [string, readonly RankableLine[]])[] = [
    ["nothing at all", []],
    [
      "an envelope alone",
      [wrapper, line("qemu", "2026-03-02 18:11:41.001+0000: shutting down, reason=failed")],
    ],
    [
      "harmless noise",
      [
        line("kernel", "vfio-pci 0000:03:00.0: enabling device (0000 -> 0003)"),
        line("kernel", "vfio-pci 0000:03:00.0: vfio_bar_restore: reset recovery - restoring BARs"),
        line(
          "kernel",
          "nouveau 0000:03:00.0: Invalid PCI ROM header signature: expecting 0xaa55, got 0x0000",
        ),
        line("kernel", "hyperv_drm 0000:00:08.0: BAR 0: can't reserve [mem 0xf8000000-0xfbffffff]"),
        line("kernel", "vfio-pci 0000:0c:00.0: AMD_NAVI14: reset result = 0"),
        line(
          "qemu",
          "qemu-system-x86_64: warning: vfio_container_dma_map(0x55, 0x38, 0x10, 0x7f) = -14 (Bad address)",
        ),
        line("qemu", "2026-03-02 18:11:40.990+0000: Domain id=7 is tainted: host-cpu"),
      ],
    ],
    ["a line nobody knows", [line("kernel", "usb 1-1: new high-speed USB device number 2 using xhci_hcd")]],
  ];
  for (const [what, lines] of empty) test(what, () => assert.deepEqual(rankCauses(lines), []));
});

describe("an error number", () => {
  const cases: readonly (readonly [RankableLine, string])[] = [
    [container("Failed to set group container: Invalid argument"), "container-setup-failed"],
    [container("Failed to set group container: Device or resource busy"), "device-busy"],
    [container("Failed to set group container: No such device"), "device-missing"],
    [qemu("error bind device fd=38 to iommufd=35: Device or resource busy"), "device-busy"],
    [container("Failed to set iommu for container: Operation not permitted"), "container-setup-failed"],
    [mapping("-12 (Cannot allocate memory)"), "memlock-limit"],
    [mapping("-22 (Invalid argument)"), "dma-map-failed"],
    [qemu("error getting device from group 17: No such device"), "driver-binding"],
    [qemu("error getting device from group 17: Invalid argument"), "device-busy"],
    [qemu("Could not open '/dev/vfio/17': No such file or directory"), "driver-binding"],
    [qemu("Could not open '/dev/vfio/17': Permission denied"), "access-denied"],
    [qemu("Could not open '/dev/vfio/17': Operation not permitted"), "access-denied"],
    [qemu("Could not open '/dev/vfio/17': Device or resource busy"), "device-busy"],
    [
      line("qemu", "vfio_region_read(0000:03:00.0:region1+0x10, 4) failed: Device or resource busy"),
      "bar-reserve-failed",
    ],
    [
      line("qemu", "vfio_region_read(0000:03:00.0:region1+0x10, 4) failed: Input/output error"),
      "device-lost",
    ],
  ];
  for (const [subject, expected] of cases) {
    test(`decides: ${subject.text.replace(/.*vfio 0000:03:00.0: /, "")}`, () => {
      assert.equal(rankCauses([subject])[0]?.class, expected);
    });
  }

  test("is read by name in any case and by number", () => {
    assert.equal(errnoNamed("Invalid argument"), "EINVAL");
    assert.equal(errnoNamed("no such device"), "ENODEV");
    assert.equal(errnoNamed("No such device or address"), "ENXIO");
    assert.equal(errnoNamed("-12"), "ENOMEM");
    assert.equal(errnoNamed("Kein Gerät"), undefined);
  });
});

describe("the kernel decides what a symptom means", () => {
  const remapping =
    'vfio_iommu_type1_attach_group: No interrupt remapping support.  Use the module param "allow_unsafe_interrupts" to enable VFIO IOMMU support on this platform';
  const rmrr =
    "vfio-pci 0000:03:00.0: DMAR: Device is ineligible for IOMMU domain attach due to platform RMRR requirement.  Contact your platform vendor.";
  const refused = container("Failed to set iommu for container: Operation not permitted");

  test("EPERM at set-iommu without interrupt remapping", () => {
    assert.deepEqual(classes(line("kernel", remapping), refused), ["interrupt-remapping-missing"]);
  });
  test("EPERM at set-iommu for a reserved range", () => {
    assert.deepEqual(classes(line("kernel", rmrr), refused), ["iommu-direct-mapping-required"]);
  });
  test("-12 with RLIMIT_MEMLOCK named, not named, and unknown", () => {
    const subject = mapping("-12 (Cannot allocate memory)");
    const limit = line("kernel", "vfio_pin_pages_remote: RLIMIT_MEMLOCK (67108864) exceeded");
    assert.equal(rankCauses([limit, subject], { kernelLogComplete: true })[0]?.class, "memlock-limit");
    assert.equal(rankCauses([limit, subject])[0]?.certainty, "certain");
    assert.equal(rankCauses([subject], { kernelLogComplete: true })[0]?.class, "memory-alloc-failed");
    assert.equal(rankCauses([subject])[0]?.certainty, "likely");
  });
});

describe("a cause names", () => {
  test("the device of the kernel's dictionary rather than the text's", () => {
    const [cause] = rankCauses([line("kernel", DIRECT, "0000:09:00.0")]);
    assert.deepEqual(cause?.devices, ["0000:09:00.0"]);
  });
  test("the culprit of a fault and not the IOMMU that reports it", () => {
    const fault =
      "DMAR: [DMA Read NO_PASID] Request device [0x03:0x00.0] fault addr 0xde000000 [fault reason 0x06]";
    assert.deepEqual(rankCauses([line("kernel", fault)])[0]?.devices, ["0000:03:00.0"]);
  });
  test("the device of the option where old QEMU's message has none", () => {
    const old =
      "qemu-kvm: -device vfio-pci,host=03:00.0,id=hostdev0: vfio: error opening /dev/vfio/17: Permission denied";
    const [cause] = rankCauses([line("qemu", old)]);
    assert.deepEqual(cause?.devices, ["0000:03:00.0"]);
    assert.deepEqual(cause?.groups, [17]);
  });
  test("the VM that holds the device", () => {
    const text =
      "Requested operation is not valid: PCI device 0000:03:00.0 is in use by driver QEMU, domain Windows 11";
    assert.match(rankCauses([line("libvirt", text)])[0]?.sentence ?? "", /0000:03:00\.0 .*'Windows 11'/);
  });
  test("each line of evidence once and not without end", () => {
    const refused = qemu("group 17 is not viable");
    const many = Array.from({ length: 40 }, (_, index) => qemu(`group ${index} is not viable`));
    const [cause] = rankCauses([refused, refused, ...many]);
    assert.ok(cause !== undefined && cause.evidence.length <= 8);
    assert.equal(new Set(cause.evidence).size, cause.evidence.length);
  });
});

test("advice without effect is named for the 1:1 refusal, and none is made up for others", () => {
  const advice = noEffectAdvice("iommu-direct-mapping-required").join("\n");
  for (const word of [
    "iommu=pt",
    "pcie_acs_override",
    "allow_unsafe_interrupts",
    "Resizable BAR",
    "i440fx",
  ]) {
    assert.ok(advice.includes(word), word);
  }
  assert.deepEqual(noEffectAdvice("vm-killed"), []);
});

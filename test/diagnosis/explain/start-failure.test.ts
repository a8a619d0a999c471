import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadCatalogue } from "../../../src/diagnosis/catalogue.ts";
import { createExplainer } from "../../../src/diagnosis/explain/explain.ts";

const { catalogue } = loadCatalogue({
  shippedDirectory: join(import.meta.dirname, "../../../config/signatures"),
});
const explain = createExplainer(catalogue);
const told = (text: string) => explain(text).vmStartFailure;
const first = (text: string) => explain(text).causes[0]?.class;

describe("what libvirt says of any QEMU that ends", () => {
  const ended = "error: internal error: QEMU unexpectedly closed the monitor (vm='w11'): something";

  test("is a start that failed", () => {
    assert.equal(told(ended), true);
  });
  test("is none while the VM moves to another host or gets one more device", () => {
    assert.equal(
      told(`# virsh migrate w11 qemu+ssh://other/system --live\nMigration: [ 12 %]${ended}`),
      false,
    );
    const taken =
      "qemu-kvm: load of migration failed: Invalid argument\n2023-01-17 02:32:56.306+0000: shutting down, reason=failed";
    assert.equal(told(taken), false);
    assert.match(explain(taken).summary, /^QEMU ended/);
    assert.equal(told(`# virsh -c qemu:///system attach-device w11 card.xml\n${ended}`), false);
    assert.equal(told(`error: Failed to start domain 'w11'\n${ended}`), true);
  });
});

describe("a QEMU that cannot map memory and ends", () => {
  const died =
    "qemu-system-x86_64: vfio_dma_map(0x55a2, 0xc0000, 0xb000, 0x7f1b) = -14 (Bad address)\nqemu: hardware error: vfio: DMA mapping failed, unable to continue";
  test("does so while it starts", () => {
    assert.equal(first(died), "dma-map-failed");
    assert.equal(told(died), true);
  });
  test("unless the VM gets one more device just then", () => {
    assert.equal(told(`$ virsh attach-device w11 card.xml\n${died}`), false);
    assert.equal(told(`(qemu) device_add vfio-pci,host=03:00.0\n${died}`), false);
  });
});

describe("other programs", () => {
  test("that start domains of another kind start no VM", () => {
    const consumer = "WARN: Failed to start domain event consumer - continuing without it";
    assert.equal(told(consumer), false);
    assert.deepEqual(explain(consumer).causes, []);
    assert.equal(told("error: Failed to start domain event\nerror: Cannot get interface MTU on 'br9'"), true);
  });

  test("that are written in Python name the same cause, and no start of a VM", () => {
    const busy = "ERROR | Failed to open /dev/vfio/12: [Errno 16] Device or resource busy: '/dev/vfio/12'";
    assert.equal(first(busy), "device-busy");
    assert.equal(told(busy), false);
  });

  test("that use VFIO are known by the names of the kernel's calls", () => {
    assert.equal(first("VFIO_GROUP_SET_CONTAINER: invalid argument"), "container-setup-failed");
    assert.equal(first("ioctl(VFIO_IOMMU_MAP_DMA) failed: Cannot allocate memory"), "dma-map-failed");
    assert.equal(first("ret = ioctl(fd, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU);"), undefined);
  });
});

describe("what QEMU refuses", () => {
  test("of a passed-through device's options is about that device", () => {
    const refused = "PCI: slot 2 function 0 not available for vfio-pci, in use by VGA";
    const { causes, deviceRelated } = explain(`kvm: -device vfio-pci,host=00:02.0,addr=0x02: ${refused}`);
    assert.equal(causes[0]?.class, "device-config-invalid");
    assert.match(causes[0]?.sentence ?? "", /definition/);
    assert.equal(deviceRelated, true);
    assert.equal(first(`kvm: -device nvme,drive=d,addr=0x02: ${refused}`), "vm-config-invalid");
    assert.equal(
      first(
        `qemu-system-x86_64: -device {"driver":"vfio-pci","host":"0000:00:02.0"}: Property 'vfio-pci.x' not found`,
      ),
      "device-config-invalid",
    );
  });

  test("of another option is not explained by what it went on after", () => {
    const slow =
      "kvm: -device vfio-pci,host=0000:0c:00.0: Failed to mmap 0000:0c:00.0 BAR 2. Performance may be slow";
    const refused = "kvm: -device strange-disk,drive=d: what no signature knows";
    assert.equal(first(`${slow}\nTASK ERROR: start failed: QEMU exited with code 1`), "bar-reserve-failed");
    assert.equal(first(`${slow}\n${refused}\nTASK ERROR: start failed: QEMU exited with code 1`), "unknown");
  });

  test("of a ROM file is about the ROM, and stops the start", () => {
    const rom =
      'qemu-system-x86_64: -device vfio-pci,host=03:00.0,romfile=/x.rom: failed to find romfile "/x.rom"';
    assert.equal(first(rom), "rom-invalid");
    assert.equal(told(rom), true);
    assert.match(explain(rom).summary, /ROM file/);
  });
});

describe("interrupts that cannot be set up", () => {
  const failed =
    "vfio 0000:08:00.0: Failed to set up TRIGGER eventfd signaling for interrupt INTX-0: VFIO_DEVICE_SET_IRQS failure: Invalid argument";
  test("stop a start where QEMU repeats the device's option", () => {
    assert.equal(told(`qemu-system-x86_64: -device vfio-pci,host=08:00.0: ${failed}`), true);
    assert.equal(told(`qemu-system-x86_64: ${failed}`), false);
    assert.equal(first(`qemu-system-x86_64: ${failed}`), "irq-setup-failed");
  });
});

test("another call that was refused is no failed start, and gets an answer", () => {
  const attach =
    "$ virsh attach-device w11 x.xml\nerror: Failed to attach device from x.xml\nerror: internal error: what no signature knows";
  assert.equal(told(attach), false);
  assert.match(explain(attach).summary, /refused something/);
});

describe("what starts VMs without libvirt's words", () => {
  test("Incus and LXD name the program that starts QEMU", () => {
    const ended =
      "Error: Failed to run: forklimits limit=memlock:unlimited:unlimited fd=3 -- /usr/bin/qemu-system-x86_64 -S -name w11 -daemonize: : exit status 1";
    assert.equal(told(ended), true);
    assert.equal(told("Error: Failed setting up device via monitor: Failed adding device"), true);
    assert.equal(told("Error: Failed to run: mkfs.ext4 /dev/sdb: : exit status 1"), false);
  });
  test("Qubes gives libvirt's reason behind its own two words", () => {
    assert.equal(told("Start failed: internal error: Unable to reset PCI device 0000:03:00.1: reason"), true);
  });
  test("Qubes takes the devices from the host as a part of the start", () => {
    const refused =
      "libvirtError ('virNodeDeviceDettach() failed')\nlibvirt.libvirtError: Requested operation is not valid: PCI device 0000:00:1a.0 is in use by driver xenlight, domain usb";
    assert.equal(told(`[user@dom0 ~]$ qvm-start net\n${refused}`), true);
    assert.equal(told(`# virsh nodedev-detach pci_0000_00_1a_0\n${refused}`), false);
  });
  test("Proxmox ends the task that starts a VM with something else than OK", () => {
    const task =
      "pvedaemon[921]: <root@pam> end task UPID:pve:003EB904:2E8895E0:65C0FA88:qmstart:129:root@pam:";
    assert.equal(told(`${task} can't lock file '/var/lock/qemu-server/lock-129.conf' - got timeout`), true);
    assert.equal(told(`${task} OK`), false);
    assert.equal(told(`${task.replace("qmstart", "qmstop")} got timeout`), false);
  });
  test("multipass says that a launch failed", () => {
    assert.equal(
      told("launch failed: The following errors occurred: w11: timed out waiting for response"),
      true,
    );
  });
  test("but a look-up that found no VM, in the words of libvirt's Ruby binding, starts none", () => {
    assert.equal(
      told("Call to virDomainLookupByName failed: Domain not found: no domain with matching name 'w11'"),
      false,
    );
  });
  test("a VM that libvirt did not take is told without any other word about VMs", () => {
    const refused =
      "Error saving the server: Call to virDomainDefineXML failed: internal error: what nobody knows";
    assert.equal(first(refused), "unknown");
  });
});

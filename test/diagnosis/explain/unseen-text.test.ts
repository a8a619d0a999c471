import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createExplainer } from "../../../src/diagnosis/explain/explain.ts";
import { createLazyFinder } from "../../../src/diagnosis/generated/unknown-causes.ts";
import { loadMessages } from "../../../src/knowledge/load-messages.ts";
import { catalogue } from "../../helpers/shipped-catalogue.ts";

/** With the messages out of the programs' sources, as the command has them. */
const explain = createExplainer(
  catalogue,
  createLazyFinder(() => loadMessages(join(import.meta.dirname, "../../../config"))),
);

/** Kinds of text that people post and that nobody here had seen; the wording is the tests' own. */
describe("a text of a kind that was missed once", () => {
  const first = (text: string) => explain(text).causes[0];

  it("names who may not have the device although the group was free", () => {
    const text =
      "Error: Failed setting up device via monitor: Failed adding device: vfio 0000:c3:00.0: error getting device from group 52: Permission denied";
    assert.equal(first(text)?.class, "access-denied");
    assert.notEqual(first(text.replace("Permission denied", "No such device"))?.class, "access-denied");
  });

  it("knows that a node of the iommufd era is missing, whoever wanted it", () => {
    const text = "failed to generate spec: lstat /dev/vfio/devices/vfio7: no such file or directory";
    const found = explain(text);
    assert.equal(found.causes[0]?.class, "driver-binding");
    assert.match(found.causes[0]?.remedies.join(" ") ?? "", /VFIO_DEVICE_CDEV/);
    assert.equal(found.vmStartFailure, true);
  });

  it("knows that a device could not be bound to vfio-pci, whoever tried", () => {
    const text =
      'Error: Failed to start device "card": Failed setting driver override "vfio-pci" for device "0000:07:00.0" via "/sys/bus/pci/devices/0000:07:00.0/driver_override": write: no such device';
    assert.equal(first(text)?.class, "driver-binding");
    assert.equal(explain(text).vmStartFailure, true);
  });

  it("quotes what stands behind a wrapper that it knows", () => {
    const text = 'Error: Failed to start device "root": The moon is in the wrong quarter';
    assert.match(first(text)?.sentence ?? "", /The moon is in the wrong quarter/);
  });

  it("takes what Proxmox says of its own task for how it went", () => {
    const stuck = "kvm: vfio: Unable to power on device, stuck in D3";
    assert.equal(explain(`Start VM 204\n${stuck}\nTASK OK`).vmStartFailure, false);
    assert.equal(explain(`Start VM 204\n${stuck}\nVM 204 started with PID 4411.`).vmStartFailure, false);
    const failed = explain(`${stuck}\nTASK ERROR: start failed: QEMU exited with code 1`);
    assert.equal(failed.vmStartFailure, true);
    assert.equal(failed.causes[0]?.class, "power-state-stuck");
  });

  it("is not alarmed by a driver that asks, or says how it helps itself", () => {
    for (const line of [
      "vfio-pci 0000:45:00.0: AMD_NAVI10: bus reset disabled? yes",
      "vfio-pci 0000:45:00.0: invalid VPD tag 0xff (size 0) at offset 0; assume missing optional EEPROM",
    ])
      assert.deepEqual(explain(`[  812.220000] ${line}`).causes, [], line);
  });

  it("knows storage that Proxmox cannot use, and a processor that has too few cores", () => {
    const storage =
      "TASK ERROR: can't activate LV '/dev/tank/vm-777-disk-0': Check of pool tank/data failed (status:1).";
    assert.equal(first(storage)?.class, "host-resource-missing");
    assert.match(first(storage)?.sentence ?? "", /vm-777-disk-0/);
    assert.equal(first("TASK ERROR: MAX 12 vcpus allowed per VM on this node")?.class, "vm-config-invalid");
  });

  it("is understood behind a line of a log, where it begins with a word in capitals", () => {
    const text = [
      "Mar  1 10:00:01 host kernel: usb 1-1: new high-speed USB device number 4 using xhci_hcd",
      "Starting install...",
      "ERROR    Requested operation is not valid: network 'lab' is not active",
      "Domain installation does not appear to have been successful.",
    ].join("\n");
    assert.equal(first(text)?.class, "host-resource-missing");
  });

  it("takes a task of Proxmox that failed over a device for a start, and one of a container or a backup for none", () => {
    const reset = explain("TASK ERROR: can't reset PCI device '0000:47:00.0'");
    assert.deepEqual([reset.vmStartFailure, reset.causes[0]?.class], [true, "reset-failed"]);
    for (const other of [
      "TASK ERROR: startup for container '311' failed",
      "INFO: Backup job finished with errors\nTASK ERROR: job errors",
    ])
      assert.equal(explain(other).vmStartFailure, false, other);
  });

  it("is understood in the languages of libvirt", () => {
    const german = "Fehler: Gerät 0000:47:00.0 nicht gefunden: Zugriff auf /sys/x nicht möglich";
    assert.equal(first(german)?.class, "device-missing");
    assert.equal(first("错误：非受管的 PCI 设备 0000:47:00.0 必须手动从主机分离")?.class, "driver-binding");
    for (const start of [
      "Falha ao iniciar o domínio 'jogo'",
      "erreur : Impossible de démarrer le domaine « jeu »",
      "Не удалось запустить домен 'игра'",
    ])
      assert.equal(explain(start).vmStartFailure, true, start);
  });

  it("knows the kernel behind dmesg's own ISO time, and where the host and the program were cut away", () => {
    const words = "vfio-pci 0000:47:00.0: not ready 65535ms after bus reset; giving up";
    for (const stamp of ["2025-04-10T21:02:44,511902+02:00 ", "2025-04-10 21:02:44 ", "Apr 10 21:02:44 "])
      assert.equal(first(`${stamp}${words}`)?.class, "reset-failed", stamp);
    const unsafe =
      'vfio_iommu_type1_attach_group: No interrupt remapping for this device. Use the module param "allow_unsafe_interrupts"';
    assert.equal(first(`2025-04-10T21:02:44,511902+02:00 ${unsafe}`)?.class, "interrupt-remapping-missing");
  });

  it("says nothing of VMs where another program uses a few common words that libvirt uses too", () => {
    for (const text of [
      "cargo: error\nPackage libvirt was not found in the search path",
      "Failed to connect to bus: No medium found",
      "fetch failed: Could not resolve host: mirror.example",
      "tool: could not initialize NVML: version mismatch",
    ])
      assert.deepEqual(explain(text).causes, [], text);
  });

  it("does not take a remark of the kernel about clocks or memory ranges for trouble", () => {
    assert.deepEqual(
      explain("kvm: SMP vm created on host with unstable TSC; guest TSC will not be reliable").causes,
      [],
    );
    const rmrr =
      "DMAR: [Firmware Bug]: No firmware reserved region can cover this RMRR [0x00000000aa000000-0x00000000aaffffff], contact BIOS vendor for fixes";
    assert.deepEqual(explain(rmrr).causes, []);
  });

  it("knows a card that NVIDIA's driver on the host cannot set up any more", () => {
    const text = "NVRM: GPU 0000:47:00.0: RmInitAdapter failed! (0x23:0xffff:1401)";
    assert.equal(first(text)?.class, "reset-failed");
    assert.equal(explain(text).vmStartFailure, false);
  });

  it("knows memory that an option asks for, a ROM file that may not be read, and a group that Xen refuses", () => {
    const memory =
      "qemu-system-x86_64: -object memory-backend-memfd,id=m0,size=9000M: failed to resize memfd: Cannot allocate memory";
    assert.equal(first(memory)?.class, "memory-alloc-failed");
    const rom =
      'qemu-kvm: -device vfio-pci,host=0000:47:00.0: failed to open romfile "/root/x.rom": Permission denied';
    assert.equal(first(rom)?.class, "access-denied");
    const xen = "(XEN) [VT-D] It's disallowed to assign 0000:47:00.0 with shared RMRR at 6b800000 for Dom9.";
    assert.equal(first(xen)?.class, "iommu-direct-mapping-required");
  });

  it("says that a table in the initrd was ignored because the kernel is locked down", () => {
    const text =
      "ACPI: IVRS ACPI table found in initrd [kernel/firmware/acpi/ivrs.aml][0xd0]\nACPI: kernel is locked down, ignoring table override";
    assert.match(first(text)?.sentence ?? "", /locked down \(Secure Boot\) and ignored a replacement/);
    assert.equal(explain(text).vmStartFailure, false);
  });

  it("takes an error in any words behind a command that starts a VM for its failure, and no other error", () => {
    const failed = explain("$ incus start lab\nError: the moon is in the wrong quarter");
    assert.equal(failed.vmStartFailure, true);
    assert.equal(explain("Error: the moon is in the wrong quarter").vmStartFailure, false);
    assert.equal(
      explain("$ virsh dumpxml lab\nError: the moon is in the wrong quarter").vmStartFailure,
      false,
    );
    // What was asked for is no sign that it went well.
    assert.notEqual(explain("$ incus start lab").understanding, "healthy");
  });

  it("knows what Incus and KubeVirt say where a start failed, and takes nothing of it for trouble elsewhere", () => {
    const firmware =
      "Error: Unable to locate matching firmware: [{Code:/usr/share/x/CODE.fd Vars:/usr/share/x/V.fd}]";
    assert.equal(first(`# incus start lab\n${firmware}`)?.class, "host-resource-missing");
    assert.deepEqual(explain(firmware).causes, []);
  });

  it("knows why cloud-hypervisor started no VM from the names that it prints", () => {
    const classOf = (error: string) => first(`Error booting VM: VmBoot(${error})`)?.class;
    assert.equal(classOf("DeviceManager(VfioMapRegion(MmapArea))"), "device-config-invalid");
    assert.equal(
      classOf("DeviceManager(UpdateMemoryForVfioPciDevice(IommuDmaMap(Error(28))))"),
      "dma-map-failed",
    );
    assert.equal(classOf("FirmwareLoad(InvalidGuestAddress)"), "host-resource-missing");
    assert.equal(classOf("DeviceManager(OpenTap(ConfigureTap(Error(1))))"), "host-resource-missing");
    // It asks for every window that a device may have, and goes on.
    const asked =
      "cloud-hypervisor: 12.3ms: <vmm> ERROR:vfio-ioctls/src/vfio_device.rs:786 -- Could not get region #8 info";
    assert.equal(explain(asked).vmStartFailure, false);
  });

  it("takes a reset that libvirt refused for a failed start without any reason behind it", () => {
    const reset = explain("error: internal error: Unable to reset PCI device 0000:47:00.0");
    assert.deepEqual([reset.vmStartFailure, reset.causes[0]?.class], [true, "reset-failed"]);
    const twice = explain("error: Attempted double use of PCI Address 0000:47:00.0");
    assert.deepEqual([twice.vmStartFailure, twice.causes[0]?.class], [true, "vm-config-invalid"]);
  });

  it("tells of a table in the initrd that the kernel did not take, and of none that it took", () => {
    const found = "[    0.004] ACPI: DMAR ACPI table found in initrd [kernel/firmware/acpi/dmar.aml][0x98]";
    assert.match(
      first(found)?.sentence ?? "",
      /another table of the IOMMU .* nothing says that the kernel took it/,
    );
    assert.deepEqual(
      explain(`${found}\n[    0.005] ACPI: Table Upgrade: override [DMAR-INTEL-LAB-DMAR]`).causes,
      [],
    );
    assert.deepEqual(explain(found.replaceAll("DMAR", "DSDT")).causes, []);
  });

  it("says that there is no room for a large window of a card", () => {
    const text = "[ 1.2] pci 0000:47:00.0: BAR 1: failed to assign [mem size 0x400000000 64bit pref]";
    assert.equal(
      explain(`${text}\n[ 1.3] pci 0000:48:00.0: enabled`).causes[0]?.class,
      "device-config-invalid",
    );
  });

  it("is not alarmed by a daemon that warns of what it then ignores", () => {
    const text = "Mar  1 10:00:01 host virtstoraged[311]: ignoring permission error for '/srv/iso/a.iso'";
    assert.deepEqual(explain(text).causes, []);
  });

  it("takes QEMU's word on a device by the name that its manager gave it for one on the device", () => {
    const text = "failed to plug: QMP command failed: Device 'vfio-9f3b12' not found";
    assert.equal(first(text)?.class, "device-missing");
  });

  it("takes nobody's common words for the kernel's or QEMU's", () => {
    for (const text of [
      "client.c:87 | map | Failed to map the shared memory file: /dev/shm/screen",
      "[agent] failed to open the control socket of the tool, giving up on it",
    ])
      assert.deepEqual(explain(text).causes, [], text);
    assert.equal(
      first("[  9.1] DMAR: Failed to map dmar3")?.class,
      "dma-map-failed",
      "and the kernel's own for what it is",
    );
  });

  it("passes over what a program logs as a note, unless it passes on QEMU's words", () => {
    const note = (more: string) =>
      `{"component":"virt-launcher","level":"info","msg":"Failed to connect socket to '/run/x': No such file or directory"${more}}`;
    assert.deepEqual(explain(note("")).causes, []);
    assert.equal(first(note(',"subcomponent":"qemu"'))?.class, "host-resource-missing");
  });

  it("does not take what QEMU warns of for why it ended", () => {
    const text = [
      "qemu-system-x86_64: warning: dbind: Couldn't connect to the bus: Failed to connect to socket /tmp/d: Connection refused",
      "Could not access KVM kernel module: Permission denied",
      "qemu-system-x86_64: failed to initialize kvm: Permission denied",
    ].join("\n");
    assert.deepEqual([explain(text).vmStartFailure, first(text)?.class], [true, "kvm-unavailable"]);
  });

  it("goes by the error's name where the words before it are not known", () => {
    const refused = (error: string) =>
      first(`Error starting domain: internal error: the moon is shy: ${error}`)?.class;
    assert.equal(refused("Permission denied"), "access-denied");
    assert.equal(refused("Cannot allocate memory"), "memory-alloc-failed");
    assert.equal(refused("Invalid argument"), "unknown");
  });

  it("believes somebody who says that a VM does not start, and shows what only QEMU's sources know", () => {
    const said = "qemu-system-x86_64: if=none,file=a.img: drive with bus=1, unit=0 (index=6) exists";
    assert.equal(explain(`${said}\n\nThe VM does not start.`).vmStartFailure, true);
    assert.equal(explain(said).vmStartFailure, false);
  });

  it("knows NVIDIA's virtual cards that do not start, and a driver of the host that holds on to its card", () => {
    const manager =
      "Mar  1 10:00:01 host nvidia-vgpu-mgr[311]: error: vmiop_log: (0x0): init_device_instance failed for inst 0";
    assert.equal(first(manager)?.class, "device-config-invalid");
    assert.equal(
      first("[  9.1] [nvidia-vgpu-vfio] 0d6c7f1a-aaaa-bbbb-cccc-001122334455: start failed. status: 0x1")
        ?.class,
      "device-config-invalid",
    );
    assert.equal(first("modprobe: FATAL: Module nvidia_modeset is in use.")?.class, "driver-binding");
    assert.deepEqual(explain("modprobe: FATAL: Module usbhid is in use.").causes, []);
  });

  it("takes a connection that ended, and a manager's own step, for no reason of a failed start", () => {
    for (const text of [
      "Error starting domain: Cannot recv data: Connection reset by peer",
      "start failed: internal error: libxenlight failed to create new domain 'lab'\nlibxl: libxl_create.c:1936: unable to add pci devices",
    ])
      assert.equal(first(text)?.class, "unknown", text);
  });

  it("knows a start that failed by the words of whatever manager tells it", () => {
    for (const text of [
      "[ERROR] Failed to boot VM: the moon is shy",
      "nova.compute.manager [instance: 0d6c7f1a] Instance failed to spawn: the moon is shy",
      "ERROR [virt.vm] The vm start process failed",
      "Error creating machine: Error in driver during machine creation: the moon is shy",
      "Box setup failed: Unable to start domain: the moon is shy",
    ])
      assert.deepEqual([explain(text).vmStartFailure, first(text)?.class], [true, "unknown"], text);
    assert.equal(explain("Error: Failed to start nginx: the moon is shy").vmStartFailure, false);
  });

  it("never calls it healthy where somebody only tells that a VM does not start", () => {
    assert.equal(explain("The VM failed to start").understanding, "unknown");
  });

  it("takes a VM that libvirt does not know for no failed start, and says why oVirt found no host", () => {
    const lookup = explain(
      "Error getting state of host: virError(Code=42, Message='Domain not found: no domain with matching name 'lab'')",
    );
    assert.deepEqual([lookup.vmStartFailure, lookup.causes[0]?.class], [false, "vm-config-invalid"]);
    const filter = "The host lab1 did not satisfy internal filter NUMA because it is too small.";
    assert.match(first(filter)?.sentence ?? "", /it is too small/);
  });

  it("knows modules that cannot be loaded, and which of them is no longer needed", () => {
    for (const text of [
      "insmod: ERROR: could not load module vfio-pci.ko: No such file or directory",
      "modprobe: ERROR: could not insert 'vfio_iommu_type1': Operation not permitted",
    ])
      assert.equal(first(text)?.class, "driver-binding", text);
    const merged = "modprobe: FATAL: Module vfio_virqfd not found in directory /lib/modules/6.8.0";
    assert.deepEqual([explain(merged).causes, explain(merged).understanding], [[], "healthy"]);
    const lastImage = "vfio-pci 0000:c3:00.0: No more image in the PCI ROM";
    assert.deepEqual(explain(lastImage).causes, []);
  });

  it("takes no hook behind a VM's end for a failed start", () => {
    const hook = (when: string) =>
      explain(
        `Hook script execution failed: internal error: Child process (LC_ALL=C /etc/libvirt/hooks/qemu lab ${when}) unexpected exit status 1: `,
      );
    assert.deepEqual(
      ["prepare begin -", "release end shutdown", "stopped end -"].map((when) => hook(when).vmStartFailure),
      [true, false, false],
    );
    const translated =
      "内部错误：子进程（LC_ALL=C /etc/libvirt/hooks/qemu lab release end shutdown）意外 退出状态 137: + modprobe -r vfio_pci";
    assert.equal(explain(translated).vmStartFailure, false);
  });

  it("takes a start for failed that is answered with ERR", () => {
    assert.equal(explain("$ virsh start lab\nERR: the moon is shy").vmStartFailure, true);
    assert.equal(explain("$ systemctl start nginx\nERR: the moon is shy").vmStartFailure, false);
  });

  it("names a card whose virtual functions cannot be made, and one that DPDK could not take", () => {
    for (const [text, cause] of [
      ["ice 0000:c3:00.0: Failed to enable SRIOV: -28", "device-config-invalid"],
      ["EAL: Driver cannot attach the device (0000:c3:00.0)", "driver-binding"],
      [
        "Warning: routing table indicates that interface 0000:c3:00.0 is active. Not modifying",
        "device-busy",
      ],
    ] as const) {
      assert.equal(first(text)?.class, cause, text);
      assert.equal(explain(text).vmStartFailure, false, text);
    }
    const virtual = "[nvidia-vgpu-vfio] 0d6c7f1a-aaaa-bbbb-cccc-001122334455: start failed. status: 0x1";
    assert.equal(explain(virtual).vmStartFailure, true);
  });
});

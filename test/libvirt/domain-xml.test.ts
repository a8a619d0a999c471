import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseDomainXml } from "../../src/libvirt/domain-xml.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";

const recordings = join(import.meta.dirname, "../fixtures/recordings");

function parsed(xml: string): VmDefinition {
  const reading = parseDomainXml(xml);
  assert.equal(reading.state, "read", JSON.stringify(reading));
  return reading.state === "read" ? reading.value : assert.fail();
}

function refused(xml: string): string {
  const reading = parseDomainXml(xml);
  return reading.state === "unreadable" ? reading.why : assert.fail(`was read: ${JSON.stringify(reading)}`);
}

function domain(inside: string, memory = "<memory unit='KiB'>4</memory>"): string {
  return `<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>vm</name>${memory}${inside}</domain>`;
}

const address = "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>";

describe("domain XML", () => {
  it("gives name, machine, memory and devices of a recorded VM", () => {
    const vm = parsed(readFileSync(join(recordings, "ivmd-amd/libvirt/Windows 11.xml"), "utf8"));
    assert.deepEqual(vm, {
      name: "Windows 11",
      uuid: "8c4731f1-a528-8444-bb25-10ff8d967cc3",
      machine: "pc-q35-10.0",
      firmware: "bios",
      memoryKiB: 98304,
      hugepages: false,
      emulator: "/usr/bin/qemu-system-x86_64",
      hostDevices: [
        { bdf: "0000:01:00.0", managed: true, guestAddress: "0000:02:01.0" },
        { bdf: "0000:01:00.1", managed: true, guestAddress: "0000:02:02.0" },
      ],
    });
  });

  it("is read from every recording that has it", () => {
    const files = readdirSync(recordings, { recursive: true, encoding: "utf8" }).filter((f) =>
      f.endsWith(".xml"),
    );
    assert.ok(files.length > 10);
    for (const file of files) {
      const text = readFileSync(join(recordings, file), "utf8");
      assert.equal(parsed(text).hostDevices.length, text.split("<hostdev ").length - 1, file);
    }
  });

  it("takes everything that a hostdev says", () => {
    const vm = parsed(
      domain(`<devices><hostdev mode='subsystem' type='pci' managed='no'>
        <driver name='vfio'/><source>${address}</source><rom file='/mnt/user/isos/vbios.rom'/>
        <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0' multifunction='on'/>
      </hostdev></devices>`),
    );
    assert.deepEqual(vm.hostDevices, [
      {
        bdf: "0000:01:00.0",
        managed: false,
        driver: "vfio",
        guestAddress: "0000:04:00.0",
        multifunction: true,
        rom: "/mnt/user/isos/vbios.rom",
      },
    ]);
  });

  it("knows a ROM that is switched off in either spelling", () => {
    for (const rom of ["<rom bar='off'/>", "<rom enabled='no'/>"]) {
      const vm = parsed(
        domain(
          `<devices><hostdev mode='subsystem' type='pci'><source>${address}</source>${rom}</hostdev></devices>`,
        ),
      );
      assert.equal(vm.hostDevices[0]?.rom, "off");
    }
  });

  it("reads addresses in hexadecimal, decimal and octal as libvirt does", () => {
    for (const [bus, slot] of [
      ["0x41", "0x1f"],
      ["65", "31"],
      ["0101", "037"],
    ]) {
      const vm = parsed(
        domain(
          `<devices><hostdev type='pci'><source><address bus='${bus}' slot='${slot}' function='7'/></source></hostdev></devices>`,
        ),
      );
      assert.equal(vm.hostDevices[0]?.bdf, "0000:41:1f.7");
    }
  });

  it("counts network functions, NVMe disks and devices on QEMU's command line as passed through", () => {
    const vm = parsed(
      domain(`<devices>
        <interface type='hostdev' managed='yes'><source><address type='pci' domain='0x0000' bus='0x0a' slot='0x10' function='0x2'/></source></interface>
        <interface type='bridge'><source bridge='br0'/></interface>
        <disk type='nvme' device='disk'><driver name='qemu' type='raw'/><source type='pci' managed='yes' namespace='1'><address domain='0x0000' bus='0x02' slot='0x00' function='0x0'/></source></disk>
        <hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source></hostdev>
        <hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>
      </devices>
      <qemu:commandline>
        <qemu:arg value='-device'/><qemu:arg value='vfio-pci,host=07:00.0,bus=root.1'/>
        <qemu:arg value='-device'/><qemu:arg value='{&quot;driver&quot;:&quot;vfio-pci&quot;,&quot;host&quot;:&quot;0000:08:00.0&quot;}'/>
        <qemu:arg value='-fw_cfg'/><qemu:arg value='name=opt/host=09:00.0'/>
      </qemu:commandline>`),
    );
    assert.deepEqual(vm.hostDevices, [
      { bdf: "0000:0a:10.2", managed: true },
      { bdf: "0000:02:00.0", managed: true },
      { bdf: "0000:07:00.0", managed: false },
      { bdf: "0000:08:00.0", managed: false },
    ]);
  });

  it("tells UEFI from BIOS", () => {
    const firmware = (os: string) => parsed(domain(os)).firmware;
    assert.equal(firmware("<os firmware='efi'><type>hvm</type></os>"), "uefi");
    assert.equal(firmware("<os firmware='bios'><type>hvm</type></os>"), "bios");
    assert.equal(
      firmware("<os><loader readonly='yes' type='pflash'>/usr/share/qemu/x.fd</loader></os>"),
      "uefi",
    );
    assert.equal(firmware("<os><loader type='rom'>/usr/share/ovmf/OVMF.fd</loader></os>"), "uefi");
    assert.equal(firmware("<os><loader type='rom'>/usr/share/seabios/bios.bin</loader></os>"), "bios");
    assert.equal(firmware("<os><type machine='pc'>hvm</type></os>"), "bios");
  });

  it("reads memory in any of libvirt's units", () => {
    const memory = (unit: string, amount: string) =>
      parsed(domain("", `<memory ${unit === "" ? "" : `unit='${unit}'`}>${amount}</memory>`)).memoryKiB;
    assert.equal(memory("", "1024"), 1024);
    assert.equal(memory("KiB", "1024"), 1024);
    assert.equal(memory("k", "1024"), 1024);
    assert.equal(memory("GiB", "16"), 16 * 1024 * 1024);
    assert.equal(memory("G", "16"), 16 * 1024 * 1024);
    assert.equal(memory("GB", "1"), 976563);
    assert.equal(memory("bytes", "1025"), 2);
    assert.equal(memory("b", "1024"), 1);
    assert.equal(memory("stone", "1024"), 0);
    assert.equal(memory("KiB", "many"), 0);
  });

  it("sees hugepages", () => {
    assert.equal(parsed(domain("<memoryBacking><hugepages/></memoryBacking>")).hugepages, true);
    assert.equal(parsed(domain("<memoryBacking><nosharepages/></memoryBacking>")).hugepages, false);
  });

  it("keeps a hostile name as it is", () => {
    const vm = parsed("<domain><name>$(reboot)&lt;b&gt;&#10;&quot;x&#x22; &amp;amp;</name></domain>");
    assert.equal(vm.name, '$(reboot)<b>\n"x" &amp;');
  });

  it("takes comments, data and processing instructions for what they are", () => {
    const vm = parsed(
      `<?xml version="1.0"?>\n<!-- <domain><name>another</name> -->\n<domain type="kvm"><name>a<![CDATA[<b>&amp;]]></name><os><type\n  machine = 'q35' >hvm</type></os></domain>\n`,
    );
    assert.equal(vm.name, "a<b>&amp;");
    assert.equal(vm.machine, "q35");
  });

  it("refuses what stands where no markup can stand", () => {
    for (const text of [
      "<domain><name>vm</name></domain></domain>",
      "<domain><name>vm</name></domain><domain/>",
      "<domain><name>vm</name></domain> and more",
      "<domain type=kvm><name>vm</name></domain>",
      "<domain type='kvm'id='1'><name>vm</name></domain>",
      "<domain><name>vm</name><!-- </domain>",
      "<domain><name>a < b</name></domain>",
    ])
      assert.match(refused(text), /XML/, text);
  });

  it("refuses document types, so no entity can explode", () => {
    const bomb = `<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><domain><name>&b;</name></domain>`;
    assert.match(refused(bomb), /document type/);
  });

  it("refuses what is no domain, with the reason", () => {
    assert.match(refused(""), /XML/);
    assert.match(refused("<domain><name>vm</domain>"), /well-formed/);
    assert.match(refused("<network><name>default</name></network>"), /<domain>/);
    assert.match(refused("<domain><name> </name></domain>"), /name/);
    assert.match(refused(`<domain>${"<a>".repeat(500)}${"</a>".repeat(500)}<name>vm</name></domain>`), /XML/);
    assert.match(refused(`<domain><name>${"x".repeat(5_000_000)}</name></domain>`), /not read/);
    assert.match(
      refused(
        domain(
          "<devices><hostdev type='pci'><source><address bus='0x100' slot='0'/></source></hostdev></devices>",
        ),
      ),
      /address/,
    );
  });

  it("never throws, whatever the text", () => {
    const pieces = fc.array(
      fc.oneof(
        fc.constantFrom(
          "<domain>",
          "</domain>",
          "<name>",
          "</name>",
          "<hostdev type='pci'>",
          "<source>",
          "&#x;",
          "<![",
        ),
        fc.string(),
      ),
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        assert.ok(["read", "unreadable"].includes(parseDomainXml(parts.join("")).state));
      }),
    );
  });
});

describe("limits in a VM's definition", () => {
  it("reads the hard limit that memory to be pinned meets, and takes libvirt's unlimited for none", () => {
    const limit = (memtune: string) => parsed(domain(memtune)).memory?.hardLimitKiB;
    assert.equal(limit("<memtune><hard_limit unit='GiB'>9</hard_limit></memtune>"), 9 * 1024 * 1024);
    assert.equal(limit("<memtune><hard_limit unit='KiB'>9007199254740991</hard_limit></memtune>"), undefined);
    assert.equal(limit("<memtune><soft_limit unit='GiB'>9</soft_limit></memtune>"), undefined);
    assert.equal(limit(""), undefined);
  });
});

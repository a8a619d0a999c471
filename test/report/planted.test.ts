import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createExplainer } from "../../src/diagnosis/explain/explain.ts";
import { jsonText } from "../../src/json-text.ts";
import { renderBbcode } from "../../src/report/bbcode.ts";
import { describeReport } from "../../src/report/content.ts";
import type { ReportContent } from "../../src/report/document.ts";
import { forumTexts } from "../../src/report/forum-text.ts";
import { renderHtml, renderHtmlFragment } from "../../src/report/html.ts";
import { reportJson } from "../../src/report/json.ts";
import { renderMarkdown } from "../../src/report/markdown.ts";
import { createRedaction } from "../../src/report/redaction.ts";
import { renderText } from "../../src/report/text.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";
import { inputFor } from "./replayed.ts";

const NOTHING = { hosts: [], users: [], keep: [] };
const UUID = "0a1b2c3d-1111-4222-8333-444455556666";

/** What a log says, and what of it nobody else may read. */
const PLANTED: readonly (readonly [what: string, line: string, ...secrets: string[]])[] = [
  ["the address of a card behind a name", "-netdev tap,ifname=lan0:52:54:00:a1:b2:c3,id=n0", "a1:b2:c3"],
  [
    "an address without colons",
    "br0: port 2(525400a1b2c3) entered, bond 525400123456",
    "a1b2c3",
    "525400123456",
  ],
  [
    "an address in an interface's name",
    "tap525400a1b2c3 up, macvtap0@enx3c7c3f1a2b4d",
    "a1b2c3",
    "3c7c3f1a2b4d",
  ],
  ["an address as routers write it", "neighbour 3c7c.3f1a.2b4d and 3C-7C-3F-1A-2B-4D", "3f1a", "1A-2B"],
  ["a UUID behind a prefix", `open luks-${UUID} GPU-${UUID} MIG_${UUID}`, UUID],
  [
    "a UUID in a unit's name",
    "dev-disk-by\\x2duuid-0a1b2c3d\\x2d1111\\x2d4222\\x2d8333\\x2d444455556666.device",
    "444455556666",
  ],
  ["a UUID without hyphens", "machine 0a1b2c3d11114222833344445555666f", "0a1b2c3d"],
  ["the serial number of an NVMe disk", "nvme nvme0: Samsung SSD 980 PRO 1TB S64DNX0R123456K", "S64DNX0R"],
  ["udev's name of a disk", "ata-WDC_WD80EFAX-68LHPN0_7SGABCDE-part1 busy", "7SGABCDE"],
  [
    "the serial number of a USB device",
    "usb 1-2: SerialNumber: 0A1B2C3D, iSerial 3 AA00000042",
    "0A1B2C3D",
    "AA00000042",
  ],
  [
    "a serial number in QEMU's line",
    "-drive file=x,serial=qwertz17 -smbios type=1,serial=home-pc,uuid=x,asset=rack",
    "qwertz17",
    "home-pc",
  ],
  [
    "a serial number in libvirt's definition",
    "<serial>my 17</serial> <entry name='serial'>XY 99</entry>",
    "my 17",
    "XY 99",
  ],
  [
    "a world-wide name",
    "sd 0:0:0:0: naa.5000c500a1b2c3d4 wwn=0x5000c500deadbeef 0x5000c500a1b2c3d5",
    "a1b2c3d4",
    "deadbeef",
    "a1b2c3d5",
  ],
  [
    "a serial number with a short word before it, and the names of a Fibre Channel port",
    "BIOS 1801, S/N 210884291700123, Ser.No. AB-77120; port_name 0x2100001b32a1b2c3 node_name=0x2000001b32a1b2c3",
    "210884291700123",
    "AB-77120",
    "001b32a1b2c3",
  ],
  ["an eui of a namespace", "nvme-eui.0025385b21404321 eui.002538d4261e6f01", "21404321", "261e6f01"],
  [
    "a name of iSCSI and of NVMe",
    "iqn.2005-10.org.freenas.ctl:vmstore nqn.2014-08.org.nvmexpress:uuid:abc",
    "vmstore",
    "uuid:abc",
  ],
  ["a short id of FAT", "root=UUID=1A2B-3C4D, fsck 9F3E-11AB", "1A2B-3C4D", "9F3E-11AB"],
  ["an id of NTFS", "UUID=01D8A2B3C4D5E6F7 mount", "01D8A2B3C4D5E6F7"],
  [
    "an id and a name of a partition",
    'PARTUUID=1a2b3c4d-02 LABEL=FamilyBackup PARTLABEL="Old Disk"',
    "1a2b3c4d",
    "FamilyBackup",
    "Old Disk",
  ],
  ["a volume group", "root=/dev/mapper/krypta-root resume=/dev/krypta/swap rd.lvm.lv=krypta/root", "krypta"],
  [
    "a volume group in LVM's words",
    'Found volume group "krypta" using metadata type lvm2; vgchange -ay krypta',
    "krypta",
  ],
  ["a pool of ZFS", "root=ZFS=smaug/ROOT/one, zpool import smaug, /dev/zvol/smaug/vm", "smaug"],
  [
    "a share",
    "could not open '/mnt/user/hochzeit/win.img' mount_tag=hochzeit //nas77/hochzeit",
    "hochzeit",
    "nas77",
  ],
  ["a share with a blank in its name", 'file "/mnt/user/Our Photos/a.img"', "Photos"],
  [
    "a place of one's own",
    "/tank/kinder/x.qcow2: Permission denied, /run/media/x/STICK77",
    "tank",
    "kinder",
    "STICK77",
  ],
  [
    "a wireless network",
    "wlan0: associate with SSID 'HomeNet5G', ssid=HomeNet5G ESSID:\"HomeNet5G\"",
    "HomeNet5G",
  ],
  [
    "a password in QEMU's line",
    "-spice port=5900,password=mellon,,ter2,disable-ticketing=off -vnc :0",
    "mellon",
    "ter2",
  ],
  [
    "a password in a definition",
    "<graphics type='vnc' passwd='hun ter2'/> <password>pa ss</password>",
    "hun ter2",
    "pa ss",
  ],
  ["a password in JSON", '{"username":"x","password":"hun, \'ter2","passphrase": "k"}', "ter2"],
  [
    "a password in a sentence",
    "SPICE ticket 'hunter2', the password is mellon77, PSK 'mellon78'; session=xyz987654",
    "hunter2",
    "mellon7",
    "xyz98",
  ],
  [
    "an id of a fabric",
    "node_guid: 3c7c:3f03:001a:2b4d guid=0x3c7c3f03001a2b4e nqn.2014.08.org.nvmexpress:144dS64DNX0R",
    "001a",
    "1a2b4e",
    "S64DNX",
  ],
  ["a token", "token=qwerty --api-key zuiop9 x-auth-token: asdfgh", "qwerty", "zuiop9", "asdfgh"],
  [
    "a token that stands alone",
    "ghp_abcdefghijklmnop1234 tk_abcdefgh12345678 glpat-abcdefghij_12345",
    "abcdefghi",
  ],
  ["a header with a credential", "Authorization: Bearer abcdefgh.12345678", "abcdefgh.12345678"],
  ["a secret object", "-object secret,id=s0,data=c2VjcmV0c2VjcmV0,keyid=m", "c2VjcmV0"],
  [
    "an address with user and password",
    "https://frodo:mellon@nas77.example.org:8443/x?key=abc12345",
    "frodo",
    "mellon",
    "nas77",
  ],
  ["a key of a product", "OA3 VK7JG-NPHTM-C97JM-9MPGT-3V66T", "NPHTM"],
  [
    "an address in a network of IPv4",
    "ip=192.168.77.5::192.168.77.1:255.255.255.0:nas77:eth0:off",
    "192.168",
    "nas77",
  ],
  ["an address of IPv6 behind a name", "lan0:fe80::5054:ff:fea1:b2c3 2003:ab:cd::17", "5054", "2003:ab"],
  ["an address of mail", "mail to frodo.b@example.org", "frodo", "example.org"],
  ["a user", 'user=frodo username="frodo" session opened for user frodo by (uid=0) /home/frodo/x', "frodo"],
  ["a host", "hostname=nas77 <host name='nas77'/> nfsroot=nas77:/x UPID:nas77:0000:00", "nas77"],
  ["a volume in LVM's lists", "PV /dev/sda3   VG smaug7        lvm2; cryptsetup: smaug7: set up", "smaug7"],
  [
    "a label of a file system",
    "BTRFS: device label hort9 devid 1; <source pool='hort9' volume='hort9a'/>",
    "hort9",
  ],
  [
    "a share in libvirt's and Samba's words",
    "<target dir='hochzeit'/> connect to service hochzeit initially as user frodo (uid=1)",
    "hochzeit",
    "frodo",
  ],
  ["a wireless network's connection", "Activation: starting connection 'HomeNet5G'", "HomeNet5G"],
  [
    "a topic and a webhook",
    "https://ntfy.sh/my-topic7 https://discord.com/api/webhooks/1234567/AbCdEf-x",
    "my-topic7",
    "AbCdEf",
    "1234567/",
  ],
  [
    "another machine in QEMU's line",
    "-chardev socket,id=c,host=nas77,port=4444 cifs (rw,domain=SHIRE7)",
    "nas77",
    "SHIRE7",
  ],
  ["the host that made an array", "md127: name nas77:0, workgroup SHIRE7", "nas77", "SHIRE7"],
  ["a user and a password of curl", "curl -u frodo:mellon x", "frodo", "mellon"],
  ["an owner", "registered to Frodo Beutlin (Pro)", "Frodo", "Beutlin"],
  ["what a person calls a device", "input: Frodo's iPhone as /devices", "Frodo"],
];

/** What the diagnosis needs. */
const OPEN = [
  "vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.",
  "DMI: Micro-Star International Co., Ltd. MS-7E49/MPG X870E CARBON WIFI (MS-7E49), BIOS 1.A95 01/15/2026",
  "pcie_acs_override=downstream,multifunction vfio-pci.ids=10de:2805,10de:22bd amd_iommu=on iommu=pt isolcpus=1-3,9-11 video=efifb:off",
  "ACPI: IVRS 0x000000007A8B0000 0001A4 (v02 AMD    AmdTable 00000001 AMD  00000001) INTL 20190509 PNP0C0A AMDI0030",
  "AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:01:00.0 domain=0x0014 address=0xfffffffdf8000000 flags=0x0008]",
  '-device {"driver":"vfio-pci","host":"0000:01:00.0","id":"hostdev0","bus":"pci.2","addr":"0x1"}: vfio 0000:01:00.0: failed to setup container for group 14',
  `boot id ${UUID}, boot_id=${UUID}`,
  "usb 1-2: New USB device found, idVendor=0781, idProduct=5583; Mfr=1, Product=2, SerialNumber=3; usb usb1: SerialNumber: 0000:00:14.0",
  "/sys/bus/pci/devices/0000:01:00.0/iommu_group /dev/vfio/14 /dev/nvme0n1p1 /dev/bus/usb/001/002 /usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
  "vfio_dma_map(0x55d3c1b2a3f0, 0x0, 0x80000000, 0x7f1234567890) = -22 (Invalid argument) RIP: 0010:vfio_pci_core_ioctl+0x123/0x456",
  "DMAR: [Firmware Bug]: No firmware reserved region can cover this RMRR [0x00000000bf800000-0x00000000cf9fffff]",
  "pci 0000:01:00.0: BAR 1 [mem 0xf800000000-0xfbffffffff 64bit pref] Memory: 16104164K/16640992K available, 137438953472 bytes",
  "PCI\\VEN_10DE&DEV_2805&SUBSYS_14625174&REV_A1 GeForce RTX 4060 Ti [10de:2805] -cpu host,migratable=on pc-q35-9.2",
  "iommu: Default domain type: Translated, domain=0x0014 PWD=/root ledtrig-cpu: registered to indicate activity; host=0000:01:00.0",
  "AGESA 1.2.0.2b PI; SMU 0.93.4.0; PSP 13.0.4.7; -spice host=127.0.0.1 signature=kernel.direct-mapping; token: none",
  "Starting modprobe@efi_pstore.service Serial Number: Not Specified https://docs.kernel.org/PCI/index.html virsh -c qemu:///system",
  "7046@1594678852.214569:vfio_realize (0000:00:16.4) group 8; could not open '/dev/vfio/vfio': /mnt/user/domains/vdisk1.img",
];

describe("private things in a report", () => {
  const renderers = {
    ...{ renderMarkdown, renderBbcode, renderText, renderHtml, renderHtmlFragment },
    renderJson: (shown: ReportContent) => jsonText(reportJson(shown)),
  };

  it("are masked in every form, whatever kind they are of, and in the same place only", async () => {
    const input = await inputFor("bios-update");
    const [first] = input.attempt?.evidence ?? [];
    assert.ok(input.attempt !== undefined && first !== undefined);
    const evidence = PLANTED.map(([, text], index) => ({
      ...first,
      matches: [],
      observation: {
        ...{ kind: "domain-log-line" as const, source: "domain-logs" as const, at: 0, exactTime: true },
        ...{ identity: `${index}`, vm: input.attempt?.vm ?? input.vm, text },
      },
    }));
    const { mask, masked } = createRedaction(NOTHING);
    const content = describeReport(
      { ...input, attempt: { ...input.attempt, evidence: evidence as typeof input.attempt.evidence } },
      mask,
      masked,
    );
    for (const [name, render] of Object.entries(renderers)) {
      const text = render(content, 100);
      for (const [what, , ...secrets] of PLANTED) {
        for (const secret of secrets)
          assert.ok(
            !text.toLowerCase().includes(secret.toLowerCase()),
            `${what} (${secret}) stands in ${name}`,
          );
      }
    }
    assert.match(renderText(content, 1000), /Masked: .*MAC \d+ \(in \d+ places\)/);
  });

  for (const [what, line, ...secrets] of PLANTED) {
    it(`has no ${what}`, () => {
      const text = createRedaction(NOTHING).mask(line);
      for (const secret of secrets) assert.ok(!text.toLowerCase().includes(secret.toLowerCase()), text);
      // Nothing is gone but that.
      assert.equal(createRedaction(NOTHING).mask(text), text, "masked twice");
    });
  }

  for (const line of OPEN) {
    it(`leaves alone: ${line.slice(0, 60)}`, () => assert.equal(createRedaction(NOTHING).mask(line), line));
  }

  it("are masked in what is copied for a forum", () => {
    const explain = createExplainer(catalogue);
    for (const [what, line, ...secrets] of PLANTED) {
      const said = `vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting ${line}`;
      const { markdown, bbcode } = forumTexts(explain(said), said);
      for (const form of [markdown, bbcode]) {
        assert.match(form, /0000:01:00\.0/);
        for (const secret of secrets)
          assert.ok(!form.toLowerCase().includes(secret.toLowerCase()), `${what}: ${form}`);
      }
    }
  });

  it("can be left one by one or by kind, while the others keep their names", () => {
    const line = "mac 52:54:00:a1:b2:c3 and 52:54:00:a1:b2:c4 at 192.168.7.1 and 52:54:00:a1:b2:c3";
    const whole = createRedaction(NOTHING);
    assert.equal(whole.mask(line), "mac MAC-1 and MAC-2 at IP-1 and MAC-1");
    assert.deepEqual(
      whole.masked().map(({ placeholder, value, count }) => [placeholder, value, count]),
      [
        ["MAC-1", "52:54:00:a1:b2:c3", 2],
        ["MAC-2", "52:54:00:a1:b2:c4", 1],
        ["IP-1", "192.168.7.1", 1],
      ],
    );
    const one = createRedaction(NOTHING, ["mac-2"]);
    assert.equal(one.mask(line), "mac MAC-1 and 52:54:00:a1:b2:c4 at IP-1 and MAC-1");
    assert.deepEqual(
      one.masked().map(({ shown }) => shown),
      [false, true, false],
    );
    const kind = createRedaction(NOTHING, ["MAC"]);
    assert.equal(kind.mask(line), line.replace("192.168.7.1", "IP-1"));
  });
});

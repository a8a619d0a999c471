import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { BootConfiguration } from "../../src/host/boot-loader-entry.ts";
import { parseGrub, parseGrubDefaults, savedGrubEntry } from "../../src/host/boot-loader-grub.ts";
import { parseLimine } from "../../src/host/boot-loader-limine.ts";
import { parseSyslinux } from "../../src/host/boot-loader-syslinux.ts";
import { parseSystemdBoot } from "../../src/host/boot-loader-systemd.ts";

function chosen({ entries, defaultIndex }: BootConfiguration) {
  return defaultIndex === undefined ? undefined : entries[defaultIndex];
}

const UNRAID_SYSLINUX = `default menu.c32
menu title Lime Technology, Inc.
prompt 0
timeout 50
label Unraid OS
  menu default
  kernel /bzimage
  append pcie_acs_override=downstream initrd=/bzroot
label Unraid OS GUI Mode
  kernel /bzimage
  append initrd=/bzroot,/bzroot-gui
label Memtest86+
  kernel /memtest
`;

test("Unraid's syslinux.cfg gives its default entry", () => {
  const configuration = parseSyslinux(UNRAID_SYSLINUX.replaceAll("\n", "\r\n"));
  assert.equal(configuration.entries.length, 3);
  assert.deepEqual(chosen(configuration), {
    title: "Unraid OS",
    commandLine: "pcie_acs_override=downstream initrd=/bzroot",
  });
});

test("DEFAULT names a label where no MENU DEFAULT does, and a global APPEND fills in", () => {
  const configuration = parseSyslinux(
    "DEFAULT two\nAPPEND quiet\nLABEL one\nKERNEL a\nAPPEND -\nLABEL two\nMENU LABEL ^Two\nLINUX b\n",
  );
  assert.deepEqual(chosen(configuration), { title: "Two", commandLine: "quiet" });
  assert.equal(configuration.entries[0]?.commandLine, "");
});

test("an included syslinux file is read, and one that includes itself ends", () => {
  const file = "INCLUDE self\nLABEL a\nKERNEL k\nAPPEND x=1\n";
  const configuration = parseSyslinux(file, () => file);
  assert.ok(configuration.entries.length >= 1 && configuration.entries.length < 10);
});

const GRUB = `function load_video { 
  insmod all_video
}
if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
else
   set default="SAVED"
fi
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {
	load_video
	if [ x$grub_platform = xxen ]; then insmod xzio; fi
	linux	/boot/vmlinuz-6.12 root=UUID=1 ro  quiet iommu=pt $vt_handoff
	initrd	/boot/initrd.img-6.12
}
submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-1' {
	menuentry 'Debian, with Linux 6.12' --id deep {
		linux	/boot/vmlinuz-6.12 root=UUID=1 ro single
	}
	menuentry 'Debian, with Linux 6.1' {
		linux	/boot/vmlinuz-6.1 root=UUID=1 ro old
	}
}
menuentry 'UEFI Firmware Settings' --id uefi-firmware { 
	fwsetup
}
`;

for (const [wanted, title, commandLine] of [
  ["0", "Debian GNU/Linux", "root=UUID=1 ro quiet iommu=pt"],
  ["gnulinux-simple-1", "Debian GNU/Linux", "root=UUID=1 ro quiet iommu=pt"],
  ["1>1", "Debian, with Linux 6.1", "root=UUID=1 ro old"],
  ["gnulinux-advanced-1>deep", "Debian, with Linux 6.12", "root=UUID=1 ro single"],
  ["1", "Debian, with Linux 6.12", "root=UUID=1 ro single"],
  ["2", "UEFI Firmware Settings", undefined],
] as const) {
  test(`grub.cfg with default ${wanted} boots '${title}'`, () => {
    assert.deepEqual(chosen(parseGrub(GRUB.replace("SAVED", wanted))), { title, commandLine });
  });
}

test("a saved GRUB default comes from grubenv, and is the first entry without one", () => {
  const text = GRUB.replace("SAVED", "$" + "{saved_entry}");
  const saved = savedGrubEntry("# GRUB Environment Block\nsaved_entry=gnulinux-advanced-1>deep\n####");
  assert.equal(chosen(parseGrub(text, saved))?.title, "Debian, with Linux 6.12");
  assert.equal(chosen(parseGrub(text))?.title, "Debian GNU/Linux");
  assert.equal(chosen(parseGrub(GRUB.replace("SAVED", "no such entry"))), undefined);
});

test("/etc/default/grub adds both of its variables up", () => {
  assert.equal(
    parseGrubDefaults(
      'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=pt"\n# GRUB_CMDLINE_LINUX="no"\nGRUB_CMDLINE_LINUX=""\nGRUB_CMDLINE_LINUX+=" amd_iommu=on"\n',
    ),
    "amd_iommu=on quiet iommu=pt",
  );
});

test("Limine's newer form is read with folders, macros and a default that counts the visible lines", () => {
  const configuration = parseLimine(
    `timeout: 5
default_entry: 2
\${BASE}=quiet iommu=pt
/+Arch
    //linux
        protocol: linux
        kernel_path: boot():/vmlinuz
        cmdline: root=/dev/sda1 \${BASE}
    //linux-lts
        protocol: linux
        cmdline: lts
/Windows
    protocol: efi
    path: boot():/EFI/Microsoft/Boot/bootmgfw.efi
`,
  );
  assert.deepEqual(chosen(configuration), { title: "linux", commandLine: "root=/dev/sda1 quiet iommu=pt" });
  assert.deepEqual(
    configuration.entries.map(({ commandLine }) => commandLine),
    [undefined, "root=/dev/sda1 quiet iommu=pt", "lts", undefined],
  );
});

test("Limine's older form is read", () => {
  const configuration = parseLimine(
    "TIMEOUT=5\n:Unraid OS\nPROTOCOL=linux\nKERNEL_PATH=boot:///bzimage\nCMDLINE=iommu=pt vfio-pci.ids=1:2\n",
  );
  assert.deepEqual(chosen(configuration), { title: "Unraid OS", commandLine: "iommu=pt vfio-pci.ids=1:2" });
});

test("a closed Limine folder counts as one line, and leads to its first entry", () => {
  const text = "/A\n//one\ncmdline: a1\n//two\ncmdline: a2\n/B\ncmdline: b\n";
  assert.equal(chosen(parseLimine(`default_entry: 2\n${text}`))?.commandLine, "b");
  assert.equal(chosen(parseLimine(text))?.commandLine, "a1");
  assert.equal(chosen(parseLimine(`default_entry: 9\n${text}`)), undefined);
  assert.equal(chosen(parseLimine(`default_entry: A/two\n${text}`))?.commandLine, "a2");
});

test("systemd-boot's default is a pattern, and the entry that the firmware remembers beats it", () => {
  const entries = [
    { file: "debian-6.1.conf", text: "title Debian 6.1\nlinux /a\noptions old\noptions more\n" },
    { file: "debian-6.12+3-1.conf", text: "title Debian 6.12\nlinux /b\noptions new $kernelopts\n" },
    { file: "windows.conf", text: "title Windows\nefi /EFI/Microsoft/Boot/bootmgfw.efi\n" },
  ];
  assert.deepEqual(chosen(parseSystemdBoot("timeout 3\ndefault debian-*12*\n", entries)), {
    title: "Debian 6.12",
    commandLine: "new",
  });
  assert.equal(
    chosen(parseSystemdBoot("default debian-6.12", entries, "debian-6.1.conf"))?.commandLine,
    "old more",
  );
  assert.equal(chosen(parseSystemdBoot("", entries)), undefined);
});

test("no text makes a boot loader parser throw, and a default is always one of the entries", () => {
  const line = fc.oneof(
    fc.constantFrom(
      ...[
        "menuentry 'a' {",
        "submenu 'b' {",
        "}",
        "{",
        "set default=1>0",
        "linux /k x=1",
        "/A",
        "//B",
        "/+C",
        ":D",
      ],
      ...[
        "default_entry: 3",
        "cmdline: a",
        "label x",
        "default x",
        "menu default",
        "append y",
        "kernel /k",
        "$" + "{a}=b",
      ],
      ...["default *a*", "function f {", "INCLUDE x", "cmdline: $" + "{a}$" + "{a}", "menuentry", "submenu"],
    ),
    fc.string({ maxLength: 40 }),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 40 }), (lines) => {
      const text = lines.join("\n");
      for (const configuration of [
        parseSyslinux(text, () => text),
        parseGrub(text, "1>0"),
        parseLimine(text),
        parseSystemdBoot(text, [{ file: "a.conf", text }]),
      ]) {
        const { entries, defaultIndex } = configuration;
        assert.ok(defaultIndex === undefined || entries[defaultIndex] !== undefined);
      }
      assert.equal(typeof parseGrubDefaults(text), "string");
    }),
  );
});

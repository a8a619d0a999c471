import assert from "node:assert/strict";
import { test } from "node:test";
import { BOOT_LOADER } from "../../src/facts/kinds/boot-loader.ts";
import { readBootLoaders } from "../../src/host/boot-loader.ts";
import { readCommandLine } from "../../src/host/kernel.ts";
import { read } from "../../src/model/reading.ts";
import { factsFrom } from "../helpers/facts.ts";
import { createHostTree, type HostTree } from "../helpers/host-tree.ts";

const LOADER_INFO = "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
const SYSLINUX =
  "default menu.c32\nlabel Unraid OS\nmenu default\nkernel /bzimage\nappend iommu=pt initrd=/bzroot\n";
const LIMINE =
  "/Unraid OS\n    protocol: linux\n    kernel_path: boot():/bzimage\n    cmdline: amd_iommu=on\n";

function efiString(text: string): Buffer {
  return Buffer.concat([Buffer.from([6, 0, 0, 0]), Buffer.from(`${text}\0`, "utf16le")]);
}

function findings(tree: HostTree) {
  const result = readBootLoaders(tree.paths, readCommandLine(tree.paths));
  return {
    ...result,
    verdicts: Object.fromEntries(result.claims.map(({ path, verdict }) => [path, verdict])),
    facts: new Map(
      factsFrom({ bootLoaders: read(result) }, BOOT_LOADER).map(({ key, value }) => [key, value]),
    ),
  };
}

test("an edited syslinux.cfg has no effect where Limine boots, and the finding says so", (context) => {
  const tree = createHostTree(context, {
    "/proc/cmdline": "amd_iommu=on\n",
    "/boot/syslinux/syslinux.cfg": SYSLINUX,
    "/boot/limine.conf": LIMINE,
  });
  const { verdicts, running, facts, claims } = findings(tree);
  assert.deepEqual(verdicts, {
    "/boot/syslinux/syslinux.cfg": "other-loader",
    "/boot/limine.conf": "in-effect",
  });
  assert.deepEqual([...running.possible], ["limine", "systemd-boot"]);
  assert.deepEqual(claims.find(({ loader }) => loader === "syslinux")?.difference, {
    missing: ["iommu=pt"],
    extra: ["amd_iommu=on"],
  });
  assert.deepEqual(facts.get("boot-loader./boot/syslinux/syslinux.cfg.in-effect"), {
    state: "value",
    value: "no, another boot loader runs",
  });
});

test("with an empty command line two files fit, and what the loader said of itself decides", (context) => {
  const tree = createHostTree(context, {
    "/proc/cmdline": "\n",
    "/boot/syslinux/syslinux.cfg": SYSLINUX.replace("iommu=pt ", ""),
    "/boot/limine.conf": "/Unraid OS\nprotocol: linux\nkernel_path: boot():/bzimage\n",
    [LOADER_INFO]: efiString("Limine 9.2.3"),
  });
  const { verdicts, facts } = findings(tree);
  assert.deepEqual(verdicts, {
    "/boot/syslinux/syslinux.cfg": "other-loader",
    "/boot/limine.conf": "in-effect",
  });
  assert.deepEqual(facts.get("boot-loader.running"), { state: "value", value: "Limine 9.2.3" });
});

test("a stock Unraid flash has its syslinux.cfg in effect, and the kernel knows the loader by its number", (context) => {
  const tree = createHostTree(context, {
    "/proc/cmdline": "BOOT_IMAGE=/bzimage initrd=/bzroot iommu=pt\n",
    // 0x31: loader 3 (Syslinux), version 1.
    "/proc/sys/kernel/bootloader_type": "49\n",
    "/boot/syslinux/syslinux.cfg": SYSLINUX,
    "/boot/grub/grub.cfg": "set default=0\nmenuentry 'Unraid OS' {\n linux /boot@/bzimage iommu=pt\n}\n",
  });
  const { verdicts, running } = findings(tree);
  assert.deepEqual(verdicts, {
    "/boot/syslinux/syslinux.cfg": "in-effect",
    "/boot/grub/grub.cfg": "other-loader",
  });
  assert.equal(running.name, "Syslinux");
});

test("an Unraid that boots from its own disk is read from grub.cfg, and what was left of the flash stick has no effect", (context) => {
  const menu = (title: string, words: string) =>
    `menuentry "${title}" {\n  echo "Loading..."\n  linux  /boot@/bzimage ${words}\n  initrd /boot@/bzroot\n}\n`;
  const tree = createHostTree(context, {
    "/proc/cmdline": "BOOT_IMAGE=/boot@/bzimage unraiduuid=1234567890 iommu=pt\n",
    // 0x72: loader 7 (GRUB), version 2.
    "/proc/sys/kernel/bootloader_type": "114\n",
    "/boot/syslinux/syslinux.cfg": SYSLINUX,
    "/boot/grub/grub.cfg": [
      "set default=0\nset timeout=5\ninsmod zfs\nif loadfont /boot@/grub/font.pf2 ; then\n  set gfxmode=auto\nelse\n",
      "  terminal_output console\nfi\n",
      menu("Unraid OS", "unraiduuid=1234567890 iommu=pt"),
      menu("Unraid OS GUI Mode", "unraidguimode unraiduuid=1234567890 iommu=pt"),
    ].join(""),
  });
  const { verdicts, running, claims } = findings(tree);
  assert.deepEqual(verdicts, {
    "/boot/syslinux/syslinux.cfg": "other-loader",
    "/boot/grub/grub.cfg": "in-effect",
  });
  assert.equal(running.name, "GRUB");
  assert.equal(claims.at(-1)?.defaultEntry?.title, "Unraid OS");
});

test("a file of the right loader that was edited since the boot differs, and shows in what", (context) => {
  const tree = createHostTree(context, {
    "/proc/cmdline": "BOOT_IMAGE=/boot/vmlinuz-6.12 root=/dev/sda1 ro quiet\n",
    "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=pt"\n',
    "/boot/grub/grub.cfg": "menuentry 'Debian' {\n linux /boot/vmlinuz-6.12 root=/dev/sda1 ro quiet\n}\n",
  });
  const { verdicts, claims } = findings(tree);
  assert.deepEqual(verdicts, { "/boot/grub/grub.cfg": "in-effect", "/etc/default/grub": "differs" });
  assert.deepEqual(claims.at(-1)?.difference?.missing, ["iommu=pt"]);
});

test("on Debian the files beside /etc/default/grub have the last word", (context) => {
  const tree = createHostTree(context, {
    "/proc/cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet intel_iommu=on iommu=pt\n",
    "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
    "/etc/default/grub.d/20-iommu.cfg":
      'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT intel_iommu=on"\n',
    "/etc/default/grub.d/30-pt.cfg": 'GRUB_CMDLINE_LINUX="iommu=pt"\n',
    "/etc/default/grub.d/off.cfg.dpkg-old": 'GRUB_CMDLINE_LINUX="iommu=off"\n',
  });
  const [claim] = findings(tree).claims;
  assert.equal(claim?.path, "/etc/default/grub");
  assert.equal(claim?.defaultEntry?.commandLine, "iommu=pt quiet intel_iommu=on");
});

test("another entry of the menu that was chosen by hand still counts as in effect", (context) => {
  const tree = createHostTree(context, {
    "/proc/cmdline": "BOOT_IMAGE=/bzimage initrd=/bzroot,/bzroot-gui\n",
    "/boot/syslinux/syslinux.cfg": `${SYSLINUX}label GUI\nkernel /bzimage\nappend initrd=/bzroot,/bzroot-gui\n`,
  });
  const { claims } = findings(tree);
  assert.equal(claims[0]?.verdict, "in-effect");
  assert.equal(claims[0]?.fittingEntry?.title, "GUI");
});

test("without /proc/cmdline nothing is claimed about what runs", (context) => {
  const tree = createHostTree(context, { "/boot/limine.conf": LIMINE });
  const { verdicts, facts } = findings(tree);
  assert.deepEqual(verdicts, { "/boot/limine.conf": "unknown" });
  assert.equal(facts.get("boot-loader./boot/limine.conf.in-effect")?.state, "unknown");
});

test("upper case directories of an EFI partition are found once, in their own spelling", (context) => {
  const tree = createHostTree(context, {
    "/proc/cmdline": "amd_iommu=on\n",
    "/boot/efi/EFI/BOOT/limine.conf": LIMINE,
    "/boot/efi/loader/entries/a.conf": "title A\nlinux /a\noptions amd_iommu=on\n",
    "/boot/efi/loader/loader.conf": "default a\n",
  });
  assert.deepEqual(findings(tree).verdicts, {
    "/boot/efi/EFI/BOOT/limine.conf": "in-effect",
    "/boot/efi/loader/entries": "in-effect",
  });
});

test("a comment or a colour in a boot loader file changes no fact, another entry does", (context) => {
  const tree = createHostTree(context, { "/proc/cmdline": "amd_iommu=on\n", "/boot/limine.conf": LIMINE });
  const before = findings(tree).facts;
  tree.write("/boot/limine.conf", `# mine\nterm_palette: 0\n${LIMINE}`);
  assert.deepEqual(findings(tree).facts, before);
  tree.write("/boot/limine.conf", `${LIMINE}/Safe mode\nprotocol: linux\ncmdline: unraidsafemode\n`);
  assert.notDeepEqual(findings(tree).facts, before);
});

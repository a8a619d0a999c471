import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createVirtualClock, type VirtualClock } from "../../src/clock.ts";
import { readBootLoaders } from "../../src/host/boot-loader.ts";
import { readModprobeSettings } from "../../src/host/modprobe.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { bootId } from "../../src/model/identifiers.ts";
import type { ConfigFileChange, Observation } from "../../src/model/observation.ts";
import { absent } from "../../src/model/reading.ts";
import type { Source } from "../../src/model/source.ts";
import { createConfigFilesSource, defaultConfigFiles } from "../../src/sources/config-files.ts";
import { atEnd, type Observer, observe, temporaryDirectory, until } from "./observed.ts";

const BOOT = bootId("f0000000-0000-4000-8000-00000000000f");

interface Setting {
  readonly root: string;
  readonly clock: VirtualClock;
  readonly source: Source;
  path(file: string): string;
}

function setUp(context: TestContext, ...directories: string[]): Setting {
  const root = temporaryDirectory(context);
  for (const directory of directories) mkdirSync(join(root, directory), { recursive: true });
  const clock = createVirtualClock(Date.now());
  const source = createConfigFilesSource({ paths: createHostPaths(root), clock, bootId: BOOT });
  return { root, clock, source, path: (file) => join(root, file) };
}

function changes(observations: readonly Observation[]): string[] {
  return observations.map((one) => `${(one as ConfigFileChange).change} ${(one as ConfigFileChange).path}`);
}

/** Lets the writer's quiet time pass, as often as it takes, until `last` is the newest change. */
async function told(observer: Observer, clock: VirtualClock, last: string): Promise<void> {
  await observer.until((all) => {
    clock.moveTo(clock.now() + 400);
    return changes(all).at(-1) === last;
  }, `"${last}" is told`);
}

test("files are added, changed and removed, each in its place", async (context) => {
  const { clock, source, path } = setUp(
    context,
    "boot/config",
    "boot/syslinux",
    "etc/libvirt/qemu",
    "etc/modprobe.d",
  );
  writeFileSync(path("boot/syslinux/syslinux.cfg"), "append initrd=/bzroot\n");
  const observer = await observe(context, source);
  assert.deepEqual(observer.observations, [], "what is there is no change");
  writeFileSync(path("boot/config/vfio-pci.cfg"), "BIND=0000:01:00.0\n");
  await told(observer, clock, "added /boot/config/vfio-pci.cfg");
  writeFileSync(path("boot/syslinux/syslinux.cfg"), "append iommu=pt initrd=/bzroot\n");
  await told(observer, clock, "changed /boot/syslinux/syslinux.cfg");
  writeFileSync(path("etc/libvirt/qemu/win 11.xml.new"), "<domain/>");
  renameSync(path("etc/libvirt/qemu/win 11.xml.new"), path("etc/libvirt/qemu/win 11.xml"));
  await told(observer, clock, "added /etc/libvirt/qemu/win 11.xml");
  rmSync(path("etc/libvirt/qemu/win 11.xml"));
  await told(observer, clock, "removed /etc/libvirt/qemu/win 11.xml");
  assert.equal(observer.observations.length, 4);
  assert.equal(source.health().state.state, "live");
});

test("a file saved with the content that it had is no change", async (context) => {
  const { clock, source, path } = setUp(context, "etc/modprobe.d");
  writeFileSync(path("etc/modprobe.d/vfio.conf"), "options vfio-pci ids=10de:2805\n");
  const observer = await observe(context, source);
  const later = new Date(Date.now() + 5_000);
  writeFileSync(path("etc/modprobe.d/vfio.conf"), "options vfio-pci ids=10de:2805\n");
  utimesSync(path("etc/modprobe.d/vfio.conf"), later, later);
  writeFileSync(path("etc/modprobe.d/README"), "not one of those that count\n");
  writeFileSync(path("etc/modprobe.d/zz.conf"), "blacklist nouveau\n");
  await told(observer, clock, "added /etc/modprobe.d/zz.conf");
  assert.equal(observer.observations.length, 1);
});

test("a file written in several goes is told once", async (context) => {
  const { clock, source, path } = setUp(context, "boot/config");
  const observer = await observe(context, source);
  for (let index = 0; index < 20; index += 1) {
    writeFileSync(path("boot/config/vfio-pci.cfg"), `BIND=${index}\n`);
    await pause(2);
  }
  await told(observer, clock, "added /boot/config/vfio-pci.cfg");
  assert.equal(observer.observations.length, 1);
});

test("a directory that appears later is watched from then on, whatever is missing above it", async (context) => {
  const { clock, source, path } = setUp(context, "boot");
  const observer = await observe(context, source);
  mkdirSync(path("etc"));
  mkdirSync(path("etc/libvirt/qemu"), { recursive: true });
  writeFileSync(path("etc/libvirt/qemu/a.xml"), "<domain/>");
  await told(observer, clock, "added /etc/libvirt/qemu/a.xml");
  rmSync(path("etc/libvirt"), { recursive: true });
  await told(observer, clock, "removed /etc/libvirt/qemu/a.xml");
});

test("on a host that has none of it, it says so and waits", async (context) => {
  const { clock, source, path } = setUp(context);
  const observer = await observe(context, source);
  assert.equal(source.health().state.state, "waiting");
  mkdirSync(path("boot"));
  writeFileSync(path("boot/limine.conf"), "cmdline: iommu=pt\n");
  await told(observer, clock, "added /boot/limine.conf");
  await until(() => source.health().state.state === "live", "the source is live");
});

test("every default is a file by its full name, or all files of one directory", (context) => {
  const files = defaultConfigFiles(createHostPaths(temporaryDirectory(context)));
  for (const file of files) assert.match(file, /^(?:\/[\w.-]+)+\/(?:[\w.-]+|\*\.\w+)$/);
});

test("every file that is read of boot loaders and modules is watched, however the file system spells it", (context) => {
  const root = temporaryDirectory(context);
  const written = [
    ...["boot/syslinux/syslinux.cfg", "efi/EFI/BOOT/Limine.conf", "efi/EFI/syslinux/SYSLINUX.CFG"],
    ...["boot/grub/grub.cfg", "boot/grub/grubenv", "boot/grub2/grub.cfg", "boot/efi/EFI/boot/grub.cfg"],
    ...["efi/loader/loader.conf", "efi/loader/entries/pve.conf", "boot/Loader/Entries/arch.conf"],
    ...["etc/default/grub", "etc/default/grub.d/proxmox-ve.cfg", "etc/kernel/cmdline"],
    ...["etc/modprobe.d/a.conf", "usr/lib/modprobe.d/b.conf", "boot/config/modprobe.d/c.conf"],
  ];
  for (const file of written) {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    writeFileSync(join(root, file), "menuentry 'x' {\n linux /vmlinuz quiet\n}\n");
  }
  symlinkSync("usr/lib", join(root, "lib"));
  const paths = createHostPaths(root);
  const asked = new Set<string>();
  const listening = {
    root,
    at(path: string) {
      asked.add(path);
      return paths.at(path);
    },
  };
  readBootLoaders(listening, absent);
  readModprobeSettings(listening);
  const read = [...asked].filter((path) => statSync(paths.at(path), { throwIfNoEntry: false })?.isFile());
  assert.ok(read.length >= written.length, read.join(" "));
  const watched = defaultConfigFiles(paths);
  const isWatched = (path: string) =>
    watched.some((file) =>
      file.includes("*")
        ? dirname(file) === dirname(path) && path.endsWith(file.slice(file.indexOf("*") + 1))
        : file.toLowerCase() === path.toLowerCase() && dirname(file) === dirname(path),
    );
  assert.deepEqual(
    read.filter((path) => !isWatched(path)),
    [],
  );
});

test("a file in a directory that two names lead to is told once", async (context) => {
  const { root, clock, path } = setUp(context, "usr/lib/modprobe.d");
  symlinkSync("usr/lib", path("lib"));
  const source = createConfigFilesSource({ paths: createHostPaths(root), clock, bootId: BOOT });
  const observer = await observe(context, source);
  writeFileSync(path("lib/modprobe.d/a.conf"), "options vfio_pci ids=10de:2805\n");
  await told(observer, clock, "added /usr/lib/modprobe.d/a.conf");
  assert.equal(changes(observer.observations).length, 1);
});

test("a file system may be unmounted while it is watched; its files are not removed, and come back", {
  skip: !mayMount() && "needs root and the right to mount",
}, async (context) => {
  const mounted: string[] = [];
  const mount = (at: string, ...parameters: string[]) => {
    execFileSync("mount", [...parameters, at]);
    mounted.push(at);
  };
  const unmount = () => execFileSync("umount", [mounted.pop() ?? ""], { stdio: "pipe" });
  const { root, clock, source, path } = setUp(context, "etc/libvirt", "image");
  atEnd(context, () => {
    while (mounted.length > 0) unmount();
  });
  // A file system of its own, as libvirt.img is, or the directory on a pool that stands in for it.
  mount(path("image"), "-t", "tmpfs", "none");
  mkdirSync(path("image/qemu"));
  writeFileSync(path("image/qemu/a.xml"), "<domain/>");
  writeFileSync(path("image/qemu/b.xml"), "<domain/>");
  mount(path("etc/libvirt"), "--bind", path("image"));
  const observer = await observe(context, source);
  const held = readdirSync("/proc/self/fd").filter((fd) => linkOf(fd).startsWith(root));
  assert.deepEqual(held, [], "nothing is open");
  unmount();
  clock.moveTo(clock.now() + 70_000);
  mkdirSync(path("boot"));
  writeFileSync(path("boot/limine.conf"), "a\n");
  await told(observer, clock, "added /boot/limine.conf");
  assert.deepEqual(changes(observer.observations), ["added /boot/limine.conf"]);
  writeFileSync(path("image/qemu/b.xml"), "<domain>changed</domain>");
  mount(path("etc/libvirt"), "--bind", path("image"));
  // Mounting raises no event: the look now and then finds it.
  await observer.until((all) => {
    clock.moveTo(clock.now() + 60_000);
    return changes(all).at(-1) === "changed /etc/libvirt/qemu/b.xml";
  }, "the changed file is told");
  assert.equal(observer.observations.length, 2);
});

function mayMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function linkOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return "";
  }
}

test("a directory that cannot be looked at any more is neither an error nor a removal", async (context) => {
  const { clock, source, path } = setUp(context, "boot/config", "etc/modprobe.d");
  writeFileSync(path("boot/config/vfio-pci.cfg"), "BIND=0000:01:00.0\n");
  const observer = await observe(context, source);
  // A link to itself: the nearest to a broken disk that a test can make (ELOOP).
  renameSync(path("boot/config"), path("boot/gone"));
  symlinkSync("config", path("boot/config"));
  writeFileSync(path("etc/modprobe.d/vfio.conf"), "options vfio-pci ids=10de:2805\n");
  await told(observer, clock, "added /etc/modprobe.d/vfio.conf");
  for (let turn = 0; turn < 5; turn++) {
    await pause(20);
    clock.moveTo(clock.now() + 400);
  }
  assert.deepEqual(changes(observer.observations), ["added /etc/modprobe.d/vfio.conf"]);
});

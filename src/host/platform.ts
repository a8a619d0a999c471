import type { HostPaths } from "../host-paths.ts";
import { readNames, readText } from "./read-file.ts";

/** What kind of host this is, as far as it decides where things are. */
export interface Platform {
  readonly kind: "unraid" | "systemd" | "other";
  /** e.g. `Unraid`, `Debian GNU/Linux`; undefined where the host does not say. */
  readonly name: string | undefined;
  /** e.g. `7.2.3`. */
  readonly version: string | undefined;
  /** Host paths, before {@link HostPaths}. */
  readonly logs: {
    readonly domains: string;
    /** libvirtd's own log: a file, or the journal. */
    readonly libvirtd: { readonly file: string } | "journal";
    /** What the boot before this one left behind; undefined where the journal keeps it. */
    readonly previousSyslog: string | undefined;
  };
}

/** Looks at the files that only one kind of host has. Never fails: a host that says nothing is `other`. */
export function detectPlatform(paths: HostPaths): Platform {
  const domains = "/var/log/libvirt/qemu";
  const libvirtdFile = { file: "/var/log/libvirt/libvirtd.log" };
  const unraid = readText(paths.at("/etc/unraid-version"), 4096);
  if (unraid.state !== "absent") {
    const version =
      unraid.state === "read" ? /^version="?([^"\r\n]{1,64})/m.exec(unraid.value)?.[1] : undefined;
    const logs = { domains, libvirtd: libvirtdFile, previousSyslog: "/boot/logs/syslog-previous" };
    return { kind: "unraid", name: "Unraid", version, logs };
  }
  const release = readRelease(paths);
  const name = release.get("NAME");
  const version = release.get("VERSION_ID") ?? release.get("BUILD_ID");
  // sd_booted(3) asks for this directory; a tree that was copied has no /run, but the unit files.
  const systemd = ["/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"].some(
    (directory) => readNames(paths.at(directory)).state === "read",
  );
  return systemd
    ? { kind: "systemd", name, version, logs: { domains, libvirtd: "journal", previousSyslog: undefined } }
    : { kind: "other", name, version, logs: { domains, libvirtd: libvirtdFile, previousSyslog: undefined } };
}

/** Assignments of os-release(5), unquoted. */
function readRelease(paths: HostPaths): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const path of ["/etc/os-release", "/usr/lib/os-release"]) {
    const text = readText(paths.at(path), 64 * 1024);
    if (text.state !== "read") continue;
    for (const line of text.value.split(/\r?\n/)) {
      const [, name, value] = /^([A-Z0-9_]+)=(.*)$/.exec(line.trim()) ?? [];
      if (name === undefined || value === undefined) continue;
      values.set(
        name,
        value
          .replace(/^(["'])(.*)\1$/, "$2")
          .replace(/\\([$"'\\`])/g, "$1")
          .slice(0, 128),
      );
    }
    break;
  }
  return values;
}

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { it, type TestContext } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { bootId } from "../../src/model/identifiers.ts";
import type { Source } from "../../src/model/source.ts";
import { SOURCES } from "../../src/sources/kinds/all.ts";
import { domainLogs } from "../../src/sources/kinds/domain-logs.ts";
import type { SourceSurroundings } from "../../src/sources/kinds/kind.ts";
import { libvirtdLog } from "../../src/sources/kinds/libvirtd-log.ts";
import { proxmox } from "../../src/sources/kinds/proxmox.ts";
import { createProxmoxNode } from "../helpers/proxmox-host.ts";
import { observe, temporaryDirectory } from "./observed.ts";
import { FAILED, told, WIN11 } from "./proxmox-bench.ts";

const NOW = Date.UTC(2026, 10, 23, 10);

function surroundings(context: TestContext, since?: number) {
  const root = temporaryDirectory(context);
  const paths = createHostPaths(root);
  const given = {
    ...{ paths, clock: createVirtualClock(NOW), bootId: bootId("boot-1") },
    ...(since !== undefined && { since }),
  } as unknown as SourceSurroundings;
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  return { paths, given, write };
}
const stateOf = async (context: TestContext, source: Source) => {
  await observe(context, source);
  return JSON.stringify(source.health().state);
};

it("watches on a host what such a host can have", () => {
  const needed = (managers: { readonly proxmox: boolean; readonly libvirt: boolean }) =>
    SOURCES.filter((source) => source.needs(managers)).map(({ name }) => name);
  const always = ["kernel-log", "vfio-nodes", "config-files"];
  assert.deepEqual(needed({ proxmox: false, libvirt: false }), always);
  assert.deepEqual(
    needed({ proxmox: true, libvirt: false }).filter((name) => !always.includes(name)),
    ["proxmox"],
  );
  assert.deepEqual(
    needed({ proxmox: false, libvirt: true }).filter((name) => !always.includes(name)),
    ["libvirt", "domain-logs", "libvirtd-log"],
  );
});

it("reads the log of libvirtd that is set, or the usual ones", async (context) => {
  const { given, write } = surroundings(context);
  write("/srv/my.log", "");
  write("/var/log/libvirt/libvirtd.log", "");
  for (const [file, read] of [
    ["/srv/my.log", /my\.log/],
    ["", /libvirtd\.log/],
  ] as const)
    assert.match(await stateOf(context, await libvirtdLog.create({ LIBVIRTD_LOG: file }, given)), read);
});

it("passes over what is older than this boot, where it is told when that began", async (context) => {
  const log = "2026-11-23 08:00:00.000+0000: shutting down, reason=failed\n";
  for (const [since, ends] of [
    [Date.UTC(2026, 10, 23, 9), 0],
    [undefined, 1],
  ] as const) {
    const { given, write, paths } = surroundings(context, since);
    write("/var/log/libvirt/qemu/win.log", log);
    const directory = "/var/log/libvirt/qemu";
    const logs = await observe(context, await domainLogs.create({ DOMAIN_LOG_DIRECTORY: directory }, given));
    assert.equal(logs.observations.length, ends, "libvirt");

    const node = createProxmoxNode(paths);
    node.configure(101, WIN11);
    node.task("qmstart", 101, `${FAILED}\n`, { startedAt: Date.UTC(2026, 10, 23, 8) });
    const tasks = await observe(context, await proxmox.create({}, given));
    assert.equal(told(tasks.observations).length > 0, ends > 0, "Proxmox");
  }
});

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { collectFacts } from "../../src/facts/facts-of-host.ts";
import type { HostPaths } from "../../src/host-paths.ts";
import { read } from "../../src/model/reading.ts";
import { readRecordedSnapshot } from "../../src/replay/recorded-snapshot.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { readRecordings } from "../../src/replay/recording.ts";
import { buildForumHost } from "../helpers/forum-host.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";

const SCRIPT = fileURLToPath(new URL("../../tools/record-host.sh", import.meta.url));
const directory = temporaryDirectory();
after(() => directory.remove());

test("what the tool records is the host, and can be replayed", () => {
  const host = buildForumHost(join(directory.path, "host"));
  const write = (path: string, text: string) => {
    mkdirSync(dirname(host.at(path)), { recursive: true });
    writeFileSync(host.at(path), text);
  };
  write("/dev/kmsg", "6,1,1000,-;Linux version 6.12.54-Unraid\n");
  write("/proc/version", "Linux version 6.12.54-Unraid (root@Develop) (gcc) #1 SMP\n");
  write("/proc/uptime", "20.96 17.04\n");
  write("/proc/sys/kernel/random/boot_id", "1b118f5b-4b2a-47fd-b88d-3faad64f3ed2\n");
  write("/var/log/libvirt/qemu/Windows 11.log", "");
  const out = join(directory.path, "recording");
  const run = (...command: readonly string[]) =>
    spawnSync("bash", [SCRIPT, out, ...command], {
      encoding: "utf8",
      env: { ...process.env, RECORD_ROOT: host.root, RECORD_PATIENCE: "0" },
    });
  const { status, stderr } = run("false");
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^It ended with 1\.$/m, "what is recorded may fail");

  const boots = readRecordings(out);
  assert.ok(!("problem" in boots));
  assert.equal(boots[0]?.bootId, "1b118f5b-4b2a-47fd-b88d-3faad64f3ed2");
  assert.deepEqual(readdirSync(join(out, "snap-before/acpi")), ["IVRS"]);
  assert.deepEqual(readdirSync(join(out, "libvirt")), ["Windows 11.log"]);

  const told =
    /^(?:firmware\.(?:bios|board)|firmware-tables|iommu\.group|pci\.[^.]+\.(?:address|driver|group|class)|kernel\.parameter)/;
  const facts = (paths: HostPaths) =>
    collectFacts({ paths, definitions: read([]) }).filter(({ key }) => told.test(key));
  const again = buildHostTree(join(directory.path, "again"), readRecordedSnapshot(join(out, "snap-before")));
  assert.ok(facts(host).length > 20);
  assert.deepEqual(facts(again), facts(host));
  assert.equal(run("true").status, 1, "what is there is never written over");
});

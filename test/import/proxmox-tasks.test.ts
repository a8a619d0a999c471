import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { createHostPaths } from "../../src/host-paths.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { createProxmoxNode } from "../helpers/proxmox-host.ts";
import { createWorkbench, type Workbench } from "./importing.ts";

interface ArchivedFile {
  /** Below `/var/log/pve/tasks`. */
  readonly path: string;
  /** When it was written last (s). */
  readonly at: number;
  readonly text: string;
}

/** An archive that Proxmox's own code wrote: see the README beside it. */
const ARCHIVE = gunzipSync(
  readFileSync(new URL("../fixtures/proxmox/task-archive.jsonl.gz", import.meta.url)),
)
  .toString("utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as ArchivedFile);

const DESTROYED = Date.UTC(2026, 1, 10, 9);

function unpack(bench: Workbench, isWanted: (file: ArchivedFile) => boolean = () => true): string {
  const directory = join(bench.directory, "var/log/pve/tasks");
  for (const file of ARCHIVE.filter(isWanted)) {
    const path = join(directory, file.path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, file.text);
    utimesSync(path, file.at, file.at);
  }
  return directory;
}

/** How many starts of each VM ended in each way. */
function tally(bench: Workbench): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { vm, outcome } of bench.store.attempts.list()) {
    const key = `${vm.replace(/\(destroyed .*\)/, "(destroyed)")} ${outcome}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

const ON_THE_NODE = {
  "101 (destroyed) started": 14,
  "101 (win11) failed": 10,
  "101 (win11) started": 77,
  "102 started": 1,
  "104 started": 18,
};

function makeNode(bench: Workbench): ReturnType<typeof createProxmoxNode> {
  const node = createProxmoxNode(createHostPaths(bench.directory));
  node.configure(
    101,
    "name: win11\nhostpci0: 0000:01:00.0\nmachine: q35\nmeta: creation-qemu=10.0,ctime=1770714610\n",
  );
  const made = DESTROYED / 1000 + 700;
  utimesSync(join(bench.directory, "etc/pve/qemu-server/101.conf"), made, made);
  return node;
}

describe("Proxmox's archive of tasks", () => {
  it("gives every start with its outcome, and a number that was given to another VM is another VM", async (context) => {
    const bench = createWorkbench(context);
    makeNode(bench);
    const { sources } = await bench.import([unpack(bench)]);
    assert.deepEqual(tally(bench), ON_THE_NODE);
    assert.equal(sources[0]?.refused, undefined);
    assert.deepEqual(sources[0]?.notes, [
      "1 start left out whose task was killed: nobody wrote down how it went.",
    ]);
    const [failed] = bench.store.attempts
      .list({ vm: vmName("101 (win11)") })
      .filter(({ outcome }) => outcome === "failed");
    assert.deepEqual(failed?.devices, ["0000:01:00.0"]);
    assert.equal(failed?.cause, "container-setup-failed");
    const good = bench.store.attempts.list({ vm: vmName("101 (win11)"), first: "oldest" })[0];
    assert.deepEqual([good?.outcome, good?.devices, good?.origin], ["started", ["0000:01:00.0"], "imported"]);
    assert.ok((good?.openedAt ?? 0) > DESTROYED);
  });

  it("changes nothing when it is read again", async (context) => {
    const bench = createWorkbench(context);
    makeNode(bench);
    const words = [unpack(bench)];
    await bench.import(words);
    const before = bench.contents();
    await bench.import([join(bench.directory, "var/log/pve")]);
    await bench.import(["host"]);
    assert.deepEqual(bench.contents(), before);
  });

  it("tells the outcomes by its index alone, where the logs are gone", async (context) => {
    const bench = createWorkbench(context);
    makeNode(bench);
    await bench.import([unpack(bench, ({ path }) => path.startsWith("index"))]);
    // Only its log says that a qmresume started a VM from disk.
    const { "102 started": _, ...byIndex } = ON_THE_NODE;
    assert.deepEqual(tally(bench), byIndex);
    const [failed] = bench.store.attempts
      .list({ vm: vmName("101 (win11)") })
      .filter(({ outcome }) => outcome === "failed");
    const evidence = bench.store.attempts.full(failed?.number ?? 0, () => undefined)?.evidence ?? [];
    assert.ok(
      evidence.some(
        ({ observation }) =>
          observation.kind === "domain-log-line" &&
          observation.text === "TASK ERROR: start failed: QEMU exited with code 1",
      ),
    );
  });

  it("of another node is of VMs that are known by their numbers", async (context) => {
    const bench = createWorkbench(context);
    await bench.import([unpack(bench)]);
    assert.deepEqual(tally(bench), {
      "101 (destroyed) started": 14,
      "101 failed": 10,
      "101 started": 77,
      "102 started": 1,
      "104 started": 18,
    });
  });

  it("says of which starts the devices are only those of now", async (context) => {
    const bench = createWorkbench(context);
    const node = makeNode(bench);
    node.configure(101, "name: win11\nhostpci0: 0000:02:00.0\nmeta: ctime=1770714610\n");
    const { sources } = await bench.import([unpack(bench)]);
    assert.match(sources[0]?.notes.join(" ") ?? "", /Of 87 starts the devices are those that the VM has now/);
    const failed = bench.store.attempts
      .list({ vm: vmName("101 (win11)") })
      .find(({ outcome }) => outcome === "failed");
    assert.ok(failed?.devices.includes("0000:02:00.0" as never));
  });

  it("is put into the boots that the other material knows", async (context) => {
    const bench = createWorkbench(context);
    makeNode(bench);
    const startedAt = Date.UTC(2026, 5, 1);
    bench.store.boots.begin({
      id: "f0000000-0000-4000-8000-00000000000f" as never,
      startedAt,
      lastSeenAt: Date.UTC(2026, 6, 1),
      origin: "imported",
    });
    await bench.import([unpack(bench)]);
    const inBoot = bench.store.attempts.list().filter(({ bootId }) => bootId !== undefined);
    assert.ok(inBoot.length > 5);
    for (const { openedAt } of inBoot) assert.ok(openedAt >= startedAt && openedAt <= Date.UTC(2026, 6, 2));
  });

  it("that is damaged does no harm, and a directory without any task is refused", async (context) => {
    const bench = createWorkbench(context);
    const directory = unpack(bench);
    writeFileSync(
      join(directory, "index"),
      Buffer.from("UPID:\u0000garbage\nUPID:pve:zz\n\xff\xfe".repeat(200), "latin1"),
    );
    writeFileSync(join(directory, "index.1"), readFileSync(join(directory, "index.1")).subarray(0, 4099));
    const { sources } = await bench.import([directory]);
    assert.equal(sources[0]?.refused, undefined);
    assert.ok(bench.store.attempts.list().length > 50, "the logs are there");
    rmSync(directory, { recursive: true });
    mkdirSync(join(directory, "A"), { recursive: true });
    writeFileSync(join(directory, "index"), "nothing of that kind\n");
    const again = await bench.import([directory]);
    assert.match(again.sources[0]?.refused ?? "", /^Nothing in it is a diagnostics archive or a log/);
  });
});

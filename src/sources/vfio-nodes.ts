import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import type { HostPaths } from "../host-paths.ts";
import type { BootId } from "../model/identifiers.ts";
import type { VfioNodeChange } from "../model/observation.ts";
import type { ObservationSink, Source } from "../model/source.ts";
import { createDirectoryWatch, describeWatch } from "./directory-watch.ts";
import { statusOf } from "./file-position.ts";
import { createHealthKeeper } from "./source-state.ts";

export interface VfioNodesOptions {
  readonly paths: HostPaths;
  readonly clock: Clock;
  readonly bootId: BootId;
}

type Access = NonNullable<VfioNodeChange["access"]>;

interface Node {
  readonly inode: number;
  readonly createdAt: number;
  readonly changedAt: number;
  readonly access: Access;
}

/** More nodes than any machine has; a directory with more is not devtmpfs. */
const MAX_NODES = 4_096;
const REMOVED = "removed";

/**
 * What comes and goes below `/dev/vfio`: group nodes (`14`, `noiommu-0`), the container `vfio`, and
 * `devices/vfio0` of the newer interface, with mode and owner. Events only say when to look: two looks are
 * compared, so that nothing depends on their order. What is there at the start is told as `added` with the
 * identity that it has all its life, so that a restart tells nothing new; a change of access while nobody
 * looked, and a node that went, are told from the stored resume points.
 */
export function createVfioNodesSource(options: VfioNodesOptions): Source {
  const { clock, bootId } = options;
  const directory = options.paths.at("/dev/vfio");
  const keeper = createHealthKeeper({ name: "vfio-nodes", clock });
  let sink: ObservationSink = () => {};
  let known = new Map<string, Node>();
  let started = false;
  let stopped = false;

  const watches = [directory, join(directory, "devices")].map((watched) =>
    createDirectoryWatch({ directory: watched, clock, onWake: look }),
  );

  function look(): void {
    if (stopped || !started) return;
    const found = findNodes(directory);
    for (const [name, node] of known) {
      if (found.get(name)?.inode !== node.inode) tellRemoved(name, node.inode);
    }
    for (const [name, node] of found) {
      const before = known.get(name);
      if (before?.inode !== node.inode) tellAdded(name, node);
      else if (!sameAccess(before.access, node.access)) tellAccess(name, node);
    }
    known = found;
    tellState();
  }

  function tellAdded(name: string, node: Node): void {
    // udev sets mode and owner right after the kernel made the node, so the time of making is the birth time.
    const at = node.createdAt > 0 ? node.createdAt : clock.now();
    tell("added", name, node, at, node.createdAt > 0, "added");
  }

  function tellAccess(name: string, node: Node): void {
    const { mode, uid, gid } = node.access;
    const what = `permissions:${mode}:${uid}:${gid}:${node.changedAt}`;
    tell("permissions", name, node, node.changedAt, true, what);
  }

  function tellRemoved(name: string, inode: number): void {
    give(name, {
      kind: "vfio-node",
      source: "vfio-nodes",
      at: clock.now(),
      exactTime: false,
      bootId,
      identity: `${bootId}:${name}:${inode}:removed`,
      change: "removed",
      node: name,
      resume: { key: resumeKey(name), value: REMOVED },
    });
  }

  function tell(
    change: VfioNodeChange["change"],
    name: string,
    node: Node,
    at: number,
    exactTime: boolean,
    what: string,
  ): void {
    give(name, {
      kind: "vfio-node",
      source: "vfio-nodes",
      at: Math.trunc(at),
      exactTime,
      bootId,
      identity: `${bootId}:${name}:${node.inode}:${what}`,
      change,
      node: name,
      access: node.access,
      resume: { key: resumeKey(name), value: JSON.stringify({ bootId, inode: node.inode, ...node.access }) },
    });
  }

  function give(name: string, observation: VfioNodeChange): void {
    if (stopped) return;
    const group = /^(?:noiommu-)?(\d{1,6})$/.exec(name)?.[1];
    keeper.observed(observation.at);
    sink(group === undefined ? observation : { ...observation, group: Number(group) });
  }

  /** The first look: all that is there, and what became of what an earlier run of this boot told. */
  function lookFirst(resume: ReadonlyMap<string, string>): void {
    const told = storedNodes(resume, bootId);
    known = findNodes(directory);
    for (const [name, before] of told) {
      if (known.get(name)?.inode !== before.inode) tellRemoved(name, before.inode);
    }
    for (const [name, node] of known) {
      const before = told.get(name);
      tellAdded(name, node);
      if (before?.inode === node.inode && !sameAccess(before.access, node.access)) tellAccess(name, node);
    }
    tellState();
  }

  function tellState(): void {
    const watch = watches[0];
    const state = watch?.state();
    if (watch === undefined || state === undefined) return;
    if (state.state === "watching") {
      const groups = [...known.keys()].filter((name) => /\d$/.test(name) && !name.includes("/")).length;
      const container = known.has("vfio") ? "" : "no /dev/vfio/vfio";
      const detail = [`${groups} group nodes in ${directory}`, container, describeWatch(watch)];
      keeper.become({ state: "live", detail: detail.filter((part) => part !== "").join("; ") });
    } else if (state.state === "unreadable") {
      keeper.become({
        state: "waiting",
        why: `${directory}: ${state.why}`,
        remedy: "run vfio-watch as root",
      });
    } else {
      keeper.become({
        state: "waiting",
        why: `${directory} does not exist`,
        remedy: "load the vfio-pci module, or bind a device to it",
      });
    }
  }

  return {
    name: "vfio-nodes",
    async start(to, resume) {
      sink = to;
      await Promise.all(watches.map((watch) => watch.start()));
      lookFirst(resume);
      started = true;
    },
    async stop() {
      stopped = true;
      await Promise.all(watches.map((watch) => watch.stop()));
      keeper.become({ state: "stopped" });
    },
    health: keeper.health,
  };
}

function findNodes(directory: string): Map<string, Node> {
  const nodes = new Map<string, Node>();
  for (const below of ["", "devices/"]) {
    for (const name of namesIn(join(directory, below))) {
      // stat and never open: an open group node would make the group busy for a VM.
      const status = statusOf(join(directory, below, name));
      if (status.state !== "read" || status.value.isDirectory() || nodes.size >= MAX_NODES) continue;
      const stats = status.value;
      nodes.set(`${below}${name}`, {
        inode: stats.ino,
        createdAt: stats.birthtimeMs,
        changedAt: stats.ctimeMs,
        access: { mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid },
      });
    }
  }
  return nodes;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

function sameAccess(a: Access, b: Access): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
}

function resumeKey(name: string): string {
  return `vfio-node:${name}`;
}

function storedNodes(
  resume: ReadonlyMap<string, string>,
  bootId: BootId,
): Map<string, Pick<Node, "inode" | "access">> {
  const nodes = new Map<string, Pick<Node, "inode" | "access">>();
  for (const [key, value] of resume) {
    if (!key.startsWith(resumeKey("")) || value === REMOVED) continue;
    try {
      const stored = JSON.parse(value) as Record<string, unknown>;
      if (stored.bootId !== bootId) continue;
      const access = { mode: Number(stored.mode), uid: Number(stored.uid), gid: Number(stored.gid) };
      nodes.set(key.slice(resumeKey("").length), { inode: Number(stored.inode), access });
    } catch {
      // Not ours, or damaged: the node is then told as if it had never been.
    }
  }
  return nodes;
}

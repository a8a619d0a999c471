import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { VmStatus } from "../model/host-state.ts";
import { type BootId, bootId } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import { readRecordedDomainLog } from "../sources/domain-logs-recorded.ts";
import { readRecordedKernelLog } from "../sources/kernel-log/recorded.ts";
import { readRecordedLibvirtdLog } from "../sources/libvirtd-log-parser.ts";
import {
  type ClockSet,
  type Placed,
  placeKernel,
  placeLog,
  readClockSets,
  settingsAmong,
} from "./clock-sets.ts";
import { withNamesThen } from "./names-then.ts";
import { readRecordedVms } from "./recorded-vms.ts";
import { readVirshEvents } from "./virsh-events.ts";

/** One boot of a recorded host: what its sources said, and what it was. */
export interface RecordedBoot {
  readonly name: string;
  readonly directory: string;
  readonly bootId: BootId;
  /** UTC epoch milliseconds of the kernel's time stamp 0. */
  readonly bootedAt: number;
  /** In order of time, also where the wall clock was set. */
  readonly observations: readonly Observation[];
  /** When it was set, before which of the observations. */
  readonly clockSets: readonly (ClockSet & { readonly before: number })[];
}

/** Why a directory cannot be replayed, as a sentence. */
export type RecordingProblem = { readonly problem: string };

/** The first snapshot of a recording: the host before anything was started. */
export const FIRST_SNAPSHOT = "snap-before";

/**
 * Reads a recording: a directory with `kmsg.txt`, `libvirtd.log`, `libvirt/*.log`, `virsh-events.txt` and
 * `snap-before/`, or a directory of such directories, one a boot, in the order of their names.
 */
export function readRecordings(directory: string): readonly RecordedBoot[] | RecordingProblem {
  if (!existsSync(directory)) return { problem: `${directory} does not exist.` };
  if (isRecording(directory)) return [readBoot(directory)];
  const boots = readdirSync(directory)
    .sort(byNumber)
    .map((name) => join(directory, name))
    .filter(isRecording);
  if (boots.length > 0) return boots.map(readBoot);
  return { problem: `${directory} is no recording: it holds neither kmsg.txt nor directories that do.` };
}

function isRecording(directory: string): boolean {
  return existsSync(join(directory, "kmsg.txt"));
}

/** `boot10` comes after `boot9`. */
function byNumber(a: string, b: string): number {
  const number = (text: string) => Number(/\d+/.exec(text)?.[0] ?? 0);
  return number(a) - number(b) || (a < b ? -1 : 1);
}

function readBoot(directory: string): RecordedBoot {
  const clock = readClock(join(directory, FIRST_SNAPSHOT, "clock.txt"));
  const id = bootId(clock.bootId ?? `recorded:${directory.split("/").at(-1)}`);
  const kernel = [
    ...readRecordedKernelLog(readFileSync(join(directory, "kmsg.txt")), {
      bootId: id,
      bootWallMs: clock.bootedAt,
    }),
  ];
  const recorded = readRecordedVms(join(directory, "libvirt"));
  const { vms, events } = withNamesThen(
    recorded.state === "read" ? recorded.value : [],
    readVirshEvents(textOf(join(directory, "virsh-events.txt"))),
  );
  const wall = { bootedAt: clock.bootedAt, sets: readClockSets(textOf(join(directory, "clock-set.txt"))) };
  const libvirtd = readRecordedLibvirtdLog(textOf(join(directory, "libvirtd.log")), {
    fileName: "libvirtd.log",
  });
  const placed: readonly Placed[] = [
    ...(recorded.state === "read" ? placeKernel([inventory(vms, clock.bootedAt)], wall) : []),
    ...placeKernel(kernel, wall),
    ...[events, [...libvirtd], ...domainLogs(join(directory, "libvirt"))].flatMap((log) =>
      placeLog(log, wall),
    ),
  ]
    // Logs of libvirt go on over boots; what is older than this one belongs to another recording.
    .filter(({ undisturbed }) => undisturbed >= clock.bootedAt - 1_000)
    .sort((a, b) => a.undisturbed - b.undisturbed);
  return {
    name: directory.split("/").at(-1) ?? directory,
    directory,
    bootId: id,
    bootedAt: clock.bootedAt,
    observations: placed.map(({ observation }) => ({ ...observation, bootId: id })),
    clockSets: settingsAmong(placed, wall),
  };
}

/** `realtime=1795424094.478 uptime=25.56 18.86 boot_id=…`; a recording without it is placed in the epoch. */
function readClock(file: string): { readonly bootedAt: number; readonly bootId: string | undefined } {
  const parts = /realtime=(\d+(?:\.\d+)?) uptime=(\d+(?:\.\d+)?)(?:.*boot_id=(\S+))?/s.exec(textOf(file));
  if (parts === null) return { bootedAt: 0, bootId: undefined };
  return { bootedAt: Math.round((Number(parts[1]) - Number(parts[2])) * 1000), bootId: parts[3] };
}

/** The VMs as libvirt would have listed them before anything was started. */
function inventory(vms: readonly VmStatus[], at: number): Observation {
  return {
    kind: "vm-inventory",
    source: "libvirt",
    at,
    exactTime: false,
    identity: "recorded-inventory",
    vms: vms.map(
      ({ definition }): VmStatus => ({ definition, state: { state: "shutoff", reason: "unknown" } }),
    ),
  };
}

/** Those of each log. */
function domainLogs(directory: string): readonly (readonly Observation[])[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.endsWith(".log"))
    .sort()
    .map((fileName) =>
      readRecordedDomainLog(readFileSync(join(directory, fileName)), { fileName }).map((observation) => ({
        ...observation,
        identity: `${fileName}:${observation.identity}`,
      })),
    );
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

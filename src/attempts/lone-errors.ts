import type { Clock } from "../clock.ts";
import type { SignatureMatch } from "../model/catalogue.ts";
import { oneOfVms, type VmName } from "../model/identifiers.ts";
import type { LibvirtdRecord, Observation } from "../model/observation.ts";
import type { AttemptBook } from "./book.ts";
import { momentOf, type Said } from "./moments.ts";
import type { Pen } from "./pen.ts";
import type { Unclaimed } from "./unclaimed.ts";

/** A start that fails ends its VM's log within this time of libvirt's error (ms). */
const ALONE_MS = 3_000;
/** A missing program is named for each VM when libvirt begins to run (ms). */
const DAEMON_BEGINS_MS = 5_000;
/** It is named, too, when a VM is defined: then shortly before libvirt says that it was (ms). */
const BEFORE_DEFINED_MS = 2_000;
const AFTER_DEFINED_MS = 300;
const MOST_DEFINED = 20;
/** What libvirt says of one start it says within this time (ms). */
const ONE_START_MS = 1_000;
/** Where libvirt names a VM whose start failed, and its log may say nothing. */
const OF_A_START = /\/hooks\/qemu\S* .{1,300}? (?:prepare|start) begin |\bautostart/;

/** Errors of libvirt that stand alone: no event and no log of a VM tells of the start that they end. */
export interface LoneErrors {
  watch(record: Said<LibvirtdRecord>, matches: readonly SignatureMatch[]): void;
  /** A VM was defined: then, too, libvirt looks for its program. */
  learn(said: Said): void;
}

/** `askStates` asks libvirt why each VM that does not run does not. */
export function createLoneErrors(options: {
  readonly clock: Clock;
  readonly book: AttemptBook;
  readonly pen: Pen;
  readonly unclaimed: Unclaimed;
  readonly tellsOf: (observation: Observation) => boolean;
  readonly askStates: () => void;
}): LoneErrors {
  const { clock, book, pen, unclaimed } = options;
  let daemonBeganAt = Number.NEGATIVE_INFINITY;
  let definedAt: readonly number[] = [];
  const toldAt = new Map<VmName, number>();

  /** The VMs that the missing program is named for, unless libvirt named it for another reason. */
  function withProgram(record: Said<LibvirtdRecord>): readonly VmName[] {
    const isForDefinition = definedAt.some(
      (at) => record.steady >= at - BEFORE_DEFINED_MS && record.steady <= at + AFTER_DEFINED_MS,
    );
    if (isForDefinition || Math.abs(record.steady - daemonBeganAt) <= DAEMON_BEGINS_MS) return [];
    const running = new Set([...book.runningAt(record.steady)].map(({ vm }) => vm));
    return [...pen.definitions.present().values()]
      .filter(({ name, emulator }) => emulator !== undefined && !running.has(name))
      .filter(({ emulator = "" }) => namesPath(record.text, emulator))
      .map(({ name }) => name);
  }

  function judge(record: Said<LibvirtdRecord>, matches: readonly SignatureMatch[]): void {
    unclaimed.sweep();
    if (book.tellsOf(record) || options.tellsOf(record)) return;
    const named = record.vm !== undefined && OF_A_START.test(record.text) ? [record.vm] : withProgram(record);
    const [first] = named;
    if (first === undefined) {
      if (matches.every(({ signature }) => signature.role !== "noise")) options.askStates();
      return;
    }
    const vm = named.length > 1 ? oneOfVms(named) : first;
    if (Math.abs(record.steady - (toldAt.get(vm) ?? Number.NEGATIVE_INFINITY)) <= ONE_START_MS) return;
    toldAt.set(vm, record.steady);
    pen.fail(pen.open(vm, record, matches), momentOf(record));
    unclaimed.sweep();
  }

  return {
    watch(record, matches) {
      if (/^libvirt version: /.test(record.text)) daemonBeganAt = record.steady;
      if (record.level === "error") clock.after(ALONE_MS, () => judge(record, matches));
    },
    learn(said) {
      if (said.kind === "vm-lifecycle" && said.event === "defined")
        definedAt = [...definedAt, said.steady].slice(-MOST_DEFINED);
    },
  };
}

function namesPath(text: string, path: string): boolean {
  const at = text.indexOf(path);
  return at >= 0 && !/[\w./-]/.test(text.charAt(at + path.length));
}

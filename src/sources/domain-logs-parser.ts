import { hash } from "node:crypto";
import { type VmName, vmName } from "../model/identifiers.ts";
import type { DomainLogEnd, DomainLogLine, DomainLogStart } from "../model/observation.ts";
import { type CommandBlock, createCommandBlock } from "./domain-logs-command.ts";
import { readLibvirtTime, readQemuTime } from "./log-time.ts";

export type DomainLogObservation = DomainLogStart | DomainLogLine | DomainLogEnd;

/** What the parser has to remember when reading goes on in the middle of a run. */
export interface DomainLogParserState {
  /** The VM's name as the last command block gave it. */
  readonly vm?: string | undefined;
  /** The newest time stamp, UTC epoch milliseconds. */
  readonly at?: number | undefined;
}

export interface DomainLogParser {
  /**
   * Takes the next line. `offset` is where it begins in its file, in bytes; `arrivedAt` (UTC epoch
   * milliseconds) is the time of a line that comes before any time stamp.
   */
  line(text: string, offset: number, arrivedAt: number): readonly DomainLogObservation[];
  /** Nothing follows: gives the start whose command block broke off, if there is one. */
  end(): readonly DomainLogObservation[];
  state(): DomainLogParserState;
}

export interface DomainLogParserOptions {
  /** The VM that the file is named after. */
  readonly vm: VmName;
  readonly state?: DomainLogParserState | undefined;
}

const MAX_TEXT = 4096;
const MAX_NAME = 512;
const STARTING = "starting up";
const ENDING = "shutting down";

interface OpenBlock {
  readonly header: { readonly text: string; readonly offset: number; readonly at: number } | undefined;
  readonly block: CommandBlock;
}

/**
 * Reads one VM's log under `/var/log/libvirt/qemu`. The command block is skipped by its shell quoting, not by
 * its look, because it is full of addresses, paths and the word vfio.
 */
export function createDomainLogParser(options: DomainLogParserOptions): DomainLogParser {
  const fileVm = options.vm;
  let vm = options.state?.vm === undefined ? fileVm : vmName(options.state.vm);
  let lastTime = options.state?.at;
  let open: OpenBlock | undefined;
  /** Nothing of libvirt's seen yet: a line that ends in ` \` is then the middle of a command block. */
  let midFile = options.state === undefined;

  /** The same line of the same file read again, or read from a copy, has the same identity. */
  function identify(text: string, offset: number): string {
    return `${fileVm}:${offset}:${hash("sha1", `${lastTime ?? ""}\n${text}`, "hex").slice(0, 16)}`;
  }

  function closeBlock(isWhole: boolean): DomainLogObservation[] {
    if (open === undefined) return [];
    const { header, block } = open;
    open = undefined;
    const command = block.command();
    if (command.vm !== undefined) vm = vmName(command.vm.slice(0, MAX_NAME));
    else if (header !== undefined) vm = fileVm;
    if (header === undefined) return [];
    const libvirtVersion = /libvirt version: (\d[\d.]{0,30})/.exec(header.text)?.[1];
    const qemuVersion = /qemu version: (\d[\d.]{0,30})/.exec(header.text)?.[1];
    const kernelRelease = /kernel: ([^,\s]{1,120})/.exec(header.text)?.[1];
    return [
      {
        kind: "domain-log-start",
        source: "domain-logs",
        at: header.at,
        exactTime: true,
        identity: identify(header.text, header.offset),
        vm,
        ...(libvirtVersion === undefined ? {} : { libvirtVersion }),
        ...(qemuVersion === undefined ? {} : { qemuVersion }),
        ...(kernelRelease === undefined ? {} : { kernelRelease }),
        ...(command.machine === undefined ? {} : { machine: command.machine.slice(0, MAX_NAME) }),
        devices: command.devices,
        isWhole: isWhole && command.vm !== undefined,
      },
    ];
  }

  return {
    line(raw, offset, arrivedAt) {
      const stamp = readLibvirtTime(raw);
      const said = stamp === undefined ? undefined : raw.slice(stamp.length);
      const starts = said?.startsWith(STARTING) ?? false;
      const ends = said?.startsWith(ENDING) ?? false;
      const qemu = stamp === undefined ? readQemuTime(raw) : undefined;
      if (open !== undefined) {
        // Only within quotes may an argument look like a log line; anything else says that the block broke off.
        const brokenOff = starts || ends || (!open.block.quoted() && (stamp ?? qemu) !== undefined);
        if (!brokenOff) return open.block.line(raw) ? [] : closeBlock(true);
      }
      const before = closeBlock(false);
      if (stamp !== undefined && said !== undefined) {
        lastTime = stamp.at;
        midFile = false;
        if (starts) {
          open = { header: { text: said, offset, at: stamp.at }, block: createCommandBlock() };
          return before;
        }
        const base = { source: "domain-logs", at: stamp.at, exactTime: true, vm } as const;
        const identity = identify(raw, offset);
        if (!ends) return [...before, { kind: "domain-log-line", ...base, identity, text: bounded(said) }];
        const reason = /^shutting down, reason=([^\r\n]{1,64})/.exec(said)?.[1]?.trim() ?? "unknown";
        return [...before, { kind: "domain-log-end", ...base, identity, reason }];
      }
      if (midFile && raw.endsWith(" \\")) {
        open = { header: undefined, block: createCommandBlock() };
        open.block.line(raw);
        return before;
      }
      if (raw.trim() === "") return before;
      if (qemu !== undefined) lastTime = qemu.at;
      return [
        ...before,
        {
          kind: "domain-log-line",
          source: "domain-logs",
          at: lastTime ?? arrivedAt,
          exactTime: qemu !== undefined,
          identity: identify(raw, offset),
          vm,
          text: bounded(qemu === undefined ? raw : raw.slice(qemu.length)),
        },
      ];
    },
    end: () => closeBlock(false),
    state: () => ({ vm: vm === fileVm ? undefined : vm, at: lastTime }),
  };
}

/** The VM that a log file is named after: `X.log`, a rotated `X.log.0`, `X.txt` of Unraid's diagnostics. */
export function vmOfLogFile(fileName: string): VmName {
  return vmName(fileName.replace(/\.txt$/, "").replace(/\.log(?:\.\d{1,10})?$/, ""));
}

function bounded(text: string): string {
  return text.length <= MAX_TEXT ? text : text.slice(0, MAX_TEXT).toWellFormed();
}

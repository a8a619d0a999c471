import { type BootId, bootId } from "../../model/identifiers.ts";
import type { ResumePoint } from "../../model/observation.ts";
import type { ResumePoints } from "../../model/source.ts";

/** The key of the kernel log's only resume point. */
export const KERNEL_LOG_KEY = "kernel-log";

/** How far the kernel log of one boot has been read; everything up to here has been dealt with. */
export interface KernelLogPosition {
  readonly bootId: BootId;
  /** The last record's sequence number, where it was read from `/dev/kmsg`. */
  readonly sequence?: number;
  /** The last record's time stamp in microseconds: carries over from one way of reading to another. */
  readonly monotonicUs?: number;
  /** journald's name for the last record, where it came from the journal. */
  readonly cursor?: string;
  /** Inode and offset behind the last line, where it came from a file. */
  readonly file?: { readonly path: string; readonly inode: number; readonly offset: number };
}

/** Writes a position as a resume point. */
export function resumePoint(position: KernelLogPosition): ResumePoint {
  return { key: KERNEL_LOG_KEY, value: JSON.stringify(position) };
}

/** The stored position, or undefined where there is none or it makes no sense. */
export function storedPosition(resume: ResumePoints): KernelLogPosition | undefined {
  const value = resume.get(KERNEL_LOG_KEY);
  if (value === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return undefined;
  }
  if (!isRecord(parsed) || typeof parsed.bootId !== "string") return undefined;
  const { sequence, monotonicUs, cursor, file } = parsed;
  return {
    bootId: bootId(parsed.bootId),
    ...(isCount(sequence) ? { sequence } : {}),
    ...(isCount(monotonicUs) ? { monotonicUs } : {}),
    ...(typeof cursor === "string" ? { cursor } : {}),
    ...(isRecord(file) && typeof file.path === "string" && isCount(file.inode) && isCount(file.offset)
      ? { file: { path: file.path, inode: file.inode, offset: file.offset } }
      : {}),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

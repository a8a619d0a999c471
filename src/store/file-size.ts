import { statSync } from "node:fs";
import type { Connection } from "./connection.ts";

/** Sizes in bytes. */
export interface FileSize {
  /** What the database takes, with its write-ahead log. */
  readonly bytes: number;
  readonly walBytes: number;
  /** What of it holds rows; the rest is free pages. */
  readonly used: number;
  readonly freePages: number;
  readonly pageSize: number;
}

/** Reads the size of an open database. */
export function fileSize(connection: Connection): FileSize {
  const pages = Number(connection.pragma("page_count"));
  const freePages = Number(connection.pragma("freelist_count"));
  const pageSize = Number(connection.pragma("page_size"));
  const walBytes = sizeOf(`${connection.path}-wal`);
  // Only looked at, never opened: closing another descriptor of the file would drop SQLite's locks.
  const bytes = Math.max(pages * pageSize, sizeOf(connection.path)) + walBytes;
  return { bytes, walBytes, used: (pages - freePages) * pageSize, freePages, pageSize };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import Database from "better-sqlite3";
import type { AlertContent } from "../../src/model/alert.ts";
import { bootId, signatureId, vmName } from "../../src/model/identifiers.ts";
import { opened, START, sampleAttempt } from "../store/samples.ts";

const OLDER = fileURLToPath(new URL("../fixtures/histories/schema-2.db.gz", import.meta.url));

/** A history with something in every table, of this program's version: its file, and what is not yet in it. */
export interface WholeHistory {
  readonly file: Buffer;
  readonly log: Buffer;
}

/** Makes the history; some starts of it stand only in the write-ahead log. */
export function wholeHistory(directory: string): WholeHistory {
  const path = join(directory, "whole.db");
  writeFileSync(path, gunzipSync(readFileSync(OLDER)));
  opened(path).close();
  // As if it had been made by this version: tables that came later lie at the end of the file.
  const made = new Database(path);
  made.exec("VACUUM");
  made.close();
  const store = opened(path);
  const content = {
    kind: "start-failed",
    importance: "alert",
    vm: vmName("Windows 11"),
    devices: [],
    changes: [],
  };
  for (let index = 0; index < 12; index++) {
    store.alerts.saveIncident({
      id: `incident ${index}`,
      key: JSON.stringify(["start-failed", "Windows 11", "", `${index}`]),
      openedAt: START + index,
      lastAt: START + index,
      count: 1,
      closedAt: index % 2 === 0 ? START + index + 1 : undefined,
      acknowledgedAt: undefined,
      silencedUntil: undefined,
      lastToldAt: START + index,
      reminders: 0,
      bootId: undefined,
      attemptId: undefined,
      content: { ...content, subject: `'Windows 11' did not start (${index})` } as AlertContent,
    });
    store.alerts.enqueue({
      incidentId: `incident ${index}`,
      channel: "mail",
      content: { ...content, subject: "x" } as AlertContent,
      createdAt: START,
      dueAt: START,
    });
  }
  store.sightings.record([
    { bootId: bootId("b"), source: "kernel-log", signature: signatureId("s"), text: "t", at: START },
  ]);
  for (let index = 0; index < 40; index++) {
    store.hotPlugs.save(
      {
        ...{ id: `hot-plug ${index}`, vms: [vmName("Windows 11")], bootId: undefined, at: START + index },
        ...{ action: "attach", outcome: "refused", devices: [], groups: [], evidence: [] },
        steady: 1000 + index,
      },
      `it was refused (${index})`,
    );
    const said = { kind: "gap", source: "kernel-log", lost: undefined, detail: `gap ${index}` } as const;
    const observation = { ...said, at: START + index, exactTime: true, identity: `gap ${index}` };
    store.unfinished.change([{ observation, arrivedAt: START + index }], []);
  }
  for (let index = 0; index < 8; index++)
    store.attempts.save(sampleAttempt({ id: `in the log ${index}`, openedAt: START + index }), {
      origin: "live",
    });
  const copy = join(directory, "copy.db");
  copyFileSync(path, copy);
  copyFileSync(`${path}-wal`, `${copy}-wal`);
  store.close();
  return { file: readFileSync(copy), log: readFileSync(`${copy}-wal`) };
}

/** A damage by name; the same seed gives the same ones. */
export interface Damage {
  readonly name: string;
  readonly file: Buffer;
  readonly log: Buffer;
}

/** Damages of every kind, `count` of each: cut, bytes changed, pages of every table and index zeroed, header, log. */
export function damagesOf({ file, log }: WholeHistory, count: number, seed: number): readonly Damage[] {
  const random = createRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const changed = (bytes: Buffer, change: (copy: Buffer) => void) => {
    const copy = Buffer.from(bytes);
    change(copy);
    return copy;
  };
  const page = file.readUInt16BE(16);
  const pages = file.length / page;
  const damages: Damage[] = [];
  const add = (name: string, parts: Partial<WholeHistory>) => damages.push({ name, file, log, ...parts });
  for (let index = 0; index < count; index++) {
    const size = below(file.length);
    add(`cut to ${size} bytes`, { file: file.subarray(0, size), log: Buffer.alloc(0) });
    const flips = 1 + below(40);
    add(`${flips} bytes changed`, {
      file: changed(file, (copy) => {
        for (let flip = 0; flip < flips; flip++) copy[below(copy.length)] = below(256);
      }),
    });
    const zeroed = below(pages);
    add(`page ${zeroed} zeroed`, {
      file: changed(file, (copy) => copy.fill(0, zeroed * page, (zeroed + 1) * page)),
    });
    const at = below(100);
    add(`header changed at ${at}`, {
      file: changed(file, (copy) => copy.fill(below(256), at, at + 1 + below(8))),
    });
    add("log changed", {
      log: changed(log, (copy) => {
        for (let flip = 0; flip < 20; flip++) copy[below(copy.length)] = below(256);
      }),
    });
    // A byte in the middle of what SQLite takes for text.
    const marks = ['"bdf"', '"class"', '["0000:', '"kind"', '"hostDevices"', '"causes"'];
    const mark = marks[below(marks.length)] ?? "";
    add(`texts changed at ${mark}`, {
      file: changed(file, (copy) => {
        for (let found = copy.indexOf(mark); found >= 0; found = copy.indexOf(mark, found + 1))
          if (random() < 0.3) copy[found + below(mark.length)] = 0x21 + below(90);
      }),
    });
  }
  return damages;
}

/** Puts a damaged history in place. */
export function place({ file, log }: WholeHistory, path: string): void {
  writeFileSync(path, file);
  writeFileSync(`${path}-wal`, log);
}

/** Whether SQLite itself finds nothing wrong with the file. */
export function isIntact(path: string): boolean {
  const database = new Database(path, { readonly: true });
  try {
    return (
      database.pragma("integrity_check", { simple: true }) === "ok" &&
      (database.pragma("foreign_key_check") as readonly unknown[]).length === 0
    );
  } finally {
    database.close();
  }
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

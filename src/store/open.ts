import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { makeDirectory } from "../make-directory.ts";
import { keepDirectoryPrivate } from "../private-files.ts";
import { createAlertTable } from "./alerts.ts";
import { createAttemptStore } from "./attempts.ts";
import { createBootTable } from "./boots.ts";
import { type Connection, createConnection } from "./connection.ts";
import {
  type OpenedDatabase,
  openForGuest,
  openForReading,
  openForWriting,
  openInMemory,
} from "./database.ts";
import { createExportReads } from "./export-reads.ts";
import { fileSize } from "./file-size.ts";
import { createFileWatch } from "./file-watch.ts";
import { createGapStore } from "./gaps.ts";
import { createHotPlugStore } from "./hot-plugs.ts";
import { createMetaStore, createResumePointStore } from "./key-values.ts";
import { markDamaged, setAside } from "./quarantine.ts";
import type { MetaStore } from "./record-stores.ts";
import { StoreRefusal, type StoreTrouble, type Written } from "./refusal.ts";
import { createRetention } from "./retention.ts";
import type { Saved } from "./save-history.ts";
import { createSightingStore } from "./sightings.ts";
import { createSignatureTable } from "./signatures.ts";
import { createSnapshotTable } from "./snapshots.ts";
import { createStats } from "./stats.ts";
import type { OpenedStore, OpenStoreOptions, Store } from "./store.ts";
import { takeInHistory } from "./take-in-history.ts";
import { createTroubles, type Troubles } from "./troubles.ts";
import { createUnfinishedStore } from "./unfinished.ts";
import { createVmTable } from "./vms.ts";
import { takeWriterLock } from "./writer-lock.ts";

/** Key of the list of troubles among the settings. */
const TROUBLES = "troubles";

/**
 * Opens the database: as its one writer, or read-only beside it. Never throws for anything that is wrong with
 * the file or the disk; what was repaired on the way stands in the store's `troubles`.
 */
export function openStore(options: OpenStoreOptions): OpenedStore {
  const first = openAt(options);
  if (first.state === "open" || !["occupied", "newer", "missing"].includes(first.reason)) return first;
  const path = besideOf(options.path);
  if (!existsSync(path) && options.orBeside !== true) return first;
  return openAt(
    { ...options, path },
    { ...first, older: first.reason === "newer" ? options.path : undefined },
  );
}

/** Where the history is kept while something else is in its place. */
function besideOf(path: string): string {
  return `${path}.beside`;
}

/** Opens the file at just this place; `instead` is why it is not the one that was asked for. */
function openAt(
  options: OpenStoreOptions,
  instead?: { readonly why: string; readonly remedy: string; readonly older: string | undefined },
): OpenedStore {
  const { path, clock } = options;
  const troubles = createTroubles(clock);
  if (options.readOnly === true || options.besideService === true) {
    const opened = options.readOnly === true ? openForReading(path) : openForGuest(path);
    return opened.state === "open" ? asStore(opened, options, troubles, () => {}) : opened;
  }
  try {
    // 0700: log lines and VM definitions are nobody else's business.
    makeDirectory(dirname(path), 0o700);
    keepDirectoryPrivate(dirname(path));
  } catch (error) {
    const why = `The directory ${dirname(path)} cannot be made: ${error instanceof Error ? error.message : error}.`;
    const remedy = "Run as root, or set another place for the database.";
    return { state: "refused", reason: "inaccessible", why, remedy };
  }
  const lock = takeWriterLock(path);
  if (lock.state === "impossible")
    return { state: "refused", reason: "inaccessible", why: lock.why, remedy: lock.remedy };
  if (lock.state === "taken") {
    return {
      state: "refused",
      reason: "locked",
      why: `Another vfio-watch (${lock.pid === 0 ? "pid unknown" : `pid ${lock.pid}`}) writes to ${path}.`,
      remedy: "Stop that one first; commands that only read need not wait for it.",
    };
  }
  const opened = openForWriting(path, clock.now(), options.copies ?? [], instead?.older);
  if (opened.state === "refused") {
    lock.release();
    return opened;
  }
  const begun = opened.begun && describeSaved(opened.begun.saved);
  if (instead !== undefined) {
    const saved = begun === undefined ? "" : ` It was begun ${begun}.`;
    troubles.report(
      "beside",
      `${instead.why} Meanwhile the history is kept in ${path}.${saved}`,
      `${instead.remedy} Then start the service again: it goes on in the usual place, with what it kept meanwhile.`,
    );
  } else if (opened.begun !== undefined && opened.begun.file === undefined) {
    troubles.report(
      "quarantined",
      `There was no history at ${path}. A new one was begun ${begun}.`,
      "Where it was removed on purpose, stop the service and remove the copy as well.",
    );
  } else if (opened.begun !== undefined) {
    troubles.report(
      "quarantined",
      `The database ${path} was damaged. It was moved to ${opened.begun.file} and a new one begun, ${begun}.`,
      `The older history is in that file; "sqlite3 FILE .recover" may bring more of it back.`,
    );
  }
  if (!opened.writeAheadLog) {
    troubles.report(
      "no-write-ahead-log",
      `The file system of ${path} has no shared memory: commands that read may have to wait for the service.`,
      "Keep the database on a local disk.",
    );
  }
  const store = asStore(opened, options, troubles, () => lock.release());
  if (instead === undefined && store.state === "open") takeInBeside(store.store, options);
  return store;
}

/** The place is free again: what was kept beside it goes into the history, and the file is put away. */
function takeInBeside(store: Store, options: OpenStoreOptions): void {
  const path = besideOf(options.path);
  if (!existsSync(path)) return;
  const opened = openAt({ path, clock: options.clock });
  if (opened.state === "refused") return;
  const taken = store.durable(() => takeInHistory(opened.store, store));
  opened.store.close();
  if (taken.state === "written") setAside(path, `${path}.taken-in`);
}

/** A history that ends with the process, in place of the one at `path` that cannot be used. */
export function openVolatileStore(options: OpenStoreOptions): Store {
  return storeOf(
    openInMemory(options.path),
    { ...options, besideService: true },
    createTroubles(options.clock),
    {
      release: () => {},
      watched: [],
    },
  );
}

function asStore(
  opened: OpenedDatabase & { readonly state: "open" },
  options: OpenStoreOptions,
  troubles: Troubles,
  release: () => void,
): OpenedStore {
  const { path } = options;
  // The lock as well: without its name a second service could take one, and both would write.
  const watched = [
    path,
    `${path}-wal`,
    ...(options.readOnly === true || options.besideService === true ? [] : [`${path}.lock`]),
  ];
  return { state: "open", store: storeOf(opened, options, troubles, { release, watched }) };
}

/** `watched`: the files that the store is in. */
function storeOf(
  opened: OpenedDatabase & { readonly state: "open" },
  options: OpenStoreOptions,
  troubles: Troubles,
  { release, watched }: { readonly release: () => void; readonly watched: readonly string[] },
): Store {
  const { path, clock } = options;
  const readOnly = options.readOnly === true;
  /** The service's own list of troubles is nobody else's to write, and a damaged file is the service's to move. */
  const isOwner = !readOnly && options.besideService !== true;
  const connection = createConnection({
    database: opened.database,
    path,
    clock,
    troubles,
    onDamage: () => {
      if (!isOwner) return;
      markDamaged(path);
      options.onDamage?.();
    },
    onSettled: keepTroubles,
  });
  const meta = createMetaStore(connection);
  // What still lasted for an earlier writer is for this one to find out.
  troubles.addEarlier(readTroubles(meta).filter(({ until }) => !isOwner || until !== undefined));
  keepTroubles();
  const boots = createBootTable(connection);
  const snapshots = createSnapshotTable(connection, boots);
  const vms = createVmTable(connection, boots);
  const signatures = createSignatureTable(connection);
  const retention = createRetention(connection);
  const files = createFileWatch(watched);
  const store: Store = {
    path,
    readOnly,
    attempts: judged(connection, createAttemptStore({ connection, boots, snapshots, vms, signatures })),
    sightings: createSightingStore(connection, boots),
    gaps: createGapStore(connection, boots),
    hotPlugs: createHotPlugStore(connection, boots),
    resumePoints: createResumePointStore(connection),
    unfinished: judged(connection, createUnfinishedStore(connection)),
    boots,
    snapshots: judged(connection, snapshots),
    vms: judged(connection, vms),
    alerts: judged(connection, createAlertTable(connection)),
    meta,
    exports: judged(connection, createExportReads(connection)),
    durable: (work) => asValue(() => connection.durable(work)),
    batched: (work) => asValue(() => connection.batched(work)),
    prune: (limits) => retention.prune(limits),
    troubles: () => troubles.list(),
    isDisplaced: () => files.areDisplaced(),
    bytes: () => fileSize(connection).bytes,
    letGo: () => void connection.pragma("shrink_memory"),
    stats: createStats(connection, () => retention.dropped()),
    close() {
      opened.database.close();
      release();
    },
  };
  return store;

  /** For commands beside this process, and for the next one. */
  function keepTroubles(): void {
    const list = troubles.list();
    if (isOwner && list.length > 0) asValue(() => meta.set(TROUBLES, JSON.stringify(list)));
  }
}

/** What became of a damaged history, for the end of a sentence. */
function describeSaved({ boots, starts, startsBefore, copy }: Saved): string {
  if (boots === 0 && starts === 0) return "since nothing of it could be read";
  const all =
    startsBefore === undefined || startsBefore <= starts ? "" : ` of the ${startsBefore} ever stored`;
  const from = copy === undefined ? "" : `, partly from the copy ${copy}`;
  return `with what could be read${from}: ${boots} boots and ${starts} starts${all}`;
}

/** The same part of the store, of which what it throws for a damaged row says so. */
function judged<T extends object>(connection: Connection, part: T): T {
  const methods = Object.entries(part).map(([name, method]: [string, unknown]) => [
    name,
    (...given: unknown[]) => {
      try {
        return typeof method === "function" ? method(...given) : method;
      } catch (error) {
        throw connection.judge(error);
      }
    },
  ]);
  return Object.fromEntries(methods) as T;
}

function readTroubles(meta: MetaStore): readonly StoreTrouble[] {
  let list: readonly StoreTrouble[] = [];
  try {
    list = JSON.parse(meta.get(TROUBLES) ?? "[]");
  } catch {
    // What an earlier run met is not worth refusing the history for.
  }
  // JSON has no undefined.
  return list.map((trouble) => ({ ...trouble, until: trouble.until }));
}

function asValue<T>(write: () => T): Written<T> {
  try {
    return { state: "written", value: write() };
  } catch (error) {
    if (error instanceof StoreRefusal) return { state: "refused", trouble: error.trouble };
    throw error;
  }
}

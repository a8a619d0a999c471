import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FleetConnection, withFleet } from "../../src/fleet/connect.ts";
import { exportHistory } from "../../src/fleet/export.ts";
import type { FleetJob } from "../../src/fleet/job.ts";
import { addRole, prepareFleet } from "../../src/fleet/owner.ts";
import { type FleetServer, parseServer } from "../../src/fleet/server.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { type MadeBoot, storeHistory } from "../helpers/made-history.ts";
import type { OwnPostgres } from "./own-postgres.ts";

/** A fleet's database that is prepared, as its owner sees it. */
export interface TestFleet {
  readonly url: string;
  readonly owner: FleetServer;
  /** Rows of a statement, asked by the owner. */
  rows<Row = Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** The server as a new role sees it. */
  add(label: string, kind?: "host" | "reader"): Promise<FleetServer>;
}

export function serverOf(url: string): FleetServer {
  const parsed = parseServer(new URL(url));
  if ("problem" in parsed) assert.fail(parsed.problem);
  return parsed.server;
}

/** Connects and does it; what the server refuses fails the test. */
export async function asked<T>(
  server: FleetServer,
  work: (fleet: FleetConnection) => Promise<T>,
): Promise<T> {
  const done = await withFleet(server, work);
  if (done.state === "failed") assert.fail(done.error);
  return done.value;
}

export async function newFleet(postgres: OwnPostgres): Promise<TestFleet> {
  const url = await postgres.newDatabase();
  const owner = serverOf(url);
  await asked(owner, prepareFleet);
  return {
    ...{ url, owner },
    rows: (sql, values) =>
      asked(owner, async (fleet) => {
        await fleet.run("SET search_path = vfio_watch");
        return fleet.rows(sql, values);
      }),
    async add(label, kind = "host") {
      const { role, password } = await asked(owner, (fleet) => addRole(fleet, label, kind));
      return { ...owner, user: role, password };
    },
  };
}

export const JOB = {
  share: "facts",
  label: "",
  cluster: "",
  machine: "tower.lan",
  version: "test",
  goodAfterMs: 0,
} satisfies Partial<FleetJob>;

/** Sends a history as the host of that role does. */
export function exportFrom(
  server: FleetServer,
  store: Store,
  job: Partial<FleetJob> = {},
  now = Date.now(),
): ReturnType<typeof exportHistory> {
  return asked(server, (fleet) => exportHistory(fleet, store, { ...JOB, ...job }, now));
}

/** A history of its own with these boots, which goes when `use` is done. */
export async function withHistory<T>(
  boots: readonly MadeBoot[],
  use: (store: Store, path: string) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-fleet-"));
  const path = join(directory, "history.db");
  const opened = openStore({ path, clock: { now: Date.now } });
  if (opened.state === "refused") assert.fail(opened.why);
  try {
    storeHistory(opened.store, boots);
    return await use(opened.store, path);
  } finally {
    opened.store.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

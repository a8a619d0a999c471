import { openStore } from "../store/open.ts";
import { type FleetConnection, FleetRefusal, withFleet } from "./connect.ts";
import { exportHistory } from "./export.ts";
import type { FleetJob, FleetResult } from "./job.ts";
import { serverName } from "./server.ts";
import { keepVerdicts } from "./verdict-cache.ts";
import { boardKeyOf, readVerdictsOf } from "./verdicts.ts";

const LONGEST_JOB = 64 * 1024;

/** The child's whole work: reads its job, does it, writes the result as one line. The history is only read. */
export async function runFleetChild(
  readInput: (limit: number) => Promise<Uint8Array | undefined>,
  write: (line: string) => void,
): Promise<void> {
  const input = (await readInput(LONGEST_JOB)) ?? new Uint8Array();
  const job = JSON.parse(Buffer.from(input).toString("utf8")) as FleetJob;
  const limits = { connectMs: Math.min(10_000, job.limitMs), statementMs: job.limitMs };
  const done = await withFleet(job.server, (fleet) => doJob(fleet, job), limits);
  const result: FleetResult = done.state === "done" ? done.value : done;
  write(`${JSON.stringify(result)}\n`);
}

async function doJob(fleet: FleetConnection, job: FleetJob): Promise<FleetResult> {
  const result = job.what === "export" ? await exportFrom(fleet, job) : NOTHING;
  if (job.board !== undefined) {
    const verdicts = await readVerdictsOf(fleet, boardKeyOf(job.board));
    const { server, board } = { server: serverName(job.server), board: job.board };
    keepVerdicts(job.verdictsFile, { readAt: Date.now(), server, board, verdicts });
    if (job.what === "verdicts") return { ...NOTHING, verdicts };
  }
  return result;
}

const NOTHING: Extract<FleetResult, { state: "done" }> = {
  state: "done",
  exported: 0,
  position: 0,
  waiting: 0,
  nextMs: undefined,
};

async function exportFrom(fleet: FleetConnection, job: FleetJob): Promise<FleetResult> {
  const opened = openStore({ path: job.database, readOnly: true, clock: { now: Date.now } });
  if (opened.state === "refused") throw new FleetRefusal(`${opened.why} ${opened.remedy}`);
  try {
    return await exportHistory(fleet, opened.store, job, Date.now());
  } finally {
    opened.store.close();
  }
}

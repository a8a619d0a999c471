import { systemClock } from "../clock.ts";
import { runFleetChild } from "../daemon/fleet-watch.ts";
import type { FleetJob } from "../fleet/job.ts";
import { parseServer, serverName } from "../fleet/server.ts";
import { readCachedVerdicts, verdictsFileOf } from "../fleet/verdict-cache.ts";
import { type FleetVerdict, recordsOf } from "../fleet/verdicts.ts";
import { biosRecord } from "../history/bios-record.ts";
import { inSpellingOf, isSameBiosVersion } from "../knowledge/bios-version.ts";
import { isSameBoard } from "../knowledge/board-names.ts";
import type { FirmwareRecord } from "../knowledge/known-firmware-file.ts";
import { openStore } from "../store/open.ts";
import { formatMinute } from "../time-words.ts";
import type { Surroundings } from "./surroundings.ts";
import { programVersion } from "./version.ts";

/** What the fleet of this host says of its board. */
export interface FleetSays {
  readonly records: readonly FirmwareRecord[];
  /** Sentences for people: by BIOS version how many hosts fail, and of when that is where the fleet was not asked. */
  readonly sentences: readonly string[];
}

const NOTHING: FleetSays = { records: [], sentences: [] };
/** A command does not wait longer for a server that is away, and not longer for a child on a busy machine (ms). */
const SERVER_PATIENCE = 3_000;
const PATIENCE = 15_000;

/** Asks the fleet where it can be reached, else takes what it said last; nothing where the host is of no fleet. */
export async function askFleetOfBoard(
  surroundings: Surroundings,
  board: string | undefined,
  bios: string | undefined,
): Promise<FleetSays> {
  const { FLEET_URL: url, FLEET_PASSWORD: password } = surroundings.loaded.config;
  if (url === undefined || board === undefined) return NOTHING;
  const parsed = parseServer(url, password);
  if ("problem" in parsed)
    return { records: [], sentences: [`Your fleet cannot be asked: ${parsed.problem}`] };
  const { server } = parsed;
  const job: FleetJob = {
    ...{
      server,
      database: surroundings.database,
      verdictsFile: verdictsFileOf(surroundings.database),
      board,
    },
    ...{ what: "verdicts", share: "facts", label: "", cluster: "", machine: "", version: programVersion() },
    ...{ goodAfterMs: 0, limitMs: SERVER_PATIENCE },
  };
  const never = new AbortController().signal;
  const result = await runFleetChild(job, systemClock, never, PATIENCE);
  if (result.state === "done" && result.verdicts !== undefined)
    return saysOf(surroundings, result.verdicts, bios, `your fleet (${serverName(server)})`, "");
  const why = result.state === "failed" ? result.error : "nothing came back";
  return cachedFleet(surroundings, board, bios, `it cannot be asked now: ${why}`);
}

/** What the fleet said last, for whoever cannot wait. */
export function cachedFleet(
  surroundings: Surroundings,
  board: string | undefined,
  bios: string | undefined,
  why = "",
): FleetSays {
  if (surroundings.loaded.config.FLEET_URL === undefined || board === undefined) return NOTHING;
  const cached = readCachedVerdicts(verdictsFileOf(surroundings.database));
  const reason = why === "" ? "" : `; ${why}`;
  if (cached === undefined || !isSameBoard(cached.board, board))
    return why === ""
      ? NOTHING
      : { records: [], sentences: [`Of your fleet nothing is known here yet${reason}.`] };
  const from = `your fleet (${cached.server}, as of ${formatMinute(cached.readAt)})`;
  return saysOf(
    surroundings,
    cached.verdicts,
    bios,
    from,
    ` That is of ${formatMinute(cached.readAt)}${reason}.`,
  );
}

/** The BIOS versions on which starts of this host are on record: the fleet counts it among its hosts. */
function versionsHere({ database }: Surroundings): readonly string[] {
  const opened = openStore({ path: database, readOnly: true, clock: { now: Date.now } });
  if (opened.state === "refused") return [];
  try {
    return biosRecord(opened.store).flatMap(({ version }) => version ?? []);
  } finally {
    opened.store.close();
  }
}

function saysOf(
  surroundings: Surroundings,
  verdicts: readonly FleetVerdict[],
  bios: string | undefined,
  from: string,
  dated: string,
): FleetSays {
  const shares = verdicts.map(
    (verdict) =>
      `${verdict.failing} of ${verdict.hosts} hosts ${verdict.failing === 1 ? "fails" : "fail"} on ${inSpellingOf(bios, verdict.bios)}${verdict.failing > 0 && verdict.class ? ` (${verdict.class})` : ""}`,
  );
  const sentence =
    shares.length === 0
      ? `Your fleet: no BIOS of this board has five hosts behind it yet.${dated}`
      : `Your fleet, this board: ${shares.join(", ")}.${dated}`;
  const here = versionsHere(surroundings);
  // Owners are others: this host is not counted twice, as what it proves itself and as one that says so.
  const records = recordsOf(verdicts, from).map((record) => {
    const isOwn = [...record.good, ...record.bad].some((one) =>
      here.some((own) => isSameBiosVersion(one, own)),
    );
    return isOwn ? { ...record, owners: Math.max(1, record.owners - 1) } : record;
  });
  return { records, sentences: [sentence] };
}

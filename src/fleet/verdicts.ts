import type { FirmwareRecord } from "../knowledge/known-firmware-file.ts";
import { CAUSE_CLASSES } from "../model/catalogue.ts";
import type { FleetConnection } from "./connect.ts";

/** How one BIOS version of one board fares in a fleet. */
export interface FleetVerdict {
  readonly vendor: string;
  readonly board: string;
  readonly bios: string;
  readonly agesa: string | null;
  /** Hosts with starts on it, and how many of them had failures that a BIOS can have a part in. */
  readonly hosts: number;
  readonly failing: number;
  /** The most frequent class of those; null where none failed, empty where nothing said why. */
  readonly class: string | null;
  /** The newest start, by month: `2026-11`. */
  readonly month: string;
}

const COLUMNS = "coalesce(board_vendor, '*') AS vendor, board, bios, agesa, hosts, failing, class";

/** What hosts may read of a board: verdicts that at least five hosts stand behind. */
export function readVerdictsOf(fleet: FleetConnection, boardKey: string): Promise<readonly FleetVerdict[]> {
  return fleet.rows<FleetVerdict>(
    `SELECT ${COLUMNS}, to_char(month, 'YYYY-MM') AS month FROM vfio_watch.verdicts($1) ORDER BY bios`,
    [boardKey],
  );
}

/** Of all boards, for whoever may read everything, from so many hosts on. */
export function readVerdicts(fleet: FleetConnection, fewest: number): Promise<readonly FleetVerdict[]> {
  return fleet.rows<FleetVerdict>(
    `SELECT ${COLUMNS}, to_char(last_at, 'YYYY-MM') AS month FROM vfio_watch.result WHERE hosts >= $1
     ORDER BY board_key, bios`,
    [fewest],
  );
}

/** As the server's own column has it: MSI's number, else the name without spaces, signs and capitals. */
export function boardKeyOf(board: string): string {
  const number = /\bMS-([0-9A-Z]{4})\b/i.exec(board)?.[1]?.toUpperCase();
  return number ?? (board.toLowerCase().replace(/[^a-z0-9]+/g, "") || board.toLowerCase());
}

/** A version on which so many of the hosts fail is bad; on which so few do, good; in between nothing is said. */
const BAD = 0.5;
const GOOD = 0.05;
const MOST_OWNERS = 10_000;
const CLASSES: readonly string[] = CAUSE_CLASSES;

/** The verdicts as records of known firmware. `from` says whose they are. */
export function recordsOf(verdicts: readonly FleetVerdict[], from: string): readonly FirmwareRecord[] {
  return verdicts.flatMap((verdict): readonly FirmwareRecord[] => {
    const { hosts, failing, board, bios, vendor, agesa, month } = verdict;
    const isBad = failing / hosts >= BAD;
    if (!isBad && failing / hosts > GOOD) return [];
    const cause = CLASSES.includes(verdict.class ?? "") ? verdict.class : "unknown";
    return [
      {
        vendors: [vendor],
        boards: [board],
        products: [],
        good: isBad ? [] : [bios],
        bad: isBad ? [bios] : [],
        goodAgesa: [],
        badAgesa: [],
        agesa: isBad ? (agesa ?? undefined) : undefined,
        class: cause as FirmwareRecord["class"],
        confidence: "reported",
        owners: Math.min(MOST_OWNERS, isBad ? failing : hosts - failing),
        platform: undefined,
        setting: undefined,
        fixedIn: undefined,
        notes: `${failing} of ${hosts} hosts of ${from} fail on it, the newest start in ${month}.`,
        sources: [],
      },
    ];
  });
}

/** A file of known firmware is about one vendor's boards: its name, and what stands in it. */
export interface VerdictFile {
  readonly name: string;
  readonly text: string;
}

/** The records in the form of `config/known-firmware`, a file for each vendor. */
export function verdictFiles(records: readonly FirmwareRecord[]): readonly VerdictFile[] {
  return [...Map.groupBy(records, ({ vendors }) => vendors[0] ?? "*")].map(([vendor, own]) => ({
    name: `fleet-${
      vendor
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, "-")
        .replace(/^-|-$/g, "") || "any"
    }.json`,
    text: `${JSON.stringify({ vendor: [vendor], records: own.map(recordJson) }, undefined, 2)}\n`,
  }));
}

function recordJson({
  boards,
  good,
  bad,
  agesa,
  class: cause,
  confidence,
  owners,
  notes,
}: FirmwareRecord): object {
  return {
    board: boards,
    ...(good.length > 0 && { good }),
    ...(bad.length > 0 && { bad }),
    ...(agesa !== undefined && { agesa }),
    class: cause,
    confidence,
    owners,
    notes,
  };
}

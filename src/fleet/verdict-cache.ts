import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { FleetVerdict } from "./verdicts.ts";

/** What the fleet said of this host's board, and when: for when it cannot be asked. */
export interface CachedVerdicts {
  /** UTC epoch milliseconds. */
  readonly readAt: number;
  readonly server: string;
  readonly board: string;
  readonly verdicts: readonly FleetVerdict[];
}

/** The same verdicts are written anew only when their date is so old (ms): it may be a flash stick. */
const KEPT = 86_400_000;
const LARGEST = 1024 * 1024;

/** The copy of the fleet's verdicts, beside the history. */
export function verdictsFileOf(database: string): string {
  return join(dirname(database), `${basename(database)}.fleet-verdicts.json`);
}

/** The copy; undefined where none is there, or nothing that this program wrote. */
export function readCachedVerdicts(file: string): CachedVerdicts | undefined {
  try {
    const text = readFileSync(file, "utf8");
    const cached = JSON.parse(text.slice(0, LARGEST)) as Partial<CachedVerdicts>;
    const isWhole =
      Number.isFinite(cached.readAt) && Array.isArray(cached.verdicts) && typeof cached.board === "string";
    return isWhole && (cached.verdicts ?? []).every(isVerdict) ? (cached as CachedVerdicts) : undefined;
  } catch {
    return undefined;
  }
}

function isVerdict(value: unknown): boolean {
  const { board, bios, vendor, hosts, failing } = (value ?? {}) as Partial<FleetVerdict>;
  const areTexts = [board, bios, vendor].every((text) => typeof text === "string" && text.length <= 500);
  return areTexts && Number.isInteger(hosts) && Number.isInteger(failing) && (hosts ?? 0) >= (failing ?? 0);
}

/** Keeps them in one step; returns why it could not. */
export function keepVerdicts(file: string, fresh: CachedVerdicts): string | undefined {
  const old = readCachedVerdicts(file);
  const said = ({ server, board, verdicts }: CachedVerdicts) => JSON.stringify([server, board, verdicts]);
  if (old !== undefined && said(old) === said(fresh) && fresh.readAt - old.readAt < KEPT) return undefined;
  const temporary = `${file}.${process.pid}.new`;
  try {
    writeFileSync(temporary, `${JSON.stringify(fresh)}\n`, { mode: 0o600, flag: "wx" });
    renameSync(temporary, file);
    return undefined;
  } catch (error) {
    rmSync(temporary, { force: true });
    return error instanceof Error ? error.message : String(error);
  }
}

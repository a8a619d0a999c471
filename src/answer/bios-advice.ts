import type { AgesaOnRecord } from "../history/agesa-record.ts";
import type { BiosRow } from "../history/bios-rows.ts";
import { boardOfBiosFile, inSpellingOf, isSameBiosVersion } from "../knowledge/bios-version.ts";
import { numberOf } from "../knowledge/board-names.ts";
import {
  type BoardNames,
  type FirmwareElsewhere,
  firmwareElsewhere,
} from "../knowledge/firmware-elsewhere.ts";
import type { KnownFirmware } from "../knowledge/load-known-firmware.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";

/** A VM that a BIOS update can break. */
export interface VmAtStake {
  readonly vm: VmName;
  readonly devices: readonly Bdf[];
  /** Whether something stops it now already. */
  readonly stopped: boolean;
  readonly lastGood:
    | { readonly at: number; readonly bios: string | undefined; readonly number: number }
    | undefined;
}

export interface BiosAdviceInput {
  readonly names: BoardNames;
  /** What the machine runs; undefined where it does not say. */
  readonly now: string | undefined;
  readonly agesaNow: string | undefined;
  /** On an Intel machine there is none. */
  readonly hasAgesa: boolean;
  /** The version that is asked about; undefined: whether to change at all. */
  readonly asked: string | undefined;
  readonly vms: readonly VmAtStake[];
  /** Whether a demand of the firmware for 1:1 mappings stops one of them now. */
  readonly demandStops: boolean;
  readonly record: readonly BiosRow[];
  /** What the versions carried that this host ran, the one seen last first. */
  readonly agesaRecord: readonly AgesaOnRecord[];
  readonly known: KnownFirmware;
}

/**
 * What comes of it. `worked-here` and `failed-here` are what this host proves, `…-elsewhere` is what others say;
 * `keep` and `change` answer whether to change at all.
 */
export type AdviceVerdict =
  | "wrong-board"
  | "worked-here"
  | "failed-here"
  | "worked-elsewhere"
  | "failed-elsewhere"
  | "unknown"
  | "keep"
  | "change";

export interface BiosAdvice {
  readonly now: string | undefined;
  /** Whether it is asked about the version that is in use. */
  readonly isNow: boolean;
  readonly hasAgesa: boolean;
  readonly agesaNow: string | undefined;
  /** In the machine's own spelling. */
  readonly asked: string | undefined;
  readonly verdict: AdviceVerdict;
  /** The board that the file is for, where it is not this one. */
  readonly otherBoard: string | undefined;
  /** How the version in use went on this host; undefined where no start on it is on record. */
  readonly nowHere: BiosRow | undefined;
  readonly askedHere: BiosRow | undefined;
  /** The newest version beside these two on which starts worked here and none failed. */
  readonly goodHere: BiosRow | undefined;
  /** Of the version that is asked about, else of the one in use. */
  readonly elsewhere: FirmwareElsewhere | undefined;
  readonly vms: readonly VmAtStake[];
}

/** Whether a version is proven on this host: it worked, and nothing failed on it. */
export function isProvenGood(row: BiosRow | undefined): boolean {
  return row !== undefined && row.worked > 0 && row.failed === 0;
}

/** What there is to say before a BIOS update, or on whether there should be one. Pure. */
export function adviseBios(input: BiosAdviceInput): BiosAdvice {
  const { names, now, agesaNow, record, known, vms } = input;
  const asked = input.asked === undefined ? undefined : inSpellingOf(now, input.asked);
  const subject = asked ?? now;
  const isNow = subject !== undefined && now !== undefined && isSameBiosVersion(subject, now);
  const rowOf = (version: string | undefined) => (version === undefined ? undefined : sumOf(record, version));
  const agesaOf = (version: string) =>
    (isNow ? agesaNow : undefined) ??
    input.agesaRecord.find((one) => isSameBiosVersion(one.version, version))?.agesa;
  const elsewhere =
    subject === undefined
      ? undefined
      : firmwareElsewhere(known, { names, bios: subject, agesa: agesaOf(subject) });
  const found = {
    ...{ now, isNow, agesaNow, asked, elsewhere, vms, hasAgesa: input.hasAgesa },
    otherBoard: input.asked === undefined ? undefined : otherBoardOf(input.asked, names),
    nowHere: rowOf(now),
    askedHere: rowOf(asked),
    goodHere: record.findLast(
      (row) => isProvenGood(row) && row.version !== undefined && !isOneOf(row.version, [now, asked]),
    ),
  };
  const verdict = asked === undefined ? verdictOnChanging(input, found) : verdictOnVersion(found);
  return { ...found, verdict };
}

function isOneOf(version: string, versions: readonly (string | undefined)[]): boolean {
  return versions.some((one) => one !== undefined && isSameBiosVersion(version, one));
}

type Found = Omit<BiosAdvice, "verdict">;

/** What this host proves comes before what others say. */
function verdictOnVersion({ otherBoard, askedHere, elsewhere }: Found): AdviceVerdict {
  if (otherBoard !== undefined) return "wrong-board";
  if (askedHere !== undefined && askedHere.failed > 0) return "failed-here";
  if (isProvenGood(askedHere)) return "worked-here";
  const all = [...(elsewhere?.here ?? []), ...(elsewhere?.sameAgesa ?? [])];
  if (all.some(({ verdict }) => verdict === "bad")) return "failed-elsewhere";
  // A good word for another board with the same AGESA is none for this one.
  const good = elsewhere?.here.some(
    ({ verdict, record }) => verdict === "good" && record.confidence === "reported",
  );
  return good === true ? "worked-elsewhere" : "unknown";
}

function verdictOnChanging({ demandStops }: BiosAdviceInput, { nowHere }: Found): AdviceVerdict {
  if (demandStops) return "change";
  return isProvenGood(nowHere) ? "keep" : "unknown";
}

function otherBoardOf(asked: string, { board, product }: BoardNames): string | undefined {
  const [meant, own] = [boardOfBiosFile(asked), numberOf(board ?? "") ?? numberOf(product ?? "")];
  return meant === undefined || own === undefined || meant === own ? undefined : `MS-${meant}`;
}

/** All builds of a version together; undefined where no start on it is on record. */
function sumOf(record: readonly BiosRow[], version: string): BiosRow | undefined {
  const rows = record.filter((row) => row.version !== undefined && isSameBiosVersion(row.version, version));
  const [first] = rows;
  if (first === undefined) return undefined;
  const sum = (count: (row: BiosRow) => number) => rows.reduce((total, row) => total + count(row), 0);
  return {
    ...first,
    firstSeen: Math.min(...rows.map(({ firstSeen }) => firstSeen)),
    lastSeen: Math.max(...rows.map(({ lastSeen }) => lastSeen)),
    starts: sum(({ starts }) => starts),
    worked: sum(({ worked }) => worked),
    failed: sum(({ failed }) => failed),
    refused: sum(({ refused }) => refused),
    causes: rows.flatMap(({ causes }) => causes),
  };
}

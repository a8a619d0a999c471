import { compareAgesa, fitsAgesa, isSameAgesa, parseAgesa } from "./agesa.ts";
import { type AgesaEntry, entriesOfBoard } from "./agesa-map.ts";
import { fitsVersions, isSameBiosVersion } from "./bios-version.ts";
import { isSameBoard, isSameVendor } from "./board-names.ts";
import type { FirmwareRecord } from "./known-firmware-file.ts";
import type { KnownFirmware } from "./load-known-firmware.ts";

/** A board as SMBIOS names it. */
export interface BoardNames {
  readonly vendor: string | undefined;
  readonly board: string | undefined;
  readonly systemVendor: string | undefined;
  readonly product: string | undefined;
}

/** A version that is asked about on a board. */
export interface FirmwareQuestion {
  readonly names: BoardNames;
  readonly bios: string;
  /** What the machine itself says, or said when it ran it, that this version carries; undefined: looked up. */
  readonly agesa: string | undefined;
}

/** What a record says of the version that is asked about. */
export type Verdict = "good" | "bad";

/** What is known from elsewhere of one BIOS version on a board. It proves nothing of this host. */
export interface FirmwareElsewhere {
  readonly bios: string;
  readonly agesa: { readonly name: string; readonly from: "this machine" | "other machines" } | undefined;
  /** Records of this board that speak of the version. */
  readonly here: readonly { readonly record: FirmwareRecord; readonly verdict: Verdict }[];
  /** Records of this board that do not: of other versions, or of none. */
  readonly otherVersions: readonly FirmwareRecord[];
  /** Records of other boards with the same AGESA. */
  readonly sameAgesa: readonly { readonly record: FirmwareRecord; readonly verdict: Verdict }[];
  /** How many other boards are known to have a version with the same AGESA. */
  readonly boardsWithAgesa: number;
  /** Versions of this board whose AGESA is known, the oldest AGESA first. */
  readonly versions: readonly { readonly bios: string; readonly agesa: string }[];
}

/** What is known from elsewhere of the version. */
export function firmwareElsewhere(known: KnownFirmware, question: FirmwareQuestion): FirmwareElsewhere {
  const { names, bios } = question;
  const own = entriesOfBoard(known.agesa, names);
  const ours = known.records.filter((record) => isOfBoard(record, names));
  const agesa = agesaOf(question, own, ours);
  const verdictHere = (record: FirmwareRecord) =>
    versionVerdict(record, bios) ?? (agesa === undefined ? undefined : agesaVerdict(record, agesa.name));
  const here = ours.flatMap((record) => withVerdict(record, verdictHere(record)));
  const spoken = new Set(here.map(({ record }) => record));
  const others = known.records.filter((record) => !ours.includes(record));
  const carriers =
    agesa === undefined ? [] : known.agesa.filter((entry) => isSameAgesa(entry.agesa, agesa.name));
  return {
    bios,
    agesa,
    here,
    otherVersions: ours.filter((record) => !spoken.has(record) && !record.boards.includes("*")),
    sameAgesa:
      agesa === undefined
        ? []
        : others.flatMap((record) => withVerdict(record, elsewhereVerdict(record, agesa.name, carriers))),
    boardsWithAgesa: boardsOf(carriers, names),
    versions: own.toSorted(byAgesa).map(({ bios: version, agesa: name }) => ({ bios: version, agesa: name })),
  };
}

function withVerdict(record: FirmwareRecord, verdict: Verdict | undefined) {
  return verdict === undefined ? [] : [{ record, verdict }];
}

/** Whether a record is about this board. Some vendors name the machine in the board's field, others in the system's. */
export function isOfBoard(record: FirmwareRecord, names: BoardNames): boolean {
  const isOneOf = (
    wanted: readonly string[],
    own: readonly (string | undefined)[],
    isSame: (one: string, other: string) => boolean,
  ) => wanted.some((text) => text === "*" || own.some((name) => name !== undefined && isSame(text, name)));
  return (
    isOneOf(record.boards, [names.board, names.product], isSameBoard) &&
    isOneOf(record.vendors, [names.vendor, names.systemVendor], isSameVendor) &&
    (record.products.length === 0 || isOneOf(record.products, [names.product], isSameBoard))
  );
}

function versionVerdict({ good, bad }: FirmwareRecord, bios: string): Verdict | undefined {
  return verdictOf(good, bad, (wanted) => fitsVersions(wanted, bios));
}

function agesaVerdict({ goodAgesa, badAgesa }: FirmwareRecord, agesa: string): Verdict | undefined {
  return verdictOf(goodAgesa, badAgesa, (wanted) => fitsAgesa(wanted, agesa));
}

/** What is named by itself is the exception to bounds that it lies in: every version but 1.A10. */
function verdictOf(
  good: readonly string[],
  bad: readonly string[],
  fits: (wanted: string) => boolean,
): Verdict | undefined {
  const named = (wanted: readonly string[]) => wanted.some((one) => !hasBounds(one) && fits(one));
  if (named(bad)) return "bad";
  if (named(good)) return "good";
  return bad.some(fits) ? "bad" : good.some(fits) ? "good" : undefined;
}

/** Of an AGESA they stand behind the family. */
function hasBounds(wanted: string): boolean {
  return wanted === "*" || /[<>]/.test(wanted);
}

/** What a record of another board says of an AGESA, by what it says itself or by what its versions carry. */
function elsewhereVerdict(
  record: FirmwareRecord,
  agesa: string,
  carriers: readonly AgesaEntry[],
): Verdict | undefined {
  const direct = agesaVerdict(record, agesa);
  if (direct !== undefined) return direct;
  if (record.agesa !== undefined && isSameAgesa(record.agesa, agesa)) return "bad";
  const verdicts = carriers
    .filter(({ vendor, board }) => isOfBoard(record, { ...NOBODY, vendor, board }))
    .map(({ bios }) => versionVerdict(record, bios));
  // What holds for every version of a board is the board's fault and says nothing of an AGESA.
  if (verdicts.includes("bad") && !record.bad.includes("*")) return "bad";
  return verdicts.includes("good") ? "good" : undefined;
}

const NOBODY: BoardNames = {
  vendor: undefined,
  board: undefined,
  systemVendor: undefined,
  product: undefined,
};

function agesaOf(
  { bios, agesa }: FirmwareQuestion,
  own: readonly AgesaEntry[],
  ours: readonly FirmwareRecord[],
): FirmwareElsewhere["agesa"] {
  if (agesa !== undefined) return { name: agesa, from: "this machine" };
  const named =
    own.find((entry) => isSameBiosVersion(entry.bios, bios))?.agesa ??
    ours.find((record) => record.agesa !== undefined && versionVerdict(record, bios) === "bad")?.agesa;
  return named === undefined ? undefined : { name: named, from: "other machines" };
}

function boardsOf(carriers: readonly AgesaEntry[], { board }: BoardNames): number {
  const boards = carriers.map((entry) => entry.board);
  return new Set(boards.filter((name) => board === undefined || !isSameBoard(name, board))).size;
}

function byAgesa(one: { readonly agesa: string }, other: { readonly agesa: string }): number {
  const [left, right] = [parseAgesa(one.agesa), parseAgesa(other.agesa)];
  return left === undefined || right === undefined ? 0 : (compareAgesa(left, right) ?? 0);
}

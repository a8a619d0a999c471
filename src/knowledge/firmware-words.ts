import type { CauseClass } from "../model/catalogue.ts";
import { inSpellingOf, isSameBiosVersion } from "./bios-version.ts";
import type { FirmwareElsewhere, Verdict } from "./firmware-elsewhere.ts";
import type { FirmwareRecord } from "./known-firmware-file.ts";

/** What a class is called in a few words, and what it did to other owners. */
const TROUBLES: Readonly<Partial<Record<CauseClass | "unknown", readonly [did: string, what: string]>>> = {
  "iommu-direct-mapping-required": ["could not start VMs on it", "1:1 demand"],
  "device-lost": ["lost passed-through devices on it", "device lost"],
  "power-state-stuck": ["could not use passed-through devices on it", "device stuck in D3"],
  "interrupt-remapping-missing": ["had no interrupt remapping on it", "IOMMU tables"],
  "iommu-not-enabled": ["had no IOMMU on it", "IOMMU missing"],
  "iommu-firmware-bug": ["had trouble with the IOMMU on it", "faulty IOMMU tables"],
};

const NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const numberWord = (count: number) => NUMBERS[count] ?? String(count);
const ownersWord = (count: number) => (count === 1 ? "owner" : "owners");

/** A version with the number of owners who say the same of it. */
interface Counted {
  readonly version: string;
  readonly owners: number;
}

/**
 * What others' records say of the version on this board, a sentence each; empty where they say nothing. It is hearsay,
 * so it is always said whose it is: never what this host proves.
 */
export function wordsElsewhere(elsewhere: FirmwareElsewhere, own?: string): readonly string[] {
  const { bios, here, otherVersions, sameAgesa, agesa } = elsewhere;
  const lines: string[] = [];
  const ofVerdict = (verdict: Verdict) =>
    here.filter((one) => one.verdict === verdict).map(({ record }) => record);
  const worked = goodElsewhere([...here.map(({ record }) => record), ...otherVersions], bios, own);
  const tail = worked.length === 0 ? "" : `; ${workedWords(worked)}`;
  const [bad, good] = [ofVerdict("bad"), ofVerdict("good")];
  const said = bad.length > 0 ? badWords(bad) : goodWords(good);
  if (said.length > 0) {
    lines.push(`This board with ${bios}: ${said.join("; ")}${tail}.`);
    if (bad.length > 0 && good.length > 0)
      lines.push(`Others say that the same version works: ${goodWords(good).join("; ")}.`);
  } else if (worked.length > 0)
    lines.push(`This board: ${workedWords(worked)}; of ${bios} nothing is known.`);
  // Who says that this version works may know one that does not.
  const others = [...good.filter(({ boards }) => !boards.includes("*")), ...otherVersions];
  lines.push(...detailWords(bad), ...otherBadWords(others, bios, own));
  const alike = sameAgesa.filter(({ verdict }) => verdict === "bad");
  if (agesa !== undefined && alike.length > 0)
    lines.push(
      ...agesaWords(
        alike.map(({ record }) => record),
        agesa.name,
      ),
    );
  return lines;
}

function badWords(records: readonly FirmwareRecord[]): readonly string[] {
  return [...Map.groupBy(records, (record) => `${record.confidence} ${record.class}`).values()].flatMap(
    (alike) => {
      const [first] = alike;
      if (first === undefined) return [];
      const count = alike.reduce((sum, { owners }) => sum + owners, 0);
      const [did, what] = TROUBLES[first.class] ?? [
        "had trouble with passthrough on it",
        first.class.replaceAll("-", " "),
      ];
      switch (first.confidence) {
        case "table":
          return [
            `the firmware's table of ${numberWord(count)} other ${count === 1 ? "machine" : "machines"} has the ${what}, and nobody is known to have tried a VM`,
          ];
        case "inferred":
          return [`a report that is not certain speaks of trouble with it (${what})`];
        default:
          return [`${numberWord(count)} other ${ownersWord(count)} ${did} (${what})`];
      }
    },
  );
}

function goodWords(records: readonly FirmwareRecord[]): readonly string[] {
  const sure = records.filter(({ confidence }) => confidence === "reported");
  const count = sure.reduce((sum, { owners }) => sum + owners, 0);
  if (count > 0) return [`passthrough worked on it for ${numberWord(count)} other ${ownersWord(count)}`];
  return records.length === 0 ? [] : ["a report that is not certain says that passthrough worked on it"];
}

/** Versions of the board that worked for those who say so, without the one that is asked about. */
function goodElsewhere(records: readonly FirmwareRecord[], bios: string, own?: string): readonly Counted[] {
  const counts = new Map<string, number>();
  for (const { good, owners, confidence } of records) {
    if (confidence !== "reported") continue;
    for (const version of good) {
      if (/^[<>*]/.test(version) || isSameBiosVersion(version, bios)) continue;
      const shown = inSpellingOf(own, version);
      counts.set(shown, (counts.get(shown) ?? 0) + owners);
    }
  }
  return [...counts].map(([version, owners]) => ({ version, owners })).sort((a, b) => b.owners - a.owners);
}

function workedWords(worked: readonly Counted[]): string {
  return worked.map(({ version, owners }) => `${version} worked for ${numberWord(owners)}`).join(", ");
}

function otherBadWords(records: readonly FirmwareRecord[], bios: string, own?: string): readonly string[] {
  return records
    .filter((record) => record.confidence === "reported" && speaksIll(record))
    .flatMap((record) => {
      const versions = record.bad
        .filter((version) => !isSameBiosVersion(version, bios))
        .map((version) => shownVersion(version, own));
      const [said = ""] = badWords([record]);
      if (versions.length > 0)
        return [`This board with ${versions.join(" and ")}: ${said}.`, ...detailWords([record])];
      if (record.badAgesa.length > 0)
        return [`This board with AGESA ${record.badAgesa.join(" or ")}: ${said}.`];
      return [`This board, version not said: ${said}.`, ...detailWords([record])];
    });
}

function shownVersion(version: string, own: string | undefined): string {
  if (version === "*") return "every other version";
  return /^[<>]/.test(version) ? `versions ${version}` : inSpellingOf(own, version);
}

/** A record of nothing but versions that work says no ill of others; one of no version at all does. */
function speaksIll({ good, bad, goodAgesa, badAgesa }: FirmwareRecord): boolean {
  return bad.length + badAgesa.length > 0 || good.length + goodAgesa.length === 0;
}

function detailWords(records: readonly FirmwareRecord[]): readonly string[] {
  const settings = new Set(records.flatMap(({ setting }) => setting ?? []));
  const fixes = new Set(records.flatMap(({ fixedIn }) => fixedIn ?? []));
  return [
    ...[...settings].map((setting) => `What helped there in the BIOS set-up: ${setting}.`),
    ...[...fixes].map((fix) => `Mended there by ${fix}.`),
  ];
}

function agesaWords(records: readonly FirmwareRecord[], agesa: string): readonly string[] {
  return records.map((record) => {
    const [said = ""] = badWords([record]);
    const board = record.boards.includes("*") ? "Other boards" : `Another board (${record.boards[0]})`;
    return `${board} with the same AGESA (${agesa}): ${said}.`;
  });
}

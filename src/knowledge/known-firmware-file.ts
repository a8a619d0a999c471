import { CAUSE_CLASSES, type CauseClass } from "../model/catalogue.ts";
import { isAgesaCondition } from "./agesa.ts";
import { areBounds } from "./bios-version.ts";
import {
  type JsonNode,
  JsonSyntaxError,
  membersOf,
  parseJsonWithLines,
  Unwanted,
} from "./json-with-lines.ts";

/*
 * A file of known firmware is about one vendor's boards (docs/known-firmware.md has it in full):
 *
 *   { "vendor": ["Micro-Star International Co., Ltd."],        as SMBIOS has it; "*" for any
 *     "records": [
 *       { "board": ["MPG X870E CARBON WIFI (MS-7E49)"],        as SMBIOS has it; "*" for any
 *         "product": ["82XM"],                                 the system's product, where the board alone does not tell
 *         "good": ["1.A63"], "bad": ["1.A95", ">=2.00 <=3.90"],
 *         "goodAgesa": ["…"], "badAgesa": ["ComboAM4 >=0.0.7.2 <=1.0.0.1"],
 *         "agesa": "…", "class": "iommu-direct-mapping-required", "confidence": "reported", "owners": 1,
 *         "platform": "…", "setting": "…", "fixedIn": "…", "notes": "…", "sources": ["https://…"] } ] }
 */

/**
 * How sure a record is: an owner said so; somebody concludes it from what owners said of other things; a table of the
 * firmware shows the demand, and nobody said that a VM failed.
 */
export const CONFIDENCES = ["reported", "inferred", "table"] as const;
export type Confidence = (typeof CONFIDENCES)[number];

/** What is known of a board's firmware from elsewhere. */
export interface FirmwareRecord {
  readonly vendors: readonly string[];
  readonly boards: readonly string[];
  /** Empty where the board tells enough. */
  readonly products: readonly string[];
  readonly good: readonly string[];
  readonly bad: readonly string[];
  readonly goodAgesa: readonly string[];
  readonly badAgesa: readonly string[];
  /** What the bad versions carry, as far as the record says it. */
  readonly agesa: string | undefined;
  readonly class: CauseClass | "unknown";
  readonly confidence: Confidence;
  readonly owners: number;
  readonly platform: string | undefined;
  /** The BIOS setting that took the trouble away. */
  readonly setting: string | undefined;
  readonly fixedIn: string | undefined;
  readonly notes: string | undefined;
  readonly sources: readonly string[];
}

export interface KnownFirmwareFile {
  readonly records: readonly FirmwareRecord[];
  readonly problems: readonly { readonly line: number; readonly reason: string }[];
}

const KEYS = [
  ...["board", "product", "good", "bad", "goodAgesa", "badAgesa", "agesa", "class", "confidence", "owners"],
  ...["platform", "setting", "fixedIn", "notes", "sources"],
];
const CLASSES: readonly FirmwareRecord["class"][] = [...CAUSE_CLASSES, "unknown"];
const LONGEST_TEXT = 500;
const MOST_TEXTS = 40;
const MOST_OWNERS = 10_000;

/** Reads a file's text. What is wrong is in `problems`; the records are those that are right. Never throws. */
export function readKnownFirmwareFile(text: string): KnownFirmwareFile {
  const records: FirmwareRecord[] = [];
  const problems: { line: number; reason: string }[] = [];
  const tried = (work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof JsonSyntaxError || error instanceof Unwanted)) throw error;
      problems.push({ line: error.line, reason: error.message });
    }
  };
  tried(() => {
    const file = fieldsOf(parseJsonWithLines(text), "the file", ["vendor", "records"]);
    const vendors = file.texts("vendor");
    if (vendors.length === 0) throw new Unwanted(file.node, '"vendor" is missing or empty');
    const list = file.member("records");
    if (list === undefined || !Array.isArray(list.value))
      throw new Unwanted(list ?? file.node, '"records" must be a list in brackets');
    for (const node of list.value) tried(() => records.push(readRecord(node, vendors)));
  });
  return { records, problems };
}

function readRecord(node: JsonNode, vendors: readonly string[]): FirmwareRecord {
  const fields = fieldsOf(node, "a record", KEYS);
  const boards = fields.texts("board");
  if (boards.length === 0) throw new Unwanted(node, '"board" is missing or empty');
  const record: FirmwareRecord = {
    vendors,
    boards,
    products: fields.texts("product"),
    good: fields.texts("good", isVersion),
    bad: fields.texts("bad", isVersion),
    goodAgesa: fields.texts("goodAgesa", isAgesaCondition),
    badAgesa: fields.texts("badAgesa", isAgesaCondition),
    agesa: fields.text("agesa"),
    class: oneOf(fields, "class", CLASSES),
    confidence: oneOf(fields, "confidence", CONFIDENCES),
    owners: fields.owners(),
    platform: fields.text("platform"),
    setting: fields.text("setting"),
    fixedIn: fields.text("fixedIn"),
    notes: fields.text("notes"),
    sources: fields.texts("sources", (source) => /^https:\/\/[^\s]+$/.test(source)),
  };
  if (boards.includes("*") && record.badAgesa.length + record.goodAgesa.length === 0)
    throw new Unwanted(node, 'a record of every board needs "badAgesa" or "goodAgesa"');
  return record;
}

function isVersion(text: string): boolean {
  return !/^[<>]/.test(text) || areBounds(text);
}

interface Fields {
  readonly node: JsonNode;
  member(key: string): JsonNode | undefined;
  text(key: string): string | undefined;
  /** A list; empty where it is not given. */
  texts(key: string, isRight?: (text: string) => boolean): readonly string[];
  owners(): number;
}

function fieldsOf(node: JsonNode, what: string, keys: readonly string[]): Fields {
  const members = membersOf(node, what, keys);
  return {
    node,
    member: (key) => members.get(key),
    text(key) {
      const member = members.get(key);
      return member === undefined ? undefined : asText(member, key);
    },
    texts(key, isRight = () => true) {
      const member = members.get(key);
      if (member === undefined) return [];
      if (!Array.isArray(member.value)) throw new Unwanted(member, `"${key}" must be a list in brackets`);
      if (member.value.length > MOST_TEXTS)
        throw new Unwanted(member, `"${key}" has more than ${MOST_TEXTS} entries`);
      return member.value.map((item: JsonNode) => {
        const text = asText(item, key);
        if (!isRight(text)) throw new Unwanted(item, `"${text}" cannot be understood as one of "${key}"`);
        return text;
      });
    },
    owners() {
      const member = members.get("owners");
      if (member === undefined) return 1;
      const { value: owners } = member;
      if (typeof owners === "number" && Number.isInteger(owners) && owners > 0 && owners <= MOST_OWNERS)
        return owners;
      throw new Unwanted(member, `"owners" must be a whole number from 1 to ${MOST_OWNERS}`);
    },
  };
}

function asText(node: JsonNode, what: string): string {
  if (typeof node.value !== "string") throw new Unwanted(node, `"${what}" must be a text`);
  if (node.value.trim() === "") throw new Unwanted(node, `"${what}" is empty`);
  if (node.value.length > LONGEST_TEXT)
    throw new Unwanted(node, `"${what}" is longer than ${LONGEST_TEXT} characters`);
  return node.value;
}

function oneOf<T extends string>(fields: Fields, what: string, choices: readonly T[]): T {
  const node = fields.member(what);
  const chosen = choices.find((choice) => choice === node?.value);
  if (chosen === undefined)
    throw new Unwanted(node ?? fields.node, `"${what}" must be one of ${choices.join(", ")}`);
  return chosen;
}

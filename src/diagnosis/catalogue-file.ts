import {
  type JsonNode,
  JsonSyntaxError,
  membersOf,
  parseJsonWithLines,
  parseSoundJson,
  Unwanted,
} from "../knowledge/json-with-lines.ts";
import {
  CAUSE_CLASSES,
  type ClassAdvice,
  CONDITIONS,
  type Condition,
  KNOBS,
  type Layer,
  type Remedy,
  type Severity,
  type Signature,
  type SignatureClass,
  type SignatureRole,
  START_ROLES,
} from "../model/catalogue.ts";
import { signatureId } from "../model/identifiers.ts";
import { expandPattern, faultOfPattern } from "./pattern.ts";
import { nameIn, namesIn } from "./sentence.ts";
import { isVersionRange } from "./version-range.ts";

/*
 * A catalogue file is about one class (docs/signatures.md has it in full):
 *
 *   { "class": "device-busy",
 *     "sentence": "{device} is already in use[[ by the VM '{holder}']].",   what is wrong, with places for names
 *     "meaning": "…", "remedies": [REMEDY], "confirm": ["…"],   what holds for all of its signatures
 *     "goBack": ["bios", "kernel"],                             what can have brought it, if it changed
 *     "states": { "state.in-use-by-vm": [REMEDY] },             remedies for checks of the host's state
 *     "signatures": [
 *       { "id": "qemu.group-node-busy", "layer": "qemu", "role": "cause", "severity": "fatal",
 *         "pattern": "…", "examples": ["…"],
 *         "meaning": "…", "remedies": [REMEDY], "confirm": ["…"],   where it differs from the class
 *         "versions": "…", "order": 100, "refusal": false, "start": "stops" } ] }
 *
 * A signature's own meaning is its sentence, with the same places. REMEDY is a text, or
 * { "text": "…", "when": { "cpu": "amd", "kernel": ">=6.6" }, "first": true }.
 * `order`: signatures with a smaller one are tried first (default 100); general messages have a larger one.
 */

/** A signature with its place in the match order and in its file. */
export interface OrderedSignature {
  readonly signature: Signature;
  readonly order: number;
  /** 1-based. */
  readonly line: number;
}

export interface CatalogueFile {
  readonly class: SignatureClass | undefined;
  readonly advice: ClassAdvice;
  readonly signatures: readonly OrderedSignature[];
  readonly problems: readonly { readonly line: number; readonly reason: string }[];
}

const CLASSES: readonly SignatureClass[] = [...CAUSE_CLASSES, "start-failure-wrapper", "benign-noise"];
const LAYERS: readonly Layer[] = ["kernel", "qemu", "libvirt"];
const ROLES: readonly SignatureRole[] = ["cause", "symptom", "context", "noise"];
const SEVERITIES: readonly Severity[] = ["fatal", "degraded", "info"];
const FILE_KEYS = ["class", "sentence", "meaning", "remedies", "confirm", "goBack", "states", "signatures"];
const SIGNATURE_KEYS = [
  ...["id", "layer", "role", "severity", "pattern", "examples", "meaning", "remedies", "confirm"],
  ...["versions", "order", "refusal", "start"],
];
const DEFAULT_ORDER = 100;
const LONGEST_TEXT = 2_000;
const MOST_TEXTS = 50;

/**
 * Reads a catalogue file's text. What is wrong is in `problems`; the signatures are those that are right. `isTested`:
 * the file comes with the program, whose tests have tried its patterns on its examples; at each start that would be
 * most of what a command does.
 */
export function readCatalogueFile(text: string, isTested = false): CatalogueFile {
  try {
    const root = isTested ? parseSoundJson(text) : parseJsonWithLines(text);
    const file = asObject(root, "the file", FILE_KEYS);
    const shared = readShared(file);
    const signatures: OrderedSignature[] = [];
    const problems: { line: number; reason: string }[] = [];
    for (const node of asArray(required(file, "signatures"), "signatures")) {
      try {
        signatures.push(readSignature(node, shared, isTested));
      } catch (error) {
        problems.push(problemOf(error));
      }
    }
    return { class: shared.class, advice: readAdvice(file, shared), signatures, problems };
  } catch (error) {
    return { class: undefined, advice: NO_ADVICE, signatures: [], problems: [problemOf(error)] };
  }
}

function problemOf(error: unknown): { readonly line: number; readonly reason: string } {
  if (error instanceof JsonSyntaxError) return { line: error.line, reason: `not JSON: ${error.message}` };
  if (error instanceof Unwanted) return { line: error.line, reason: error.message };
  throw error;
}

const NO_ADVICE: ClassAdvice = { sentence: undefined, remedies: [], goBack: [], states: {} };

function readAdvice(file: JsonObject, shared: Shared): ClassAdvice {
  const states = file.members.get("states");
  return {
    sentence: shared.sentence,
    remedies: shared.remedies ?? [],
    goBack:
      optional(file, "goBack", asTexts)?.map((knob) =>
        oneOf(required(file, "goBack"), "goBack", KNOBS, knob),
      ) ?? [],
    states: states === undefined ? {} : readStates(states),
  };
}

function readStates(node: JsonNode): ClassAdvice["states"] {
  if (!(node.value instanceof Map)) throw new Unwanted(node, '"states" must be an object in braces');
  return Object.fromEntries([...node.value].map(([id, remedies]) => [id, asRemedies(remedies, id)]));
}

interface Shared {
  readonly class: SignatureClass;
  readonly sentence: string | undefined;
  readonly meaning: string | undefined;
  readonly remedies: readonly Remedy[] | undefined;
  readonly confirm: readonly string[] | undefined;
}

function readShared(file: JsonObject): Shared {
  return {
    class: oneOf(required(file, "class"), "class", CLASSES),
    sentence: optional(file, "sentence", asText),
    meaning: optional(file, "meaning", asText),
    remedies: optional(file, "remedies", asRemedies),
    confirm: optional(file, "confirm", asTexts),
  };
}

function readSignature(node: JsonNode, shared: Shared, isTested: boolean): OrderedSignature {
  const object = asObject(node, "a signature", SIGNATURE_KEYS);
  const idNode = required(object, "id");
  const id = asText(idNode, "id");
  if (!/^[a-z0-9]+(?:[.-][a-z0-9]+)*$/.test(id) || id.length > 80) {
    throw new Unwanted(idNode, `the id "${id.slice(0, 80)}" is not of the form "kernel.some-name"`);
  }
  const role = oneOf(required(object, "role"), "role", ROLES);
  const patternNode = required(object, "pattern");
  const pattern = readPattern(patternNode);
  const examplesNode = required(object, "examples");
  const examples = asTexts(examplesNode, "examples");
  if (!isTested) tryPattern(pattern, patternNode, id, examples, examplesNode);
  const own = optional(object, "meaning", asText);
  const meaning = own ?? shared.meaning;
  if (meaning === undefined) throw new Unwanted(node, `${id} has no "meaning", and neither has the file`);
  const caught = ["device", ...[...pattern.matchAll(/\(\?<(\w+)>/g)].map(([, name = ""]) => name)];
  const unnamed = own === undefined ? undefined : namesIn(own).find((name) => !caught.includes(name));
  if (unnamed !== undefined)
    throw new Unwanted(node, `${id} speaks of {${unnamed}}, which its pattern does not catch`);
  const confirm = optional(object, "confirm", asTexts) ?? shared.confirm;
  const versions = optional(object, "versions", asText);
  const refusal = optional(object, "refusal", asBoolean);
  const start = optional(object, "start", (role) => oneOf(role, "start", START_ROLES));
  return {
    line: node.line,
    order: optional(object, "order", asWholeNumber) ?? DEFAULT_ORDER,
    signature: {
      id: signatureId(id),
      class: shared.class,
      layer: oneOf(required(object, "layer"), "layer", LAYERS),
      role,
      severity: oneOf(required(object, "severity"), "severity", SEVERITIES),
      pattern,
      meaning: nameIn(meaning),
      sentence: own ?? shared.sentence ?? meaning,
      remedies: optional(object, "remedies", asRemedies) ?? shared.remedies ?? [],
      examples,
      ...(confirm !== undefined && { confirm }),
      ...(versions !== undefined && { versions }),
      ...(refusal !== undefined && { refusal }),
      ...(start !== undefined && { start }),
    },
  };
}

function readPattern(node: JsonNode): string {
  let source: string;
  try {
    source = expandPattern(asText(node, "pattern"));
  } catch (error) {
    if (error instanceof Unwanted) throw error;
    throw new Unwanted(node, error instanceof Error ? error.message : String(error));
  }
  return source;
}

function tryPattern(
  pattern: string,
  node: JsonNode,
  id: string,
  examples: readonly string[],
  examplesNode: JsonNode,
): void {
  const fault = faultOfPattern(pattern);
  if (fault !== undefined) throw new Unwanted(node, fault);
  if (examples.length === 0) throw new Unwanted(examplesNode, `${id} has no example`);
  const fits = new RegExp(pattern, "m");
  const missed = examples.find((example) => !fits.test(example));
  if (missed !== undefined)
    throw new Unwanted(examplesNode, `the pattern of ${id} does not fit its example: ${missed}`);
}

interface JsonObject {
  readonly node: JsonNode;
  readonly members: ReadonlyMap<string, JsonNode>;
}

function asObject(node: JsonNode, what: string, keys: readonly string[]): JsonObject {
  return { node, members: membersOf(node, what, keys) };
}

function required(object: JsonObject, key: string): JsonNode {
  const node = object.members.get(key);
  if (node === undefined) throw new Unwanted(object.node, `"${key}" is missing`);
  return node;
}

function optional<T>(
  object: JsonObject,
  key: string,
  read: (node: JsonNode, key: string) => T,
): T | undefined {
  const node = object.members.get(key);
  return node === undefined ? undefined : read(node, key);
}

function asText(node: JsonNode, what: string): string {
  if (typeof node.value !== "string") throw new Unwanted(node, `"${what}" must be a text`);
  if (node.value.trim() === "") throw new Unwanted(node, `"${what}" is empty`);
  if (node.value.length > LONGEST_TEXT)
    throw new Unwanted(node, `"${what}" is longer than ${LONGEST_TEXT} characters`);
  return node.value;
}

function asTexts(node: JsonNode, what: string): readonly string[] {
  const items = asArray(node, what);
  if (items.length > MOST_TEXTS) throw new Unwanted(node, `"${what}" has more than ${MOST_TEXTS} entries`);
  return items.map((item) => asText(item, what));
}

function asRemedies(node: JsonNode, what: string): readonly Remedy[] {
  return asArray(node, what).map((item): Remedy => {
    if (typeof item.value === "string") return { text: asText(item, what), when: {}, first: false };
    const object = asObject(item, "a remedy", ["text", "when", "first"]);
    return {
      text: asText(required(object, "text"), "text"),
      when: optional(object, "when", asConditions) ?? {},
      first: optional(object, "first", asBoolean) ?? false,
    };
  });
}

function asConditions(node: JsonNode): Remedy["when"] {
  const { members } = asObject(node, "when", CONDITIONS);
  return Object.fromEntries(
    [...members].map(([name, value]) => {
      const wanted = typeof value.value === "string" ? [asText(value, name)] : asTexts(value, name);
      const fault = wanted.find((text) => !isValid(name, text.replace(/^!/, "")));
      if (fault !== undefined)
        throw new Unwanted(value, `"${fault}" is no value for the condition "${name}"`);
      return [name, wanted];
    }),
  );
}

function isValid(name: string, text: string): boolean {
  const choices = (CHOICES as Readonly<Partial<Record<string, readonly string[]>>>)[name];
  if (choices !== undefined) return choices.includes(text);
  if (name === "kernel") return isVersionRange(text);
  if (name === "kernel-option") return /^[A-Z][A-Z0-9_]+$/.test(text);
  return name === "device" ? /^[0-9a-f]{4}:[0-9a-f]{0,4}\*?$/.test(text) : text !== "";
}

const CHOICES = {
  cpu: ["amd", "intel"],
  system: ["unraid", "proxmox"],
  "pre-boot-dma-protection": ["on", "off"],
  "secure-boot": ["on", "off"],
  hugepages: ["yes", "no"],
  changed: KNOBS,
} as const satisfies Readonly<Partial<Record<Condition, readonly string[]>>>;

function asArray(node: JsonNode, what: string): readonly JsonNode[] {
  if (!Array.isArray(node.value)) throw new Unwanted(node, `"${what}" must be a list in brackets`);
  return node.value;
}

function asWholeNumber(node: JsonNode, what: string): number {
  if (!Number.isSafeInteger(node.value)) throw new Unwanted(node, `"${what}" must be a whole number`);
  return Number(node.value);
}

function asBoolean(node: JsonNode, what: string): boolean {
  if (typeof node.value !== "boolean") throw new Unwanted(node, `"${what}" must be true or false`);
  return node.value;
}

function oneOf<T extends string>(
  node: JsonNode,
  what: string,
  choices: readonly T[],
  value: unknown = node.value,
): T {
  const chosen = choices.find((choice) => choice === value);
  if (chosen === undefined) throw new Unwanted(node, `"${what}" must be one of ${choices.join(", ")}`);
  return chosen;
}

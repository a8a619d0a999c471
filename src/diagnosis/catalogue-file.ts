import {
  CAUSE_CLASSES,
  type Layer,
  type Severity,
  type Signature,
  type SignatureClass,
  type SignatureRole,
  START_ROLES,
} from "../model/catalogue.ts";
import { signatureId } from "../model/identifiers.ts";
import { type JsonNode, JsonSyntaxError, parseJsonWithLines } from "./json-with-lines.ts";
import { expandPattern, faultOfPattern } from "./pattern.ts";

/*
 * A catalogue file is about one class:
 *
 *   { "class": "device-busy",
 *     "meaning": "…", "remedies": ["…"], "confirm": ["…"],      what holds for all of its signatures
 *     "signatures": [
 *       { "id": "qemu.group-node-busy", "layer": "qemu", "role": "cause", "severity": "fatal",
 *         "pattern": "…", "examples": ["…"],
 *         "meaning": "…", "remedies": ["…"], "confirm": ["…"],  where it differs from the class
 *         "versions": "…", "order": 100, "refusal": false, "start": "stops" } ] }
 *
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
  readonly signatures: readonly OrderedSignature[];
  readonly problems: readonly { readonly line: number; readonly reason: string }[];
}

const CLASSES: readonly SignatureClass[] = [...CAUSE_CLASSES, "start-failure-wrapper", "benign-noise"];
const LAYERS: readonly Layer[] = ["kernel", "qemu", "libvirt"];
const ROLES: readonly SignatureRole[] = ["cause", "symptom", "context", "noise"];
const SEVERITIES: readonly Severity[] = ["fatal", "degraded", "info"];
const FILE_KEYS = ["class", "meaning", "remedies", "confirm", "signatures"];
const SIGNATURE_KEYS = [
  ...["id", "layer", "role", "severity", "pattern", "examples", "meaning", "remedies", "confirm"],
  ...["versions", "order", "refusal", "start"],
];
const DEFAULT_ORDER = 100;
const LONGEST_TEXT = 2_000;
const MOST_TEXTS = 50;

/** A value that is not what the file should hold there. */
class Unwanted extends Error {
  readonly line: number;
  constructor(node: JsonNode, reason: string) {
    super(reason);
    this.line = node.line;
  }
}

/** Reads a catalogue file's text. What is wrong is in `problems`; the signatures are those that are right. */
export function readCatalogueFile(text: string): CatalogueFile {
  try {
    const file = asObject(parseJsonWithLines(text), "the file", FILE_KEYS);
    const shared = readShared(file);
    const signatures: OrderedSignature[] = [];
    const problems: { line: number; reason: string }[] = [];
    for (const node of asArray(required(file, "signatures"), "signatures")) {
      try {
        signatures.push(readSignature(node, shared));
      } catch (error) {
        problems.push(problemOf(error));
      }
    }
    return { signatures, problems };
  } catch (error) {
    return { signatures: [], problems: [problemOf(error)] };
  }
}

function problemOf(error: unknown): { readonly line: number; readonly reason: string } {
  if (error instanceof JsonSyntaxError) return { line: error.line, reason: `not JSON: ${error.message}` };
  if (error instanceof Unwanted) return { line: error.line, reason: error.message };
  throw error;
}

interface Shared {
  readonly class: SignatureClass;
  readonly meaning: string | undefined;
  readonly remedies: readonly string[] | undefined;
  readonly confirm: readonly string[] | undefined;
}

function readShared(file: JsonObject): Shared {
  return {
    class: oneOf(required(file, "class"), "class", CLASSES),
    meaning: optional(file, "meaning", asText),
    remedies: optional(file, "remedies", asTexts),
    confirm: optional(file, "confirm", asTexts),
  };
}

function readSignature(node: JsonNode, shared: Shared): OrderedSignature {
  const object = asObject(node, "a signature", SIGNATURE_KEYS);
  const idNode = required(object, "id");
  const id = asText(idNode, "id");
  if (!/^[a-z0-9]+(?:[.-][a-z0-9]+)*$/.test(id) || id.length > 80) {
    throw new Unwanted(idNode, `the id "${id.slice(0, 80)}" is not of the form "kernel.some-name"`);
  }
  const role = oneOf(required(object, "role"), "role", ROLES);
  const pattern = readPattern(required(object, "pattern"));
  const examplesNode = required(object, "examples");
  const examples = asTexts(examplesNode, "examples");
  const fits = new RegExp(pattern, "m");
  if (examples.length === 0) throw new Unwanted(examplesNode, `${id} has no example`);
  const missed = examples.find((example) => !fits.test(example));
  if (missed !== undefined)
    throw new Unwanted(examplesNode, `the pattern of ${id} does not fit its example: ${missed}`);
  const meaning = optional(object, "meaning", asText) ?? shared.meaning;
  if (meaning === undefined) throw new Unwanted(node, `${id} has no "meaning", and neither has the file`);
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
      meaning,
      remedies: optional(object, "remedies", asTexts) ?? shared.remedies ?? [],
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
  const fault = faultOfPattern(source);
  if (fault !== undefined) throw new Unwanted(node, fault);
  return source;
}

interface JsonObject {
  readonly node: JsonNode;
  readonly members: ReadonlyMap<string, JsonNode>;
}

function asObject(node: JsonNode, what: string, keys: readonly string[]): JsonObject {
  const { value } = node;
  if (!(value instanceof Map)) throw new Unwanted(node, `${what} must be an object in braces`);
  for (const [key, member] of value) {
    if (!keys.includes(key))
      throw new Unwanted(member, `"${key}" is unknown here; known: ${keys.join(", ")}`);
  }
  return { node, members: value };
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

function oneOf<T extends string>(node: JsonNode, what: string, choices: readonly T[]): T {
  const chosen = choices.find((choice) => choice === node.value);
  if (chosen === undefined) throw new Unwanted(node, `"${what}" must be one of ${choices.join(", ")}`);
  return chosen;
}

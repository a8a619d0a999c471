/** A JSON value together with the line it starts on, so that a bad part of a file can be pointed at. */
export interface JsonNode {
  /** 1-based. */
  readonly line: number;
  readonly value: string | number | boolean | null | readonly JsonNode[] | ReadonlyMap<string, JsonNode>;
}

/** What is wrong with a text that is not JSON, and on which line (1-based). */
export class JsonSyntaxError extends Error {
  readonly line: number;
  constructor(line: number, reason: string) {
    super(reason);
    this.line = line;
  }
}

const WHITESPACE = /[ \t\r\n]*/y;
const LITERAL = /true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** A whole string, escapes included; JSON.parse then judges the escapes. */
const STRING = /"(?:[^"\\\n]|\\.)*"/y;
const DEEPEST = 20;

/**
 * Parses JSON and keeps line numbers: JSON.parse names a position only for some mistakes and never for a
 * value that is well formed but unwanted. Throws JsonSyntaxError; objects with a key twice are refused.
 */
export function parseJsonWithLines(text: string): JsonNode {
  let position = 0;
  let countedTo = 0;
  let line = 1;

  const lineHere = () => {
    for (;;) {
      const end = text.indexOf("\n", countedTo);
      if (end < 0 || end >= position) return line;
      line++;
      countedTo = end + 1;
    }
  };
  const fail = (reason: string): never => {
    throw new JsonSyntaxError(lineHere(), reason);
  };
  const take = (token: RegExp): string | undefined => {
    token.lastIndex = position;
    const found = token.exec(text)?.[0];
    position += found?.length ?? 0;
    return found;
  };
  const peek = () => {
    take(WHITESPACE);
    return text[position];
  };
  const found = () => (position < text.length ? JSON.stringify(text[position]) : "the end of the file");
  const takeString = (): string => {
    const token =
      take(STRING) ?? fail(`a string that does not end on its line, or ${found()} instead of one`);
    try {
      return String(JSON.parse(token));
    } catch {
      return fail(`the string ${token.slice(0, 60)} has an escape that JSON does not know`);
    }
  };

  const takeValue = (depth: number): JsonNode => {
    if (depth > DEEPEST) fail("nested too deeply");
    const first = peek();
    const start = lineHere();
    if (first === '"') return { line: start, value: takeString() };
    if (first === "[" || first === "{") {
      position++;
      return { line: start, value: first === "[" ? takeItems(depth) : takeMembers(depth) };
    }
    const token = take(LITERAL) ?? fail(`a value was expected, not ${found()}`);
    return { line: start, value: JSON.parse(token) };
  };
  const takeItems = (depth: number): readonly JsonNode[] => {
    const items: JsonNode[] = [];
    if (peek() !== "]") {
      do items.push(takeValue(depth + 1));
      while (continues("]"));
    }
    position++;
    return items;
  };
  const takeMembers = (depth: number): ReadonlyMap<string, JsonNode> => {
    const members = new Map<string, JsonNode>();
    if (peek() !== "}") {
      do {
        peek();
        const key = takeString();
        if (members.has(key)) fail(`"${key}" stands here a second time`);
        if (peek() !== ":") fail(`":" was expected after "${key}", not ${found()}`);
        position++;
        members.set(key, takeValue(depth + 1));
      } while (continues("}"));
    }
    position++;
    return members;
  };
  const continues = (end: string): boolean => {
    const next = peek();
    if (next === end) return false;
    if (next !== ",") fail(`"," or "${end}" was expected, not ${found()}`);
    position++;
    return true;
  };

  const root = takeValue(0);
  if (peek() !== undefined) fail(`nothing was expected after the end, but there is ${found()}`);
  return root;
}

/**
 * The same of a file that is known to be sound, at a tenth of the cost: its lines are all 1. Where it is not sound after
 * all, what is thrown names the line.
 */
export function parseSoundJson(text: string): JsonNode {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return parseJsonWithLines(text);
  }
  return asNode(value);
}

function asNode(value: unknown): JsonNode {
  if (Array.isArray(value)) return { line: 1, value: value.map(asNode) };
  if (typeof value === "object" && value !== null)
    return {
      line: 1,
      value: new Map(Object.entries(value).map(([key, member]) => [key, asNode(member)] as const)),
    };
  return { line: 1, value: value as string | number | boolean | null };
}

/** A value that is not what the file should hold there. */
export class Unwanted extends Error {
  readonly line: number;
  constructor(node: JsonNode, reason: string) {
    super(reason);
    this.line = node.line;
  }
}

/** The members of an object that may have these keys alone; `what` it is stands in the reason of an {@link Unwanted}. */
export function membersOf(
  node: JsonNode,
  what: string,
  keys: readonly string[],
): ReadonlyMap<string, JsonNode> {
  const { value } = node;
  if (!(value instanceof Map)) throw new Unwanted(node, `${what} must be an object in braces`);
  for (const [key, member] of value) {
    if (!keys.includes(key))
      throw new Unwanted(member, `"${key}" is unknown here; known: ${keys.join(", ")}`);
  }
  return value;
}

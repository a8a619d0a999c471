import { parseArgumentVector } from "./argument-vector.ts";
import { cronProblem } from "./cron-expression.ts";
import type { Parsed } from "./parsed.ts";
import { parseTimeOfDayRange, type TimeOfDayRange } from "./time-of-day.ts";

/** What a form offers for a value; what stands there is checked by `parse` all the same. */
export type FormField =
  | { readonly kind: "text" | "path" | "schedule" | "address" | "secret" | "command" | "hours" }
  | { readonly kind: "whole"; readonly minimum: number; readonly maximum: number; readonly unit: string }
  | { readonly kind: "one-of" | "some-of"; readonly options: readonly string[] };

/** What the program knows about one key. */
export interface Key<T> {
  /** What may stand there, for a person: `yes or no`, `a whole number from 1 to 60 (minutes)`. */
  readonly expects: string;
  /** The default as it stands in the file. */
  readonly fallback: string;
  /** What it means: one or more lines for the shipped file. */
  readonly meaning: string;
  /** Shown only as set or not set, as the server without the rest, or as the program without its arguments. */
  readonly secret?: "whole" | "after-host" | "arguments";
  readonly field: FormField;
  readonly parse: (text: string) => Parsed<T>;
}

/** Text of one line, as it stands. */
export function text(fallback: string, meaning: string): Key<string> {
  return { expects: "text", fallback, meaning, field: { kind: "text" }, parse: (value) => ({ value }) };
}

/** An absolute path; empty where `meaning` says what that does. */
export function path(fallback: string, meaning: string): Key<string> {
  return { expects: "an absolute path", fallback, meaning, field: { kind: "path" }, parse: parsePath };
}

/** An absolute path, or one of some words. */
export function placeOr(words: readonly string[], fallback: string, meaning: string): Key<string> {
  return {
    expects: `${words.join(", ")} or an absolute path`,
    fallback,
    meaning,
    field: { kind: "path" },
    parse: (value) =>
      value === "" || words.includes(value) ? { value: value || fallback } : parsePath(value),
  };
}

function parsePath(value: string): Parsed<string> {
  if (value === "" || value.startsWith("/")) return { value };
  return { problem: "is not an absolute path" };
}

/** A whole number within bounds. */
export function whole(
  fallback: number,
  bounds: { readonly minimum: number; readonly maximum: number; readonly unit: string },
  meaning: string,
): Key<number> {
  const expects = `a whole number from ${bounds.minimum} to ${bounds.maximum} (${bounds.unit})`;
  return {
    expects,
    fallback: String(fallback),
    meaning,
    field: { kind: "whole", ...bounds },
    parse: (value) => {
      const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
      if (number >= bounds.minimum && number <= bounds.maximum) return { value: number };
      return { problem: `is not ${expects}` };
    },
  };
}

const YES = new Set(["yes", "true", "on", "1", "enable", "enabled"]);
const NO = new Set(["no", "false", "off", "0", "disable", "disabled"]);

/** `yes` or `no`, and the other words that settings pages write for them. */
export function yesNo(fallback: boolean, meaning: string): Key<boolean> {
  return {
    expects: "yes or no",
    fallback: fallback ? "yes" : "no",
    meaning,
    field: { kind: "one-of", options: ["yes", "no"] },
    parse: (value) => {
      const word = value.toLowerCase();
      if (YES.has(word)) return { value: true };
      return NO.has(word) ? { value: false } : { problem: "is neither yes nor no" };
    },
  };
}

/** One of a few words. */
export function choice<const T extends string>(
  fallback: NoInfer<T>,
  options: readonly T[],
  meaning: string,
): Key<T> {
  const expects = options.join(", ").replace(/, ([^,]*)$/, " or $1");
  return {
    expects,
    fallback,
    meaning,
    field: { kind: "one-of", options },
    parse: (value) => {
      const found = options.find((option) => option === value.toLowerCase());
      return found === undefined ? { problem: `is none of ${expects}` } : { value: found };
    },
  };
}

/** The least important alert for something; every channel has one. */
export function minimumImportance(what: string): Key<"normal" | "warning" | "alert"> {
  return choice("normal", ["normal", "warning", "alert"], `The least important alert that ${what}.`);
}

/** Some of a few words, with commas between them; `none` for none. */
export function someOf<const T extends string>(options: readonly T[], meaning: string): Key<readonly T[]> {
  return {
    expects: `any of ${options.join(", ")}, with commas between them, or none`,
    fallback: options.join(","),
    meaning,
    field: { kind: "some-of", options },
    parse: (value) => {
      const words = value
        .toLowerCase()
        .split(",")
        .map((word) => word.trim());
      if (words.join() === "none") return { value: [] };
      const unknown = words.filter((word) => !options.some((option) => option === word));
      if (unknown.length > 0) return { problem: `names what does not exist: ${unknown.join(", ")}` };
      return { value: options.filter((option) => words.includes(option)) };
    },
  };
}

/** A cron schedule of five fields, or `never`; undefined for never. */
export function schedule(fallback: string, meaning: string): Key<string | undefined> {
  return {
    expects: "a cron schedule of five fields in local time, or never",
    fallback,
    meaning,
    field: { kind: "schedule" },
    parse: (value) => {
      if (value.toLowerCase() === "never") return { value: undefined };
      const problem = cronProblem(value);
      return problem === undefined ? { value: value.trim().replace(/\s+/g, " ") } : { problem };
    },
  };
}

/** What one kind of address has to be. */
export interface AddressKind {
  readonly expects: string;
  readonly protocols: readonly string[];
  /** Said of what is no address, and of one of another protocol; neither repeats it, for it may hold a secret. */
  readonly problems: { readonly none: string; readonly protocol: string };
  /** What else is wrong with it. */
  readonly check?: (url: URL) => string | undefined;
}

const WEB: AddressKind = {
  expects: "an http or https address",
  protocols: ["https:", "http:"],
  problems: { none: "is not a web address", protocol: "does not begin with http:// or https://" },
};

/** An http or https address; undefined while it is empty. Paths of such addresses are secrets more often than not. */
export function webAddress(meaning: string): Key<URL | undefined> {
  return address(WEB, meaning);
}

/** An address of a kind; undefined while it is empty. What follows its host is shown to nobody. */
export function address(kind: AddressKind, meaning: string): Key<URL | undefined> {
  return {
    expects: kind.expects,
    fallback: "",
    meaning,
    secret: "after-host",
    field: { kind: "address" },
    parse: (value) => parseAddress(kind, value),
  };
}

/** Reads an address. */
export function parseAddress(
  { protocols, problems, check }: AddressKind,
  value: string,
): Parsed<URL | undefined> {
  if (value === "") return { value: undefined };
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined) return { problem: problems.none };
  if (!protocols.includes(url.protocol)) return { problem: problems.protocol };
  const problem = check?.(url);
  return problem === undefined ? { value: url } : { problem };
}

/** A token or password; undefined while it is empty. */
export function secret(meaning: string): Key<string | undefined> {
  return {
    expects: "text",
    fallback: "",
    meaning,
    secret: "whole",
    field: { kind: "secret" },
    parse: parseSecret,
  };
}

/** Reads a secret; characters that cannot stand in an HTTP header are refused, without saying which. */
function parseSecret(value: string): Parsed<string | undefined> {
  if (value === "") return { value: undefined };
  return /^[\x21-\x7e]+$/.test(value) ? { value } : { problem: "holds characters that no token has" };
}

/** A password, which may hold anything that can be typed; undefined while it is empty. */
export function password(meaning: string): Key<string | undefined> {
  const parse = (value: string): Parsed<string | undefined> => {
    if (value === "") return { value: undefined };
    return /[\u0000-\u001f\u007f]/.test(value)
      ? { problem: "holds characters that cannot be typed" }
      : { value };
  };
  return { ...secret(meaning), parse };
}

/** A command and its arguments; undefined while it is empty. No shell is involved. */
export function commandLine(meaning: string): Key<readonly string[] | undefined> {
  return {
    expects: "an absolute path with arguments; single quotes around arguments with blanks",
    fallback: "",
    meaning,
    // Tokens are given to programs as arguments more often than not.
    secret: "arguments",
    field: { kind: "command" },
    parse: parseArgumentVector,
  };
}

/** A daily span of local time; undefined while it is empty. */
export function dailyHours(meaning: string): Key<TimeOfDayRange | undefined> {
  return {
    expects: "a time span like 22:00-07:00, or nothing",
    fallback: "",
    meaning,
    field: { kind: "hours" },
    parse: parseTimeOfDayRange,
  };
}

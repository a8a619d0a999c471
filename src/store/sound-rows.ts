import { CAUSE_CLASSES } from "../model/catalogue.ts";
import { FACT_GROUPS } from "../model/fact.ts";

/** A row as SQLite gives it, whatever it holds. */
export type AnyRow = Readonly<Record<string, unknown>>;

/** Larger numbers are no times: JavaScript has no date for them. */
const LAST_TIME = 8.64e15;
const TIME_COLUMN = /(?:^|_)(?:at|since|until)$/;
const ADDRESS = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const isNumber: Check = (value) => typeof value === "number";
const isAddress: Check = (value) => typeof value === "string" && ADDRESS.test(value);
const isClass: Check = (value) => (CAUSE_CLASSES as readonly unknown[]).includes(value);
const listOf =
  (isItem: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(isItem);
const objectOf =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) && Object.entries(checks).every(([key, check]) => check(value[key]));
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null || check(value);
const json =
  (check: Check): Check =>
  (value) => {
    try {
      return typeof value === "string" && check(JSON.parse(value));
    } catch {
      return false;
    }
  };

const isContent = json(
  objectOf({
    kind: isText,
    subject: isText,
    devices: listOf(objectOf({ bdf: isText })),
    changes: listOf(isText),
    causeClass: optional(isClass),
    vm: optional(isText),
  }),
);
const isObservation = objectOf({ kind: isText, source: isText, identity: isText, at: isNumber });

/** What this program reads out of a column without looking twice, by table. */
const CHECKS: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  attempt: { cause: optional(isClass) },
  boot: { id: (value) => isText(value) && value !== "" },
  delivery: { content: isContent },
  device_group: { bdf: isAddress },
  device_set: { devices: json(listOf(isAddress)), groups: json(listOf(isNumber)) },
  diagnosis: {
    body: json(
      objectOf({
        summary: isText,
        noEffect: listOf(isText),
        causes: listOf(
          objectOf({
            class: isClass,
            sentence: isText,
            remedies: optional(listOf(isText)),
            evidence: listOf(isText),
            devices: listOf(isText),
            groups: listOf(isNumber),
          }),
        ),
      }),
    ),
  },
  evidence: {
    observation: json(isObject),
    matches: json(listOf((match) => Array.isArray(match) && isText(match[0]) && isObject(match[1]))),
  },
  fact_key: { fact_group: (value) => (FACT_GROUPS as readonly unknown[]).includes(value) },
  incident: { key: json(listOf(isText)), content: isContent },
  hot_plug: {
    vms: json(listOf(isText)),
    devices: json(listOf(isAddress)),
    lines: json(listOf(objectOf({ source: isText, at: isNumber, text: isText }))),
  },
  unfinished: { observation: json(isObservation) },
  vm: {
    definition: optional(
      json(objectOf({ name: isText, uuid: isText, hostDevices: listOf(objectOf({ bdf: isAddress })) })),
    ),
  },
};

/** Whether a row is one that this program may have written; what SQLite itself checks of types is not looked at. */
export function isSound(table: string, row: AnyRow): boolean {
  const checks = CHECKS[table];
  for (const [column, value] of Object.entries(row)) {
    if (TIME_COLUMN.test(column) && typeof value === "number" && Math.abs(value) > LAST_TIME) return false;
    if (checks?.[column]?.(value) === false) return false;
  }
  if (table === "fact" && row.state === "json") return json(() => true)(row.value);
  return table !== "meta" || !LISTS.has(String(row.key)) || json(isObject)(row.value);
}

/** Settings of the store's own that are lists or objects. */
const LISTS: ReadonlySet<string> = new Set(["dropped", "troubles"]);

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

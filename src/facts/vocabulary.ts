import { type CauseClass, KNOBS, type Knob } from "../model/catalogue.ts";
import type { FactGroup, FactValue } from "../model/fact.ts";
import { nameOfKeyPart } from "./key-parts.ts";
import type { FactForm, FactKind, FactRole, KnobKind } from "./kind.ts";
import { FACT_KINDS } from "./kinds.ts";

interface KnownForm {
  readonly kind: FactKind;
  readonly form: FactForm;
  readonly pattern: RegExp;
}

interface KnownThing {
  readonly kind: FactKind;
  /** The key above all things of the kind. */
  readonly anchor: string;
  /** The key of the thing to which a fact of this key belongs. */
  readonly find: (key: string) => string | undefined;
}

/** The regular expression of a key with its parts in braces. */
function sourceOf(key: string): string {
  return key.split(/(\{[^}]+\})/).reduce((source, piece) => {
    const [, name, rest, choice] = /^\{(\w+)(\*)?(?::(.+))?\}$/.exec(piece) ?? [];
    if (name === undefined) return source + piece.replaceAll(".", "\\.");
    return `${source}(?<${name}>${choice ?? (rest === undefined ? "[^.]+" : ".+")})`;
  }, "");
}

function thingOfKind(kind: FactKind): readonly KnownThing[] {
  const { thing } = kind;
  if (thing === undefined) return [];
  const anchor = thing.slice(0, thing.indexOf("{") - 1);
  // Another kind can tell more of the same thing.
  const forms = FACT_KINDS.flatMap((any) => any.forms);
  const below = forms.flatMap(({ key }) =>
    key.startsWith(`${thing}.`) ? [key.slice(thing.length + 1)] : [],
  );
  const unnamed = (key: string) => sourceOf(key).replace(/\?<\w+>/g, "?:");
  const attributes = below.map(unnamed).join("|");
  // Nearly all facts are of such kinds, and a regular expression for each of them takes most of a comparison's time.
  if (below.length > 0 && /^\{\w+\}$/.test(thing.slice(anchor.length + 1))) {
    const plain = new Set(below);
    const others = new RegExp(`^(?:${attributes})$`);
    const find = (key: string) => {
      const dot = key.indexOf(".", anchor.length + 1);
      const attribute = key.slice(dot + 1);
      const isOwn = dot > anchor.length + 1 && (plain.has(attribute) || others.test(attribute));
      return isOwn ? key.slice(0, dot) : undefined;
    };
    return [{ kind, anchor, find }];
  }
  const pattern = new RegExp(`^(${unnamed(thing)})${below.length === 0 ? "" : `\\.(?:${attributes})`}$`);
  return [{ kind, anchor, find: (key) => pattern.exec(key)?.[1] }];
}

/** By the first part of a key: such questions are asked of every fact of several snapshots. */
const FORMS = Map.groupBy(
  FACT_KINDS.flatMap((kind) =>
    kind.forms.map((form): KnownForm => ({ kind, form, pattern: new RegExp(`^${sourceOf(form.key)}$`) })),
  ),
  ({ form }) => roomOf(form.key),
);
const THINGS = Map.groupBy(FACT_KINDS.flatMap(thingOfKind), ({ anchor }) => roomOf(anchor));

function roomOf(key: string): string {
  const dot = key.indexOf(".");
  return dot < 0 ? key : key.slice(0, dot);
}

/** A key as the vocabulary knows it. */
export interface KnownKey {
  readonly kind: FactKind;
  readonly form: FactForm;
  /** Parts of the key by name, as the key has them. */
  readonly parts: Readonly<Record<string, string>>;
}

/** What is declared of a key; undefined for one of no known kind, as another release may have written it. */
export function knownKey(key: string): KnownKey | undefined {
  for (const { kind, form, pattern } of FORMS.get(roomOf(key)) ?? []) {
    const parts = pattern.exec(key);
    if (parts !== null) return { kind, form, parts: { ...parts.groups } };
  }
  return undefined;
}

/** The kind whose facts stand under a key: the nearest one above it. */
function kindAbove(key: string): FactKind | undefined {
  let nearest: FactKind | undefined;
  for (const kind of FACT_KINDS) {
    const isAbove = key === kind.root || key.startsWith(`${kind.root}.`);
    if (isAbove && kind.root.length >= (nearest?.root.length ?? 0)) nearest = kind;
  }
  return nearest;
}

/** The thing that a fact belongs to, and its kind; undefined for facts that stand alone. */
export function thingOf(
  key: string,
): { readonly entity: string; readonly anchor: string; readonly kind: FactKind } | undefined {
  for (const { kind, anchor, find } of THINGS.get(roomOf(key)) ?? []) {
    const entity = key.startsWith(`${anchor}.`) ? find(key) : undefined;
    if (entity !== undefined) return { entity, anchor, kind };
  }
  return undefined;
}

/** What a fact is to the question which change broke passthrough. */
export function roleOf(key: string): FactRole {
  const known = knownKey(key);
  return known?.form.role ?? known?.kind.role ?? kindAbove(key)?.role ?? "bystander";
}

/** What kind of thing a fact is, for its odds before the data. */
export function oddsOf(key: string): KnobKind {
  const known = knownKey(key);
  return known?.form.odds ?? known?.kind.odds ?? kindAbove(key)?.odds ?? "other";
}

/** How much a reader cares about a fact within its group: 0 most. */
export function importanceOf(key: string): number {
  const form = knownKey(key)?.form;
  if (form !== undefined) return form.importance;
  // A device, or another thing, as a whole.
  return kindAbove(key)?.root === "pci" ? 1 : 5;
}

/** Whether a fact is known to work the failure: with such a value, or with any change where no value is given. */
export function isMechanismOf(
  cause: CauseClass,
  key: string,
): "any change" | ((value: FactValue) => boolean) | undefined {
  return knownKey(key)?.form.breaks?.[cause];
}

/** Names of what only follows from others: named as suspects only where nothing else changed. */
const CONSEQUENCES: Readonly<Record<FactGroup, string>> = {
  firmware: "firmware",
  "firmware-tables": "firmware tables",
  iommu: "IOMMU groups and regions",
  kernel: "kernel state",
  "boot-loader": "boot loader file",
  "vfio-setup": "device binding",
  pci: "PCI devices",
  vm: "VM definition",
  software: "software",
  hardware: "hardware",
};

/** Knobs that are told by what follows from them. */
const TOLD_BY_FACTS: ReadonlySet<Knob> = new Set<Knob>(["card in its slot", "cards in the group"]);

/** The word for facts that a person would name with one because they come and go together. */
export function familyOf(group: FactGroup, key: string): string {
  const role = roleOf(key);
  if (role === "bystander" || !("knob" in role) || TOLD_BY_FACTS.has(role.knob)) return CONSEQUENCES[group];
  if (group === "hardware") return CONSEQUENCES.hardware;
  if (role.which === undefined) return role.knob;
  const part =
    knownKey(key)?.parts[role.which] ?? key.split(".").at(role.knob === "definition of VM" ? 1 : -1);
  return `${role.knob} ${part ?? key}`;
}

/** Rank of a family among what is changed as such, 0 first; infinite for what only follows from others. */
export function rootRank(family: string): number {
  const index = KNOBS.findIndex((knob) => family === knob || family.startsWith(`${knob} `));
  return index < 0 ? Number.POSITIVE_INFINITY : index;
}

/** The name of a fact for a person; `device` names PCI functions by identity. */
export function labelOf({ form, parts }: KnownKey, device: (identity: string) => string): string {
  return form.label.replace(/\{(\w+)\}/g, (_whole, name: string) => {
    const part = parts[name] ?? "";
    return name === "device" ? device(part) : nameOfKeyPart(part);
  });
}

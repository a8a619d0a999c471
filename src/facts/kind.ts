import type data from "../../config/blame-priors.json";
import type { HostReading } from "../host/host-reading.ts";
import type { CauseClass, Knob } from "../model/catalogue.ts";
import type { FactContent, FactGroup, FactValue } from "../model/fact.ts";
import type { Reading } from "../model/reading.ts";

/** What kind of thing a fact is, as far as its odds go before any start has told: those of config/blame-priors.json. */
export type KnobKind = keyof typeof data.kinds;

/** What a fact is to the question which change broke passthrough. */
export type FactRole =
  /** It is changed as such; `which` names the part of the key that tells several of the kind apart. */
  | { readonly knob: Knob; readonly which?: string }
  /** It follows from these, and cannot be changed by itself. */
  | { readonly follows: readonly Knob[] }
  /** It changes nothing for a VM: names, claims (law 6), what is known to play no part (law 5). */
  | "bystander";

/** Parts of the report in which facts are shown. */
export type FactSection =
  | "hardware"
  | "firmware"
  | "kernel"
  | "iommu"
  | "firmware-tables"
  | "binding"
  | "software";

/** A change as its words need it. */
export interface SaidChange {
  /** Parts of the key by name, as the key has them. */
  readonly parts: Readonly<Record<string, string>>;
  readonly before: FactValue;
  readonly after: FactValue;
  /** `NVIDIA … (0000:01:00.0)` for the device of this identity. */
  readonly device: (identity: string) => string;
  /** Without its address. */
  readonly name: (identity: string) => string;
}

/** One form of key, and everything about the facts that have it. */
export interface FactForm {
  /**
   * The key with its parts in braces: `{device}` ends at the next dot, `{file*}` may hold dots, `{table:IVRS|DMAR}` is
   * one of these. A part called `device` is the identity of a PCI function.
   */
  readonly key: string;
  /** `text` where none is named. `texts`: one text, or a list where something is given several times. */
  readonly type?: "text" | "number" | "flag" | "list" | "texts";
  /** Between the items of a list where it is one line of text; older releases kept it so. A comma where none is named. */
  readonly separator?: string;
  /** The order of the list means something. */
  readonly ordered?: boolean;
  /** Its name for a person, with parts of the key in braces. */
  readonly label: string;
  /** How much a reader cares within the group: 0 most. */
  readonly importance: number;
  /** The kind's own where none is named. */
  readonly role?: FactRole;
  readonly odds?: KnobKind;
  /**
   * Failures through which it is known to work: with the value that is the broken state, or with any change. A change
   * in such a fact proves more than coincidence.
   */
  readonly breaks?: Partial<Record<CauseClass, "any change" | ((value: FactValue) => boolean)>>;
  /** Whether two texts say the same in other words; texts that differ say different things where it is missing. */
  readonly isSame?: (one: string, other: string) => boolean;
  /** Only written when it is there, so that a thing without it lacks it. */
  readonly optional?: boolean;
  /** Where the report shows it; of a device's only those that a VM has. */
  readonly shown?: FactSection;
  /** The sentence for a change where label and values do not say it well. */
  readonly say?: (change: SaidChange) => string | undefined;
}

/** Takes a fact; an empty text or list counts as absent. */
export type Tell = (key: string, what: FactContent | Reading<FactContent> | undefined) => void;

/** A kind of fact: what is declared here is all that is known of it anywhere. */
export interface FactKind {
  readonly group: FactGroup;
  /** The key above all its keys; a fact of this key that is unknown makes all of them unknown. */
  readonly root: string;
  /** Where the facts belong to things that come and go: the key of one such thing, with its parts in braces. */
  readonly thing?: string;
  /** What is said when a thing comes or goes, which then is one change. */
  readonly whole?: (name: string, came: boolean, description: string) => string;
  /** The attribute that describes a thing that came or went. */
  readonly describedBy?: string;
  readonly role: FactRole;
  readonly odds: KnobKind;
  /** Names of things whose content is private: that they are there is a fact, what they say is not. */
  readonly private?: RegExp;
  readonly forms: readonly FactForm[];
  /** Takes them from what was read of the host. */
  collect(host: HostReading, tell: Tell): void;
}

/** What a fact says that only says that things of its kind were looked for. */
export const LISTED = "listed";

export const isThere = (value: FactValue): boolean => value.state === "value";
export const isAbsent = (value: FactValue): boolean => value.state === "absent";
export const is =
  (content: FactContent) =>
  (value: FactValue): boolean =>
    value.state === "value" && value.value === content;

/** A form of key with its label and its importance, and what else there is to say of it. */
export function form(
  key: string,
  label: string,
  importance: number,
  more: Omit<FactForm, "key" | "label" | "importance"> = {},
): FactForm {
  return { key, label, importance, ...more };
}

/**
 * A report as a document that knows nothing of its form: every renderer makes its page from this and from nothing
 * else. All texts are plain and hostile (log lines, names that others chose); renderers escape them.
 */
export interface ReportContent {
  /** e.g. `'Windows 11' did not start`. */
  readonly title: string;
  /** One word for the outcome, with its tone; undefined for a report of the host alone. */
  readonly outcome: Mark | undefined;
  /** The answer: why it failed, and what broke it. A sentence each. */
  readonly answer: readonly string[];
  /** What a reader looks for first: BIOS, kernel, device, time. */
  readonly glance: readonly FactRow[];
  readonly sections: readonly Section[];
  /** What the report leaves out or masks. */
  readonly notes: readonly string[];
  /** UTC epoch milliseconds. */
  readonly madeAt: number;
  /** Name and version of the program. */
  readonly madeBy: string;
}

const SECTION_IDS = [
  "blame",
  "diagnosis",
  "evidence",
  "changes",
  "tried",
  "no-effect",
  "questions",
  "hardware",
  "firmware",
  "kernel",
  "iommu",
  "firmware-tables",
  "binding",
  "vm",
  "software",
  "unknown",
  "hosts",
] as const;
export type SectionId = (typeof SECTION_IDS)[number];

export interface Section {
  readonly id: SectionId;
  readonly title: string;
  readonly blocks: readonly Block[];
}

/** `good` and `bad` are outcomes; renderers never show them by colour alone. */
export type Tone = "good" | "bad" | "warning" | "neutral";

export interface Mark {
  readonly word: string;
  readonly tone: Tone;
}

export type Block =
  | { readonly kind: "text"; readonly text: string }
  /** Over what follows within the section. */
  | { readonly kind: "heading"; readonly text: string }
  | { readonly kind: "facts"; readonly rows: readonly FactRow[] }
  | { readonly kind: "list"; readonly ordered: boolean; readonly items: readonly string[] }
  | TableBlock
  | { readonly kind: "lines"; readonly lines: readonly SpokenLine[] }
  | { readonly kind: "changes"; readonly changes: readonly ChangeLine[] }
  | { readonly kind: "time-line"; readonly timeLine: TimeLine }
  | { readonly kind: "hosts"; readonly picture: HostsPicture };

/** One fact with its name for a person. */
export interface FactRow {
  /** The fact's key in the history; empty where the row is put together from several. */
  readonly key: string;
  readonly label: string;
  /** The value, `none`, or why it is unknown. */
  readonly value: string;
  readonly state: "value" | "absent" | "unknown";
  /** Something that a machine said or reads: addresses, parameters. */
  readonly code?: boolean;
}

export interface TableBlock {
  readonly kind: "table";
  readonly caption: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** For those who want to know everything: folded away where the format can do that. */
  readonly folded: boolean;
}

export interface Cell {
  readonly text: string;
  /** More of it, one below the other. */
  readonly items?: readonly string[];
  readonly tone?: Tone;
  /** Something that a machine said or reads: addresses, parameters. */
  readonly code?: boolean;
}

/** One line of a log, word for word. */
export interface SpokenLine {
  /** UTC epoch milliseconds. */
  readonly at: number;
  readonly source: string;
  readonly text: string;
  readonly count: number;
  /** It names the cause. */
  readonly decisive: boolean;
}

export interface ChangeLine {
  readonly sentence: string;
  readonly before: string;
  readonly after: string;
}

/** How starts went over the boots and BIOS versions: like boots in a row are one run. */
export interface TimeLine {
  readonly subject: string;
  /** Oldest first. */
  readonly runs: readonly TimeLineRun[];
  /** Boots before the first run that are not shown. */
  readonly earlierBoots: number;
}

export type RunOutcome = "good" | "bad" | "mixed" | "refused" | "none";

export interface TimeLineRun {
  readonly bios: string;
  readonly outcome: RunOutcome;
  readonly boots: number;
  readonly started: number;
  readonly failed: number;
  readonly refused: number;
  /** UTC epoch milliseconds of the first boot of the run. */
  readonly from: number;
  readonly imported: boolean;
}

/** How many hosts fare well and badly with each version, and what became of those on which nothing else changed. */
export interface HostsPicture {
  /** What the versions are of: `BIOS`. */
  readonly family: string;
  readonly lanes: readonly { readonly label: string; readonly working: number; readonly failing: number }[];
  /** Hosts that went from one lane to another, by their numbers. */
  readonly turns: readonly HostTurn[];
}

export interface HostTurn {
  readonly from: number;
  readonly to: number;
  readonly failedBefore: boolean;
  readonly failedAfter: boolean;
}

/** Names of properties whose texts are the document's own structure and not content. */
const STRUCTURE: ReadonlySet<string> = new Set(["kind", "id", "tone", "state", "outcome", "madeBy"]);

/** The same document with `change` applied to every text of its content. */
export function mapTexts(content: ReportContent, change: (text: string) => string): ReportContent {
  const visit = (value: unknown, property: string): unknown => {
    if (typeof value === "string") return STRUCTURE.has(property) ? value : change(value);
    if (Array.isArray(value)) return value.map((item) => visit(item, property));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, visit(inner, name)]));
  };
  // The shape is the same: only strings that are content have been exchanged for strings.
  return visit(content, "") as ReportContent;
}

import type { Evidence, StartAttempt } from "../model/attempt.ts";
import type { Signature, SignatureMatch } from "../model/catalogue.ts";
import type { BootId } from "../model/identifiers.ts";
import { signatureId } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import type { SignatureLookup } from "./attempt-store.ts";
import { boundedJson, boundedText } from "./bounded.ts";

/** One row of the table `evidence`, without its attempt. */
export interface EvidenceRow {
  readonly source: string;
  readonly identity: string;
  readonly position: number;
  readonly kind: string;
  readonly at: number;
  readonly monotonic_us: number | null;
  readonly count: number;
  readonly last_at: number;
  readonly text: string | null;
  /** The rest of the observation as JSON. */
  readonly observation: string;
  /** JSON list of signature id and captures. */
  readonly matches: string;
}

/** Bytes of evidence that one attempt may take; the budget of an incident is 64 KB with all that belongs to it. */
const MOST_BYTES = 48 * 1024;
const MOST_TEXT = 4096;
const MOST_ENTRIES = 64;
/** Row header, keys and page slack, roughly. */
const ROW_OVERHEAD = 64;

/** Makes the rows of an attempt; what goes over the size limit is left out, the least telling first. */
export function packEvidence(attempt: StartAttempt): {
  readonly rows: readonly EvidenceRow[];
  readonly leftOut: number;
} {
  const byIdentity = new Map<string, { row: EvidenceRow; rank: number }>();
  attempt.evidence.forEach((evidence, position) => {
    const row = packOne(evidence, position, attempt);
    byIdentity.set(`${row.source}\n${row.identity}`, { row, rank: rankOf(evidence) });
  });
  const packed = [...byIdentity.values()];
  let bytes = packed.reduce((sum, { row }) => sum + bytesOf(row), 0);
  if (bytes <= MOST_BYTES) return { rows: packed.map(({ row }) => row), leftOut: 0 };

  const leftOut = new Set<EvidenceRow>();
  // Of equally telling ones the oldest go first: what was said last is nearest to the failure.
  const expendable = [...packed].sort((a, b) => b.rank - a.rank || a.row.position - b.row.position);
  for (const { row } of expendable) {
    if (bytes <= MOST_BYTES) break;
    leftOut.add(row);
    bytes -= bytesOf(row);
  }
  return { rows: packed.map(({ row }) => row).filter((row) => !leftOut.has(row)), leftOut: leftOut.size };
}

/** 0 for what decides a cause, 1 for what the attempt is made of, 2 for plain text. */
function rankOf(evidence: Evidence): number {
  if (evidence.matches.some(({ signature }) => signature.role === "cause" || signature.role === "symptom"))
    return 0;
  if (evidence.matches.some(({ signature }) => signature.role === "context")) return 1;
  return isPlainText(evidence.observation.kind) ? 2 : 1;
}

function isPlainText(kind: Observation["kind"]): boolean {
  return kind === "domain-log-line" || kind === "kernel-record" || kind === "libvirtd-record";
}

function bytesOf(row: EvidenceRow): number {
  const texts = [row.source, row.identity, row.kind, row.text ?? "", row.observation, row.matches];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), ROW_OVERHEAD);
}

function packOne(evidence: Evidence, position: number, attempt: StartAttempt): EvidenceRow {
  const { source, identity, kind, at, monotonicUs, bootId, resume: _, ...rest } = evidence.observation;
  const whole: Record<string, unknown> = onlyOwnVm(rest, attempt);
  // The boot is the attempt's unless said otherwise.
  if (bootId !== attempt.bootId) whole.bootId = bootId ?? null;
  let text: string | null = null;
  // SQLite's UTF-8 has no place for half a surrogate pair; JSON escapes it.
  if (typeof whole.text === "string" && whole.text.isWellFormed()) {
    text = boundedText(whole.text, MOST_TEXT);
    delete whole.text;
  }
  return {
    source,
    identity,
    position,
    kind,
    at: Math.round(at),
    monotonic_us: monotonicUs === undefined ? null : Math.round(monotonicUs),
    count: evidence.count,
    last_at: Math.round(evidence.lastAt),
    text,
    observation: boundedJson(whole, MOST_TEXT, MOST_ENTRIES),
    matches: boundedJson(
      evidence.matches.map(({ signature, captures }) => [signature.id, captures]),
      MOST_TEXT,
      MOST_ENTRIES,
    ),
  };
}

/** An inventory lists every VM of the host; for an attempt only its own matters. */
function onlyOwnVm(rest: object, attempt: StartAttempt): Record<string, unknown> {
  const copy: Record<string, unknown> = { ...rest };
  const vms = copy.vms;
  if (Array.isArray(vms)) {
    copy.vms = vms.filter((vm: { definition?: { name?: unknown } }) => vm.definition?.name === attempt.vm);
  }
  return copy;
}

/** Brings rows back as evidence, in the order of the attempt. Text comes back as it was said. */
export function unpackEvidence(
  rows: readonly EvidenceRow[],
  bootId: BootId | undefined,
  signatures: SignatureLookup,
): readonly Evidence[] {
  return [...rows]
    .sort((a, b) => a.position - b.position)
    .map((row) => ({
      observation: unpackObservation(row, bootId),
      matches: (JSON.parse(row.matches) as [string, Record<string, string>][]).flatMap(([id, captures]) => {
        const signature = signatures(signatureId(id));
        return signature === undefined ? [] : [{ signature, captures } satisfies SignatureMatch];
      }),
      count: row.count,
      lastAt: row.last_at,
    }));
}

function unpackObservation(row: EvidenceRow, attemptBoot: BootId | undefined): Observation {
  const rest = JSON.parse(row.observation) as Record<string, unknown>;
  const bootId = "bootId" in rest ? rest.bootId : attemptBoot;
  delete rest.bootId;
  // The row was made from an observation of this kind by `packOne`; nothing else writes the table.
  return {
    source: row.source,
    kind: row.kind,
    at: row.at,
    identity: row.identity,
    ...(bootId === null || bootId === undefined ? {} : { bootId }),
    ...(row.monotonic_us === null ? {} : { monotonicUs: row.monotonic_us }),
    ...(row.text === null ? {} : { text: row.text }),
    // JSON has no undefined, and a gap of unknown size says so.
    ...(row.kind === "gap" ? { lost: undefined } : {}),
    ...rest,
  } as unknown as Observation;
}

/** What is known of a signature that an older catalogue had. */
export function formerSignature(
  known: Pick<Signature, "id" | "class" | "layer" | "role" | "severity" | "meaning">,
): Signature {
  // Matches nothing: it only stands for what once matched.
  return { ...known, sentence: known.meaning, pattern: "[^\\s\\S]", remedies: [], examples: [] };
}

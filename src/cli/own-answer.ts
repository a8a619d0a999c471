import type { Answer } from "../answer/answer.ts";
import { askAnswer, questionOf } from "../answer/ask-answer.ts";
import type { Catalogue } from "../diagnosis/catalogue.ts";
import type { BlameAnswer } from "../history/ask-blame.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { AttemptFilter, AttemptRow } from "../store/attempt-store.ts";
import type { Store } from "../store/store.ts";
import { type Paint, printable } from "../terminal-text.ts";
import { wrap } from "../text-columns.ts";
import { signatureLookup } from "./surroundings.ts";

/** So many failed starts are looked through for one of the kind. */
const RECENT = 200;

/** A failed start on record with the answer for it. */
export interface OwnAnswer {
  readonly number: number;
  readonly answer: Answer;
}

/** The newest failed start that is like what is asked about, of one VM or of all. */
export function newestRow(
  store: Store,
  isLike: (row: AttemptRow) => boolean,
  filter: AttemptFilter = {},
): AttemptRow | undefined {
  return store.attempts.list({ ...filter, failedOnly: true, limit: RECENT }).find(isLike);
}

/** The answer for a failed start; `broke` is what broke its VM, where that was asked for already. */
export function answerOf(
  store: Store,
  catalogue: Catalogue,
  { number }: AttemptRow,
  broke?: BlameAnswer,
): OwnAnswer | undefined {
  const attempt = store.attempts.full(number, signatureLookup(catalogue));
  if (attempt === undefined) return undefined;
  const question = questionOf(attempt, number, attempt.snapshotId);
  // What broke several VMs together may not be what broke this one.
  const known = broke?.vms.length === 1 && broke.question.device === undefined ? { broke } : {};
  return { number, answer: askAnswer(store, { ...question, ...known }, catalogue) };
}

/** Whether a failed start on record can be the one that a text tells of. */
export function isTold(
  row: AttemptRow,
  told: {
    readonly class: string | undefined;
    readonly vms: readonly VmName[];
    readonly devices: readonly Bdf[];
  },
): boolean {
  if (row.cause === undefined || row.cause !== told.class) return false;
  if (told.vms.length > 0 && !told.vms.includes(row.vm)) return false;
  return told.devices.length === 0 || told.devices.some((bdf) => row.devices.includes(bdf));
}

/** What to do, as every command lists it. */
export function remedyLines(
  { remedies }: Pick<Answer, "remedies">,
  paint: Paint,
  columns: number,
): readonly string[] {
  if (remedies.length === 0) return [];
  const lines = remedies.map((remedy, index) => wrap(`${index + 1}. ${printable(remedy)}`, columns, "   "));
  return ["", paint("bold", "What to do"), ...lines];
}

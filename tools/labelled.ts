import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeviceClass } from "../src/diagnosis/rank.ts";
import { CAUSE_CLASSES } from "../src/model/catalogue.ts";

/** Log text that real users posted; it stays outside of the project. */
export const SHARED_CORPUS = join(import.meta.dirname, "../../shared/corpus");

/** A labelled case; `accept` holds the answers that are right: cause classes, `none`, `unknown`, `*`. */
export interface LabelledCase {
  readonly id: string;
  readonly log: string;
  readonly class: string;
  readonly accept: readonly string[];
  readonly vm_start_failure: boolean | null;
  readonly vfio_related: boolean;
  /** What the text names; the reader wrote down one VM and one group at most. */
  readonly bdf: readonly string[];
  readonly group: number | null;
  readonly vm: string | null;
}

/** The cases of a file, one JSON object a line. */
export function readCases(path: string): readonly LabelledCase[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line): LabelledCase => JSON.parse(line));
}

/** `*` stands for every cause that is about a device, and for an honest "unknown". */
export function isRight(accept: readonly string[], answer: string): boolean {
  return accept.includes(answer) || (accept.includes("*") && (answer === "unknown" || isAboutDevice(answer)));
}

/** Whether an answer says that a passed-through device is in trouble. */
export function isAboutDevice(answer: string): boolean {
  const causeClass = CAUSE_CLASSES.find((candidate) => candidate === answer);
  return causeClass !== undefined && isDeviceClass(causeClass);
}

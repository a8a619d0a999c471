import type { CauseClass } from "../model/catalogue.ts";
import type { Cause, Certainty } from "../model/diagnosis.ts";
import { type Bdf, type SignatureId, signatureId } from "../model/identifiers.ts";

/** What a check of the host's state has to say. */
export interface CauseParts {
  readonly certainty: Certainty;
  readonly sentence: string;
  readonly evidence: readonly string[];
  readonly devices: readonly Bdf[];
  readonly groups?: readonly number[];
  readonly names?: Readonly<Record<string, string>>;
}

/** Evidence that is no log line stands in no list of lines: a reserved region, an entry of a table. */
export function isStateEvidence(line: string): boolean {
  return /^(?:\/sys\/|\/proc\/|\/dev\/|IVRS: |DMAR: )/.test(line);
}

/** A cause that was seen in the host's state; its signature is `state.` and the name of the check. */
export function cause(causeClass: CauseClass, check: string, parts: CauseParts): Cause {
  const id: SignatureId = signatureId(`state.${check}`);
  return { class: causeClass, signature: id, ...parts, groups: parts.groups ?? [] };
}

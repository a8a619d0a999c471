import type { KnownFormat } from "../../knowledge/message-data.ts";
import type { CauseClass } from "../../model/catalogue.ts";
import type { ErrnoName } from "../errno.ts";
import type { ClassRule } from "./class-rule.ts";
import { HOST_RULES } from "./host-rules.ts";
import { MONITOR_RULES } from "./monitor-rules.ts";
import { OBJECT_RULES, PASSTHROUGH_RULES } from "./passthrough-rules.ts";

/*
 * A message's class by rule: which program and part of it speaks, of which object, what it says of it, and with which
 * error number. Rules and no list of messages: the next version's new ones fall under the same.
 */

/** A message as it was said. */
export interface Said {
  /** Folded. */
  readonly words: string;
  readonly errno: ErrnoName | undefined;
}

/** The class that the rules give a message; undefined where they give none. Without `said` a format by itself. */
export function classOf(
  { program, path, format }: Pick<KnownFormat, "program" | "path" | "format">,
  said?: Said,
): CauseClass | undefined {
  const from = `${program} ${path}`;
  const says = format.toLowerCase();
  const holds = (rule: ClassRule) =>
    rule.from.test(from) &&
    rule.says?.test(says) !== false &&
    (rule.names === undefined || (said !== undefined && rule.names.test(said.words))) &&
    (rule.errno === undefined || (said?.errno !== undefined && rule.errno.includes(said.errno)));
  const rule = RULES.find(holds);
  return rule === undefined || rule.class === "none" ? undefined : rule.class;
}

const RULES: readonly ClassRule[] = [...HOST_RULES, ...OBJECT_RULES, ...PASSTHROUGH_RULES, ...MONITOR_RULES];

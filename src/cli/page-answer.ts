import { askService } from "../control/client.ts";
import type { StartExplained } from "../control/requests.ts";
import { vmName } from "../model/identifiers.ts";

/** What a web interface adds to its own message about a start that failed. */
export type PageAnswer =
  /** Nobody watches. */
  | { readonly state: "off" }
  /** No such start is on record, it went well, or nobody could say anything about it. */
  | { readonly state: "none" }
  | ({ readonly state: "failed"; readonly number: number } & StartExplained);

/** Beyond what the service waits for the start (ms). */
const PATIENCE = 2_000;

/** What is asked: how the newest start of this VM since `since` went, waiting up to `waitMs` for its diagnosis. */
export interface StartQuestion {
  readonly uuid: string;
  readonly since: number;
  readonly waitMs: number;
}

/** Asks the service that keeps this history. Unraid's pages ask it the same without this command, to lose no time. */
export async function explainStart(
  { uuid, since, waitMs }: StartQuestion,
  { runtimeDirectory, history }: { readonly runtimeDirectory: string; readonly history: string },
): Promise<PageAnswer> {
  const request = { ask: "start" as const, history, vm: vmName(uuid), since, waitMs };
  const asked = await askService(runtimeDirectory, request, waitMs + PATIENCE);
  if (asked.state === "no-service") return { state: "off" };
  if (asked.state !== "answered" || asked.answer.state !== "settled") return { state: "none" };
  const { number, explained } = asked.answer;
  return explained === undefined ? { state: "none" } : { state: "failed", number, ...explained };
}

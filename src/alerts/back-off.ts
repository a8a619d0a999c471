import type { SendResult } from "./channel.ts";

const FIRST = 5_000;
const LONGEST = 3_600_000;
/** Where a person has to act (a wrong token), the first retries need not be quick. */
const FIRST_FOR_PERSON = 600_000;
/** Nobody is waited for longer, whatever they ask. */
const LONGEST_ASKED = 6 * 3_600_000;
const MOST_DOUBLINGS = 12;

/**
 * How long to wait before the next try (ms): doubles from five seconds to an hour, a quarter more or less at random so
 * that several machines do not come back at once; never less than the other side asked for.
 */
export function retryDelay(
  tries: number,
  random: number,
  failure: Pick<Extract<SendResult, { delivered: false }>, "retryAfterMs" | "needsPerson">,
): number {
  const first = failure.needsPerson === true ? FIRST_FOR_PERSON : FIRST;
  const plain = Math.min(LONGEST, first * 2 ** Math.min(tries, MOST_DOUBLINGS));
  const jittered = plain * (0.75 + random / 2);
  const asked = Math.min(LONGEST_ASKED, failure.retryAfterMs ?? 0);
  return Math.round(Math.max(jittered, asked * (1 + random / 20)));
}

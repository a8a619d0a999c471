import { type FoundMessage, findMessages } from "../diagnosis/generated/find-messages.ts";
import type { MessageFinder } from "../diagnosis/generated/unknown-causes.ts";
import { loadMessages } from "../knowledge/load-messages.ts";
import { indexMessages, type MessageIndex } from "../knowledge/message-data.ts";

/** A VM that is started again and again fails with the same words. */
const MOST_REMEMBERED = 32;
/** A look-up unpacks more than a megabyte: in a storm of failures only so many are made at once, then one in so long (ms). */
const BURST_OF_SERVICE = 4;
const ONE_MORE_AFTER_MS = 1_000;

/**
 * Makes a finder that reads the messages when it is asked and keeps only their index and what it found. Beyond `burst` look-ups at once
 * and one more a second it finds nothing: a storm of failures must not wait for it, and whoever asked has the words
 * themselves to tell.
 */
export function createMessageFinder(
  configDirectory: string,
  clock: { readonly now: () => number },
  burst = BURST_OF_SERVICE,
): MessageFinder {
  let index: { readonly size: number; readonly of: MessageIndex } | undefined;
  const remembered = new Map<string, readonly (FoundMessage | undefined)[]>();
  let allowance = burst;
  let countedAt = clock.now();

  function mayLook(): boolean {
    const now = clock.now();
    allowance = Math.min(burst, allowance + Math.max(0, now - countedAt) / ONE_MORE_AFTER_MS);
    countedAt = now;
    if (allowance < 1) return false;
    allowance--;
    return true;
  }

  return (lines) => {
    const key = JSON.stringify(lines);
    const known = remembered.get(key);
    if (known !== undefined) return known;
    if (!mayLook()) return lines.map(() => undefined);
    const data = loadMessages(configDirectory);
    // Another release may have been installed over this one.
    if (index?.size !== data.length) index = { size: data.length, of: indexMessages(data) };
    const found = findMessages(data, lines, index.of);
    if (remembered.size >= MOST_REMEMBERED) {
      const [oldest] = remembered.keys();
      if (oldest !== undefined) remembered.delete(oldest);
    }
    remembered.set(key, found);
    return found;
  };
}

import type { BootId } from "../model/identifiers.ts";
import { boundedText } from "../store/bounded.ts";
import type { SightingInput } from "../store/record-stores.ts";
import type { Store } from "../store/store.ts";

/** Fewer than the store gives rows of their own, so that the same lines always find their row again. */
const TEXTS_OF_A_SIGNATURE = 48;
const STORED_TEXT = 512;

/** Counts each known line up to what the material shows, so that the same material twice counts once. */
export function topUpSightings(id: BootId, lines: readonly SightingInput[], store: Store): void {
  // Without the device: the journal knows it where a syslog does not, and the same text is the same line.
  const keyOf = (line: { source: string; signature: string; text: string }) =>
    [line.source, line.signature, line.text].join("\n");
  const counted = new Map<string, SightingInput & { count: number }>();
  const room = new Map<string, Set<string>>();
  const stored = new Map<string, number>();
  for (const row of store.sightings.list({ bootId: id })) {
    stored.set(keyOf(row), (stored.get(keyOf(row)) ?? 0) + row.count);
    textsOf(room, row.signature).add(keyOf(row));
  }
  for (const line of lines) {
    const bounded = { ...line, text: boundedText(line.text, STORED_TEXT), bootId: id };
    const key = keyOf(bounded);
    const texts = textsOf(room, line.signature);
    if (!texts.has(key) && texts.size >= TEXTS_OF_A_SIGNATURE) continue;
    texts.add(key);
    const before = counted.get(key);
    if (before === undefined) counted.set(key, { ...bounded, count: line.count ?? 1 });
    else before.count += line.count ?? 1;
  }
  const missing = [...counted].flatMap(([key, line]) => {
    const more = line.count - (stored.get(key) ?? 0);
    return more > 0 ? [{ ...line, count: more }] : [];
  });
  store.sightings.record(missing);
}

function textsOf(room: Map<string, Set<string>>, signature: string): Set<string> {
  const texts = room.get(signature) ?? new Set<string>();
  room.set(signature, texts);
  return texts;
}

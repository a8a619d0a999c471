import { type Bdf, type BootId, signatureId } from "../model/identifiers.ts";
import type { SourceName } from "../model/observation.ts";
import type { BootTable } from "./boots.ts";
import { boundedText } from "./bounded.ts";
import type { Connection } from "./connection.ts";
import type { Sighting, SightingInput, SightingStore } from "./record-stores.ts";

const SLEEP = signatureId("kernel.suspend");
/** That it woke up says no more. */
const GOES_TO_SLEEP = /entry|preparing to enter/i;

const MOST_TEXT = 512;
/** Different texts of one signature in one boot that get a row of their own; the rest share one. */
const MOST_TEXTS = 64;

interface Row {
  readonly boot: string | null;
  readonly source: SourceName;
  readonly signature: string;
  readonly device: string;
  readonly text: string;
  readonly count: number;
  readonly first_at: number;
  readonly last_at: number;
  readonly first_monotonic_us: number | null;
}

/** Equal lines of one call, counted. */
interface Counted {
  readonly line: SightingInput;
  readonly text: string;
  count: number;
  firstAt: number;
  lastAt: number;
}

export function createSightingStore(connection: Connection, boots: BootTable): SightingStore {
  const more = connection.statement<[number, number, number, number | null, string, string, string, string]>(
    `UPDATE sighting SET count = count + ?, first_at = min(first_at, ?), last_at = max(last_at, ?)
     WHERE ifnull(boot, 0) = ifnull(?, 0) AND source = ? AND signature = ? AND device = ? AND text = ?`,
  );
  const texts = connection.statement<[number | null, string, string, number], { texts: number }>(
    `SELECT count(*) AS texts FROM (SELECT 1 FROM sighting
       WHERE ifnull(boot, 0) = ifnull(?, 0) AND source = ? AND signature = ? LIMIT ?)`,
  );
  const insert = connection.statement<
    [number | null, string, string, string, string, number, number, number, number | null]
  >(
    `INSERT INTO sighting
       (boot, source, signature, device, text, count, first_at, last_at, first_monotonic_us)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );

  const list = connection.statement<(string | number | null)[], Row>(
    `WITH asked (boot, since, until, signature) AS (VALUES (?, ?, ?, ?))
     SELECT boot.id AS boot, source, sighting.signature, device, text, count, first_at, last_at,
       first_monotonic_us
     FROM asked JOIN sighting LEFT JOIN boot ON boot.number = sighting.boot
     WHERE (asked.boot IS NULL OR boot.id = asked.boot)
       AND (asked.since IS NULL OR last_at >= asked.since)
       AND (asked.until IS NULL OR first_at <= asked.until)
       AND (asked.signature IS NULL OR sighting.signature = asked.signature)
     ORDER BY last_at DESC, sighting.number DESC LIMIT ?`,
  );

  const ofKernel = connection.statement<[string, number, string, number, number], Row>(
    `SELECT boot.id AS boot, source, signature, device, text, count, first_at, last_at, first_monotonic_us
     FROM (SELECT * FROM sighting INDEXED BY sighting_boot
       WHERE boot = (SELECT number FROM boot WHERE id = ?) AND source = 'kernel-log' AND text <> ''
         AND first_at <= ? AND signature NOT IN (SELECT value FROM json_each(?))
       ORDER BY min(last_at, ?) DESC, number DESC LIMIT ?) AS said
     JOIN boot ON boot.number = said.boot ORDER BY first_at, said.number`,
  );

  function put(counted: Counted, boot: number | null): void {
    const { line, text, count, firstAt, lastAt } = counted;
    const device = line.device ?? "";
    if (more.run(count, firstAt, lastAt, boot, line.source, line.signature, device, text) > 0) return;
    const many = (texts.get(boot, line.source, line.signature, MOST_TEXTS)?.texts ?? 0) >= MOST_TEXTS;
    if (many && more.run(count, firstAt, lastAt, boot, line.source, line.signature, "", "") > 0) return;
    const monotonic = line.monotonicUs === undefined ? null : Math.round(line.monotonicUs);
    insert.run(
      boot,
      line.source,
      line.signature,
      many ? "" : device,
      many ? "" : text,
      count,
      firstAt,
      lastAt,
      monotonic,
    );
  }

  return {
    record(lines) {
      if (lines.length === 0) return;
      connection.batched(() => {
        const numbers = new Map<BootId | undefined, number | null>([[undefined, null]]);
        for (const counted of countEqual(lines)) {
          const { bootId, at } = counted.line;
          if (bootId !== undefined && !numbers.has(bootId))
            numbers.set(bootId, boots.numberOf(bootId, at, "live"));
          put(counted, numbers.get(bootId) ?? null);
        }
        for (const { bootId, signature, text, at, monotonicUs } of lines) {
          const boot = numbers.get(bootId);
          if (signature !== SLEEP || typeof boot !== "number" || !GOES_TO_SLEEP.test(text)) continue;
          boots.noteSleep(boot, { at, steady: monotonicUs === undefined ? undefined : monotonicUs / 1_000 });
        }
      });
    },
    list(filter = {}) {
      const { bootId, since, until, signature, limit } = filter;
      return list
        .all(bootId ?? null, since ?? null, until ?? null, signature ?? null, limit ?? -1)
        .map(toSighting);
    },
    ofKernel: (bootId, until, except, limit) =>
      ofKernel.all(bootId, until, JSON.stringify(except), until, limit).map(toSighting),
  };
}

/** In the order in which they were first said. */
function countEqual(lines: readonly SightingInput[]): readonly Counted[] {
  const all: Counted[] = [];
  // By the text alone, which is nearly all of the key: to join a key for each line would cost more than the search.
  const byText = new Map<string, Counted[]>();
  for (const line of lines) {
    const text = boundedText(line.text, MOST_TEXT);
    const at = Math.round(line.at);
    const same = byText.get(text);
    const counted = same?.find((other) => isAlike(other.line, line));
    if (counted === undefined) {
      const first = { line, text, count: line.count ?? 1, firstAt: at, lastAt: at };
      all.push(first);
      if (same === undefined) byText.set(text, [first]);
      else same.push(first);
    } else {
      counted.count += line.count ?? 1;
      counted.firstAt = Math.min(counted.firstAt, at);
      counted.lastAt = Math.max(counted.lastAt, at);
    }
  }
  return all;
}

/** Whether two lines of one text are counted together. */
function isAlike(a: SightingInput, b: SightingInput): boolean {
  return (
    a.signature === b.signature && a.device === b.device && a.source === b.source && a.bootId === b.bootId
  );
}

function toSighting(row: Row): Sighting {
  return {
    bootId: row.boot === null ? undefined : (row.boot as BootId),
    source: row.source,
    signature: signatureId(row.signature),
    device: row.device === "" ? undefined : (row.device as Bdf),
    text: row.text,
    count: row.count,
    firstAt: row.first_at,
    lastAt: row.last_at,
    firstMonotonicUs: row.first_monotonic_us ?? undefined,
  };
}

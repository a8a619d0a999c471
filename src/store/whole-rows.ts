import type Database from "better-sqlite3";

/**
 * What is left when everything that is no longer whole has been taken out: starts whose VM, boot, devices or diagnosis
 * are lost, snapshots of which a fact is lost, and what refers to them. Evidence that is lost is counted with its start.
 */
export function keepWhatIsWhole(database: Database.Database): void {
  database.exec(`
    DELETE FROM fact WHERE fact_key NOT IN (SELECT number FROM fact_key);
    DELETE FROM span WHERE fact NOT IN (SELECT number FROM fact);
    DELETE FROM vm_name WHERE vm NOT IN (SELECT number FROM vm);
    INSERT OR IGNORE INTO vm_name (name, since, vm)
      SELECT name, 0, number FROM vm WHERE number NOT IN (SELECT vm FROM vm_name);
    UPDATE vm SET successor = NULL WHERE successor NOT IN (SELECT number FROM vm);
    DELETE FROM attempt WHERE vm NOT IN (SELECT number FROM vm)
      OR device_set NOT IN (SELECT number FROM device_set)
      OR (boot IS NOT NULL AND boot NOT IN (SELECT number FROM boot))
      OR (cause IS NOT NULL AND number NOT IN (SELECT attempt FROM diagnosis));
    DELETE FROM diagnosis WHERE attempt NOT IN (SELECT number FROM attempt);
    DELETE FROM evidence WHERE attempt NOT IN (SELECT number FROM attempt);
    UPDATE attempt SET
      evidence_left_out = evidence_left_out + max(0, evidence_count - found),
      evidence_count = found
      FROM (SELECT attempt.number AS number, count(evidence.attempt) AS found
            FROM attempt LEFT JOIN evidence ON evidence.attempt = attempt.number GROUP BY attempt.number) AS counted
      WHERE counted.number = attempt.number AND evidence_count <> found;
  `);
  forgetBrokenSnapshots(database);
  // What is left hangs on rows that are gone: sightings, gaps and moments of lost boots, deliveries of lost incidents.
  for (let round = 0; round < 8; round++) {
    const broken = database.pragma("foreign_key_check") as readonly {
      readonly table: string;
      readonly rowid: number | null;
      readonly parent: string;
    }[];
    if (broken.length === 0) return;
    for (const { table, rowid, parent } of broken) {
      if (table === "attempt" && parent === "snapshot")
        database.prepare("UPDATE attempt SET snapshot = NULL WHERE number = ?").run(rowid);
      else if (rowid !== null) database.prepare(`DELETE FROM ${table} WHERE rowid = ?`).run(rowid);
      else if (table === "device_group") database.exec("UPDATE device_group SET boot = NULL");
    }
  }
}

/** A snapshot without one of its facts would say that something is absent: it is known by its id alone from then on. */
function forgetBrokenSnapshots(database: Database.Database): void {
  const snapshots = database
    .prepare<[], { number: number; strand: number; place: number; facts: number }>(
      "SELECT number, strand, place, facts FROM snapshot WHERE place IS NOT NULL ORDER BY place",
    )
    .all();
  /** By strand and place: how many facts more there are from there on. */
  const turns = new Map<number, Map<number, number>>();
  const turn = (strand: number, place: number, by: number) => {
    const own = turns.get(strand) ?? new Map<number, number>();
    turns.set(strand, own);
    own.set(place, (own.get(place) ?? 0) + by);
  };
  const spans = database.prepare("SELECT strand, first, last FROM span").raw().all() as readonly (readonly [
    number,
    number,
    number | null,
  ])[];
  for (const [strand, first, last] of spans) {
    turn(strand, first, 1);
    if (last !== null) turn(strand, last + 1, -1);
  }
  const forget = database.prepare(
    "UPDATE snapshot SET strand = NULL, place = NULL, facts = NULL WHERE number = ?",
  );
  for (const [strand, own] of Map.groupBy(snapshots, (snapshot) => snapshot.strand)) {
    const ordered = [...(turns.get(strand) ?? [])].sort(([a], [b]) => a - b);
    let held = 0;
    let next = 0;
    for (const { number, place, facts } of own) {
      for (; next < ordered.length && (ordered[next]?.[0] ?? 0) <= place; next++)
        held += ordered[next]?.[1] ?? 0;
      if (held !== facts) forget.run(number);
    }
  }
}

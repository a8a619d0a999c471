import type { Connection } from "./connection.ts";
import { fileSize } from "./file-size.ts";
import { SCHEMA_VERSION } from "./schema.ts";
import type { DroppedCounts, StoreStats } from "./store.ts";

/** Makes the reader of the numbers that `status` shows. */
export function createStats(connection: Connection, dropped: () => DroppedCounts): () => StoreStats {
  // Evidence is counted with its attempt: its own table may be hundreds of megabytes long.
  const rows = connection.statement<[], StoreStats["rows"]>(
    `SELECT
       (SELECT count(*) FROM attempt) AS attempts,
       (SELECT count(*) FROM attempt WHERE outcome IS NULL AND summary IS NULL) AS openAttempts,
       (SELECT ifnull(sum(evidence_count), 0) FROM attempt) AS evidence,
       (SELECT count(*) FROM sighting) AS sightings,
       (SELECT count(*) FROM gap) AS gaps,
       (SELECT count(*) FROM boot) AS boots,
       (SELECT count(*) FROM snapshot WHERE place IS NOT NULL) AS snapshots,
       (SELECT count(*) FROM fact) AS facts,
       (SELECT count(*) FROM incident) AS incidents,
       (SELECT count(*) FROM delivery WHERE state = 'pending') AS pendingDeliveries`,
  );
  return () => {
    const { bytes, walBytes } = fileSize(connection);
    return {
      schemaVersion: SCHEMA_VERSION,
      bytes,
      walBytes,
      // A SELECT without FROM has one row, always.
      rows: rows.get() as StoreStats["rows"],
      lastCommitAt: connection.lastCommitAt(),
      dropped: dropped(),
    };
  };
}

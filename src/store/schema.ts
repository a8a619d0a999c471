import type Database from "better-sqlite3";
import { unpackFactSets } from "./unpack-fact-sets.ts";

/**
 * One step of the schema. Never edited once released: a later change is a new entry with the next version.
 * All of it runs in one transaction with the new version number, without checks of foreign keys.
 */
export interface Migration {
  readonly version: number;
  readonly sql: string;
  /** What SQL alone cannot do; after `sql`. */
  readonly convert?: (database: Database.Database) => void;
  /** After `convert`. */
  readonly finish?: string;
}

const VERSION_1 = `
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Boots are ordered by order_key, with room between neighbours for boots that are imported later.
CREATE TABLE boot (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  order_key INTEGER NOT NULL UNIQUE,
  started_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  end TEXT NOT NULL DEFAULT 'unknown' CHECK (end IN ('clean', 'unclean', 'unknown')),
  origin TEXT NOT NULL CHECK (origin IN ('live', 'imported'))
) STRICT;

CREATE TABLE fact_key (
  number INTEGER PRIMARY KEY,
  fact_group TEXT NOT NULL,
  key TEXT NOT NULL,
  UNIQUE (key, fact_group)
) STRICT;

CREATE TABLE fact (
  number INTEGER PRIMARY KEY,
  fact_key INTEGER NOT NULL REFERENCES fact_key,
  state TEXT NOT NULL CHECK (state IN ('value', 'absent', 'unknown')),
  value TEXT NOT NULL,
  UNIQUE (fact_key, state, value)
) STRICT;

-- facts holds fact numbers: all of them, or, with a base, those to take away from it and to add.
-- NULL while only the id is known.
CREATE TABLE snapshot (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  base INTEGER REFERENCES snapshot,
  facts BLOB
) STRICT;
CREATE INDEX snapshot_base ON snapshot (base) WHERE base IS NOT NULL;

CREATE TABLE snapshot_moment (
  number INTEGER PRIMARY KEY,
  boot INTEGER NOT NULL REFERENCES boot ON DELETE CASCADE,
  at INTEGER NOT NULL,
  snapshot INTEGER NOT NULL REFERENCES snapshot,
  reason TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX snapshot_moment_once ON snapshot_moment (boot, at, snapshot);
CREATE INDEX snapshot_moment_snapshot ON snapshot_moment (snapshot);

CREATE TABLE vm (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  definition TEXT,
  since INTEGER,
  gone_at INTEGER
) STRICT;

CREATE TABLE device_group (
  bdf TEXT PRIMARY KEY,
  iommu_group INTEGER NOT NULL,
  boot INTEGER REFERENCES boot ON DELETE SET NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_group_boot ON device_group (boot);

CREATE TABLE device_set (
  number INTEGER PRIMARY KEY,
  devices TEXT NOT NULL,
  groups TEXT NOT NULL,
  UNIQUE (devices, groups)
) STRICT;

CREATE TABLE attempt (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  vm INTEGER NOT NULL REFERENCES vm,
  boot INTEGER REFERENCES boot,
  opened_at INTEGER NOT NULL,
  closed_at INTEGER,
  outcome TEXT CHECK (outcome IN ('started', 'failed', 'crashed-early', 'refused')),
  device_set INTEGER NOT NULL REFERENCES device_set,
  cause TEXT,
  summary TEXT,
  snapshot INTEGER REFERENCES snapshot,
  origin TEXT NOT NULL CHECK (origin IN ('live', 'imported')),
  evidence_count INTEGER NOT NULL DEFAULT 0,
  evidence_left_out INTEGER NOT NULL DEFAULT 0
) STRICT;
-- Everything that counting attempts needs, so that blame never touches the rows themselves.
CREATE INDEX attempt_tally
  ON attempt (vm, boot, outcome, cause, device_set, snapshot, origin, opened_at);
CREATE INDEX attempt_boot ON attempt (boot);
CREATE INDEX attempt_snapshot ON attempt (snapshot);
CREATE INDEX attempt_time ON attempt (opened_at);
CREATE INDEX attempt_open ON attempt (opened_at) WHERE outcome IS NULL;

CREATE TABLE diagnosis (
  attempt INTEGER PRIMARY KEY REFERENCES attempt ON DELETE CASCADE,
  body TEXT NOT NULL
) STRICT;

CREATE TABLE signature (
  id TEXT PRIMARY KEY,
  class TEXT NOT NULL,
  layer TEXT NOT NULL,
  role TEXT NOT NULL,
  severity TEXT NOT NULL,
  meaning TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Clustered by attempt: the evidence of one attempt lies side by side.
CREATE TABLE evidence (
  attempt INTEGER NOT NULL REFERENCES attempt ON DELETE CASCADE,
  source TEXT NOT NULL,
  identity TEXT NOT NULL,
  position INTEGER NOT NULL,
  kind TEXT NOT NULL,
  at INTEGER NOT NULL,
  monotonic_us INTEGER,
  count INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  text TEXT,
  observation TEXT NOT NULL,
  matches TEXT NOT NULL,
  PRIMARY KEY (attempt, source, identity)
) STRICT, WITHOUT ROWID;

CREATE TABLE sighting (
  number INTEGER PRIMARY KEY,
  boot INTEGER REFERENCES boot ON DELETE CASCADE,
  source TEXT NOT NULL,
  signature TEXT NOT NULL,
  device TEXT NOT NULL,
  text TEXT NOT NULL,
  count INTEGER NOT NULL,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  first_monotonic_us INTEGER
) STRICT;
CREATE UNIQUE INDEX sighting_once ON sighting (ifnull(boot, 0), source, signature, device, text);
CREATE INDEX sighting_boot ON sighting (boot);
CREATE INDEX sighting_time ON sighting (last_at);

CREATE TABLE gap (
  number INTEGER PRIMARY KEY,
  boot INTEGER REFERENCES boot ON DELETE CASCADE,
  source TEXT NOT NULL,
  identity TEXT NOT NULL,
  at INTEGER NOT NULL,
  lost INTEGER,
  detail TEXT NOT NULL,
  UNIQUE (source, identity)
) STRICT;
CREATE INDEX gap_boot ON gap (boot);
CREATE INDEX gap_time ON gap (at);

CREATE TABLE resume_point (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE incident (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  key TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  count INTEGER NOT NULL,
  closed_at INTEGER,
  acknowledged_at INTEGER,
  silenced_until INTEGER,
  last_told_at INTEGER,
  reminders INTEGER NOT NULL,
  boot_id TEXT,
  attempt_id TEXT,
  content TEXT NOT NULL
) STRICT;
CREATE INDEX incident_open ON incident (key) WHERE closed_at IS NULL;
CREATE INDEX incident_time ON incident (last_at);

CREATE TABLE delivery (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  incident INTEGER NOT NULL REFERENCES incident ON DELETE CASCADE,
  channel TEXT NOT NULL,
  content TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'given-up')),
  last_error TEXT,
  finished_at INTEGER
) STRICT;
CREATE INDEX delivery_due ON delivery (due_at) WHERE state = 'pending';
CREATE INDEX delivery_incident ON delivery (incident);
CREATE INDEX delivery_channel ON delivery (channel, state);
`;

// An incident writes a page to each index that it touches, once when the start is seen, again when it is over and when
// the alert has left, and a flash stick feels it. Open starts are asked for by their boot; incidents are few; and so are
// alerts that wait, while how a channel fares is asked seldom.
const VERSION_2 = `
DROP INDEX attempt_open;
DROP INDEX incident_time;
DROP INDEX delivery_due;
DROP INDEX delivery_channel;
CREATE INDEX delivery_pending ON delivery (channel, due_at) WHERE state = 'pending';
`;

// Facts as spans instead of packed sets of numbers: what all facts were over all boots is one read of one table, and a
// new snapshot writes what differs. A strand is a row of snapshots of which each is much like the one before; `place`
// counts through all that are stored, whatever their strand, and is NULL while only the id is known. `facts` is how many
// there are, and no number is used twice, so that what is saved of a damaged file and of a copy can be put together and
// be known to be whole. For the same reason the indexes hold all columns of facts and spans: each lies there twice.
const VERSION_3 = `
ALTER TABLE snapshot RENAME TO packed_snapshot;
CREATE TABLE snapshot (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  strand INTEGER,
  place INTEGER,
  facts INTEGER
) STRICT;
INSERT INTO snapshot (number, id) SELECT number, id FROM packed_snapshot;
CREATE UNIQUE INDEX snapshot_place ON snapshot (strand, place) WHERE place IS NOT NULL;

ALTER TABLE fact_key RENAME TO old_fact_key;
CREATE TABLE fact_key (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  fact_group TEXT NOT NULL,
  key TEXT NOT NULL,
  UNIQUE (key, fact_group)
) STRICT;
INSERT INTO fact_key (number, fact_group, key) SELECT number, fact_group, key FROM old_fact_key;
DROP TABLE old_fact_key;

ALTER TABLE fact RENAME TO old_fact;
CREATE TABLE fact (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  fact_key INTEGER NOT NULL REFERENCES fact_key,
  state TEXT NOT NULL CHECK (state IN ('text', 'json', 'absent', 'unknown')),
  value TEXT NOT NULL,
  UNIQUE (fact_key, state, value)
) STRICT;
INSERT INTO fact (number, fact_key, state, value)
  SELECT number, fact_key, replace(state, 'value', 'text'), value FROM old_fact;
DROP TABLE old_fact;

-- The fact held in every snapshot of the strand from the first place to the last; without a last one, to the newest.
CREATE TABLE span (
  fact INTEGER NOT NULL REFERENCES fact,
  strand INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER,
  PRIMARY KEY (fact, strand, first)
) STRICT, WITHOUT ROWID;
CREATE INDEX span_last ON span (strand, last);
`;

// A VM is its UUID; what it was called when is a table of its own. `successor` is the VM that was made anew in its place.
// Rows of one UUID are one VM that was renamed, and so are those of one number of Proxmox (`101 (win11)`).
const VERSION_4 = `
CREATE TEMP TABLE same_vm AS
  SELECT number, name, definition, since, gone_at, ifnull(nullif(definition ->> '$.uuid', ''),
    iif(name GLOB CAST(name AS INTEGER) || ' (*)', 'number ' || CAST(name AS INTEGER), 'name ' || name)) AS identity
  FROM vm;
CREATE TEMP TABLE vm_now AS
  SELECT number, identity, row_number() OVER
    (PARTITION BY identity ORDER BY gone_at IS NULL DESC, since DESC, number DESC) AS age
  FROM same_vm;
UPDATE attempt SET vm = (SELECT vm_now.number FROM same_vm JOIN vm_now USING (identity)
  WHERE same_vm.number = attempt.vm AND age = 1);

ALTER TABLE vm RENAME TO named_vm;
CREATE TABLE vm (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  uuid TEXT,
  definition TEXT,
  since INTEGER,
  gone_at INTEGER,
  successor INTEGER REFERENCES vm
) STRICT;
INSERT INTO vm (number, name, uuid, definition, since, gone_at)
  SELECT number, name, nullif(definition ->> '$.uuid', ''), definition, since, gone_at
  FROM same_vm WHERE number IN (SELECT number FROM vm_now WHERE age = 1);
CREATE UNIQUE INDEX vm_uuid ON vm (uuid) WHERE uuid IS NOT NULL;

CREATE TABLE vm_name (
  name TEXT NOT NULL,
  since INTEGER NOT NULL,
  vm INTEGER NOT NULL REFERENCES vm ON DELETE CASCADE,
  PRIMARY KEY (name, since)
) STRICT, WITHOUT ROWID;
CREATE INDEX vm_name_vm ON vm_name (vm);
INSERT INTO vm_name (name, since, vm)
  SELECT same_vm.name, 0, vm_now.number FROM same_vm JOIN vm_now USING (identity) WHERE age = 1;
DROP TABLE named_vm;
DROP TABLE same_vm;
DROP TABLE vm_now;
`;

// What is read and belongs to no start yet: a source's position is past it, so whoever goes on after a restart finds it
// here. A handful of rows, looked through as a whole.
const VERSION_5 = `
CREATE TABLE unfinished (
  source TEXT NOT NULL,
  identity TEXT NOT NULL,
  place INTEGER NOT NULL,
  arrived_at INTEGER NOT NULL,
  observation TEXT NOT NULL,
  PRIMARY KEY (source, identity)
) STRICT, WITHOUT ROWID;
`;

const VERSION_6 = `
CREATE TABLE hot_plug (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  boot INTEGER REFERENCES boot ON DELETE CASCADE,
  at INTEGER NOT NULL,
  action TEXT NOT NULL CHECK (action IN ('attach', 'detach')),
  outcome TEXT NOT NULL CHECK (outcome IN ('refused', 'hangs')),
  vms TEXT NOT NULL,
  devices TEXT NOT NULL,
  summary TEXT NOT NULL,
  lines TEXT NOT NULL
) STRICT;
CREATE INDEX hot_plug_boot ON hot_plug (boot);
`;

// Milliseconds from the beginning of the boot by a clock that nobody sets: the order of starts within a boot. What was
// stored before has none, and stands where its wall time puts it.
const VERSION_7 = `
ALTER TABLE attempt ADD COLUMN steady INTEGER;
DROP INDEX attempt_tally;
CREATE INDEX attempt_tally
  ON attempt (vm, boot, outcome, cause, device_set, snapshot, origin, opened_at, steady);
`;

// The same for all else that stands in a time line. An incident lasts: `steady` is of its last occurrence, in the boot of
// `boot_id`, and what opened it may have been in an earlier one.
const VERSION_8 = `
ALTER TABLE hot_plug ADD COLUMN steady INTEGER;
ALTER TABLE snapshot_moment ADD COLUMN steady INTEGER;
ALTER TABLE incident ADD COLUMN steady INTEGER;
ALTER TABLE incident ADD COLUMN opened_boot_id TEXT;
ALTER TABLE incident ADD COLUMN opened_steady INTEGER;
`;

// When the host went to sleep divides a boot for `blame`. In the boot's own row, which is written anyway: JSON pairs of wall
// time and milliseconds of the boot.
const VERSION_9 = `
ALTER TABLE boot ADD COLUMN sleeps TEXT;
`;

/** Every step from an empty file to today, in order. */
export const MIGRATIONS: readonly Migration[] = [
  { version: 1, sql: VERSION_1 },
  { version: 2, sql: VERSION_2 },
  { version: 3, sql: VERSION_3, convert: unpackFactSets, finish: "DROP TABLE packed_snapshot" },
  { version: 4, sql: VERSION_4 },
  { version: 5, sql: VERSION_5 },
  { version: 6, sql: VERSION_6 },
  { version: 7, sql: VERSION_7 },
  { version: 8, sql: VERSION_8 },
  { version: 9, sql: VERSION_9 },
];

/** The version that this program reads and writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

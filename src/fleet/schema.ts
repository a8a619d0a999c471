import { NO_PASSTHROUGH_FAILURE } from "../history/blame-laws.ts";

/** One step of the server's schema. Never edited once released: a later change is a new entry. */
export interface FleetMigration {
  readonly version: number;
  readonly sql: string;
}

/** Everything lies in a schema of its own, so that a database may hold other things too. */
export const FLEET_SCHEMA = "vfio_watch";
/** What every host's own role belongs to: it inserts its rows, and reads its cursor and the verdicts. */
export const HOST_ROLE = "vfio_watch_host";
/** Whoever asks questions. */
export const READER_ROLE = "vfio_watch_reader";
/** Verdicts that fewer hosts stand behind are shown to no other host: they would tell of one machine. */
export const FEWEST_HOSTS = 5;

/** Failures that no change of a host need explain, as SQL has them. */
export const NO_FAULT = [...NO_PASSTHROUGH_FAILURE].map((name) => `'${name}'`).join(", ");

// `environment` and what stands in lists of words are shared by all hosts and addressed by content; number 0 is "none".
// Columns of `start` go from wide to narrow, which saves what alignment would fill. It has no foreign keys to the lists:
// they are only added to, through functions that give the number back.
const VERSION_1 = `
CREATE TABLE host (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  role name NOT NULL UNIQUE,
  added_as text NOT NULL,
  key uuid UNIQUE,
  label text,
  cluster text,
  version text,
  first_export timestamptz,
  last_export timestamptz
);

-- How far each history of a host has come; one that was begun anew is another one.
CREATE TABLE history (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  host integer NOT NULL REFERENCES host ON DELETE CASCADE,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  start_number integer NOT NULL DEFAULT 0,
  start_at timestamptz,
  boot_number integer NOT NULL DEFAULT 0,
  UNIQUE (host, name)
);

CREATE TABLE environment (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  digest bytea NOT NULL UNIQUE,
  facts jsonb NOT NULL,
  board_vendor text GENERATED ALWAYS AS
    (coalesce(facts ->> 'firmware.board.vendor', facts ->> 'firmware.system.vendor')) STORED,
  board text GENERATED ALWAYS AS
    (coalesce(facts ->> 'firmware.board.name', facts ->> 'firmware.system.product')) STORED,
  bios text GENERATED ALWAYS AS (facts ->> 'firmware.bios.version') STORED,
  -- One board whatever a BIOS version changes in spaces and capitals; of MSI's the number is the board.
  board_key text GENERATED ALWAYS AS (coalesce(
    upper(substring(coalesce(facts ->> 'firmware.board.name', facts ->> 'firmware.system.product')
      from '\\m[Mm][Ss]-([0-9A-Za-z]{4})\\M')),
    regexp_replace(lower(coalesce(facts ->> 'firmware.board.name', facts ->> 'firmware.system.product')),
      '[^a-z0-9]+', '', 'g'))) STORED
);
CREATE INDEX environment_board ON environment (board_key);

CREATE TABLE device (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  identity text NOT NULL UNIQUE
);
CREATE TABLE word (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  word text NOT NULL UNIQUE
);
INSERT INTO environment (id, digest, facts) OVERRIDING SYSTEM VALUE VALUES (0, '', '{}');
INSERT INTO device (id, identity) OVERRIDING SYSTEM VALUE VALUES (0, '');
INSERT INTO word (id, word) OVERRIDING SYSTEM VALUE VALUES (0, '');

CREATE TYPE outcome AS ENUM ('started', 'failed', 'crashed-early', 'refused');
CREATE TYPE certainty AS ENUM ('certain', 'likely', 'possible');

CREATE TABLE start (
  at timestamptz NOT NULL,
  host integer NOT NULL,
  history integer NOT NULL REFERENCES history ON DELETE CASCADE,
  number integer NOT NULL,
  environment integer NOT NULL,
  device integer NOT NULL,
  class integer NOT NULL,
  signature integer NOT NULL,
  outcome outcome NOT NULL,
  certainty certainty,
  PRIMARY KEY (history, number)
);

-- Kept by the insert; a question never reads the starts themselves.
CREATE TABLE tally (
  environment integer NOT NULL,
  host integer NOT NULL REFERENCES host ON DELETE CASCADE,
  device integer NOT NULL,
  class integer NOT NULL,
  outcome outcome NOT NULL,
  starts integer NOT NULL,
  first_at timestamptz NOT NULL,
  last_at timestamptz NOT NULL,
  PRIMARY KEY (environment, host, device, class, outcome)
);
CREATE INDEX tally_host ON tally (host);

CREATE TABLE boot (
  started_at timestamptz NOT NULL,
  host integer NOT NULL,
  history integer NOT NULL REFERENCES history ON DELETE CASCADE,
  number integer NOT NULL,
  environment integer NOT NULL,
  PRIMARY KEY (history, number)
);
CREATE INDEX boot_newest ON boot (host, started_at DESC);

-- Only of hosts that are set to share it (FLEET_SHARE).
CREATE TABLE evidence (
  host integer NOT NULL,
  history integer NOT NULL REFERENCES history ON DELETE CASCADE,
  number integer NOT NULL,
  machine text NOT NULL,
  vm text NOT NULL,
  summary text NOT NULL,
  lines text[] NOT NULL,
  PRIMARY KEY (history, number)
);

CREATE FUNCTION own_host() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = vfio_watch, pg_temp
  AS $$ SELECT id FROM host WHERE role = session_user $$;

-- The key is made at the first export and says nothing of the machine.
CREATE FUNCTION report_in(own_label text, own_cluster text, own_version text) RETURNS integer
  LANGUAGE sql SECURITY DEFINER SET search_path = vfio_watch, pg_temp
  AS $$ UPDATE host SET key = coalesce(key, gen_random_uuid()), first_export = coalesce(first_export, now()),
      last_export = now(), label = left(nullif(own_label, ''), 100), cluster = left(nullif(own_cluster, ''), 100),
      version = left(own_version, 40)
    WHERE role = session_user RETURNING id $$;

CREATE FUNCTION environment_number(own_facts jsonb) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = vfio_watch, pg_temp AS $$
DECLARE
  own_digest bytea := sha256(convert_to(own_facts::text, 'UTF8'));
  found integer;
BEGIN
  IF own_host() IS NULL OR jsonb_typeof(own_facts) <> 'object' OR length(own_facts::text) > 16384 THEN
    RAISE EXCEPTION 'not an environment' USING ERRCODE = 'check_violation';
  END IF;
  SELECT id INTO found FROM environment WHERE digest = own_digest;
  IF found IS NULL THEN
    INSERT INTO environment (digest, facts) VALUES (own_digest, own_facts) ON CONFLICT DO NOTHING RETURNING id INTO found;
  END IF;
  IF found IS NULL THEN
    SELECT id INTO found FROM environment WHERE digest = own_digest;
  END IF;
  RETURN found;
END $$;

CREATE FUNCTION device_number(own text) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = vfio_watch, pg_temp AS $$
DECLARE
  found integer;
BEGIN
  IF own_host() IS NULL OR own !~ '^([0-9a-f]{4}:[0-9a-f]{4}(/[0-9a-f]{4}:[0-9a-f]{4})?|unknown|)$' THEN
    RAISE EXCEPTION 'not a device' USING ERRCODE = 'check_violation';
  END IF;
  SELECT id INTO found FROM device WHERE identity = own;
  IF found IS NULL THEN
    INSERT INTO device (identity) VALUES (own) ON CONFLICT DO NOTHING RETURNING id INTO found;
  END IF;
  IF found IS NULL THEN
    SELECT id INTO found FROM device WHERE identity = own;
  END IF;
  RETURN found;
END $$;

CREATE FUNCTION word_number(own text) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = vfio_watch, pg_temp AS $$
DECLARE
  found integer;
BEGIN
  IF own_host() IS NULL OR length(own) > 120 THEN
    RAISE EXCEPTION 'not a word' USING ERRCODE = 'check_violation';
  END IF;
  SELECT id INTO found FROM word WHERE word = own;
  IF found IS NULL THEN
    INSERT INTO word (word) VALUES (own) ON CONFLICT DO NOTHING RETURNING id INTO found;
  END IF;
  IF found IS NULL THEN
    SELECT id INTO found FROM word WHERE word = own;
  END IF;
  RETURN found;
END $$;

CREATE FUNCTION count_starts() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = vfio_watch, pg_temp AS $$
BEGIN
  INSERT INTO tally AS own (environment, host, device, class, outcome, starts, first_at, last_at)
    SELECT environment, host, device, class, outcome, count(*), min(at), max(at) FROM added
    GROUP BY environment, host, device, class, outcome
    ON CONFLICT (environment, host, device, class, outcome) DO UPDATE SET starts = own.starts + excluded.starts,
      first_at = least(own.first_at, excluded.first_at), last_at = greatest(own.last_at, excluded.last_at);
  RETURN NULL;
END $$;
CREATE TRIGGER start_counted AFTER INSERT ON start REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION count_starts();

ALTER TABLE history ENABLE ROW LEVEL SECURITY;
ALTER TABLE start ENABLE ROW LEVEL SECURITY;
ALTER TABLE boot ENABLE ROW LEVEL SECURITY;
ALTER TABLE evidence ENABLE ROW LEVEL SECURITY;
ALTER TABLE host ENABLE ROW LEVEL SECURITY;
ALTER TABLE tally ENABLE ROW LEVEL SECURITY;
ALTER TABLE environment ENABLE ROW LEVEL SECURITY;
ALTER TABLE device ENABLE ROW LEVEL SECURITY;
ALTER TABLE word ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON history TO vfio_watch_host
  USING (host = (SELECT own_host())) WITH CHECK (host = (SELECT own_host()));
CREATE POLICY own_rows ON start FOR INSERT TO vfio_watch_host WITH CHECK (host = (SELECT own_host())
  AND history IN (SELECT id FROM history));
CREATE POLICY own_rows ON boot FOR INSERT TO vfio_watch_host WITH CHECK (host = (SELECT own_host())
  AND history IN (SELECT id FROM history));
CREATE POLICY own_rows ON evidence FOR INSERT TO vfio_watch_host WITH CHECK (host = (SELECT own_host())
  AND history IN (SELECT id FROM history));
CREATE POLICY all_rows ON history FOR SELECT TO vfio_watch_reader USING (true);
CREATE POLICY all_rows ON start FOR SELECT TO vfio_watch_reader USING (true);
CREATE POLICY all_rows ON boot FOR SELECT TO vfio_watch_reader USING (true);
CREATE POLICY all_rows ON evidence FOR SELECT TO vfio_watch_reader USING (true);
CREATE POLICY all_rows ON host FOR SELECT TO vfio_watch_reader USING (true);
CREATE POLICY all_rows ON tally FOR SELECT TO vfio_watch_reader USING (true);
CREATE POLICY all_rows ON environment FOR SELECT TO vfio_watch_reader USING (true);
CREATE POLICY all_rows ON device FOR SELECT TO vfio_watch_reader USING (true);
CREATE POLICY all_rows ON word FOR SELECT TO vfio_watch_reader USING (true);

-- How many hosts there are on each BIOS of each board, and on how many of them starts fail. The barrier keeps a condition
-- of whoever asks from seeing rows before they are counted.
CREATE VIEW result WITH (security_barrier) AS
  SELECT board_key, bios, min(board_vendor) AS board_vendor, min(board) AS board, min(agesa) AS agesa,
    count(*)::integer AS hosts, count(*) FILTER (WHERE fails)::integer AS failing,
    mode() WITHIN GROUP (ORDER BY class) FILTER (WHERE fails) AS class, max(last_at) AS last_at
  FROM (
    SELECT environment.board_key, environment.bios, tally.host, min(environment.board_vendor) AS board_vendor,
      min(environment.board) AS board, min(environment.facts ->> 'firmware.agesa') AS agesa,
      bool_or(tally.outcome <> 'started') AS fails,
      mode() WITHIN GROUP (ORDER BY word.word) FILTER (WHERE tally.outcome <> 'started') AS class,
      max(tally.last_at) AS last_at
    FROM tally JOIN environment ON environment.id = tally.environment JOIN word ON word.id = tally.class
    WHERE tally.device <> 0 AND tally.outcome <> 'refused' AND environment.bios IS NOT NULL
      AND environment.board_key IS NOT NULL AND word.word NOT IN (${NO_FAULT})
    GROUP BY environment.board_key, environment.bios, tally.host
  ) AS of_host GROUP BY board_key, bios;

CREATE VIEW verdict WITH (security_barrier) AS
  SELECT board_vendor, board, bios, agesa, hosts, failing, class, date_trunc('month', last_at) AS month, board_key
  FROM result WHERE hosts >= ${FEWEST_HOSTS};

GRANT USAGE ON SCHEMA vfio_watch TO vfio_watch_host, vfio_watch_reader;
GRANT SELECT ON version TO vfio_watch_host, vfio_watch_reader;
GRANT SELECT, INSERT ON history TO vfio_watch_host;
GRANT UPDATE (start_number, start_at, boot_number) ON history TO vfio_watch_host;
GRANT INSERT ON start, boot, evidence TO vfio_watch_host;
GRANT SELECT ON verdict TO vfio_watch_host;
GRANT SELECT ON host, history, environment, device, word, start, tally, boot, evidence, result, verdict TO vfio_watch_reader;
REVOKE ALL ON FUNCTION own_host(), report_in(text, text, text), environment_number(jsonb), device_number(text),
  word_number(text), count_starts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION own_host(), report_in(text, text, text), environment_number(jsonb), device_number(text),
  word_number(text) TO vfio_watch_host;
`;

/** Every step from an empty schema to today, in order. */
export const FLEET_MIGRATIONS: readonly FleetMigration[] = [{ version: 1, sql: VERSION_1 }];

/** The version that this program reads and writes; a server that is further on still takes what it sends. */
export const FLEET_VERSION = FLEET_MIGRATIONS.length;

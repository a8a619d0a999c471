import { NO_PASSTHROUGH_FAILURE } from "../history/blame-laws.ts";

/** Verdicts that fewer hosts stand behind are shown to no other host: they would tell of one machine. */
export const FEWEST_HOSTS = 5;

/** Failures that no change of a host need explain, as SQL has them. */
export const NO_FAULT = [...NO_PASSTHROUGH_FAILURE].map((name) => `'${name}'`).join(", ");

/** Roles that all hosts, and all readers, of one fleet belong to. */
export interface FleetGroups {
  readonly hosts: string;
  readonly readers: string;
}

/** Gives back the number of an entry of a list, which it makes where there is none: `word_number('device-lost')`. */
function numberFunction(table: string, column: string): string {
  return `
CREATE FUNCTION ${table}_number(own text) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = vfio_watch, pg_temp AS $$
DECLARE
  found integer;
BEGIN
  IF own_host() IS NULL THEN
    RAISE EXCEPTION 'no host' USING ERRCODE = 'insufficient_privilege';
  END IF;
  -- Another host may add the same between the two.
  FOR turn IN 1..2 LOOP
    SELECT id INTO found FROM ${table} WHERE ${column} = own;
    EXIT WHEN found IS NOT NULL;
    INSERT INTO ${table} (${column}) VALUES (own) ON CONFLICT DO NOTHING RETURNING id INTO found;
    EXIT WHEN found IS NOT NULL;
  END LOOP;
  RETURN found;
END $$;
`;
}

/** What adds, counts and shows, and who may. A fleet has its own groups: roles are the whole server's. */
export const accessOf = ({ hosts, readers }: FleetGroups): string => `
CREATE FUNCTION own_host() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = vfio_watch, pg_temp
  AS $$ SELECT id FROM host WHERE role = session_user $$;

-- The key is made at the first export and says nothing of the machine.
CREATE FUNCTION report_in(own_label text, own_cluster text, own_version text) RETURNS integer
  LANGUAGE sql SECURITY DEFINER SET search_path = vfio_watch, pg_temp
  AS $$ UPDATE host SET key = coalesce(key, gen_random_uuid()), first_export = coalesce(first_export, now()),
      last_export = now(), label = left(nullif(own_label, ''), 100), cluster = left(nullif(own_cluster, ''), 100),
      version = left(own_version, 40)
    WHERE role = session_user RETURNING id $$;

CREATE FUNCTION environment_number(own jsonb) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = vfio_watch, pg_temp AS $$
DECLARE
  own_id bigint := ('x' || left(encode(sha256(convert_to(own::text, 'UTF8')), 'hex'), 16))::bit(64)::bigint;
BEGIN
  IF own_host() IS NULL THEN
    RAISE EXCEPTION 'no host' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NOT EXISTS (SELECT FROM environment WHERE id = own_id) THEN
    INSERT INTO environment (id, facts) VALUES (own_id, own) ON CONFLICT DO NOTHING;
  END IF;
  RETURN own_id;
END $$;
${numberFunction("device", "identity")}${numberFunction("word", "word")}
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
CREATE POLICY own_rows ON history TO ${hosts}
  USING (host = (SELECT own_host())) WITH CHECK (host = (SELECT own_host()));
CREATE POLICY own_rows ON start FOR INSERT TO ${hosts} WITH CHECK (host = (SELECT own_host())
  AND history IN (SELECT id FROM history));
CREATE POLICY own_rows ON boot FOR INSERT TO ${hosts} WITH CHECK (host = (SELECT own_host())
  AND history IN (SELECT id FROM history));
CREATE POLICY own_rows ON evidence FOR INSERT TO ${hosts} WITH CHECK (host = (SELECT own_host())
  AND history IN (SELECT id FROM history));
CREATE POLICY all_rows ON history FOR SELECT TO ${readers} USING (true);
CREATE POLICY all_rows ON start FOR SELECT TO ${readers} USING (true);
CREATE POLICY all_rows ON boot FOR SELECT TO ${readers} USING (true);
CREATE POLICY all_rows ON evidence FOR SELECT TO ${readers} USING (true);
CREATE POLICY all_rows ON host FOR SELECT TO ${readers} USING (true);
CREATE POLICY all_rows ON tally FOR SELECT TO ${readers} USING (true);
CREATE POLICY all_rows ON environment FOR SELECT TO ${readers} USING (true);
CREATE POLICY all_rows ON device FOR SELECT TO ${readers} USING (true);
CREATE POLICY all_rows ON word FOR SELECT TO ${readers} USING (true);

-- How many hosts there are on each BIOS of each board, and on how many of them starts fail.
CREATE VIEW result AS
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

-- What hosts may read of it. By a function, for of a view EXPLAIN ANALYZE would say how many rows it counted and left out.
CREATE FUNCTION verdicts(own_board text) RETURNS TABLE (board_vendor text, board text, bios text, agesa text, hosts integer,
    failing integer, class text, month timestamptz, board_key text)
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = vfio_watch, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT own.board_vendor, own.board, own.bios, own.agesa, own.hosts, own.failing, own.class,
      date_trunc('month', own.last_at), own.board_key
    FROM result AS own WHERE own.hosts >= ${FEWEST_HOSTS} AND (own_board IS NULL OR own.board_key = own_board);
END $$;
CREATE VIEW verdict AS SELECT * FROM verdicts(NULL);

GRANT USAGE ON SCHEMA vfio_watch TO ${hosts}, ${readers};
GRANT SELECT ON version TO ${hosts}, ${readers};
GRANT SELECT, INSERT ON history TO ${hosts};
GRANT UPDATE (start_number, start_at, boot_number) ON history TO ${hosts};
GRANT INSERT ON start, boot, evidence TO ${hosts};
GRANT SELECT ON verdict TO ${hosts};
GRANT SELECT ON host, history, environment, device, word, start, tally, boot, evidence, result, verdict TO ${readers};
REVOKE ALL ON FUNCTION own_host(), report_in(text, text, text), environment_number(jsonb), device_number(text),
  word_number(text), count_starts(), verdicts(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION own_host(), report_in(text, text, text), environment_number(jsonb), device_number(text),
  word_number(text), verdicts(text) TO ${hosts};
GRANT EXECUTE ON FUNCTION verdicts(text) TO ${readers};
`;

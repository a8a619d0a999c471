/** A class or a signature, as its file names it; anything else would be text. Empty: none. */
export const WORD = /^([a-z0-9][a-z0-9._-]{0,119})?$/;
/** Of what leaves with `facts+evidence` (characters). */
export const LONGEST_TEXT = 500;
export const MOST_LINES = 20;

// `environment` and what stands in lists of words are shared by all hosts; number 0 is "none". An environment's number comes
// from its content, so that nobody can name one that he does not have, and see what others say of it.
// Columns of `start` go from wide to narrow, which saves what alignment would fill. It has no foreign keys to the lists:
// they are only added to, through functions that give the number back. A host's role inserts what it likes, so that
// everything has bounds: a moment that nobody can show, or a text without end, would be every reader's trouble.
export const TABLES = `
CREATE DOMAIN moment AS timestamptz CHECK (VALUE BETWEEN '0001-01-01' AND '9999-12-31');

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
  start_at moment,
  boot_number integer NOT NULL DEFAULT 0,
  UNIQUE (host, name)
);

CREATE TABLE environment (
  id bigint PRIMARY KEY,
  facts jsonb NOT NULL CHECK (jsonb_typeof(facts) = 'object' AND length(facts::text) <= 16384),
  board_vendor text GENERATED ALWAYS AS
    (coalesce(facts ->> 'firmware.board.vendor', facts ->> 'firmware.system.vendor')) STORED,
  board text GENERATED ALWAYS AS
    (coalesce(facts ->> 'firmware.board.name', facts ->> 'firmware.system.product')) STORED,
  bios text GENERATED ALWAYS AS (facts ->> 'firmware.bios.version') STORED,
  -- One board whatever a BIOS version changes in spaces and capitals; of MSI's the number is the board.
  board_key text GENERATED ALWAYS AS (coalesce(
    upper(substring(coalesce(facts ->> 'firmware.board.name', facts ->> 'firmware.system.product')
      from '\\m[Mm][Ss]-([0-9A-Za-z]{4})\\M')),
    nullif(regexp_replace(lower(coalesce(facts ->> 'firmware.board.name', facts ->> 'firmware.system.product')),
      '[^a-z0-9]+', '', 'g'), ''),
    lower(coalesce(facts ->> 'firmware.board.name', facts ->> 'firmware.system.product')))) STORED
);
CREATE INDEX environment_board ON environment (board_key);

CREATE TABLE device (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  identity text NOT NULL UNIQUE CHECK (identity ~ '^([0-9a-f]{4}:[0-9a-f]{4}(/[0-9a-f]{4}:[0-9a-f]{4})?|unknown|)$')
);
CREATE TABLE word (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  word text NOT NULL UNIQUE CHECK (word ~ '${WORD.source}')
);
INSERT INTO environment (id, facts) VALUES (0, '{}');
INSERT INTO device (id, identity) OVERRIDING SYSTEM VALUE VALUES (0, '');
INSERT INTO word (id, word) OVERRIDING SYSTEM VALUE VALUES (0, '');

CREATE TYPE outcome AS ENUM ('started', 'failed', 'crashed-early', 'refused');
CREATE TYPE certainty AS ENUM ('certain', 'likely', 'possible');

CREATE TABLE start (
  at moment NOT NULL,
  environment bigint NOT NULL,
  host integer NOT NULL,
  history integer NOT NULL REFERENCES history ON DELETE CASCADE,
  number integer NOT NULL,
  device integer NOT NULL,
  class integer NOT NULL,
  signature integer NOT NULL,
  outcome outcome NOT NULL,
  certainty certainty,
  PRIMARY KEY (history, number)
);

-- Kept by the insert; a question never reads the starts themselves.
CREATE TABLE tally (
  environment bigint NOT NULL,
  host integer NOT NULL REFERENCES host ON DELETE CASCADE,
  device integer NOT NULL,
  class integer NOT NULL,
  outcome outcome NOT NULL,
  starts integer NOT NULL,
  first_at moment NOT NULL,
  last_at moment NOT NULL,
  PRIMARY KEY (environment, host, device, class, outcome)
);
CREATE INDEX tally_host ON tally (host);

CREATE TABLE boot (
  started_at moment NOT NULL,
  environment bigint NOT NULL,
  host integer NOT NULL,
  history integer NOT NULL REFERENCES history ON DELETE CASCADE,
  number integer NOT NULL,
  PRIMARY KEY (history, number)
);
CREATE INDEX boot_newest ON boot (host, started_at DESC);

-- Only of hosts that are set to share it (FLEET_SHARE).
CREATE TABLE evidence (
  host integer NOT NULL,
  history integer NOT NULL REFERENCES history ON DELETE CASCADE,
  number integer NOT NULL,
  machine text NOT NULL CHECK (length(machine) <= ${LONGEST_TEXT}),
  vm text NOT NULL CHECK (length(vm) <= ${LONGEST_TEXT}),
  summary text NOT NULL CHECK (length(summary) <= ${LONGEST_TEXT}),
  lines text[] NOT NULL CHECK (cardinality(lines) <= ${MOST_LINES}
    AND length(array_to_string(lines, '', '')) <= ${MOST_LINES * LONGEST_TEXT}),
  PRIMARY KEY (history, number)
);
`;

import { type Command, type CommandIo, type ParsedArguments, UsageError } from "../command.ts";

/** One of the words that follow `fleet`. */
type Part = (rest: readonly string[], args: ParsedArguments, io: CommandIo) => Promise<number>;

/** Loaded one at a time: most of them load a client for PostgreSQL. */
const PARTS: Readonly<Record<string, () => Promise<Part>>> = {
  init: async () => (await import("../fleet/keep-fleet.ts")).initFleet,
  add: async () => (await import("../fleet/keep-fleet.ts")).addToFleet,
  status: async () => (await import("../fleet/ask-questions.ts")).fleetStatus,
  hosts: async () => (await import("../fleet/ask-questions.ts")).fleetHosts,
  boards: async () => (await import("../fleet/ask-questions.ts")).fleetBoards,
  blame: async () => (await import("../fleet/ask-questions.ts")).fleetBlame,
  outliers: async () => (await import("../fleet/ask-questions.ts")).fleetOutliers,
  verdicts: async () => (await import("../fleet/ask-questions.ts")).fleetVerdicts,
  prune: async () => (await import("../fleet/keep-fleet.ts")).pruneInFleet,
  forget: async () => (await import("../fleet/keep-fleet.ts")).forgetInFleet,
};

/** Many hosts in one PostgreSQL. */
export const fleetCommand: Command = {
  name: "fleet",
  summary:
    "Many hosts in one PostgreSQL: which BIOS of which board breaks passthrough, and on how many of them.",
  usage:
    "init URL | add LABEL [--reader] | status | hosts | boards | blame [--board B] [--device V:D] | outliers | verdicts | prune --keep SPAN | forget HOST [--url URL] [--json]",
  help: `
  init URL           makes the tables in an empty database, or brings them up to this version; URL is its owner's
                     (postgresql://owner@server:5432/database), who has to be allowed to make roles
  add LABEL          makes a role for a host and prints its address, for FLEET_URL of that host: it can add its own
                     rows, read how far it has come, and verdicts that five hosts or more stand behind, nothing else
    --reader         a role for whoever asks questions instead
  status             how many hosts, starts and boards there are, and how large the database is
  hosts              every host: when it was heard of, what it is, how its starts went
  boards             for each BIOS of each board how many hosts there are and on how many starts fail
  blame              which change breaks starts on a board, with the same model as 'vfio-watch blame', hosts being blocks;
                     without --board of the board with the most hosts that fail
    --board BOARD    as SMBIOS names it; of MSI's boards the number is enough (MS-7E49)
    --device DEVICE  only starts with this device, vendor and device (10de:2805)
    --format FORMAT  html (with a picture), markdown or text; without it what the ending of --output says
    --output FILE    write there
  outliers           hosts that fail where nine in ten with the same BIOS of the same board work, and the other way round
  verdicts           what the fleet knows as records of known firmware (docs/known-firmware.md), to be shared
    --min-hosts 5    only versions that so many hosts stand behind
    --output DIR     a file for each vendor; without it all of them to standard output
  prune --keep 5y    removes what is older; 18m and 400d are spans too
  forget HOST        removes a host with all its rows and its role; HOST is its label or its key

  --url URL          another database than FLEET_URL. A password that is not in it comes from VFIO_WATCH_FLEET_PASSWORD,
                     PGPASSWORD or ~/.pgpass. TLS is verified, but for a server on this machine
  --json             one JSON document instead of text

Exit code: 0 when it is done, 1 when the server could not be asked or refused, 3 when blame finds a host that fails now,
or outliers one that fails where others work.
JSON: of init {"from","to"}, versions; of add {"label","kind","url"}; of status {"hosts","lately","starts","failed","boards",
"environments","newestAt","bytes"}; of hosts {"hosts":[{"label","key","cluster","version","lastExport","board","bios",
"kernel","starts","failed","lastOutcome"}]}; of boards {"boards":[{"vendor","board","boardKey","bios","agesa","hosts",
"failing","class","lastAt"}]}; of blame {"board","hosts","headline","hostSentence","faults":[{"failure","classes",
"certainty","reason","probability","rivals","suspects":[{"families","probability","together","reverted"}],"good","bad",
"healed","by","values":[{"value","broken","hosts","failing"}],"changedAlone":[{"host","from","to","failedBefore",
"failedAfter"}]}],"otherBoards":[{"board","failing","hosts"}]}; of outliers {"outliers":[{"label","key","board","bios",
"fails","class","hosts","failing","lastAt","summary"}]}; of verdicts {"verdicts":[{"vendor","board","bios","agesa",
"hosts","failing","class","month"}]}; of prune {"removed","before"}; of forget {"forgotten","starts","role"}, where role is removed or locked. Forms: docs/json.
Example: vfio-watch fleet init postgresql://owner@db.lan/fleet
Example: vfio-watch fleet add tower --url postgresql://owner@db.lan/fleet
Example: vfio-watch fleet blame --board MS-7E49 --output board.html
Example: vfio-watch fleet verdicts --min-hosts 5 --output known-firmware`,
  options: {
    url: { type: "string" },
    json: { type: "boolean" },
    reader: { type: "boolean" },
    keep: { type: "string" },
    board: { type: "string" },
    device: { type: "string" },
    format: { type: "string" },
    output: { type: "string" },
    "min-hosts": { type: "string" },
  },
  async run(args, io) {
    const [word, ...rest] = args.positionals;
    const load = word === undefined || !Object.hasOwn(PARTS, word) ? undefined : PARTS[word];
    if (load === undefined) throw new UsageError(`takes one of ${Object.keys(PARTS).join(", ")}`);
    return (await load())(rest, args, io);
  },
};

import { type Command, type CommandIo, type ParsedArguments, UsageError } from "../command.ts";

/** One of the words that follow `fleet`. */
type Part = (rest: readonly string[], args: ParsedArguments, io: CommandIo) => Promise<number>;

/** Loaded one at a time: most of them load a client for PostgreSQL. */
const PARTS: Readonly<Record<string, () => Promise<Part>>> = {
  init: async () => (await import("../fleet/keep-fleet.ts")).initFleet,
  add: async () => (await import("../fleet/keep-fleet.ts")).addToFleet,
  prune: async () => (await import("../fleet/keep-fleet.ts")).pruneInFleet,
  forget: async () => (await import("../fleet/keep-fleet.ts")).forgetInFleet,
};

/** Many hosts in one PostgreSQL. */
export const fleetCommand: Command = {
  name: "fleet",
  summary: "Many hosts in one PostgreSQL: prepares it, adds and forgets hosts.",
  usage: "init URL | add LABEL [--reader] | prune --keep SPAN | forget HOST [--url URL] [--json]",
  help: `
  init URL           makes the tables in an empty database, or brings them up to this version; URL is its owner's
                     (postgresql://owner@server:5432/database), who has to be allowed to make roles
  add LABEL          makes a role for a host and prints its address, for FLEET_URL of that host: it can add its own
                     rows, read how far it has come, and verdicts that five hosts or more stand behind, nothing else
    --reader         a role for whoever asks questions instead
  prune --keep 5y    removes what is older; 18m and 400d are spans too
  forget HOST        removes a host with all its rows and its role; HOST is its label or its key

  --url URL          another database than FLEET_URL. A password that is not in it comes from VFIO_WATCH_FLEET_PASSWORD,
                     PGPASSWORD or ~/.pgpass. TLS is verified, but for a server on this machine
  --json             one JSON document instead of text

Exit code: 0 when it is done, 1 when the server could not be asked or refused.
JSON: of init {"from","to"}, versions; of add {"label","kind","url"}; of prune {"removed","before"}; of forget
{"forgotten","starts"}.
Example: vfio-watch fleet init postgresql://owner@db.lan/fleet
Example: vfio-watch fleet add tower --url postgresql://owner@db.lan/fleet`,
  options: {
    url: { type: "string" },
    json: { type: "boolean" },
    reader: { type: "boolean" },
    keep: { type: "string" },
  },
  async run(args, io) {
    const [word, ...rest] = args.positionals;
    const load = word === undefined || !Object.hasOwn(PARTS, word) ? undefined : PARTS[word];
    if (load === undefined) throw new UsageError(`takes one of ${Object.keys(PARTS).join(", ")}`);
    return (await load())(rest, args, io);
  },
};

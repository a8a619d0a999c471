import { type FleetConnection, withFleet } from "../../fleet/connect.ts";
import { parsePostgresAddress } from "../../fleet/postgres-address.ts";
import { type FleetServer, parseServer } from "../../fleet/server.ts";
import { printable } from "../../terminal-text.ts";
import { type CommandIo, EXIT, UsageError } from "../command.ts";
import { findSurroundings } from "../surroundings.ts";

/** The server that is meant: the address that was given, else the one of the settings. Throws `UsageError`. */
export function findServer(given: string | undefined, io: Pick<CommandIo, "env">): FleetServer {
  const { config, origins } = findSurroundings(io.env).loaded;
  const url = given === undefined ? config.FLEET_URL : addressOf(given);
  if (url === undefined)
    throw new UsageError(
      "needs the fleet's database: --url postgresql://user@server/database, or the setting FLEET_URL",
    );
  // A password of the settings is the host's own, and not that of whoever is named in another address.
  const isMeant = given === undefined || origins.FLEET_PASSWORD.from === "environment";
  const parsed = parseServer(url, isMeant ? config.FLEET_PASSWORD : undefined);
  if ("problem" in parsed) throw new UsageError(parsed.problem);
  return parsed.server;
}

/** Reads an address of the command line. Throws `UsageError`, which never repeats it. */
export function addressOf(text: string): URL {
  const parsed = parsePostgresAddress(text);
  if ("problem" in parsed) throw new UsageError(`the address ${parsed.problem}`);
  if (parsed.value === undefined) throw new UsageError("the address is empty");
  return parsed.value;
}

/** Connects and does `work`; what the server refuses is said, with exit code 1. */
export async function askFleet<T>(
  server: FleetServer,
  io: Pick<CommandIo, "err">,
  work: (fleet: FleetConnection) => Promise<T>,
  use: (value: T) => number,
): Promise<number> {
  const done = await withFleet(server, work);
  if (done.state === "done") return use(done.value);
  io.err(`vfio-watch: the fleet's database ${printable(done.error)}.\n`);
  return EXIT.failure;
}

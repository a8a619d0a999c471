import { execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { needsPrograms } from "../helpers/needs.ts";

const VERSIONS = "/usr/lib/postgresql";

/** Why no PostgreSQL can be started here; false where it can. */
export const noPostgres: string | false = needsPrograms(VERSIONS);

/** A PostgreSQL of its own: a loopback port, a temporary directory, an owner `owner` with a password. */
export interface OwnPostgres {
  readonly port: number;
  /** Of the owner, for a database that is made empty. */
  newDatabase(): Promise<string>;
  /** Ends it as a power cut would. */
  stop(): Promise<void>;
  start(): Promise<void>;
  remove(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** PostgreSQL refuses root, so root starts it as the user that its package made. */
function whoRuns(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** `settings` are lines of postgresql.conf; `prepare` may put files into the directory of the data before it starts. */
export async function startOwnPostgres(
  options: {
    readonly settings?: readonly string[];
    readonly prepare?: (directory: string, own: (file: string) => void) => void;
  } = {},
): Promise<OwnPostgres> {
  const [newest = ""] = readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a));
  const program = (name: string) => join(VERSIONS, newest, "bin", name);
  const user = whoRuns();
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-pg-"));
  const own = (file: string) => {
    if (user.uid !== undefined && user.gid !== undefined) chownSync(file, user.uid, user.gid);
  };
  own(directory);
  const [data, passwords] = [join(directory, "data"), join(directory, "password")];
  mkdirSync(data, { mode: 0o700 });
  own(data);
  writeFileSync(passwords, "owner's password\n");
  own(passwords);
  execFileSync(
    program("initdb"),
    [
      ...["-D", data, "-U", "owner", `--pwfile=${passwords}`, "--auth=scram-sha-256", "--no-sync"],
      ...["--encoding=UTF8", "--locale=C"],
    ],
    { ...user, cwd: directory, stdio: "pipe" },
  );
  const port = await freePort();
  options.prepare?.(data, own);
  writeFileSync(
    join(data, "postgresql.auto.conf"),
    [
      `port = ${port}`,
      "listen_addresses = '127.0.0.1'",
      `unix_socket_directories = '${directory}'`,
      "fsync = off",
      "log_min_messages = fatal",
      ...(options.settings ?? []),
    ].join("\n"),
  );
  own(join(data, "postgresql.auto.conf"));
  let databases = 0;
  let server: ReturnType<typeof spawn> | undefined;

  const isReady = () => {
    try {
      execFileSync(program("pg_isready"), ["-q", "-h", "127.0.0.1", "-p", String(port)]);
      return true;
    } catch {
      return false;
    }
  };
  const start = async () => {
    server = spawn(program("postgres"), ["-D", data], { ...user, cwd: directory, stdio: "ignore" });
    while (!isReady()) {
      if (server.exitCode !== null) throw new Error(`PostgreSQL ended with ${server.exitCode}`);
      await pause(50);
    }
  };
  const stop = async () => {
    if (server === undefined || server.exitCode !== null) return;
    const ended = new Promise((resolve) => server?.once("exit", resolve));
    server.kill("SIGQUIT");
    await ended;
  };
  await start();
  return {
    ...{ port, start, stop },
    async newDatabase() {
      databases += 1;
      const name = `fleet${databases}`;
      const words = ["-h", "127.0.0.1", "-p", String(port), "-U", "owner", name];
      execFileSync(program("createdb"), words, { env: { ...process.env, PGPASSWORD: "owner's password" } });
      return `postgresql://owner:${encodeURIComponent("owner's password")}@127.0.0.1:${port}/${name}`;
    },
    async remove() {
      await stop();
      if (existsSync(directory)) rmSync(directory, { recursive: true, force: true });
    },
  };
}

import { readFileSync } from "node:fs";
import { isLoopback } from "../alerts/channels/server-address.ts";

/** What a client of PostgreSQL needs; goes to the child through its standard input, for it holds a password. */
export interface FleetServer {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string | undefined;
  /** `none`: on this machine alone. */
  readonly tls: { readonly kind: "verified"; readonly rootCertificate?: string } | { readonly kind: "none" };
}

export type ParsedServer = { readonly server: FleetServer } | { readonly problem: string };

const MODES: ReadonlySet<string> = new Set(["verify-full", "require", "disable"]);
const PARAMETERS: ReadonlySet<string> = new Set(["sslmode", "sslrootcert", "host"]);

/**
 * Takes a connection string apart. TLS is on and the certificate verified against the server's name, whatever the string
 * says; only a server on this machine (loopback, a socket given as `?host=/directory`) may do without. The problem never
 * repeats the string. `password` counts over the one in the string.
 */
export function parseServer(url: URL, password?: string): ParsedServer {
  const unknown = [...url.searchParams.keys()].find((name) => !PARAMETERS.has(name));
  if (unknown !== undefined)
    return { problem: `The address has the parameter ${unknown}; known are ${[...PARAMETERS].join(", ")}.` };
  const host = decoded(url.searchParams.get("host") ?? url.hostname).replace(/^\[(.*)\]$/, "$1");
  if (host === "") return { problem: "The address names no server." };
  const mode = url.searchParams.get("sslmode") ?? (isHere(host) ? "disable" : "verify-full");
  if (!MODES.has(mode)) return { problem: "sslmode is verify-full or, for this machine alone, disable." };
  if (mode === "disable" && !isHere(host))
    return { problem: "sslmode=disable is for a server on this machine alone; leave it out." };
  const rootCertificate = url.searchParams.get("sslrootcert") ?? undefined;
  const own = decoded(url.password);
  return {
    server: {
      host,
      port: url.port === "" ? 5432 : Number(url.port),
      database: decoded(url.pathname.slice(1)),
      user: decoded(url.username),
      password: password ?? (own === "" ? undefined : own),
      tls:
        mode === "disable"
          ? { kind: "none" }
          : { kind: "verified", ...(rootCertificate !== undefined && { rootCertificate }) },
    },
  };
}

/** A server as it may be shown. */
export function serverName({ host, port, database }: FleetServer): string {
  return `${host}:${port}/${database}`;
}

/** The certificates by which the server is known; undefined: those of the system. Throws what reading throws. */
export function rootCertificates({ tls }: FleetServer): string | undefined {
  return tls.kind === "verified" && tls.rootCertificate !== undefined
    ? readFileSync(tls.rootCertificate, "utf8")
    : undefined;
}

function isHere(host: string): boolean {
  return host.startsWith("/") || isLoopback(host);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

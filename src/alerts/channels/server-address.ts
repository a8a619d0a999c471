/** A server as people write it: name or address, and a port. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** Reads `name`, `name:port`, `[address]:port`; undefined for what is none. */
export function parseServer(text: string, usualPort: number): ServerAddress | undefined {
  const parts = /^(?:\[([0-9a-f:.]+)\]|([^\s:/@[\]]+))(?::(\d{1,5}))?$/i.exec(text.trim());
  const host = parts?.[1] ?? parts?.[2];
  const port = parts?.[3] === undefined ? usualPort : Number(parts[3]);
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}

/** Whether a server is this machine, as far as its name tells. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i.test(host);
}

/** Variables of the environment, as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that a request has to take: the configured one, else what the environment says (`https_proxy`,
 * `http_proxy`, `all_proxy` and their capitals); undefined for a direct way, which `NO_PROXY` demands for hosts,
 * domains (`.lan`, `lan`), `host:port`, or `*`. The runtime's fetch of Node 22.18 does not look at these itself.
 */
export function proxyFor(
  target: URL,
  configured: URL | undefined,
  environment: Environment,
): URL | undefined {
  const bypass = environment.no_proxy ?? environment.NO_PROXY ?? "";
  if (configured === undefined && bypasses(target, bypass)) return undefined;
  if (configured !== undefined) return configured;
  const scheme = target.protocol === "https:" ? "https_proxy" : "http_proxy";
  const named =
    environment[scheme] ??
    environment[scheme.toUpperCase()] ??
    environment.all_proxy ??
    environment.ALL_PROXY;
  if (named === undefined || named === "") return undefined;
  const address = named.includes("://") ? named : `http://${named}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  return url?.protocol === "http:" || url?.protocol === "https:" ? url : undefined;
}

function bypasses(target: URL, list: string): boolean {
  const host = target.hostname.toLowerCase().replace(/^\[|\]$/g, "");
  const port = target.port || (target.protocol === "https:" ? "443" : "80");
  if (host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host)) return true;
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === "*") return true;
      const [, name = "", wanted] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(entry) ?? [];
      const domain = name.replace(/^\*?\./, "");
      if (domain === "" || (wanted !== undefined && wanted !== port)) return false;
      return host === domain || host.endsWith(`.${domain}`);
    });
}

/** What a server said; its body only as far as anyone will look. */
export interface HttpAnswer {
  readonly status: number;
  readonly location: string | undefined;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/** Carries one request; rejects with any error. Both ways of travelling have this form. */
export type Transport = (
  request: { readonly url: URL; readonly headers: Readonly<Record<string, string>>; readonly body: string },
  signal: AbortSignal,
) => Promise<HttpAnswer>;

/** No answer that means anything is longer. */
export const LONGEST_ANSWER = 64 * 1024;
/** The value of a basic authorization header for an address with user and password. */
export function basic(url: URL): string {
  const plain = [url.username, url.password].map(decoded).join(":");
  return `Basic ${Buffer.from(plain).toString("base64")}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The proxy would not open the way. */
export class ProxyRefusal extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`the proxy answered ${status}`);
    this.name = "ProxyRefusal";
    this.status = status;
  }
}

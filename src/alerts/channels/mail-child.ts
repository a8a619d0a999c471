import { createTransport } from "nodemailer";
import type { SendResult } from "../channel.ts";
import { isLoopback, type ServerAddress } from "./server-address.ts";

/** One mail, whole, as the child gets it. */
export interface MailJob {
  readonly server: ServerAddress;
  readonly security: "auto" | "none" | "starttls" | "tls";
  readonly credentials?: { readonly user: string; readonly password: string };
  readonly timeLimitMs: number;
  readonly from: string;
  readonly to: readonly string[];
  readonly messageId: string;
  readonly subject: string;
  readonly text: string;
  readonly isUrgent: boolean;
}

/** Sends one mail by SMTP. In a child, because the library and TLS stay in memory once they are loaded. */
export async function sendMail(job: MailJob): Promise<SendResult> {
  const { server, security, credentials, timeLimitMs } = job;
  const transport = createTransport({
    ...{ host: server.host, port: server.port },
    secure: security === "tls" || (security === "auto" && server.port === 465),
    ignoreTLS: security === "none",
    requireTLS: security === "starttls",
    connectionTimeout: timeLimitMs,
    greetingTimeout: timeLimitMs,
    socketTimeout: timeLimitMs,
    ...(credentials !== undefined && { auth: { user: credentials.user, pass: credentials.password } }),
    // The certificate of a machine's own mail server is rarely one that anybody has signed.
    tls: { rejectUnauthorized: !isLoopback(server.host) },
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const { rejected } = await transport.sendMail({
      ...{ from: job.from, to: [...job.to], messageId: job.messageId },
      ...{ subject: job.subject, text: job.text },
      headers: { "Auto-Submitted": "auto-generated" },
      ...(job.isUrgent && { priority: "high" as const }),
    });
    if (rejected.length === 0) return { delivered: true };
    return {
      delivered: false,
      error: `the server does not take mail for ${rejected.join(", ")}`,
      needsPerson: true,
    };
  } catch (error) {
    return explain(error, server);
  } finally {
    transport.close();
  }
}

/** What went wrong, in a sentence without secrets: the server's own words hold none of ours. */
function explain(error: unknown, server: ServerAddress): SendResult {
  const place = `${server.host}:${server.port}`;
  const { code, responseCode, response, message } = error as {
    readonly code?: string;
    readonly responseCode?: number;
    readonly response?: string;
    readonly message?: string;
  };
  if (code === "EAUTH")
    return { delivered: false, error: `${place} refuses the user or the password`, needsPerson: true };
  if (responseCode !== undefined)
    return {
      delivered: false,
      error: `${place} says: ${(response ?? String(responseCode)).slice(0, 200)}`,
      // 5yz is for good, 4yz asks to try again (RFC 5321, 4.2.1).
      ...(responseCode >= 500 && { needsPerson: true }),
    };
  return { delivered: false, error: `${place}: ${(message ?? String(error)).slice(0, 200)}` };
}

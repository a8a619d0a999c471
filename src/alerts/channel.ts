import type { AlertMessage } from "./message.ts";

/** What came of one try. Errors are sentences without secrets, for the log and `status`. */
export type SendResult =
  | { readonly delivered: true }
  | {
      readonly delivered: false;
      readonly error: string;
      /** The other side asked for this much patience (ms); it is meant for the whole channel. */
      readonly retryAfterMs?: number;
      /** Trying again soon is useless, e.g. a wrong token; a person has to act first. */
      readonly needsPerson?: boolean;
    };

/** One way to reach people. */
export interface Channel {
  readonly name: string;
  /** A try takes no longer than this (ms); the delivery enforces it with some grace. */
  readonly timeLimitMs: number;
  /**
   * Tries once. Never rejects. Ends soon after `signal` aborts; where the alert may have arrived then, it says so
   * only if it can prove it.
   */
  send(message: AlertMessage, signal: AbortSignal): Promise<SendResult>;
  /** For channels that show what is wrong with each VM now: shows it, without an alert. */
  showStates?(signal: AbortSignal): Promise<SendResult>;
}

/** Where the alerts room writes about itself. */
export interface AlertLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

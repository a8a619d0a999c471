import { type Logger, pino } from "pino";
import { printable } from "../terminal-text.ts";
import { formatLogTime } from "../time-words.ts";

/** The service's own log. Levels change at run time through `setLevel`. */
export interface ServiceLog {
  readonly error: (message: string, details?: object) => void;
  readonly warn: (message: string, details?: object) => void;
  readonly info: (message: string, details?: object) => void;
  readonly debug: (message: string, details?: object) => void;
  readonly setLevel: (level: LogLevel) => void;
  readonly setFormat: (format: "text" | "json") => void;
  /** Gives every line from now on to somebody who watches, until what it returns is called. */
  readonly follow?: (take: (line: LoggedLine) => void) => () => void;
}

/** A line of the log, for who watches it live. */
export interface LoggedLine {
  /** UTC epoch milliseconds. */
  readonly at: number;
  readonly level: LogLevel;
  readonly text: string;
}

export type LogLevel = "error" | "warn" | "info" | "debug";

/** syslog's priorities, which systemd and `logger --prio-prefix` take from the head of a line. */
const PRIORITIES: Readonly<Record<number, number>> = { 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 };
const NAMES: Readonly<Record<number, string>> = {
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

/**
 * Makes the log. `write` takes whole lines. In text form each event is one readable line; in JSON form pino's.
 * `journal` puts syslog priorities in front and leaves the time to the journal.
 */
export function createServiceLog(options: {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  readonly journal: boolean;
  readonly write: (line: string) => void;
}): ServiceLog {
  let { format } = options;
  const followers = new Set<(line: LoggedLine) => void>();
  const destination = {
    write(line: string) {
      if (followers.size > 0) {
        const told = loggedLine(line);
        for (const take of followers) take(told);
      }
      options.write(format === "json" ? line : `${readable(line, options.journal)}\n`);
    },
  };
  // A transport would cost a worker thread and 11 MB; a plain destination writes where it stands.
  const logger: Logger = pino({ level: options.level, base: null }, destination);
  const at =
    (level: LogLevel) =>
    (message: string, details: object = {}) =>
      logger[level](details, message);
  return {
    error: at("error"),
    warn: at("warn"),
    info: at("info"),
    debug: at("debug"),
    setLevel: (level) => {
      logger.level = level;
    },
    setFormat: (next) => {
      format = next;
    },
    follow(take) {
      followers.add(take);
      return () => void followers.delete(take);
    },
  };
}

function loggedLine(line: string): LoggedLine {
  const { level, time, msg } = JSON.parse(line) as { level: number; time: number; msg: string };
  const name = NAMES[level];
  return {
    at: time,
    level: name === "debug" || name === "warn" || name === "error" ? name : "info",
    text: printable(msg),
  };
}

function readable(line: string, journal: boolean): string {
  const { level, time, msg, ...details } = JSON.parse(line) as { level: number; time: number; msg: string };
  const rest = Object.entries(details)
    .map(([key, value]) => ` ${key}=${typeof value === "string" ? JSON.stringify(value) : String(value)}`)
    .join("");
  const text = printable(`${msg}${rest}`);
  if (journal) return `<${PRIORITIES[level] ?? 6}>${text}`;
  return `${formatLogTime(time)} ${(NAMES[level] ?? "info").padEnd(5)} ${text}`;
}

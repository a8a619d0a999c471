import { connect, type Socket } from "node:net";
import { dirname, resolve } from "node:path";
import { addressProblem, controlSocket, ownershipProblem } from "./place.ts";
import type { ControlAnswers, ControlAsk, ControlReply, RequestTo } from "./requests.ts";

/** Longer than any answer that the service gives. */
const REPLY_LIMIT = 16 * 1024 * 1024;

/** What came of asking the service. */
export type Asked<Ask extends ControlAsk> =
  /** None runs, or it keeps another history: whoever asks works alone. */
  | { readonly state: "no-service" }
  | { readonly state: "answered"; readonly answer: ControlAnswers[Ask] }
  | { readonly state: "refused"; readonly why: string; readonly remedy: string };

/** A conversation that goes on until `finish`. */
export interface Talk<Ask extends ControlAsk> {
  /** Says that this side is done, and gives the service's last word. */
  finish(): Promise<Asked<Ask>>;
}

/**
 * Asks the service that listens in this run-time directory, and waits at most `patienceMs` for its last word.
 * Never rejects.
 */
export function askService<Ask extends ControlAsk>(
  directory: string,
  request: RequestTo<Ask>,
  patienceMs: number,
): Promise<Asked<Ask>> {
  return speak<Ask>(directory, request, { patienceMs, onProgress: () => {} }).last;
}

/**
 * Asks for something that goes on telling until `end` is called, or the service ends. The first progress says that it
 * has begun. Never rejects.
 */
export function listenToService<Ask extends ControlAsk>(
  directory: string,
  request: RequestTo<Ask>,
  options: { readonly patienceMs: number; readonly onProgress: (text: string) => void },
): { readonly last: Promise<Asked<Ask>>; readonly end: () => void } {
  const { last, end, hurry } = speak<Ask>(directory, request, options);
  return {
    last,
    end() {
      hurry();
      end();
    },
  };
}

/**
 * Asks for something that lasts as long as this side wants. Resolves with the conversation once the service has said
 * that it may begin, or with why it may not.
 */
export async function beginTalk<Ask extends ControlAsk>(
  directory: string,
  request: RequestTo<Ask>,
  patienceMs: number,
): Promise<Talk<Ask> | Asked<Ask>> {
  let begun = () => {};
  const mayBegin = new Promise<undefined>((told) => {
    begun = () => told(undefined);
  });
  const { last, end, hurry } = speak<Ask>(directory, request, { patienceMs, onProgress: () => begun() });
  const over = await Promise.race([mayBegin, last]);
  if (over !== undefined) return over;
  return {
    finish() {
      hurry();
      end();
      return last;
    },
  };
}

function speak<Ask extends ControlAsk>(
  directory: string,
  request: RequestTo<Ask>,
  options: { readonly patienceMs: number; readonly onProgress: (text: string) => void },
): { readonly last: Promise<Asked<Ask>>; readonly end: () => void; readonly hurry: () => void } {
  const path = controlSocket(directory);
  if (addressProblem(path) !== undefined || isNotOurs(path)) {
    return { last: Promise.resolve({ state: "no-service" }), end: () => {}, hurry: () => {} };
  }
  const socket = connect({ path, allowHalfOpen: true });
  let timer: NodeJS.Timeout | undefined;
  let isConnected = false;
  let settle: (asked: Asked<Ask>) => void = () => {};
  const last = new Promise<Asked<Ask>>((answered) => {
    settle = (asked) => {
      clearTimeout(timer);
      socket.destroy();
      answered(asked);
    };
  });
  const silent = () =>
    settle({
      state: "refused",
      why: `The service listens on ${path} and does not answer.`,
      remedy: "Look at 'vfio-watch status'.",
    });
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(silent, options.patienceMs);
  };
  wait();
  socket.once("connect", () => {
    isConnected = true;
    // The service has another working directory.
    socket.write(`${JSON.stringify({ ...request, history: resolve(request.history) })}\n`);
  });
  // A socket without a service is what a killed one left; one that is full of callers is not to be waited for.
  socket.on("error", () => (isConnected ? ended() : settle({ state: "no-service" })));
  socket.on("end", ended);
  function ended(): void {
    settle({
      state: "refused",
      why: "The service ended before it had answered.",
      remedy: "Look at 'vfio-watch status', then try again.",
    });
  }
  readLines(socket, (line) => {
    const reply = parseReply<Ask>(line);
    if (reply?.kind === "progress") {
      // From here on it takes as long as it takes.
      clearTimeout(timer);
      options.onProgress(reply.text);
    } else if (reply === undefined) {
      settle({
        state: "refused",
        why: "The service gave an answer that this program does not understand.",
        remedy: "After an update the service has to be started anew.",
      });
    } else settle(asAsked(reply));
  });
  return { last, end: () => void socket.end(), hurry: wait };
}

function asAsked<Ask extends ControlAsk>(
  reply: Exclude<ControlReply<Ask>, { kind: "progress" }>,
): Asked<Ask> {
  if (reply.kind === "done") return { state: "answered", answer: reply.answer };
  // "ending" is no such case: what was asked may have been done.
  if (reply.reason === "another-history") return { state: "no-service" };
  return { state: "refused", why: reply.why, remedy: reply.remedy };
}

function isNotOurs(path: string): boolean {
  try {
    return ownershipProblem(dirname(path)) !== undefined;
  } catch {
    return true;
  }
}

function readLines(socket: Socket, use: (line: string) => void): void {
  let begun = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    begun += text;
    for (let end = begun.indexOf("\n"); end >= 0; end = begun.indexOf("\n")) {
      const line = begun.slice(0, end);
      begun = begun.slice(end + 1);
      use(line);
    }
    if (begun.length > REPLY_LIMIT) socket.destroy(new Error("too long"));
  });
}

/** The service is the same program, run by root or by whoever asks; only another version of it says other things. */
function parseReply<Ask extends ControlAsk>(line: string): ControlReply<Ask> | undefined {
  try {
    const reply = JSON.parse(line) as Partial<Record<string, unknown>> | null;
    switch (reply?.kind) {
      case "progress":
        return typeof reply.text === "string" ? { kind: "progress", text: reply.text } : undefined;
      case "done":
      case "refused":
        return reply as unknown as ControlReply<Ask>;
      default:
        return undefined;
    }
  } catch {
    return undefined;
  }
}

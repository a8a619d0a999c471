import { chmodSync, renameSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { Clock } from "../clock.ts";
import { addressProblem, controlSocket, ownDirectory } from "./place.ts";
import {
  type ControlAnswers,
  type ControlAsk,
  type ControlReply,
  type ControlRequest,
  parseRequest,
  REQUEST_LIMIT,
  type RequestTo,
} from "./requests.ts";

/** So long may a client take to say what it wants, or to take the answer (ms). */
const PATIENCE = 5_000;
const MOST_CLIENTS = 16;
const NEWLINE = 0x0a;

/** What a handler knows of whom it answers. */
export interface Conversation {
  /** Says how far it is. Dropped where the client does not read. */
  progress(text: string): void;
  /** Aborted when the client ends its side, is gone, or the service ends. */
  readonly ended: AbortSignal;
}

/** What a handler gives back: the answer, or a sentence that says why there is none. */
export type Handled<Ask extends ControlAsk> =
  | { readonly answer: ControlAnswers[Ask] }
  | Omit<Extract<ControlReply, { kind: "refused" }>, "kind">;

/** One function for each question of the closed list. */
export type ControlHandlers = {
  readonly [Ask in ControlAsk]: (
    request: RequestTo<Ask>,
    conversation: Conversation,
  ) => Handled<Ask> | Promise<Handled<Ask>>;
};

/** The service's end of the control socket. */
export interface ControlServer {
  /** Listens. Resolves to why it cannot, where it cannot: the service watches all the same. */
  start(): Promise<string | undefined>;
  /** Takes no more requests, ends the conversations and removes the socket. */
  stop(): Promise<void>;
}

/**
 * Makes the socket `control` in the run-time directory, for its owner alone. A client sends one request, a line of
 * JSON, and gets lines of JSON back, the last of which is the answer. `isOurs` says whether a history is the one that
 * this service writes. `onFault` hears of a handler that threw, which is a bug.
 */
export function createControlServer(options: {
  readonly directory: string;
  readonly clock: Clock;
  readonly handlers: ControlHandlers;
  readonly isOurs: (history: string) => boolean;
  readonly onFault: (doing: string, error: unknown) => void;
}): ControlServer {
  const { clock, handlers, onFault } = options;
  const path = controlSocket(options.directory);
  const clients = new Map<Socket, AbortController>();
  let server: Server | undefined;

  function welcome(socket: Socket): void {
    const controller = new AbortController();
    const reply = (line: ControlReply) => void socket.write(`${JSON.stringify(line)}\n`);
    const finish = (line: ControlReply) => {
      reply(line);
      socket.end();
      clock.after(PATIENCE, () => socket.destroy());
    };
    socket.on("error", () => socket.destroy());
    if (clients.size >= MOST_CLIENTS) {
      // What it sends is not read, and what is not read would keep the connection open.
      socket.resume();
      finish(refused("busy", `${MOST_CLIENTS} others talk to the service.`, "Try again in a moment."));
      return;
    }
    clients.set(socket, controller);
    const tooSlow = clock.after(PATIENCE, () =>
      finish(refused("bad-request", `No request came within ${PATIENCE / 1000} s.`, "")),
    );
    socket.on("end", () => controller.abort());
    socket.on("close", () => {
      tooSlow();
      controller.abort();
      clients.delete(socket);
    });
    readLine(socket, (line) => {
      tooSlow();
      if (line === undefined)
        return finish(
          refused("bad-request", `a request has at most ${REQUEST_LIMIT} bytes, in one line`, ""),
        );
      const conversation: Conversation = {
        ended: controller.signal,
        progress(text) {
          if (!socket.writableNeedDrain && socket.writable) reply({ kind: "progress", text });
        },
      };
      void answer(line, conversation).then(finish);
    });
  }

  async function answer(line: string, conversation: Conversation): Promise<ControlReply> {
    const request = parseRequest(line);
    if (typeof request === "string")
      return refused("bad-request", `This service does not understand the request: ${request}.`, RESTART);
    if (!options.isOurs(request.history))
      return refused("another-history", "The running service keeps another history.", "");
    try {
      const handled = await handlerOf(handlers, request)(request, conversation);
      return "answer" in handled ? { kind: "done", answer: handled.answer } : { kind: "refused", ...handled };
    } catch (error) {
      onFault(`answering '${request.ask}'`, error);
      return refused("failed", "The service could not do it; its log says why.", "Please report it.");
    }
  }

  return {
    async start() {
      const problem = addressProblem(`${path}.new`) ?? ownDirectory(dirname(path));
      if (problem !== undefined) return problem;
      if (await isAnswered(path)) return `another service listens on ${path}`;
      const listening = createServer({ allowHalfOpen: true }, welcome);
      // It gets its name when it is for its owner alone.
      const result = await listen(listening, `${path}.new`, path);
      if (result === undefined) server = listening;
      return result;
    },
    async stop() {
      const listening = server;
      server = undefined;
      if (listening === undefined) return;
      rmSync(path, { force: true });
      const closed = new Promise<void>((resolve) => listening.close(() => resolve()));
      for (const [socket, controller] of clients) {
        controller.abort();
        socket.end(
          `${JSON.stringify(refused("ending", "The service is ending.", "Try again when it runs."))}\n`,
        );
        socket.destroySoon();
      }
      await closed;
    },
  };
}

const RESTART = "After an update the service has to be started anew.";

function refused(
  reason: Extract<ControlReply, { kind: "refused" }>["reason"],
  why: string,
  remedy: string,
): Extract<ControlReply, { kind: "refused" }> {
  return { kind: "refused", reason, why, remedy };
}

/** The types of request and handler belong together, which TypeScript cannot see through the union. */
function handlerOf(handlers: ControlHandlers, request: ControlRequest) {
  return handlers[request.ask] as (
    request: ControlRequest,
    conversation: Conversation,
  ) => Handled<ControlAsk> | Promise<Handled<ControlAsk>>;
}

/** Calls `use` once, with the first line, or with nothing where it is too long or does not end. */
function readLine(socket: Socket, use: (line: string | undefined) => void): void {
  let parts: Buffer[] = [];
  let length = 0;
  let isRead = false;
  const done = (line: string | undefined) => {
    if (isRead) return;
    isRead = true;
    parts = [];
    use(line);
  };
  // Read on to the end all the same: only who reads hears that the other side has gone.
  socket.on("data", (bytes: Buffer) => {
    if (isRead) return;
    const end = bytes.indexOf(NEWLINE);
    const part = end < 0 ? bytes : bytes.subarray(0, end);
    length += part.length;
    if (length > REQUEST_LIMIT) return done(undefined);
    parts.push(part);
    if (end >= 0) done(Buffer.concat(parts).toString("utf8"));
  });
  socket.on("end", () => done(length === 0 ? undefined : Buffer.concat(parts).toString("utf8")));
}

function listen(server: Server, at: string, name: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const fail = (error: unknown) => {
      server.close();
      resolve(error instanceof Error ? error.message : String(error));
    };
    server.once("error", fail);
    try {
      rmSync(at, { force: true });
      server.listen(at, () => {
        server.off("error", fail);
        // A connection that the kernel could not hand over is the client's trouble.
        server.on("error", () => {});
        // The watching itself keeps the process alive.
        server.unref();
        try {
          chmodSync(at, 0o600);
          renameSync(at, name);
          resolve(undefined);
        } catch (error) {
          fail(error);
        }
      });
    } catch (error) {
      fail(error);
    }
  });
}

/** Whether somebody listens there: what a killed service left behind answers nobody. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

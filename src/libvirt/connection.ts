import type { Socket } from "node:net";
import { connect } from "node:net";
import type { Clock } from "../clock.ts";
import type { Frame } from "./frame.ts";
import { createFrameReader, encodeFrame, MESSAGE_STATUS, MESSAGE_TYPE } from "./frame.ts";
import {
  KEEPALIVE,
  KEEPALIVE_PROGRAM,
  KEEPALIVE_VERSION,
  LIMIT,
  REMOTE_PROGRAM,
  REMOTE_VERSION,
} from "./protocol.ts";
import type { XdrReader } from "./xdr.ts";
import { decodeXdr } from "./xdr.ts";

/** Why a call has no result. `refused` is libvirt's own answer, with its error code (virterror.h). */
export type CallError =
  | { readonly kind: "refused"; readonly code: number; readonly why: string }
  | { readonly kind: "unanswered" | "closed"; readonly why: string };

export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: CallError };

/** Why a socket could not be opened: the system's code (`ENOENT`, `EACCES`, `ECONNREFUSED`…) and text. */
export interface ConnectError {
  readonly code: string;
  readonly why: string;
}

export interface ConnectionOptions {
  readonly socketPath: string;
  readonly clock: Clock;
  /** How long a call may take, milliseconds. */
  readonly timeLimit: number;
  /** A ping goes out after `interval` milliseconds of silence; after `unanswered` of them the peer is dead. */
  readonly keepalive: { readonly interval: number; readonly unanswered: number };
  /** Closes the connection, or gives up opening it, when aborted. */
  readonly signal?: AbortSignal;
  /** Takes a message that libvirt sent by itself; its payload as it came. */
  onMessage(procedure: number, payload: Buffer): void;
  /** Called once, whoever closed; not called for `close`. */
  onLost(why: string): void;
}

/** One connection to libvirt's remote program. Every way in which it can break ends in `onLost`. */
export interface Connection {
  /** Calls a procedure; `shape` decodes its result. A result that cannot be decoded ends the connection. */
  call<T>(procedure: number, payload: Buffer, shape: (reader: XdrReader) => T): Promise<Answer<T>>;
  /** The peer said something that cannot be understood, or is of no use any more. */
  fail(why: string): void;
  close(): void;
}

interface Call {
  readonly procedure: number;
  readonly payload: Buffer;
  finish(frame: Frame): void;
  abandon(error: CallError): void;
}

/**
 * libvirtd reads no further from a client that has max_client_requests (5 by default) calls open; keepalive
 * answers would then wait behind them.
 */
const MOST_OPEN_CALLS = 4;

/** Opens the UNIX socket. Never rejects. */
export function openConnection(
  options: ConnectionOptions,
): Promise<
  | { readonly ok: true; readonly connection: Connection }
  | { readonly ok: false; readonly error: ConnectError }
> {
  const { socketPath, clock, timeLimit, signal } = options;
  return new Promise((resolve) => {
    const socket = connect({ path: socketPath });
    const settle = (): void => {
      takeBack();
      socket.off("error", onError);
      signal?.removeEventListener("abort", onAbort);
    };
    const refuse = (code: string, why: string): void => {
      settle();
      socket.on("error", () => {}).destroy();
      resolve({ ok: false, error: { code, why } });
    };
    const onError = (error: NodeJS.ErrnoException): void => refuse(error.code ?? "", error.message);
    const onAbort = (): void => refuse("ABORTED", "given up");
    const takeBack = clock.after(timeLimit, () => refuse("unanswered", "the socket does not accept"));
    socket.on("error", onError);
    signal?.addEventListener("abort", onAbort);
    socket.once("connect", () => {
      settle();
      resolve({ ok: true, connection: createConnection(socket, options) });
    });
    if (signal?.aborted === true) onAbort();
  });
}

function createConnection(socket: Socket, options: ConnectionOptions): Connection {
  const { clock, keepalive } = options;
  const frames = createFrameReader();
  const open = new Map<number, Call>();
  const waiting: Call[] = [];
  let serial = 0;
  let over: string | undefined;
  let heard = false;
  let unanswered = 0;
  let stopTimer = (): void => {};

  const end = (why: string): void => {
    over = why;
    stopTimer();
    options.signal?.removeEventListener("abort", close);
    socket.destroy();
    const abandoned = [...open.values(), ...waiting.splice(0)];
    open.clear();
    for (const call of abandoned) call.abandon({ kind: "closed", why });
  };
  const close = (): void => {
    if (over === undefined) end("closed by this program");
  };
  const fail = (why: string): void => {
    if (over !== undefined) return;
    end(why);
    options.onLost(why);
  };
  const send = (frame: Frame): void => {
    if (over === undefined) socket.write(encodeFrame(frame));
  };
  const sendKeepalive = (procedure: number): void =>
    send({
      program: KEEPALIVE_PROGRAM,
      version: KEEPALIVE_VERSION,
      procedure,
      type: MESSAGE_TYPE.message,
      serial: 0,
      status: MESSAGE_STATUS.ok,
      payload: Buffer.alloc(0),
    });
  const sendNext = (): void => {
    while (open.size < MOST_OPEN_CALLS) {
      const call = waiting.shift();
      if (call === undefined) return;
      serial = (serial + 1) >>> 0;
      open.set(serial, call);
      send({
        program: REMOTE_PROGRAM,
        version: REMOTE_VERSION,
        procedure: call.procedure,
        type: MESSAGE_TYPE.call,
        serial,
        status: MESSAGE_STATUS.ok,
        payload: call.payload,
      });
    }
  };
  const receive = (frame: Frame): void => {
    if (frame.program === KEEPALIVE_PROGRAM) {
      if (frame.procedure === KEEPALIVE.ping) sendKeepalive(KEEPALIVE.pong);
      return;
    }
    // Other programs (lxc, qemu, admin) were never called; what they might say concerns nobody here.
    if (frame.program !== REMOTE_PROGRAM || frame.version !== REMOTE_VERSION) return;
    if (frame.type === MESSAGE_TYPE.message) options.onMessage(frame.procedure, frame.payload);
    const call = frame.type === MESSAGE_TYPE.reply ? open.get(frame.serial) : undefined;
    if (call === undefined) return;
    open.delete(frame.serial);
    call.finish(frame);
    sendNext();
  };
  const beat = (): void => {
    if (!heard && unanswered >= keepalive.unanswered) {
      fail(`libvirt answered none of ${unanswered} keepalive messages`);
      return;
    }
    if (heard) unanswered = 0;
    else {
      unanswered += 1;
      sendKeepalive(KEEPALIVE.ping);
    }
    heard = false;
    stopTimer = clock.after(keepalive.interval, beat);
  };
  stopTimer = clock.after(keepalive.interval, beat);

  options.signal?.addEventListener("abort", close);
  socket.on("data", (bytes: Buffer) => {
    heard = true;
    const arrived = frames.push(bytes);
    for (const frame of arrived.frames) {
      if (over !== undefined) return;
      receive(frame);
    }
    if (arrived.malformed !== undefined) fail(`libvirt's answer is not its protocol: ${arrived.malformed}`);
  });
  socket.on("error", (error) => fail(`the connection broke: ${error.message}`));
  socket.on("end", () => fail("libvirt closed the connection"));
  socket.on("close", () => fail("the connection is closed"));

  return {
    call(procedure, payload, shape) {
      if (over !== undefined) return Promise.resolve({ ok: false, error: { kind: "closed", why: over } });
      return new Promise((resolve) => {
        const abandon = (error: CallError): void => {
          takeBack();
          resolve({ ok: false, error });
        };
        const call: Call = {
          procedure,
          payload,
          abandon,
          finish(frame) {
            const answer = answerOf(frame, procedure, shape);
            takeBack();
            resolve(answer);
            if (!answer.ok && answer.error.kind === "closed") fail(answer.error.why);
          },
        };
        const takeBack = clock.after(options.timeLimit, () => {
          forget(call);
          abandon({ kind: "unanswered", why: `no answer within ${options.timeLimit / 1000} seconds` });
        });
        waiting.push(call);
        sendNext();
      });
    },
    fail,
    close,
  };

  /** A late answer finds nobody and is passed over. */
  function forget(call: Call): void {
    const index = waiting.indexOf(call);
    if (index >= 0) waiting.splice(index, 1);
    for (const [key, candidate] of open) if (candidate === call) open.delete(key);
    sendNext();
  }
}

function answerOf<T>(frame: Frame, procedure: number, shape: (reader: XdrReader) => T): Answer<T> {
  const malformed = (why: string): Answer<T> => ({
    ok: false,
    error: { kind: "closed", why: `libvirt's answer to procedure ${procedure} is not its protocol: ${why}` },
  });
  if (frame.procedure !== procedure) return malformed(`it names procedure ${frame.procedure}`);
  if (frame.status === MESSAGE_STATUS.ok) {
    const result = decodeXdr(frame.payload, shape);
    return result.ok ? result : malformed(result.why);
  }
  const error = decodeXdr(frame.payload, readError);
  if (!error.ok) return malformed(error.why);
  return { ok: false, error: { kind: "refused", ...error.value } };
}

/** The head of virNetMessageError; the rest repeats it in other words. */
function readError(reader: XdrReader): { readonly code: number; readonly why: string } {
  const code = reader.int();
  reader.int();
  const message = reader.optional(() => reader.string(LIMIT.string));
  return { code, why: (message ?? `error ${code}`).slice(0, 1000) };
}

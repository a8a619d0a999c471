/** `call` and `reply` belong together by serial; `message` is an event or a keepalive and has none. */
export const MESSAGE_TYPE = { call: 0, reply: 1, message: 2 } as const;

export const MESSAGE_STATUS = { ok: 0, error: 1 } as const;

/** One message of libvirt's RPC (virnetprotocol.x). */
export interface Frame {
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly type: number;
  readonly serial: number;
  readonly status: number;
  /** XDR of what the procedure says. */
  readonly payload: Buffer;
}

const LENGTH_BYTES = 4;
const HEADER_BYTES = 24;
/** VIR_NET_MESSAGE_MAX, and the length word that it does not count. */
const LARGEST_FRAME = 33_554_432 + LENGTH_BYTES;
/** Types run to 5 (replies with file descriptors), states to 2 (a stream goes on). */
const HIGHEST_TYPE = 5;
const HIGHEST_STATUS = 2;

/** The bytes of a frame on the wire. */
export function encodeFrame(frame: Frame): Buffer {
  const head = Buffer.alloc(LENGTH_BYTES + HEADER_BYTES);
  head.writeUInt32BE(head.length + frame.payload.length, 0);
  head.writeUInt32BE(frame.program, 4);
  head.writeUInt32BE(frame.version, 8);
  head.writeInt32BE(frame.procedure, 12);
  head.writeUInt32BE(frame.type, 16);
  head.writeUInt32BE(frame.serial, 20);
  head.writeUInt32BE(frame.status, 24);
  return Buffer.concat([head, frame.payload]);
}

/** Cuts a stream of bytes into frames. */
export interface FrameReader {
  /**
   * Takes the next bytes of the stream and gives the frames that they complete. `malformed` says what is wrong
   * with the stream; nothing after it can be understood, and the connection has to be closed.
   */
  push(bytes: Buffer): { readonly frames: readonly Frame[]; readonly malformed?: string };
}

/** Makes a reader for one connection. It holds only what has arrived, whatever length a frame announces. */
export function createFrameReader(): FrameReader {
  let pieces: Buffer[] = [];
  let held = 0;
  /** Length of the frame that is arriving, once its first word is here. */
  let wanted: number | undefined;

  const gather = (): Buffer => {
    const [only] = pieces;
    const whole = only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces);
    pieces = [whole];
    return whole;
  };
  const keep = (rest: Buffer): void => {
    pieces = rest.length === 0 ? [] : [rest];
    held = rest.length;
  };

  return {
    push(bytes) {
      pieces.push(bytes);
      held += bytes.length;
      const frames: Frame[] = [];
      while (held >= (wanted ?? LENGTH_BYTES)) {
        const whole = gather();
        if (wanted === undefined) {
          wanted = whole.readUInt32BE(0);
          if (wanted < LENGTH_BYTES + HEADER_BYTES || wanted > LARGEST_FRAME) {
            return { frames, malformed: `a frame announces ${wanted} bytes` };
          }
          continue;
        }
        const frame = frameOf(whole.subarray(0, wanted));
        keep(whole.subarray(wanted));
        wanted = undefined;
        if (frame.type > HIGHEST_TYPE || frame.status > HIGHEST_STATUS) {
          return { frames, malformed: `a frame has type ${frame.type} and status ${frame.status}` };
        }
        frames.push(frame);
      }
      return { frames };
    },
  };
}

function frameOf(bytes: Buffer): Frame {
  return {
    program: bytes.readUInt32BE(4),
    version: bytes.readUInt32BE(8),
    procedure: bytes.readInt32BE(12),
    type: bytes.readUInt32BE(16),
    serial: bytes.readUInt32BE(20),
    status: bytes.readUInt32BE(24),
    payload: bytes.subarray(LENGTH_BYTES + HEADER_BYTES),
  };
}

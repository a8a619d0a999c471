import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import type { Frame } from "../../src/libvirt/frame.ts";
import { createFrameReader, encodeFrame } from "../../src/libvirt/frame.ts";
import type { XdrWriter } from "../../src/libvirt/xdr.ts";
import { createXdrWriter, decodeXdr } from "../../src/libvirt/xdr.ts";

/** Numbers as remote_protocol.x has them, written out once more: a wrong one in src must not agree with itself. */
const REMOTE = 0x20008086;
const KEEPALIVE = 0x6b656570;

export interface FakeVm {
  readonly uuid: Buffer;
  xml: string;
  /** What the next start gets, where that is not what it has. */
  inactiveXml?: string;
  state: readonly [state: number, reason: number];
  autostart: boolean;
}

/** What the daemon answers to a call: bytes of a result, an error code, nothing, or the end of the connection. */
export type FakeAnswer =
  | Buffer
  | { readonly error: number }
  | "silence"
  | "hang up"
  | { readonly raw: Buffer };

export interface FakeLibvirtd {
  readonly vms: Map<string, FakeVm>;
  /** Procedures that were called, in order. */
  readonly calls: number[];
  /** Keepalive messages that came: 1 ping, 2 pong. */
  readonly keepalives: number[];
  /** Replaces the answer to a procedure. */
  readonly answers: Map<number, (payload: Buffer) => FakeAnswer>;
  answersPings: boolean;
  lifecycle(vm: string, event: number, detail: number): void;
  event(procedure: number, write: (writer: XdrWriter) => void): void;
  ping(): void;
  raw(bytes: Buffer): void;
  hangUp(): void;
  connections(): number;
  /** Resolves once `condition` holds; it is looked at after each message. */
  until(condition: () => boolean): Promise<void>;
  stop(): Promise<void>;
}

/** A VM with a passed-through device, shut off for no known reason. */
export function fakeVm(name: string, number: number): FakeVm {
  const escaped = name.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return {
    uuid: Buffer.alloc(16, number),
    xml: `<domain type='kvm'><name>${escaped}</name><memory unit='KiB'>1024</memory><os><type machine='q35'>hvm</type></os><devices><hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='${number}' slot='0' function='0'/></source></hostdev></devices></domain>`,
    state: [5, 0],
    autostart: false,
  };
}

/** Listens on `socketPath` and speaks as much of libvirt's protocol as the client uses. */
export async function startFakeLibvirtd(socketPath: string): Promise<FakeLibvirtd> {
  const clients = new Set<Socket>();
  const watchers = new Set<() => void>();
  const vms = new Map<string, FakeVm>();
  const answers = new Map<number, (payload: Buffer) => FakeAnswer>();
  const calls: number[] = [];
  const keepalives: number[] = [];
  const writer = createXdrWriter;
  const changed = (): void => {
    for (const watcher of [...watchers]) watcher();
  };

  const writeDomain = (out: XdrWriter, name: string): XdrWriter => {
    const vm = vms.get(name);
    return out
      .string(name)
      .fixedOpaque(vm?.uuid ?? Buffer.alloc(16))
      .int(vm?.state[0] === 1 ? 1 : -1);
  };
  const vmOf = (payload: Buffer): FakeVm | undefined => {
    const uuid = decodeXdr(payload, (reader) => {
      reader.string(4096);
      return reader.fixedOpaque(16);
    });
    if (!uuid.ok) throw new Error(uuid.why);
    return [...vms.values()].find((vm) => vm.uuid.equals(uuid.value));
  };
  const ofVm = (payload: Buffer, write: (vm: FakeVm) => XdrWriter): FakeAnswer => {
    const vm = vmOf(payload);
    return vm === undefined ? { error: 42 } : write(vm).bytes();
  };
  const standard = (procedure: number, payload: Buffer): FakeAnswer => {
    switch (procedure) {
      case 1:
      case 2:
      case 360:
        return Buffer.alloc(0);
      case 14:
        // The flags are the last word; VIR_DOMAIN_XML_INACTIVE is 2.
        return ofVm(payload, (vm) =>
          writer().string(
            payload.readUInt32BE(payload.length - 4) === 2 ? (vm.inactiveXml ?? vm.xml) : vm.xml,
          ),
        );
      case 15:
        return ofVm(payload, (vm) => writer().int(vm.autostart ? 1 : 0));
      case 23: {
        const name = decodeXdr(payload, (reader) => reader.string(4096));
        if (!name.ok || !vms.has(name.value)) return { error: 42 };
        return writeDomain(writer(), name.value).bytes();
      }
      case 66:
        return writer()
          .array([0], () => {})
          .int(0)
          .bytes();
      case 157:
        return writer().unsignedHyper(11_003_000n).bytes();
      case 212:
        return ofVm(payload, (vm) => writer().int(vm.state[0]).int(vm.state[1]));
      case 273: {
        const out = writer();
        return out
          .array([...vms.keys()], (name) => writeDomain(out, name))
          .unsigned(vms.size)
          .bytes();
      }
      case 316:
        return writer().int(0).bytes();
      default:
        return { error: 39 };
    }
  };
  const errorBytes = (code: number): Buffer => {
    const out = writer();
    return out
      .int(code)
      .int(0)
      .optional(`error number ${code}`, (text) => out.string(text))
      .int(2)
      .unsigned(0)
      .unsigned(0)
      .unsigned(0)
      .unsigned(0)
      .int(0)
      .int(0)
      .unsigned(0)
      .bytes();
  };
  const message = (program: number, procedure: number, payload: Buffer): Buffer =>
    encodeFrame({ program, version: 1, procedure, type: 2, serial: 0, status: 0, payload });
  const answer = (client: Socket, frame: Frame): void => {
    if (frame.program === KEEPALIVE) {
      keepalives.push(frame.procedure);
      if (frame.procedure === 1 && fake.answersPings) client.write(message(KEEPALIVE, 2, Buffer.alloc(0)));
      return;
    }
    if (frame.program !== REMOTE) return void client.destroy();
    calls.push(frame.procedure);
    const said = (answers.get(frame.procedure) ?? ((payload) => standard(frame.procedure, payload)))(
      frame.payload,
    );
    if (said === "silence") return;
    if (said === "hang up") return void client.destroy();
    if (!Buffer.isBuffer(said) && "raw" in said) return void client.write(said.raw);
    const payload = Buffer.isBuffer(said) ? said : errorBytes(said.error);
    client.write(encodeFrame({ ...frame, type: 1, status: Buffer.isBuffer(said) ? 0 : 1, payload }));
    if (frame.procedure === 2) client.end();
  };

  const server: Server = createServer((client) => {
    clients.add(client);
    const frames = createFrameReader();
    client.on("data", (bytes) => {
      for (const frame of frames.push(bytes).frames) answer(client, frame);
      changed();
    });
    client.on("error", () => {});
    client.on("close", () => {
      clients.delete(client);
      changed();
    });
    changed();
  });
  const raw = (bytes: Buffer): void => {
    for (const client of clients) client.write(bytes);
  };
  const fake: FakeLibvirtd = {
    vms,
    calls,
    keepalives,
    answers,
    answersPings: true,
    raw,
    event(procedure, write) {
      const out = writer().int(0);
      write(out);
      raw(message(REMOTE, procedure, out.bytes()));
    },
    lifecycle(vm, event, detail) {
      fake.event(318, (out) => writeDomain(out, vm).int(event).int(detail));
    },
    ping: () => raw(message(KEEPALIVE, 1, Buffer.alloc(0))),
    hangUp() {
      for (const client of clients) client.destroy();
    },
    connections: () => clients.size,
    until: (condition) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!condition()) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
    stop() {
      fake.hangUp();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, resolve);
  });
  return fake;
}

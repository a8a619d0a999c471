import type { Clock } from "../clock.ts";
import type { VmName } from "../model/identifiers.ts";
import type { VmState } from "../model/virtual-machine.ts";
import type { Answer, Connection } from "./connection.ts";
import { openConnection } from "./connection.ts";
import type { DomainHandle, LibvirtEvent } from "./events.ts";
import { decodeEvent, readDomain, writeDomain } from "./events.ts";
import {
  AUTH,
  CONNECT_READ_ONLY,
  EVENT_ID,
  LATER_EVENT_ID,
  LIMIT,
  PROCEDURE,
  XML_INACTIVE,
} from "./protocol.ts";
import { vmStateOf } from "./state-words.ts";
import type { XdrReader } from "./xdr.ts";
import { createXdrWriter } from "./xdr.ts";

export interface ClientOptions {
  readonly socketPath: string;
  readonly clock: Clock;
  /** The driver to open; `qemu:///system` where not given. */
  readonly uri?: string;
  /** How long a call may take, milliseconds. */
  readonly timeLimit: number;
  readonly keepalive: { readonly interval: number; readonly unanswered: number };
  /** Closes the client, or gives up opening it, when aborted. */
  readonly signal?: AbortSignal;
  onEvent(event: LibvirtEvent): void;
  /** Called once when an open connection ends by anything but `close`. */
  onLost(why: string): void;
}

/** An open, authenticated, read-only connection with its events registered. */
export interface LibvirtClient {
  /** e.g. `11.3.0`. */
  readonly version: string;
  /** All domains, running or not. */
  listDomains(): Promise<Answer<readonly DomainHandle[]>>;
  findDomain(name: VmName): Promise<Answer<DomainHandle>>;
  /**
   * `persistent`: the definition that the next start gets. `running`: what the domain has now, with what was plugged in
   * since; of one that does not run its definition.
   */
  domainXml(domain: DomainHandle, which: "persistent" | "running"): Promise<Answer<string>>;
  domainState(domain: DomainHandle): Promise<Answer<VmState>>;
  autostart(domain: DomainHandle): Promise<Answer<boolean>>;
  /** Ends the connection as broken; `onLost` hears why. */
  fail(why: string): void;
  /** Takes leave of libvirt and closes. Resolves when done, within half a second. */
  close(): Promise<void>;
}

/** What went wrong, and with which call; `code` is the system's (`EACCES`) or libvirt's (`libvirt 45`). */
export interface OpenError {
  readonly code: string;
  readonly why: string;
}

export type OpenResult =
  | { readonly ok: true; readonly client: LibvirtClient }
  | { readonly ok: false; readonly error: OpenError };

/** Time that a farewell may take, milliseconds. */
const FAREWELL = 500;

/**
 * Connects, authenticates, opens the driver and registers the events. The connection is opened read-only on any
 * socket, so that libvirt itself refuses whatever would change something. Never rejects.
 */
export async function openLibvirtClient(options: ClientOptions): Promise<OpenResult> {
  let ready = false;
  let lostWhy: string | undefined;
  const opened = await openConnection({
    socketPath: options.socketPath,
    clock: options.clock,
    timeLimit: options.timeLimit,
    keepalive: options.keepalive,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    onMessage(procedure, payload) {
      const event = decodeEvent(procedure, payload);
      if (!event.ok) {
        return fail(`libvirt's event ${procedure} is not its protocol: ${event.why}`);
      }
      if (event.value?.kind === "connection-closed") return fail("libvirt lost its own QEMU driver");
      if (event.value !== undefined) options.onEvent(event.value);
    },
    onLost(why) {
      lostWhy = why;
      if (ready) options.onLost(why);
    },
  });
  if (!opened.ok) return opened;
  const { connection } = opened;
  const fail = (why: string): void => connection.fail(why);

  const refusal = await introduce(connection, options.uri ?? "qemu:///system");
  const version = refusal ?? (await versionOf(connection));
  if (typeof version === "string" && lostWhy === undefined) {
    ready = true;
    return { ok: true, client: createClient(connection, version, options.clock) };
  }
  connection.close();
  if (typeof version !== "string") return { ok: false, error: version };
  return { ok: false, error: { code: "", why: lostWhy ?? "" } };
}

/** Everything that has to be said before libvirt answers questions; what it refused, or undefined. */
async function introduce(connection: Connection, uri: string): Promise<OpenError | undefined> {
  const types = await connection.call(PROCEDURE.authList, nothing(), (reader) =>
    reader.array(LIMIT.authTypes, () => reader.int()),
  );
  if (!types.ok) return openError("authentication", types);
  if (types.value.length > 0 && !types.value.includes(AUTH.none)) {
    if (!types.value.includes(AUTH.polkit)) {
      return { code: "EAUTH", why: "libvirt wants a password (SASL) on this socket" };
    }
    const complete = await connection.call(PROCEDURE.authPolkit, nothing(), (reader) => reader.int());
    if (!complete.ok) return { code: "EAUTH", why: complete.error.why };
  }
  const open = createXdrWriter();
  open.optional(uri, (name) => open.string(name)).unsigned(CONNECT_READ_ONLY);
  const answer = await connection.call(PROCEDURE.connectOpen, open.bytes(), ignored);
  if (!answer.ok) return openError(`opening ${uri}`, answer);

  const register = (id: number) => {
    const payload = createXdrWriter()
      .int(id)
      .optional(undefined, () => {})
      .bytes();
    return connection.call(PROCEDURE.connectDomainEventCallbackRegisterAny, payload, ignored);
  };
  const [needed, later] = await Promise.all(
    [EVENT_ID, LATER_EVENT_ID].map((ids) => Promise.all(Object.values(ids).map(register))),
  );
  // An older libvirt refuses an event that it does not know.
  const broken = later?.filter((answer) => !answer.ok && answer.error.kind !== "refused") ?? [];
  for (const registered of [...(needed ?? []), ...broken])
    if (!registered.ok) return openError("registering for events", registered);
  // Only daemons that speak for another one (virtproxyd) have it; the others may refuse.
  const watched = await connection.call(PROCEDURE.connectRegisterCloseCallback, nothing(), ignored);
  return watched.ok || watched.error.kind === "refused" ? undefined : openError("registering", watched);
}

/** libvirt packs its version as major * 1 000 000 + minor * 1 000 + micro. */
async function versionOf(connection: Connection): Promise<string | OpenError> {
  const answer = await connection.call(PROCEDURE.connectGetLibVersion, nothing(), (reader) =>
    Number(reader.unsignedHyper()),
  );
  if (!answer.ok) return openError("asking for the version", answer);
  const number = answer.value;
  return `${Math.floor(number / 1_000_000)}.${Math.floor(number / 1000) % 1000}.${number % 1000}`;
}

function openError(step: string, answer: { readonly error: Extract<Answer<never>, { ok: false }>["error"] }) {
  const { error } = answer;
  const code = error.kind === "refused" ? `libvirt ${error.code}` : error.kind;
  return { code, why: `${step}: ${error.why}` };
}

function createClient(connection: Connection, version: string, clock: Clock): LibvirtClient {
  const ofDomain = (domain: DomainHandle): Buffer => writeDomain(createXdrWriter(), domain).bytes();
  const ofDomainWithFlags = (domain: DomainHandle, flags = 0): Buffer =>
    writeDomain(createXdrWriter(), domain).unsigned(flags).bytes();
  return {
    version,
    listDomains() {
      // need_results, and no flag: domains of every state
      const payload = createXdrWriter().int(1).unsigned(0).bytes();
      return connection.call(PROCEDURE.connectListAllDomains, payload, (reader) =>
        reader.array(LIMIT.domains, () => readDomain(reader)),
      );
    },
    findDomain: (name) =>
      connection.call(PROCEDURE.domainLookupByName, createXdrWriter().string(name).bytes(), readDomain),
    domainXml(domain, which) {
      const payload = ofDomainWithFlags(domain, which === "persistent" ? XML_INACTIVE : 0);
      return connection.call(PROCEDURE.domainGetXmlDesc, payload, (reader) => reader.string(LIMIT.string));
    },
    domainState: (domain) =>
      connection.call(PROCEDURE.domainGetState, ofDomainWithFlags(domain), (reader) =>
        vmStateOf(reader.int(), reader.int()),
      ),
    autostart: (domain) =>
      connection.call(PROCEDURE.domainGetAutostart, ofDomain(domain), (reader) => reader.int() === 1),
    fail: (why) => connection.fail(why),
    async close() {
      // Without a farewell libvirtd logs "End of file while reading data" as an error.
      const takeBack = clock.after(FAREWELL, () => connection.close());
      await connection.call(PROCEDURE.connectClose, nothing(), ignored);
      takeBack();
      connection.close();
    },
  };
}

function nothing(): Buffer {
  return Buffer.alloc(0);
}

function ignored(_reader: XdrReader): void {}

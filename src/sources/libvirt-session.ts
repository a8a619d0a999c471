import type { ClientOptions, LibvirtClient, OpenError } from "../libvirt/client.ts";
import { openLibvirtClient } from "../libvirt/client.ts";
import type { Answer } from "../libvirt/connection.ts";
import { parseDomainXml } from "../libvirt/domain-xml.ts";
import type { DomainHandle, LibvirtEvent } from "../libvirt/events.ts";
import { ERROR_NO_DOMAIN } from "../libvirt/protocol.ts";
import type { VmStatus } from "../model/host-state.ts";
import type { VmName } from "../model/identifiers.ts";
import { isStarting, type VmDefinition, type VmState } from "../model/virtual-machine.ts";

/** What libvirt said in a session; the source makes observations of it. `at` is UTC epoch milliseconds. */
export type SessionReport =
  | {
      readonly kind: "event";
      readonly at: number;
      readonly event: LibvirtEvent;
      /** What the next start gets, with `defined` and `started`. */
      readonly definition: VmDefinition | undefined;
      /** What the VM has now, with `started` and whenever a device came or went. */
      readonly running: VmDefinition | undefined;
    }
  | { readonly kind: "state"; readonly at: number; readonly vm: VmName; readonly state: VmState };

/** One connection's life from the inventory on. */
export interface LibvirtSession {
  /** e.g. `11.3.0`. */
  readonly version: string;
  /** All VMs as they were at `listedAt`; events since then wait for `begin`. */
  readonly vms: readonly VmStatus[];
  readonly listedAt: number;
  /** From now on reports are made, in the order in which libvirt spoke. */
  begin(): void;
  /** Asks for the state of a VM and reports it, unless the VM is not there. */
  askState(vm: VmName): void;
  close(): Promise<void>;
}

export interface SessionOptions extends Omit<ClientOptions, "onEvent"> {
  report(report: SessionReport): void;
  /** A VM, or something about it, had to be left out. */
  skipped(): void;
}

export type SessionResult =
  | { readonly ok: true; readonly session: LibvirtSession }
  | { readonly ok: false; readonly error: OpenError };

/** So many events may wait for libvirt's answers; beyond, a new connection and a new list are the better way. */
const MOST_WAITING_EVENTS = 10_000;
const TOO_MANY_EVENTS = `more than ${MOST_WAITING_EVENTS} events came at once; all VMs are listed anew`;
/** While a start is under way libvirt calls the VM paused; its last word may take until the devices are back. */
const STATE_RETRIES = 20;
const STATE_RETRY_DELAY = 250;
/** Names come from file names in a log directory; more than libvirt can list make no sense. */
const MOST_ASKED_VMS = 1000;

/**
 * Connects to one socket, registers for events and lists all VMs. `onLost` is called only for a session that was
 * given out. Never rejects.
 */
export async function openLibvirtSession(options: SessionOptions): Promise<SessionResult> {
  const early: ArrivedEvent[] = [];
  let take = (event: ArrivedEvent): void => {
    if (early.length <= MOST_WAITING_EVENTS) early.push(event);
  };
  let isGivenOut = false;
  const opened = await openLibvirtClient({
    ...options,
    onEvent: (event) => take({ at: options.clock.now(), event }),
    onLost(why) {
      if (isGivenOut) options.onLost(why);
    },
  });
  if (!opened.ok) return opened;
  const { client } = opened;

  const vms = await listVms(client, options.skipped);
  if (!vms.ok) {
    await client.close();
    return { ok: false, error: { code: vms.error.kind, why: `listing the VMs: ${vms.error.why}` } };
  }
  if (early.length > MOST_WAITING_EVENTS) {
    await client.close();
    return { ok: false, error: { code: "", why: TOO_MANY_EVENTS } };
  }
  isGivenOut = true;
  const reporter = createReporter(client, options, early);
  return {
    ok: true,
    session: {
      version: client.version,
      vms: vms.value,
      listedAt: options.clock.now(),
      begin() {
        take = reporter.take;
        reporter.begin();
      },
      askState: reporter.askState,
      close: () => client.close(),
    },
  };
}

interface ArrivedEvent {
  readonly at: number;
  readonly event: LibvirtEvent;
}

async function listVms(client: LibvirtClient, skipped: () => void): Promise<Answer<readonly VmStatus[]>> {
  const domains = await client.listDomains();
  if (!domains.ok) return domains;
  const vms: VmStatus[] = [];
  for (const domain of domains.value) {
    const [state, definition, running] = await Promise.all([
      client.domainState(domain),
      definitionOf(client, domain, skipped),
      // libvirt gives numbers to domains that run only.
      domain.id < 0 ? undefined : runningOf(client, domain, skipped),
    ]);
    // A VM may go between the list and the question; a libvirt that goes leaves no list at all.
    if (!state.ok && state.error.kind !== "refused") return state;
    if (state.ok && definition !== undefined)
      vms.push({ definition, state: state.value, ...(running !== undefined && { running }) });
  }
  return { ok: true, value: vms };
}

async function definitionOf(
  client: LibvirtClient,
  domain: DomainHandle,
  skipped: () => void,
): Promise<VmDefinition | undefined> {
  const [xml, autostart] = await Promise.all([
    client.domainXml(domain, "persistent"),
    client.autostart(domain),
  ]);
  const definition = definitionIn(xml, skipped);
  // Transient VMs have no autostart; libvirt answers with an error.
  return definition !== undefined && autostart.ok
    ? { ...definition, autostart: autostart.value }
    : definition;
}

async function runningOf(
  client: LibvirtClient,
  domain: DomainHandle,
  skipped: () => void,
): Promise<VmDefinition | undefined> {
  return definitionIn(await client.domainXml(domain, "running"), skipped);
}

function definitionIn(xml: Answer<string>, skipped: () => void): VmDefinition | undefined {
  if (!xml.ok) {
    if (!isGone(xml)) skipped();
    return undefined;
  }
  const definition = parseDomainXml(xml.value);
  if (definition.state === "read") return definition.value;
  skipped();
  return undefined;
}

interface Reporter {
  take(event: ArrivedEvent): void;
  begin(): void;
  askState(vm: VmName): void;
}

/** Reports events in their order, although some need an answer of libvirt's first. */
function createReporter(client: LibvirtClient, options: SessionOptions, waiting: ArrivedEvent[]): Reporter {
  const { clock, report, skipped } = options;
  /** VMs whose state is being asked for, and whether it has to be asked for once more after that. */
  const asked = new Map<VmName, boolean>();
  let isWorking = false;

  async function workOff(): Promise<void> {
    if (isWorking) return;
    isWorking = true;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { at, event } = next;
      report({ kind: "event", at, event, ...(await definitionsWith(client, event, skipped)) });
      const isEnd = event.kind === "lifecycle" && event.event === "stopped";
      if (isEnd || event.kind === "control-error") askState(event.domain.name);
    }
    isWorking = false;
  }

  function askState(vm: VmName): void {
    if (asked.has(vm)) asked.set(vm, true);
    else if (asked.size < MOST_ASKED_VMS) {
      asked.set(vm, false);
      void answerState(vm, STATE_RETRIES);
    } else skipped();
  }

  async function answerState(vm: VmName, retries: number): Promise<void> {
    const domain = await client.findDomain(vm);
    const state = domain.ok ? await client.domainState(domain.value) : domain;
    if (state.ok && isStarting(state.value) && retries > 0) {
      clock.after(STATE_RETRY_DELAY, () => void answerState(vm, retries - 1));
      return;
    }
    const isWantedAgain = asked.get(vm) === true;
    asked.delete(vm);
    if (state.ok) report({ kind: "state", at: clock.now(), vm, state: state.value });
    else if (!isGone(state)) skipped();
    if (isWantedAgain) askState(vm);
  }

  return {
    begin: () => void workOff(),
    askState,
    take(event) {
      if (waiting.length >= MOST_WAITING_EVENTS) {
        client.fail(TOO_MANY_EVENTS);
        return;
      }
      waiting.push(event);
      void workOff();
    },
  };
}

/** What an event leaves open: libvirt says that a definition or a device changed, and not to what. */
async function definitionsWith(
  client: LibvirtClient,
  event: LibvirtEvent,
  skipped: () => void,
): Promise<{ readonly definition: VmDefinition | undefined; readonly running: VmDefinition | undefined }> {
  if (event.kind === "device-added" || event.kind === "device-removed")
    return { definition: undefined, running: await runningOf(client, event.domain, skipped) };
  if (event.kind !== "lifecycle") return NOTHING_LEFT_OPEN;
  const { domain } = event;
  switch (event.event) {
    case "defined":
      return { definition: await definitionOf(client, domain, skipped), running: undefined };
    case "started": {
      const [definition, running] = await Promise.all([
        definitionOf(client, domain, skipped),
        runningOf(client, domain, skipped),
      ]);
      return { definition, running };
    }
    default:
      return NOTHING_LEFT_OPEN;
  }
}

const NOTHING_LEFT_OPEN = { definition: undefined, running: undefined };

/** The VM is not there any more, or the whole connection: neither is a VM that could not be read. */
function isGone(answer: Extract<Answer<never>, { ok: false }>): boolean {
  const { error } = answer;
  return error.kind === "closed" || (error.kind === "refused" && error.code === ERROR_NO_DOMAIN);
}

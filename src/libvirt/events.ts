import type { VmName } from "../model/identifiers.ts";
import { vmName } from "../model/identifiers.ts";
import type { VmLifecycle } from "../model/observation.ts";
import { EVENT, LIMIT } from "./protocol.ts";
import { lifecycleOf } from "./state-words.ts";
import type { Decoded, XdrReader, XdrWriter } from "./xdr.ts";
import { decodeXdr } from "./xdr.ts";

/** libvirt's handle of a VM; the UUID is what the daemon looks it up by. */
export interface DomainHandle {
  readonly name: VmName;
  readonly uuid: Buffer;
  /** -1 while it does not run. */
  readonly id: number;
}

/** What libvirt says by itself. */
export type LibvirtEvent =
  | {
      readonly kind: "lifecycle";
      readonly domain: DomainHandle;
      readonly event: VmLifecycle["event"];
      readonly detail: string;
    }
  | { readonly kind: "control-error" | "reboot"; readonly domain: DomainHandle }
  | {
      readonly kind: "device-added" | "device-removed" | "device-removal-failed";
      readonly domain: DomainHandle;
      readonly alias: string;
    }
  /** The daemon lost the one that it speaks for (virtproxyd its virtqemud); no event will come any more. */
  | { readonly kind: "connection-closed" };

const UUID_BYTES = 16;

/** Reads a `remote_nonnull_domain`. */
export function readDomain(reader: XdrReader): DomainHandle {
  const name = vmName(reader.string(LIMIT.string));
  // A copy: the rest of the chunk that it arrived in need not live as long.
  const uuid = Buffer.from(reader.fixedOpaque(UUID_BYTES));
  return { name, uuid, id: reader.int() };
}

/** As libvirt's XML writes it. */
export function uuidText(uuid: Buffer): string {
  return uuid.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** Writes a `remote_nonnull_domain`. */
export function writeDomain(writer: XdrWriter, domain: DomainHandle): XdrWriter {
  return writer.string(domain.name).fixedOpaque(domain.uuid).int(domain.id);
}

/** Decodes a message; undefined for one that means nothing here, now or in this version of libvirt. */
export function decodeEvent(procedure: number, payload: Buffer): Decoded<LibvirtEvent | undefined> {
  return decodeXdr(payload, (reader) => {
    if (procedure === EVENT.connectionClosed) return { kind: "connection-closed" };
    if (!CALLBACK_EVENTS.has(procedure)) return undefined;
    reader.int(); // the callback's id: one of each is registered, the procedure says which
    const domain = readDomain(reader);
    if (procedure === EVENT.controlError) return { kind: "control-error", domain };
    if (procedure === EVENT.reboot) return { kind: "reboot", domain };
    const change = DEVICE_EVENTS.get(procedure);
    if (change !== undefined)
      return { kind: change, domain, alias: reader.string(LIMIT.string).slice(0, 200) };
    const words = lifecycleOf(reader.int(), reader.int());
    return words === undefined ? undefined : { kind: "lifecycle", domain, ...words };
  });
}

const DEVICE_EVENTS: ReadonlyMap<number, "device-added" | "device-removed" | "device-removal-failed"> =
  new Map([
    [EVENT.deviceAdded, "device-added"],
    [EVENT.deviceRemoved, "device-removed"],
    [EVENT.deviceRemovalFailed, "device-removal-failed"],
  ]);

const CALLBACK_EVENTS: ReadonlySet<number> = new Set([
  EVENT.lifecycle,
  EVENT.reboot,
  EVENT.controlError,
  ...DEVICE_EVENTS.keys(),
]);

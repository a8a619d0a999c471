import { bdfFromParts } from "../model/identifiers.ts";
import type { DmarReservedMemory, DmarScope } from "./acpi-dmar.ts";
import { IVMD_EXCLUSION, IVMD_UNITY, type IvrsMemoryDefinition } from "./acpi-ivrs.ts";
import { hex } from "./acpi-table.ts";

/** A requester id as the address that it is: bus, device, function. */
export function formatDeviceId(segment: number, deviceId: number): string {
  return bdfFromParts(segment, deviceId >> 8, (deviceId >> 3) & 0x1f, deviceId & 7);
}

/**
 * An IVMD in the words of AMD's specification, for whoever maintains the firmware:
 * `IVMD type 22h, flags 08h (exclusion), devices 0000:00:00.0-0000:0f:1f.7, memory 0xa5a32000-0xa5a32fff`.
 */
export function describeMemoryDefinition(definition: IvrsMemoryDefinition): string {
  return [
    `IVMD type ${hex(definition.type)}`,
    `flags ${hex(definition.flags)}${describeFlags(definition.flags)}`,
    describeDevices(definition),
    describeDefinedMemory(definition),
  ].join(", ");
}

function describeFlags(flags: number): string {
  const words = [
    (flags & IVMD_UNITY) === 0 ? "" : "unity",
    (flags & 0x02) === 0 ? "" : "read",
    (flags & 0x04) === 0 ? "" : "write",
    (flags & IVMD_EXCLUSION) === 0 ? "" : "exclusion",
  ].filter((word) => word !== "");
  return words.length === 0 ? "" : ` (${words.join(", ")})`;
}

function describeDevices({ type, segment, deviceId, auxiliary }: IvrsMemoryDefinition): string {
  switch (type) {
    case 0x20:
      return segment === 0 ? "all devices" : `all devices of segment ${segment}`;
    case 0x21:
      return `device ${formatDeviceId(segment, deviceId)}`;
    case 0x22:
      return `devices ${formatDeviceId(segment, deviceId)}-${formatDeviceId(segment, auxiliary)}`;
  }
}

/** The memory of an IVMD, e.g. `memory 0x7fff0000-0x7fff7fff`. */
export function describeDefinedMemory({ start, length }: IvrsMemoryDefinition): string {
  return length === 0n
    ? `memory 0x${start.toString(16)} of no length`
    : describeMemoryRange({ start, end: start + length - 1n });
}

/** Addresses with their inclusive end, e.g. `memory 0x7fff0000-0x7fff7fff`. */
export function describeMemoryRange({
  start,
  end,
}: {
  readonly start: bigint;
  readonly end: bigint;
}): string {
  return `memory 0x${start.toString(16)}-0x${end.toString(16)}`;
}

/** An RMRR in the words of the VT-d specification, e.g. `RMRR segment 0, memory 0x…-0x…, endpoint 00:02.0/00.0`. */
export function describeReservedMemory({ segment, scopes, ...range }: DmarReservedMemory): string {
  return [
    `RMRR segment ${segment}`,
    describeMemoryRange(range),
    ...(scopes.length === 0 ? ["no devices"] : scopes.map(describeDmarScope)),
  ].join(", ");
}

const SCOPE_WORDS: Readonly<Record<DmarScope["kind"], string>> = {
  endpoint: "endpoint",
  bridge: "bridge",
  ioapic: "I/O APIC",
  hpet: "HPET",
  acpi: "ACPI device",
  unknown: "unknown scope",
};

/** A device scope as the way through the bridges, e.g. `endpoint 00:02.0/00.1`. */
export function describeDmarScope({ kind, startBus, path }: DmarScope): string {
  const pair = (value: number) => value.toString(16).padStart(2, "0");
  const hops = path.map((hop) => `${pair(hop.device)}.${hop.function.toString(16)}`);
  return `${SCOPE_WORDS[kind]} ${pair(startBus)}:${hops.join("/")}`;
}

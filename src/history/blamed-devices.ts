import { listOf, textOf } from "../facts/fact-value.ts";
import type { FactValue, Snapshot } from "../model/fact.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { Blame } from "./blame.ts";
import type { ReadFactTable } from "./read-fact-table.ts";
import { addressOwner, type Subject } from "./subject.ts";
import type { StartTally } from "./trials.ts";

/** A device that the answer is about. */
export interface BlamedDevice {
  /** `vendor:device/subvendor:subdevice`; undefined where no snapshot knows it. */
  readonly identity: string | undefined;
  /** As the PCI database calls it, where known. */
  readonly name: string | undefined;
  /** What kind of thing it is, e.g. `graphics (VGA)`. */
  readonly kind: string | undefined;
  /** The address that it had when the VM last worked. */
  readonly bdf: Bdf;
}

/**
 * The devices that the VM had when it last worked, of the fault in question if it ever did: those in whose group the
 * mechanism shows come first, then displays. Who stands at their addresses in a failed start may be somebody else.
 */
export function blamedDevices(
  tallies: readonly StartTally[],
  blame: Blame,
  subject: Subject,
  lookup: Pick<ReadFactTable, "get">,
  device: string | undefined,
): readonly BlamedDevice[] {
  const withDevices = tallies.filter(({ devices }) => devices.length > 0);
  const good = withDevices.filter(({ outcome }) => outcome === "started");
  const before = good.findLast((tally) => tally === blame.boundary?.lastGood);
  const failed = withDevices.findLast(({ outcome }) => outcome !== "started");
  const start =
    before ?? good.findLast(({ snapshotId }) => snapshotId !== undefined) ?? good.at(-1) ?? failed;
  if (start === undefined) return [];
  const facts = factsOf(start.snapshotId === undefined ? undefined : lookup.get(start.snapshotId));
  // Nothing that it asked for was there: who has the address now is not it.
  const isMissing = start.outcome !== "started" && blame.failure === "device-missing";
  const identityAt = new Map<string, string>();
  for (const [key, value] of isMissing ? [] : facts) {
    const identity = addressOwner(key);
    for (const address of identity === undefined ? [] : listOf(value))
      identityAt.set(address, identity ?? "");
  }
  const failedWith = factsOf(lookup.get(blame.boundary?.firstBad.snapshotId ?? ""));
  const inProof = (identity: string | undefined): boolean =>
    [...subject.groups].some((group) => {
      const members = listOf(failedWith.get(`iommu.group.${group}.members`));
      return (
        failedWith.get(`iommu.group.${group}.direct`)?.state === "value" && members.includes(identity ?? "")
      );
    });
  const asked = device?.toLowerCase();
  const rank = ({ identity, bdf }: BlamedDevice): number => {
    const isDisplay = textOf(facts.get(`pci.${identity}.class`))?.startsWith("03") === true;
    const isAsked = asked !== undefined && (bdf === asked || identity?.startsWith(`${asked}/`) === true);
    return (isAsked ? 0 : 4) + (inProof(identity) ? 0 : 2) + (isDisplay ? 0 : 1);
  };
  return start.devices
    .map((bdf): BlamedDevice => {
      const identity = identityAt.get(bdf);
      return {
        identity,
        name: textOf(facts.get(`pci.${identity}.name`)),
        // The fact is `030000 graphics (VGA)`.
        kind: textOf(facts.get(`pci.${identity}.class`))?.replace(/^[0-9a-f]{6} /, ""),
        bdf,
      };
    })
    .sort((a, b) => rank(a) - rank(b) || (a.bdf < b.bdf ? -1 : 1));
}

function factsOf(snapshot: Snapshot | undefined): ReadonlyMap<string, FactValue> {
  return new Map(snapshot?.facts.map(({ key, value }) => [key, value]));
}

/** Names of the devices that there are or were, by identity. */
export function deviceNames(snapshots: readonly Snapshot[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { facts } of snapshots) {
    for (const { key, value } of facts) {
      const name = key.startsWith("pci.") && key.endsWith(".name") ? textOf(value) : undefined;
      if (name !== undefined) names.set(key.slice("pci.".length, -".name".length), name);
    }
  }
  return names;
}

import type { Snapshot } from "../model/fact.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { Blame } from "./blame.ts";
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
  /** The newest address. */
  readonly bdf: Bdf;
}

/** The devices of the newest start in question; those in whose group the mechanism shows come first, then displays. */
export function blamedDevices(
  tallies: readonly StartTally[],
  blame: Blame,
  subject: Subject,
  snapshots: readonly Snapshot[],
  device: string | undefined,
): readonly BlamedDevice[] {
  const newest =
    blame.trials.findLast((trial) => !trial.good)?.tally ??
    tallies.findLast((tally) => tally.devices.length > 0);
  if (newest === undefined) return [];
  const snapshot = snapshots.find(({ id }) => id === newest.snapshotId) ?? snapshots.at(-1);
  const facts = new Map(snapshot?.facts.map(({ key, value }) => [key, value]));
  const identityAt = new Map<string, string>();
  // A device that moved is not at the address that the VM asks for; an older snapshot still knows who was.
  for (const { facts: known } of snapshot === undefined ? snapshots : [...snapshots, snapshot]) {
    for (const { key, value } of known) {
      const identity = addressOwner(key);
      if (identity !== undefined && value.state === "value" && subject.devices.has(identity))
        identityAt.set(value.value, identity);
    }
  }
  const proofGroups = new Set(
    blame.sets[0]?.proof.flatMap(({ key }) => /^iommu\.group\.([^.]+)\.direct$/.exec(key)?.[1] ?? []),
  );
  const inProof = (identity: string | undefined): boolean =>
    [...proofGroups].some((group) => {
      const members = facts.get(`iommu.group.${group}.members`);
      return members?.state === "value" && members.value.split(", ").includes(identity ?? "");
    });
  const rank = (candidate: BlamedDevice): number => {
    const kind = facts.get(`pci.${candidate.identity}.class`);
    const isDisplay = kind?.state === "value" && kind.value.startsWith("03");
    const asked = device?.toLowerCase();
    const isAsked =
      asked !== undefined &&
      (candidate.bdf === asked || candidate.identity?.startsWith(`${asked}/`) === true);
    return (isAsked ? 0 : 4) + (inProof(candidate.identity) ? 0 : 2) + (isDisplay ? 0 : 1);
  };
  return newest.devices
    .map((bdf): BlamedDevice => {
      const identity = identityAt.get(bdf);
      const name = facts.get(`pci.${identity}.name`);
      const kind = facts.get(`pci.${identity}.class`);
      return {
        identity,
        name: name?.state === "value" ? name.value : undefined,
        // The fact is `030000 graphics (VGA)`.
        kind: kind?.state === "value" ? kind.value.replace(/^[0-9a-f]{6} /, "") : undefined,
        bdf,
      };
    })
    .sort((a, b) => rank(a) - rank(b) || (a.bdf < b.bdf ? -1 : 1));
}

/** Names of the devices that there are or were, by identity. */
export function deviceNames(snapshots: readonly Snapshot[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { facts } of snapshots) {
    for (const { key, value } of facts) {
      if (!key.startsWith("pci.") || !key.endsWith(".name") || value.state !== "value") continue;
      names.set(key.slice("pci.".length, -".name".length), value.value);
    }
  }
  return names;
}

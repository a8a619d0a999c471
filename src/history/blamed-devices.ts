import { listOf, textOf } from "../facts/fact-value.ts";
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
      const address = textOf(value);
      if (identity !== undefined && address !== undefined && subject.devices.has(identity))
        identityAt.set(address, identity);
    }
  }
  const proofGroups = new Set(
    blame.sets[0]?.proof.flatMap(({ key }) => /^iommu\.group\.([^.]+)\.direct$/.exec(key)?.[1] ?? []),
  );
  const inProof = (identity: string | undefined): boolean =>
    [...proofGroups].some((group) =>
      listOf(facts.get(`iommu.group.${group}.members`)).includes(identity ?? ""),
    );
  const rank = (candidate: BlamedDevice): number => {
    const isDisplay = textOf(facts.get(`pci.${candidate.identity}.class`))?.startsWith("03");
    const asked = device?.toLowerCase();
    const isAsked =
      asked !== undefined &&
      (candidate.bdf === asked || candidate.identity?.startsWith(`${asked}/`) === true);
    return (isAsked ? 0 : 4) + (inProof(candidate.identity) ? 0 : 2) + (isDisplay === true ? 0 : 1);
  };
  return newest.devices
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

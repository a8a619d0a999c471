import { textOf } from "../facts/fact-value.ts";
import { definitionsInFacts } from "../facts/host-of-facts.ts";
import { hasOtherCards, machineOf, rememberFromLogs } from "../history/known-machine.ts";
import type { Machine } from "../host/machine.ts";
import { isSameBoard } from "../knowledge/board-names.ts";
import { type Bdf, type BootId, deviceOfUnknownVm } from "../model/identifiers.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { StoredAttempt } from "../store/attempt-store.ts";
import type { StoreTrouble } from "../store/refusal.ts";
import type { Store } from "../store/store.ts";
import type { ImportSource } from "./find-sources.ts";
import { COST_OF_A_RECORD } from "./limits.ts";
import { findSameBoot, idOf, type KnownBoot } from "./match-boots.ts";
import type { Material, PastBoot, PastObservation } from "./past-boot.ts";
import { type TakeInParts, type TakenBoot, takeInBoot, takeInLoose } from "./take-in.ts";

/** What came of one source. */
export interface ReadSource {
  readonly name: string;
  /** Why nothing was taken from it. */
  readonly refused: string | undefined;
  readonly boots: number;
  readonly notes: readonly string[];
}

/** What came of an import. */
export interface ImportResult {
  readonly sources: readonly ReadSource[];
  /** In order of time. */
  readonly boots: readonly TakenBoot[];
  /** Starts of which nobody knows the boot. */
  readonly withoutBoot: { readonly newAttempts: number; readonly attempts: number };
  /** Some of it was of the boot that runs now, which the service reads by itself. */
  readonly runningBootLeftOut: boolean;
  /** Why the history could not be written. */
  readonly trouble: StoreTrouble | undefined;
}

/** What the sources hold, together with where it came from. */
export interface NamedMaterial {
  readonly name: string;
  readonly material: Material;
}

/**
 * From so many characters on, what was read is stored before more is read: hundreds of sources do not fit into memory, and
 * whatever is taken in first, together or apart, the history says the same.
 */
const STORED_FROM = 2_000_000;
/** A log may go on a little after the last thing that is known of a boot (ms). */
const QUIET_END = 3_600_000;
const BEFORE_BOOT = 5_000;

/**
 * Reads all sources and takes their boots into the history, each once, however many sources show it. What was there
 * stays; doing it again changes nothing. `runningBoot` is left to the service, which sees it itself. What was read is stored
 * whenever it comes to `storedFrom` characters.
 */
export async function importHistory(options: {
  readonly sources: readonly ImportSource[];
  readonly parts: TakeInParts;
  readonly runningBoot: KnownBoot | undefined;
  readonly now: number;
  readonly progress: (text: string) => void;
  readonly storedFrom?: number;
}): Promise<ImportResult> {
  const { sources, progress, parts, storedFrom = STORED_FROM } = options;
  const read: ReadSource[] = [];
  let taken = NOTHING_TAKEN;
  let materials: NamedMaterial[] = [];
  let kept = 0;
  let its = machineOf(parts.store);
  const store = () => {
    const now = bothTaken(taken, takeInMaterials(materials, options));
    if (now.trouble === undefined) parts.store.durable(() => rememberFromLogs(parts.store, its));
    return now;
  };
  for (const [index, source] of sources.entries()) {
    const place = `[${index + 1}/${sources.length}] ${source.name}`;
    progress(place);
    const material = await source
      .read((detail) => progress(`${place}: ${detail}`))
      .catch((error: unknown) => `It could not be read: ${error instanceof Error ? error.message : error}.`);
    if (typeof material === "string") {
      progress(`${place}: refused. ${material}`);
      read.push({ name: source.name, refused: material, boots: 0, notes: [] });
      continue;
    }
    const own = machineIn(material);
    const warning = otherMachine(own, its);
    if (warning === undefined)
      its = { ...its, board: its.board ?? own.board, cards: [...its.cards, ...own.cards] };
    const notes = warning === undefined ? material.notes : [warning, ...material.notes];
    materials.push({ name: source.name, material });
    read.push({ name: source.name, refused: undefined, boots: material.boots.length, notes });
    kept += sizeOf(material);
    if (kept < storedFrom || index === sources.length - 1) continue;
    taken = store();
    if (taken.trouble !== undefined) return { sources: read, ...taken };
    materials = [];
    kept = 0;
  }
  return { sources: read, ...store() };
}

type Taken = Omit<ImportResult, "sources">;

const NOTHING_TAKEN: Taken = {
  boots: [],
  withoutBoot: { newAttempts: 0, attempts: 0 },
  runningBootLeftOut: false,
  trouble: undefined,
};

/** What a source keeps in memory, as the limits count it: characters. */
function sizeOf({ boots, loose }: Material): number {
  const said = (all: readonly PastObservation[]) =>
    all.reduce(
      (sum, { observation }) =>
        sum + COST_OF_A_RECORD + ("text" in observation ? observation.text.length : 0),
      0,
    );
  return boots.reduce((sum, boot) => sum + COST_OF_A_RECORD + said(boot.observations), said(loose));
}

/** The later one knows of a boot what both have brought. */
function bothTaken(before: Taken, after: Taken): Taken {
  const boots = new Map(before.boots.map((boot) => [boot.id, boot]));
  for (const boot of after.boots) {
    const same = boots.get(boot.id);
    boots.set(
      boot.id,
      same === undefined
        ? boot
        : { ...boot, isNew: same.isNew, newAttempts: same.newAttempts + boot.newAttempts },
    );
  }
  return {
    boots: [...boots.values()].sort((a, b) => a.startedAt - b.startedAt),
    withoutBoot: {
      newAttempts: before.withoutBoot.newAttempts + after.withoutBoot.newAttempts,
      attempts: before.withoutBoot.attempts + after.withoutBoot.attempts,
    },
    runningBootLeftOut: before.runningBootLeftOut || after.runningBootLeftOut,
    trouble: after.trouble,
  };
}

/** A history of two machines blames the one for what the other has; taken in it is all the same. */
function otherMachine(own: MachineInMaterial, known: MachineInMaterial): string | undefined {
  const consequence =
    "so what changed and what broke will be wrong. Take each machine into a history of its own: --database FILE.";
  if (own.board !== undefined && known.board !== undefined && !isSameBoard(own.board, known.board))
    return `WARNING: it is of another machine (board ${own.board}) than this history (board ${known.board}), ${consequence}`;
  if (hasOtherCards(own.cards, known.cards))
    return `WARNING: it names none of this history's network cards. If it is of another machine of the same kind, ${consequence.slice(3)}`;
  return undefined;
}

type MachineInMaterial = Pick<Machine, "board" | "cards">;

/** Of which machine a material is: the newest board that it names, and all network cards. */
function machineIn({ boots }: Material): MachineInMaterial {
  const newest = boots.toSorted((a, b) => b.lastSeenAt - a.lastSeenAt);
  return {
    board: newest.find(({ machine }) => machine?.board !== undefined)?.machine?.board,
    cards: [...new Set(newest.flatMap(({ machine }) => machine?.cards ?? []))],
  };
}

/** Takes in what was read. Pure but for the store. */
export function takeInMaterials(
  materials: readonly NamedMaterial[],
  options: {
    readonly parts: TakeInParts;
    readonly runningBoot: KnownBoot | undefined;
    readonly now: number;
    readonly progress: (text: string) => void;
  },
): Omit<ImportResult, "sources"> {
  const { parts, runningBoot, now, progress } = options;
  const { store } = parts;
  const { pieces, known } = sortPieces(materials, storedBoots(store, runningBoot));
  const running = runningBoot?.id;
  const { byBoot, homeless } = placeLoose(materials, known, running, now);
  const definitions = knownDefinitions(materials, store);
  const housed = nowHoused(known, parts);
  const again = [...housed.keys(), ...nowKnown(definitions, store)];
  const ids = [...new Set([...pieces.keys(), ...byBoot.keys(), ...again])].filter((id) => id !== running);
  const startOf = (id: BootId) => known.find((boot) => boot.id === id)?.startedAt ?? 0;
  ids.sort((a, b) => startOf(a) - startOf(b));
  const boots: TakenBoot[] = [];
  const leftOut = running !== undefined && (pieces.has(running) || byBoot.has(running));
  let withoutBoot = { newAttempts: 0, attempts: 0 };
  for (const [index, id] of ids.entries()) {
    if (ids.length > 1 && index % Math.ceil(ids.length / 10) === 0)
      progress(`storing boot ${index + 1} of ${ids.length}`);
    const written = store.durable(() =>
      takeInBoot(id, pieces.get(id) ?? [], byBoot.get(id) ?? [], definitions, parts, housed.get(id)),
    );
    if (written.state === "refused")
      return { boots, withoutBoot, runningBootLeftOut: leftOut, trouble: written.trouble };
    boots.push(written.value);
  }
  const written = store.durable(() => takeInLoose(homeless, definitions, now, parts));
  if (written.state === "written") withoutBoot = written.value;
  const trouble = written.state === "refused" ? written.trouble : undefined;
  return { boots, withoutBoot, runningBootLeftOut: leftOut, trouble };
}

function storedBoots(store: Store, runningBoot: KnownBoot | undefined): readonly KnownBoot[] {
  const factsOf = new Map<string, Pick<KnownBoot, "bios" | "kernelRelease">>();
  const stored = store.boots.list().map((boot): KnownBoot => {
    const { id, startedAt, lastSeenAt, snapshotId = "" } = boot;
    const factIn = (key: string) =>
      snapshotId === "" ? undefined : textOf(store.snapshots.fact(snapshotId, key)?.value);
    const facts = factsOf.get(snapshotId) ?? {
      bios: factIn("firmware.bios.version"),
      kernelRelease: factIn("kernel.release"),
    };
    factsOf.set(snapshotId, facts);
    return { id, startedAt, lastSeenAt, ...facts };
  });
  if (runningBoot === undefined) return stored;
  return [...stored.filter(({ id }) => id !== runningBoot.id), runningBoot];
}

/** Says which boot each piece is of: the surest first, so that the others find it. */
function sortPieces(
  materials: readonly NamedMaterial[],
  stored: readonly KnownBoot[],
): { readonly pieces: ReadonlyMap<BootId, readonly PastBoot[]>; readonly known: readonly KnownBoot[] } {
  const all = materials.flatMap(({ material }, source) => material.boots.map((boot) => ({ boot, source })));
  all.sort((a, b) => sureness(b.boot) - sureness(a.boot) || a.boot.firstSeenAt - b.boot.firstSeenAt);
  const known = new Map(stored.map((boot) => [boot.id, boot]));
  const pieces = new Map<BootId, PastBoot[]>();
  const taken = new Set<string>();
  for (const { boot, source } of all) {
    // One source tells its boots apart by itself.
    const others = [...known.values()].filter(({ id }) => !taken.has(`${source}\n${id}`));
    const same = findSameBoot(boot, others);
    const id = same?.id ?? idOf(boot);
    taken.add(`${source}\n${id}`);
    pieces.set(id, [...(pieces.get(id) ?? []), boot]);
    known.set(id, {
      id,
      startedAt: same?.startedAt ?? boot.startedAt ?? boot.firstSeenAt,
      lastSeenAt: Math.max(same?.lastSeenAt ?? 0, boot.lastSeenAt),
      bios: same?.bios ?? boot.bios,
      kernelRelease: same?.kernelRelease ?? boot.kernelRelease,
    });
  }
  return { pieces, known: [...known.values()].sort((a, b) => a.startedAt - b.startedAt) };
}

function sureness({ id, precision, startedAt }: PastBoot): number {
  if (id !== undefined) return 3;
  if (precision === "log") return 2;
  return startedAt === undefined ? 0 : 1;
}

/** Gives each thing that was said at some time to the boot that ran then. */
function placeLoose(
  materials: readonly NamedMaterial[],
  known: readonly KnownBoot[],
  running: BootId | undefined,
  now: number,
): {
  readonly byBoot: ReadonlyMap<BootId, readonly PastObservation[]>;
  readonly homeless: readonly PastObservation[];
} {
  const byBoot = new Map<BootId, PastObservation[]>();
  const homeless: PastObservation[] = [];
  for (const past of materials.flatMap(({ material }) => material.loose)) {
    const { at } = past.observation;
    const boot = bootAt(known, at, running, now);
    if (boot === undefined) homeless.push(past);
    else {
      const others = byBoot.get(boot.id);
      // Pushed, not copied: one log may hold half a million lines.
      if (others === undefined) byBoot.set(boot.id, [past]);
      else others.push(past);
    }
  }
  return { byBoot, homeless };
}

/** The boot that ran then, as far as boots are known; `known` in order of time. */
function bootAt(
  known: readonly KnownBoot[],
  at: number,
  running: BootId | undefined,
  now: number,
): KnownBoot | undefined {
  const boot = known.findLast(({ startedAt }) => startedAt <= at + BEFORE_BOOT);
  const until = boot === undefined ? 0 : boot.id === running ? now : boot.lastSeenAt + QUIET_END;
  return at > until ? undefined : boot;
}

/** Starts of earlier imports of which no boot was known, by the boot that is known for them now. */
function nowHoused(
  known: readonly KnownBoot[],
  { store, signatures }: TakeInParts,
): ReadonlyMap<BootId, readonly StoredAttempt[]> {
  const homeless = store.attempts.tallies().filter(({ bootId }) => bootId === undefined);
  const numbers = new Set(
    homeless.flatMap(({ vm, firstAt, lastAt }) =>
      store.attempts
        .list({ vm, since: firstAt, until: lastAt })
        .flatMap(({ bootId, number, openedAt }) =>
          bootId === undefined && bootAt(known, openedAt, undefined, 0) !== undefined ? [number] : [],
        ),
    ),
  );
  const attempts = [...numbers].flatMap((number) => store.attempts.full(number, signatures) ?? []);
  return Map.groupBy(attempts, ({ openedAt }) => bootAt(known, openedAt, undefined, 0)?.id as BootId);
}

/** So many facts of boots are looked through for what VMs there were. */
const BOOTS_LOOKED_AT = 50;

/**
 * The VMs by name: as the newest material defines them, else as libvirt does now, else as earlier material did, of
 * which the facts remain: whatever is taken in first, each refused device finds the VM that has it.
 */
function knownDefinitions(materials: readonly NamedMaterial[], store: Store): readonly VmDefinition[] {
  const byName = new Map<string, VmDefinition>();
  for (const definition of storedDefinitions(store)) byName.set(definition.name, definition);
  for (const { definition } of store.vms.list()) byName.set(definition.name, definition);
  for (const { definitions = [] } of materials.map(({ material }) => material))
    for (const definition of definitions) byName.set(definition.name, definition);
  const boots = materials
    .flatMap(({ material }) => material.boots)
    .toSorted((a, b) => a.lastSeenAt - b.lastSeenAt);
  for (const definition of boots.flatMap((boot) => boot.definitions)) byName.set(definition.name, definition);
  return [...byName.values()];
}

/** VMs as the facts of earlier imports have them, the newest last: name and devices. */
function storedDefinitions(store: Store): readonly VmDefinition[] {
  const imported = store.boots.list().filter(({ origin }) => origin === "imported");
  const ids = [...new Set(imported.flatMap(({ snapshotId }) => snapshotId ?? []))].slice(-BOOTS_LOOKED_AT);
  return ids.flatMap((id) => definitionsInFacts(store.snapshots.get(id)?.facts ?? []));
}

/** Boots of earlier imports with a start of nobody's, whose device a VM has that has become known. */
function nowKnown(definitions: readonly VmDefinition[], store: Store): readonly BootId[] {
  const owned = new Set(definitions.flatMap(({ hostDevices }) => hostDevices.map(({ bdf }) => bdf)));
  const nobodys = store.vms.everyName().filter((name) => owned.has(deviceOfUnknownVm(name) ?? ("" as Bdf)));
  return nobodys.flatMap((vm) =>
    store.attempts
      .list({ vm })
      .flatMap(({ bootId, origin }) => (origin === "imported" ? (bootId ?? []) : [])),
  );
}

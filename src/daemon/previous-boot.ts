import type { TrackerSettings } from "../attempts/tracking.ts";
import type { Clock } from "../clock.ts";
import type { Matcher } from "../diagnosis/matcher.ts";
import { detectPlatform } from "../host/platform.ts";
import type { HostPaths } from "../host-paths.ts";
import { syslogSource } from "../import/find-sources.ts";
import { type NamedMaterial, takeInMaterials } from "../import/import-history.ts";
import { type JournalAccess, listJournalBoots, readJournalBoot } from "../import/journal.ts";
import type { Material } from "../import/past-boot.ts";
import { LAST_WORDS_PLACES, readDeadBoots } from "../import/pstore-boots.ts";
import type { TakenBoot } from "../import/take-in.ts";
import type { BootId } from "../model/identifiers.ts";
import type { SignatureLookup } from "../store/attempt-store.ts";
import type { Store } from "../store/store.ts";

/** What the boot before left, as far as it could be taken in. */
export interface PreviousBoot {
  /** Boots that it was about; empty where nothing was left, or it had been taken in before. */
  readonly boots: readonly TakenBoot[];
  /** What the kernel said last, where it left that in the firmware's memory; the newest line last. */
  readonly lastWords: readonly string[];
  /** What could not be read, in sentences. */
  readonly notes: readonly string[];
}

export interface PreviousBootOptions {
  readonly store: Store;
  readonly paths: HostPaths;
  readonly clock: Clock;
  /** The boot that runs now, and when it began (UTC epoch milliseconds). */
  readonly bootId: BootId;
  readonly bootedAt: number;
  readonly matcher: Matcher;
  readonly signatures: SignatureLookup;
  readonly settings: TrackerSettings;
  /** The program, with parameters before all others; default `journalctl`. */
  readonly journalctl?: JournalAccess["journalctl"];
}

/** In which boot it was done last. */
const DONE = "previous-boot-taken-in";
const NOTHING: PreviousBoot = { boots: [], lastWords: [], notes: [] };
/** Of a longer syslog only the end is read. */
const SYSLOG_BYTES = 64 * 1024 ** 2;
/** journalctl gets no longer than this (ms). */
const PATIENCE = 10_000;

/**
 * Takes in what the previous, perhaps dead, boot left: the kernel's last words in pstore, Unraid's `syslog-previous`,
 * on a systemd host the journal of boot -1. Once a boot; never rejects. What the service saw live stays as it is. Call
 * it after `beginBoot`, when the sources run: nothing waits for it.
 */
export async function takeInPreviousBoot(options: PreviousBootOptions): Promise<PreviousBoot> {
  const { store, paths, bootId, bootedAt, matcher } = options;
  if (store.meta.get(DONE) === bootId) return NOTHING;
  const isKnown = matcher.knows;
  const { kind, logs } = detectPlatform(paths);
  const materials: NamedMaterial[] = [
    { name: "pstore", material: readDeadBoots(LAST_WORDS_PLACES.map((place) => paths.at(place))) },
  ];
  if (logs.previousSyslog !== undefined) {
    const material = await readQuietly(() =>
      syslogSource([paths.at(logs.previousSyslog ?? "")], { isKnown, newest: SYSLOG_BYTES }).read(() => {}),
    );
    materials.push({ name: logs.previousSyslog, material });
  }
  if (kind === "systemd") {
    materials.push({ name: "journal", material: await readQuietly(() => lastJournalBoot(options, isKnown)) });
  }
  // Older dumps stay in pstore until somebody removes them; only what came before this boot is asked for.
  const before = materials.map(({ name, material }) => ({
    name,
    material: { ...material, boots: material.boots.filter((boot) => boot.lastSeenAt < bootedAt) },
  }));
  const taken = takeInMaterials(before, {
    parts: options,
    runningBoot: undefined,
    now: bootedAt,
    progress: () => {},
  });
  store.batched(() => store.meta.set(DONE, bootId));
  const notes = before.flatMap(({ material }) => material.notes);
  return {
    boots: taken.boots,
    lastWords:
      before.flatMap(({ material }) => material.boots).findLast((boot) => boot.lastWords)?.lastWords ?? [],
    notes: taken.trouble === undefined ? notes : [...notes, taken.trouble.why],
  };
}

async function lastJournalBoot(
  { paths, clock, bootId, journalctl = ["journalctl"] }: PreviousBootOptions,
  isKnown: (layer: "kernel" | "libvirt", text: string) => boolean,
): Promise<Material | string> {
  // Another machine's tree has no journal that journalctl would show.
  if (paths.root !== "/" && journalctl[0] === "journalctl") return "a recorded tree has no journal";
  const access: JournalAccess = { journalctl, clock, patienceMs: PATIENCE };
  const boots = await listJournalBoots(access);
  if (typeof boots === "string") return boots;
  const running = boots.findIndex(({ id }) => id === bootId);
  const previous = boots[(running < 0 ? boots.length : running) - 1];
  if (previous === undefined) return { boots: [], loose: [], notes: [] };
  const answer = await readJournalBoot(previous, access, isKnown);
  return typeof answer === "string" ? answer : { boots: [answer.boot], loose: [], notes: answer.notes };
}

/** That the boot before left nothing is the usual case. */
async function readQuietly(readIt: () => Promise<Material | string>): Promise<Material> {
  const material = await readIt().catch((error: unknown) => String(error));
  return typeof material === "string" ? { boots: [], loose: [], notes: [material] } : material;
}

import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { shippedConfigDirectory } from "../../src/places.ts";
import { readRecordings } from "../../src/replay/recording.ts";
import { replay } from "../../src/replay/replay.ts";
import { damageOf } from "../../src/store/database.ts";
import { markDamaged } from "../../src/store/quarantine.ts";
import type { Store } from "../../src/store/store.ts";
import { damagesOf, isIntact, place, wholeHistory } from "../helpers/damaged-histories.ts";
import { recordingPath } from "../helpers/recorded-tree.ts";
import { opened, sampleAttempt, signatures, withDirectory } from "./samples.ts";

const COUNT = Number(process.env.DAMAGES ?? 1);
const SEED = Number(process.env.DAMAGE_SEED ?? 1);

/** What can be asked of a history, by what it is asked for. */
function contentsOf(store: Store) {
  return {
    boots: new Map(store.boots.list().map(({ id, startedAt, end }) => [id, `${startedAt} ${end}`])),
    starts: new Map(
      store.attempts
        .list()
        .map((row) => [
          row.id,
          JSON.stringify([
            row.vm,
            row.bootId,
            row.openedAt,
            row.outcome,
            row.cause,
            row.devices,
            store.attempts.full(row.number, signatures)?.diagnosis?.causes[0]?.class,
          ]),
        ]),
    ),
    hotPlugs: new Map(store.hotPlugs.list().map((row) => [row.id, JSON.stringify(row)])),
    unfinished: new Map(
      store.unfinished.load().map((row) => [row.observation.identity, JSON.stringify(row)]),
    ),
    snapshots: new Map(
      store.snapshots.inOrder().flatMap((id) => {
        const snapshot = store.snapshots.get(id);
        return snapshot === undefined ? [] : [[id, JSON.stringify(snapshot.facts)] as const];
      }),
    ),
  };
}

/** What of the truth is there; anything else than the truth fails the test, unless a text in the file was changed. */
function shareOf(
  found: ReadonlyMap<string, string>,
  truth: ReadonlyMap<string, string>,
  mayDiffer: boolean,
): number {
  let same = 0;
  for (const [key, value] of found) {
    if (truth.get(key) === value) same++;
    else if (!mayDiffer) assert.equal(value, truth.get(key), key);
  }
  return same / truth.size;
}

test("nothing that this program writes is taken for damage", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "damaged.db");
    place(wholeHistory(directory), path);
    opened(path).close();
    assert.equal(damageOf(path), undefined);
    const { catalogue } = loadCatalogue({ shippedDirectory: join(shippedConfigDirectory(), "signatures") });
    for (const name of ["bios-update", "negative-controls", "starts-at-once"]) {
      const boots = readRecordings(recordingPath(name));
      assert.ok(!("problem" in boots));
      await replay(boots, catalogue, { use: (store) => assert.equal(damageOf(store.path), undefined) });
    }
  }));

function removeAll(directory: string): void {
  for (const name of readdirSync(directory))
    if (name.startsWith("damaged.db")) rmSync(join(directory, name), { recursive: true });
}

test("of a damaged history whole boots, whole starts and whole snapshots are saved, and only these", () =>
  withDirectory((directory) => {
    const whole = wholeHistory(directory);
    const path = join(directory, "damaged.db");
    place(whole, path);
    const sound = opened(path);
    const truth = contentsOf(sound);
    sound.close();
    const shares: string[] = [];
    let most = 0;
    for (const damage of damagesOf(whole, COUNT, SEED)) {
      removeAll(directory);
      place(damage, path);
      // As the service that found it damaged leaves it.
      markDamaged(path);
      const store = opened(path);
      const found = contentsOf(store);
      const mayDiffer = /bytes|texts/.test(damage.name);
      const [boots, starts, snapshots] = [
        shareOf(found.boots, truth.boots, mayDiffer),
        shareOf(found.starts, truth.starts, mayDiffer),
        shareOf(found.snapshots, truth.snapshots, mayDiffer),
      ];
      const [hotPlugs, unfinished] = [
        shareOf(found.hotPlugs, truth.hotPlugs, mayDiffer),
        shareOf(found.unfinished, truth.unfinished, mayDiffer),
      ];
      most = Math.max(most, Math.min(hotPlugs, unfinished));
      shares.push(
        `${damage.name}: ${[boots, starts, snapshots, hotPlugs, unfinished].map((share) => share.toFixed(2)).join(" ")}`,
      );
      store.attempts.save(sampleAttempt({ id: "after it" }), { origin: "live" });
      while (!store.prune({ now: Date.UTC(2030, 0, 1), maxAgeMs: 86_400_000, maxBytes: 1e12 }).done);
      store.close();
      assert.ok(isIntact(path), damage.name);
      if (/^log|^page (?!0 )/.test(damage.name)) assert.ok(starts > 0.6 && boots > 0.6, shares.at(-1));
    }
    assert.equal(
      most,
      1,
      "where the damage is elsewhere all hot-plugs are saved, and all that was unfinished",
    );
    if (process.env.DAMAGES !== undefined) console.log(shares.join("\n"));
  }));

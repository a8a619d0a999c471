import assert from "node:assert/strict";
import { test } from "node:test";
import { createDemandOrigins } from "../../src/history/demand-origin.ts";
import { type Bdf, bootId } from "../../src/model/identifiers.ts";
import {
  BIOS_A95,
  GPU_ADDRESS,
  good,
  hostFacts,
  type MadeBoot,
  storeHistory,
} from "../helpers/made-history.ts";
import { fact, START, snapshot, withStore } from "../store/samples.ts";

const DAY = 86_400_000;
const CARD = "10de:2805/1462:5074";

/** A boot a day whose firmware demands memory of the card's group from one of them on, with its next BIOS. */
function saveBoots(
  store: Parameters<Parameters<typeof withStore>[0]>[0],
  count: number,
  demandedFrom: number,
) {
  store.batched(() => {
    for (let index = 0; index < count; index++) {
      const isDemanded = index >= demandedFrom;
      const id = isDemanded ? "with" : "without";
      store.boots.begin({ id: bootId(`boot-${index}`), startedAt: START + index * DAY, origin: "live" });
      store.snapshots.save(
        snapshot(id, [
          fact("firmware.bios.version", isDemanded ? "A95" : "A63"),
          fact(`pci.${CARD}.address`, "0000:01:00.0"),
          fact("iommu.group.13.members", CARD),
          ...(isDemanded ? [fact("iommu.group.13.direct", "0x0 0x1000")] : []),
        ]),
      );
      store.snapshots.link({
        ...{ bootId: bootId(`boot-${index}`), at: START + index * DAY, snapshotId: id, reason: "start" },
      });
    }
  });
}

test("the first boot with the demand is found however far back, and what is read for one device serves all", () =>
  withStore((store) => {
    saveBoots(store, 400, 100);
    let reads = 0;
    const origins = createDemandOrigins({
      boots: store.boots,
      snapshots: {
        series(...asked) {
          reads += 1;
          return store.snapshots.series(...asked);
        },
      },
    });
    assert.deepEqual(origins("0000:01:00.0" as Bdf), {
      ...{ bios: "A95", since: START + 100 * DAY, biosWithout: "A63" },
    });
    const readForOne = reads;
    assert.equal(origins("0000:02:00.0" as Bdf), undefined);
    assert.equal(origins("0000:01:00.0" as Bdf)?.bios, "A95");
    assert.equal(reads, readForOne);
  }));

const A63: MadeBoot = { facts: hostFacts(), starts: [good()] };
const A95: MadeBoot = { facts: hostFacts(BIOS_A95), starts: [good()] };
const unread: MadeBoot = { facts: {}, starts: [good()], withoutSnapshot: true };
const times = (count: number, boot: MadeBoot) => Array.from({ length: count }, () => boot);

async function originIn(boots: readonly MadeBoot[], bdf: string = GPU_ADDRESS) {
  let found: unknown;
  await withStore((store) => {
    storeHistory(store, boots);
    const origin = createDemandOrigins(store)(bdf as Bdf);
    const ordinal = store.boots.list().find(({ startedAt }) => startedAt === origin?.since)?.ordinal;
    found = origin && [ordinal, origin.bios?.slice(-3), origin.biosWithout?.slice(-3)];
  });
  return found;
}

test("a demand is as old as the first of the boots in a row that have it", async () => {
  for (const [boots, origin] of [
    [
      [...times(2, A63), ...times(2, A95)],
      [3, "A95", "A63"],
    ],
    [
      [...times(2, A95), A63, A95],
      [4, "A95", "A63"],
    ],
    [times(2, A95), [1, "A95", undefined]],
    [times(2, A63), undefined],
    [[A95, A63], undefined],
    [[], undefined],
  ] as const)
    assert.deepEqual(await originIn(boots), origin);
});

test("a boot in which nobody could tell is passed over, and a device that is in none is of no age", async () => {
  assert.deepEqual(await originIn([A63, A95, unread, A95]), [2, "A95", "A63"]);
  assert.equal(await originIn(times(3, A95), "0000:09:00.0"), undefined);
  assert.equal(await originIn(times(3, A95), "0000:02:00.0"), undefined, "a device without a group");
});

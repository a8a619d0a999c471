import assert from "node:assert/strict";
import { test } from "node:test";
import { createDemandOrigins } from "../../src/history/demand-origin.ts";
import { type Bdf, bootId } from "../../src/model/identifiers.ts";
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

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createHostWatch } from "../../src/daemon/host-watch.ts";
import { createHostMemory } from "../../src/host/host-memory.ts";
import { createPciNames } from "../../src/host/pci-names.ts";
import { bootId } from "../../src/model/identifiers.ts";
import { GPU, kernel } from "../attempts/bench.ts";
import { createHostTree } from "../helpers/host-tree.ts";
import { START, withStore } from "../store/samples.ts";

/** How often the host was looked at when the kernel said these at these times (ms). */
async function looksAfter(
  context: TestContext,
  said: readonly (readonly [at: number, text: string])[],
  until: number,
): Promise<readonly string[]> {
  const looks: string[] = [];
  await withStore((store) => {
    const clock = createVirtualClock(START);
    const { paths } = createHostTree(context, {});
    const watch = createHostWatch({
      ...{ paths, clock, store, bootId: bootId("boot-1"), pciNames: createPciNames(paths) },
      ...{ memory: createHostMemory(), learned: () => ({}) },
      look: (reason) => looks.push(`${clock.now() - START} ${reason}`),
    });
    for (const [at, text] of said) {
      clock.moveTo(START + at);
      watch.learn(kernel(0, GPU, text), () => []);
    }
    clock.moveTo(START + until);
  });
  return looks;
}

test("the host is looked at again once it has woken up, or a card's link came back, and is calm", async (context) => {
  for (const text of [
    "PM: suspend exit",
    "pcieport 0000:00:03.1: pciehp: Slot(0): Link Up",
    "pci 0000:03:00.0: 31.504 Gb/s available PCIe bandwidth, limited by 2.5 GT/s PCIe x16 link at 0000:00:03.1",
  ])
    assert.deepEqual(
      await looksAfter(
        context,
        [
          [0, text],
          [300, text],
        ],
        600_000,
      ),
      ["5000 a card or the host was set up anew"],
      text,
    );
});

test("a card that is reset again and again is looked at once a minute, and nothing else the kernel says counts", async (context) => {
  const reset = "vfio-pci 0000:03:00.0: vfio_bar_restore: reset recovery - restoring BARs";
  const storm = Array.from({ length: 120 }, (_, second) => [second * 1_000, reset] as const);
  assert.equal((await looksAfter(context, storm, 600_000)).length, 3);
  assert.deepEqual(await looksAfter(context, [[0, "usb 1-1: new high-speed USB device"]], 600_000), []);
});

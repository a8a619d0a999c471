import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { createVirtualClock } from "../../src/clock.ts";
import { createMessageFinder } from "../../src/pipeline/message-finder.ts";

const directory = mkdtempSync(join(tmpdir(), "vfio-watch-messages-"));
after(() => rmSync(directory, { recursive: true, force: true }));
mkdirSync(join(directory, "messages"));
writeFileSync(
  join(directory, "messages", "messages.txt.gz"),
  gzipSync("= qemu 9.0.0\n@ hw/vfio/pci.c\n: f\nE the bridge %d is gone\n"),
);

const bridge = (number: number) => [
  { speaker: { kind: "qemu" } as const, text: `the bridge ${number} is gone` },
];

test("in a storm of failures only some are looked up, those of known words always, and more as time goes on", () => {
  const clock = createVirtualClock(0);
  const find = createMessageFinder(directory, clock);
  const isFound = (number: number) => find(bridge(number))[0] !== undefined;
  assert.deepEqual([1, 2, 3, 4, 5, 6].map(isFound), [true, true, true, true, false, false]);
  assert.ok(isFound(2), "the same words again");
  clock.moveTo(1_000);
  assert.deepEqual([5, 6].map(isFound), [true, false]);
  clock.moveTo(600_000);
  assert.deepEqual([6, 7, 8, 9, 10].map(isFound), [true, true, true, true, false]);
});

test("without the data everything is as unknown as it was", () => {
  const find = createMessageFinder(join(directory, "nowhere"), createVirtualClock(0));
  assert.deepEqual(find(bridge(1)), [undefined]);
});

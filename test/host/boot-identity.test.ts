import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { readBootId, readBootIdentity, wallTime } from "../../src/host/boot-identity.ts";
import { createHostPaths, type HostPaths } from "../../src/host-paths.ts";

const ID = "04e66956-15e4-4c43-b6e1-fe6d74abe0ee";

function host(t: TestContext, files: Record<string, string>): HostPaths {
  const root = mkdtempSync(join(tmpdir(), "boot-identity-"));
  t.after(() => rmSync(root, { recursive: true }));
  const paths = createHostPaths(root);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(paths.at(path), ".."), { recursive: true });
    writeFileSync(paths.at(path), content);
  }
  return paths;
}

const boot = (uptime: string) => ({
  "/proc/sys/kernel/random/boot_id": `${ID}\n`,
  "/proc/uptime": `${uptime} 18.86\n`,
});

test("the boot id and the time of boot come from the running kernel", (t) => {
  const identity = readBootIdentity({
    paths: host(t, boot("25.56")),
    clock: createVirtualClock(1_795_424_094_478),
  });
  assert.deepEqual(identity, {
    bootId: { state: "read", value: ID },
    bootedAt: { state: "read", value: 1_795_424_094_478 - 25_560 },
    monotonicZero: { state: "read", value: 1_795_424_094_478 - 25_560 },
  });
});

test("time spent suspended moves the zero of the kernel's clock, not the time of boot", (t) => {
  const identity = readBootIdentity({
    paths: host(t, boot("40000.00")),
    clock: createVirtualClock(100_000_000),
    monotonicNow: () => 10_000_000,
  });
  assert.deepEqual(identity.bootedAt, { state: "read", value: 60_000_000 });
  assert.deepEqual(identity.monotonicZero, { state: "read", value: 90_000_000 });
});

test("clocks that differ by less than a second, or the other way round, are no suspension", (t) => {
  for (const monotonic of [39_999_300, 50_000_000]) {
    const identity = readBootIdentity({
      paths: host(t, boot("40000.00")),
      clock: createVirtualClock(100_000_000),
      monotonicNow: () => monotonic,
    });
    assert.deepEqual(identity.monotonicZero, { state: "read", value: 60_000_000 });
  }
});

test("a kernel time stamp becomes a time of the world", () => {
  assert.equal(wallTime(24_264_264, 1_000_000_000_000), 1_000_000_024_264);
});

test("what is not there is absent and what makes no sense is unreadable", (t) => {
  const clock = createVirtualClock(0);
  const empty = readBootIdentity({ paths: host(t, {}), clock });
  assert.deepEqual(
    [empty.bootId.state, empty.bootedAt.state, empty.monotonicZero.state],
    ["absent", "absent", "absent"],
  );
  const nonsense = host(t, { "/proc/sys/kernel/random/boot_id": "no id\n", "/proc/uptime": "soon\n" });
  assert.deepEqual(readBootId(nonsense), {
    state: "unreadable",
    why: "/proc/sys/kernel/random/boot_id does not hold a boot id",
  });
  assert.equal(readBootIdentity({ paths: nonsense, clock }).bootedAt.state, "unreadable");
});

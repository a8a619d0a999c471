import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { bootId } from "../../src/model/identifiers.ts";
import type { Observation, ResumePoint } from "../../src/model/observation.ts";
import { read, unreadable } from "../../src/model/reading.ts";
import type { FollowEvents, KmsgDevice } from "../../src/sources/kernel-log/kmsg-device.ts";
import { createKernelLogSource } from "../../src/sources/kernel-log.ts";

const BOOT = bootId("04e66956-15e4-4c43-b6e1-fe6d74abe0ee");
const NOWHERE = createHostPaths("/nonexistent");
const NO_JOURNAL = ["/nonexistent/journalctl"] as const;

/** A ring of records like the kernel's, whose follower can be made to die. */
function createRing() {
  let records: { sequence: number; line: string }[] = [];
  let next = 0;
  let failure: string | undefined;
  const followers = new Set<FollowEvents>();
  const all = () => Buffer.from(records.map((record) => record.line).join(""));
  const device: KmsgDevice = {
    open() {
      if (failure !== undefined) throw Object.assign(new Error(failure), { code: failure });
      let given = false;
      return {
        read(buffer) {
          if (given) return 0;
          given = true;
          return all().copy(buffer);
        },
        close() {},
      };
    },
    follow(events) {
      followers.add(events);
      queueMicrotask(() => {
        if (followers.has(events) && records.length > 0) events.bytes(all(), true);
      });
      return {
        async stop() {
          followers.delete(events);
        },
      };
    },
  };
  return {
    device,
    write(text: string, options: { readonly us?: number; readonly priority?: number } = {}) {
      const { us = next * 1000, priority = 6 } = options;
      const line = `${priority},${next},${us},-;${text}\n`;
      records.push({ sequence: next++, line });
      for (const follower of followers) follower.bytes(Buffer.from(line), true);
    },
    /** The oldest records are overwritten. */
    keepNewest(count: number) {
      records = records.slice(-count);
    },
    /** The follower dies without anybody reading on. */
    kill() {
      for (const follower of [...followers]) {
        followers.delete(follower);
        follower.ended("dd ended (exit 1)");
      }
    },
    /** Records come while the follower is deaf. */
    silently(action: () => void) {
      const deaf = [...followers];
      followers.clear();
      action();
      for (const follower of deaf) followers.add(follower);
    },
    fail(code: string | undefined) {
      failure = code;
    },
    followers: () => followers.size,
  };
}

function createSource(ring: ReturnType<typeof createRing>, clock = createVirtualClock(1_000_000)) {
  const boot = { zero: 1_000_000 };
  const observations: Observation[] = [];
  const source = createKernelLogSource({
    paths: NOWHERE,
    clock,
    bootIdentity: () => ({
      bootId: read(BOOT),
      bootedAt: read(boot.zero),
      monotonicZero: read(boot.zero),
    }),
    device: ring.device,
    journalctl: NO_JOURNAL,
  });
  const told = () =>
    observations.map((o) =>
      o.kind === "kernel-record" ? o.text : o.kind === "gap" ? `lost ${o.lost}` : o.kind,
    );
  return {
    source,
    boot,
    clock,
    observations,
    told,
    start: (resume?: ResumePoint) =>
      source.start(
        (observation) => observations.push(observation),
        new Map(resume === undefined ? [] : [[resume.key, resume.value]]),
      ),
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("the kernel log source", () => {
  test("tells what is there, then what comes, each once", async () => {
    const ring = createRing();
    ring.write("first");
    ring.write("second");
    const { source, start, told } = createSource(ring);
    await start();
    assert.deepEqual(told(), ["first", "second"]);
    await settled();
    ring.write("third");
    assert.deepEqual(told(), ["first", "second", "third"]);
    assert.deepEqual(source.health().state, {
      state: "live",
      detail: "following /dev/kmsg, read to record 2",
    });
    await source.stop();
    ring.write("fourth");
    assert.deepEqual(told(), ["first", "second", "third"]);
    assert.equal(ring.followers(), 0);
  });

  test("goes on after the resume point of the last observation", async () => {
    const ring = createRing();
    ring.write("first");
    ring.write("second");
    const before = createSource(ring);
    await before.start();
    await before.source.stop();
    ring.write("third");
    const after = createSource(ring);
    await after.start(before.observations.at(-1)?.resume);
    await settled();
    assert.deepEqual(after.told(), ["third"]);
    await after.source.stop();
  });

  test("moves its position over records that no one is told of", async () => {
    const ring = createRing();
    ring.write("kernel");
    ring.write("program", { priority: 14 });
    const before = createSource(ring);
    await before.start();
    await before.source.stop();
    const position = before.source.position();
    assert.deepEqual(JSON.parse(position?.value ?? ""), { bootId: BOOT, sequence: 1, monotonicUs: 1000 });
    ring.keepNewest(0);
    ring.write("next");
    const after = createSource(ring);
    await after.start(position);
    assert.deepEqual(after.told(), ["next"]);
    await after.source.stop();
  });

  test("reads everything anew when the stored position is of another boot, or makes no sense", async () => {
    for (const value of [
      JSON.stringify({ bootId: "11111111-15e4-4c43-b6e1-fe6d74abe0ee", sequence: 5 }),
      "{",
      "null",
      JSON.stringify({ bootId: BOOT, sequence: "5" }),
    ]) {
      const ring = createRing();
      ring.write("first");
      const { source, start, told } = createSource(ring);
      await start({ key: "kernel-log", value });
      assert.deepEqual(told(), ["first"], value);
      await source.stop();
    }
  });

  test("tells the exact number of records that were overwritten", async () => {
    const ring = createRing();
    ring.write("first");
    const { source, start, told, observations } = createSource(ring);
    await start();
    await settled();
    ring.silently(() => {
      for (let count = 0; count < 7; count++) ring.write("unheard");
    });
    ring.write("heard");
    assert.deepEqual(told(), ["first", "lost 7", "heard"]);
    const gap = observations[1];
    assert.equal(gap?.identity, `${BOOT}:gap:1`);
    assert.equal(
      gap?.kind === "gap" && gap.detail,
      "kernel log: 7 records overwritten in the kernel's buffer before they could be read",
    );
    assert.equal(source.health().lost, 7);
    await source.stop();
  });

  test("survives its child: what came in between is told when it ends", async () => {
    const ring = createRing();
    ring.write("first");
    const { source, start, told, clock } = createSource(ring);
    await start();
    await settled();
    ring.silently(() => ring.write("unheard"));
    ring.kill();
    assert.deepEqual(told(), ["first", "unheard"]);
    assert.equal(ring.followers(), 0);
    ring.write("also unheard");
    clock.moveTo(clock.now() + 5000);
    assert.equal(ring.followers(), 1);
    await settled();
    assert.deepEqual(told(), ["first", "unheard", "also unheard"]);
    assert.equal(source.health().state.state, "live");
    await source.stop();
  });

  test("starts a dying child ever more seldom, at least every five seconds, and drains each time", async () => {
    const ring = createRing();
    const { source, start, told, clock } = createSource(ring);
    await start();
    await settled();
    const waits: number[] = [];
    for (let deaths = 0; deaths < 8; deaths++) {
      ring.kill();
      const from = clock.now();
      while (ring.followers() === 0) clock.moveTo(clock.now() + 100);
      waits.push(clock.now() - from);
    }
    assert.deepEqual(waits, [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    ring.silently(() => ring.write("unheard"));
    ring.kill();
    assert.deepEqual(told(), ["unheard"]);
    await source.stop();
  });

  test("waits with a reason and a remedy where nothing can be read, and reads as soon as it can", async () => {
    const ring = createRing();
    ring.write("first");
    ring.fail("EPERM");
    const { source, start, told, clock } = createSource(ring);
    await start();
    const { state } = source.health();
    assert.ok(state.state === "waiting");
    assert.equal(
      state.why,
      "/dev/kmsg may not be read (EPERM); /nonexistent/journalctl cannot be run (ENOENT); no log file of a " +
        "syslog daemon can be read (/var/log/syslog: ENOENT, /var/log/messages: ENOENT, /var/log/kern.log: ENOENT)",
    );
    assert.equal(
      state.remedy,
      "run as root or with CAP_SYSLOG, and without printk.devkmsg=off on the kernel command line",
    );
    ring.fail(undefined);
    clock.moveTo(clock.now() + 1000);
    await settled();
    assert.deepEqual(told(), ["first"]);
    assert.equal(source.health().state.state, "live");
    await source.stop();
  });

  test("waits when the device breaks, and goes on where it was", async () => {
    const ring = createRing();
    ring.write("first");
    const { source, start, told, clock } = createSource(ring);
    await start();
    await settled();
    ring.fail("EIO");
    ring.kill();
    assert.deepEqual(source.health().state, {
      state: "waiting",
      why: "/dev/kmsg cannot be read (EIO)",
      remedy: "nothing: it is tried again by itself",
    });
    ring.fail(undefined);
    ring.write("second");
    clock.moveTo(clock.now() + 1000);
    await settled();
    assert.deepEqual(told(), ["first", "second"]);
    await source.stop();
  });

  test("waits where the boot cannot be told", async () => {
    const source = createKernelLogSource({
      paths: NOWHERE,
      clock: createVirtualClock(0),
      bootIdentity: () => ({
        bootId: unreadable("boot_id cannot be read (EACCES)"),
        bootedAt: unreadable(""),
        monotonicZero: unreadable(""),
      }),
      device: createRing().device,
    });
    await source.start(() => assert.fail("nothing can be told"), new Map());
    assert.deepEqual(source.health().state, {
      state: "waiting",
      why: "the boot cannot be told: boot_id cannot be read (EACCES)",
      remedy: "mount /proc",
    });
    await source.stop();
  });
});

describe("the time of a record", () => {
  test("is its own stamp, in the backlog as in what comes", async () => {
    const ring = createRing();
    const { source, start, observations, clock } = createSource(ring);
    clock.moveTo(1_060_000);
    ring.write("old", { us: 5_000_000 });
    await start();
    await settled();
    ring.write("new", { us: 59_999_000 });
    assert.deepEqual(
      observations.map(({ at, exactTime }) => ({ at, exactTime })),
      [
        { at: 1_005_000, exactTime: true },
        { at: 1_059_999, exactTime: true },
      ],
    );
    await source.stop();
  });

  test("is never after its arrival", async () => {
    const ring = createRing();
    const { source, start, observations } = createSource(ring);
    await start();
    await settled();
    ring.write("early", { us: 8_000 });
    assert.equal(observations[0]?.at, 1_000_000);
    await source.stop();
  });

  test("is measured anew after the machine slept or its clock was set", async () => {
    const ring = createRing();
    const { source, start, observations, clock, boot } = createSource(ring);
    await start();
    await settled();
    clock.moveTo(50_000_000);
    boot.zero = 40_000_000;
    ring.write("after the sleep", { us: 9_999_000_000 });
    assert.equal(observations[0]?.at, 49_999_000);
    await source.stop();
  });
});

import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createMetricsFile, ENDED } from "../../src/daemon/metrics-file.ts";
import { renderMetrics } from "../../src/report/metrics.ts";

function kept(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-metrics-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const place = join(directory, "out/vfio-watch.prom");
  mkdirSync(join(directory, "out"));
  const clock = createVirtualClock(Date.UTC(2026, 11, 1));
  const lines: string[] = [];
  const state = { health: "live", file: place, printed: "", runs: 0 };
  const keeper = createMetricsFile({
    ...{ clock, directory, environment: {}, command: ["vfio-watch", "status", "--metrics"] },
    ...{ file: () => state.file, health: () => state.health },
    log: { warn: (line) => lines.push(line) },
    print() {
      state.runs += 1;
      return { made: Promise.resolve({ text: state.printed }), stop: () => {} };
    },
  });
  return {
    ...{ keeper, clock, lines, place, state },
    /** As the service does at each turn. */
    async look() {
      clock.moveTo(clock.now() + 15_000);
      keeper.look();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

const UP = "vfio_watch_up 1\n";

test("the file is written when something else is said, and not for what changes all the time", async (context) => {
  const { keeper, look, place, state } = kept(context);
  state.printed = `${UP}vfio_watch_resident_memory_bytes 1\nvfio_watch_observations_total{source="libvirt"} 1\n`;
  await look();
  const { ino, mode } = statSync(place);
  assert.equal(mode & 0o777, 0o644, "node_exporter runs as somebody else");
  state.printed = `${UP}vfio_watch_resident_memory_bytes 2\nvfio_watch_observations_total{source="libvirt"} 9\n`;
  keeper.note();
  await look();
  assert.deepEqual([state.runs, statSync(place).ino], [2, ino]);
  state.printed = `${UP}vfio_watch_last_start_failed{vm="a"} 1\n`;
  keeper.note();
  await look();
  assert.match(readFileSync(place, "utf8"), /last_start_failed/);
  assert.deepEqual(readdirSync(join(place, "..")), ["vfio-watch.prom"]);
});

test("while nothing happens no child is started, until the file would seem to be left behind", async (context) => {
  const { look, place, clock, state } = kept(context);
  state.printed = UP;
  await look();
  const { ino } = statSync(place);
  for (let minute = 0; minute < 3; minute += 1) await look();
  assert.equal(state.runs, 1);
  state.health = "waiting";
  await look();
  assert.equal(state.runs, 2, "a source that sees nothing any more is news");
  clock.moveTo(clock.now() + 3_600_000);
  await look();
  assert.deepEqual([state.runs, statSync(place).ino === ino], [3, false]);
});

test("where it cannot be written that is told once, and tried again", async (context) => {
  const { look, place, lines, clock, state } = kept(context);
  state.printed = UP;
  state.file = "/nonexistent/vfio-watch.prom";
  for (let round = 0; round < 8; round += 1) await look();
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /\/nonexistent\/vfio-watch\.prom/);
  state.file = place;
  clock.moveTo(clock.now() + 60_000);
  await look();
  assert.equal(readFileSync(place, "utf8"), UP);
});

test("without a file nothing is started, and a link that lies beside it is not written through", async (context) => {
  const { look, place, state } = kept(context);
  state.printed = UP;
  state.file = "";
  await look();
  assert.equal(state.runs, 0);
  state.file = place;
  symlinkSync(join(place, "../victim"), `${place}.new`);
  await look();
  assert.deepEqual([existsSync(join(place, "../victim")), readFileSync(place, "utf8")], [false, UP]);
});

test("at its end the file says that nobody watches any more", async (context) => {
  const { keeper, look, place, state } = kept(context);
  state.printed = UP;
  await look();
  keeper.stop();
  assert.equal(readFileSync(place, "utf8"), ENDED);
  assert.equal(ENDED, renderMetrics({ service: undefined, history: undefined }));
});

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { EXIT } from "../../src/cli/command.ts";
import { runtimeDirectory, stateFile, writeRuntimeState } from "../../src/daemon/runtime-state.ts";
import { runProgram } from "../helpers/command-io.ts";
import { BOOT, opened, START, sampleAttempt, withDirectory } from "../store/samples.ts";

/** A host with a history, and with a service that runs where `pid` is given. */
async function withHost(
  pid: number | undefined,
  use: (env: NodeJS.ProcessEnv) => Promise<void>,
): Promise<void> {
  await withDirectory(async (directory) => {
    const env = {
      VFIO_WATCH_ROOT: directory,
      VFIO_WATCH_DATABASE: join(directory, "history.db"),
      VFIO_WATCH_RUNTIME_DIRECTORY: join(directory, "run"),
      VFIO_WATCH_CONFIG: join(directory, "vfio-watch.cfg"),
    };
    const store = opened(env.VFIO_WATCH_DATABASE);
    store.attempts.save(sampleAttempt(), { origin: "live" });
    store.close();
    if (pid !== undefined) {
      writeRuntimeState(stateFile(runtimeDirectory(env)), {
        version: "1.2.3",
        pid,
        bootId: BOOT,
        startedAt: START,
        writtenAt: Date.now(),
        database: env.VFIO_WATCH_DATABASE,
        sources: [
          {
            name: "kernel-log",
            state: { state: "live", detail: "following /dev/kmsg" },
            since: START,
            seen: 5,
            lastSeenAt: START,
            lost: 0,
            skipped: 0,
          },
        ],
        problems: [],
        lastObservationAt: START,
        memory: { rssBytes: 60 * 1048576, heapBytes: 1 },
      });
    }
    await use(env);
  });
}

describe("status", () => {
  it("says in its first line that nothing watches, and still shows what is on record", () =>
    withHost(undefined, async (env) => {
      const { code, out } = await runProgram(["status"], env);
      assert.equal(code, EXIT.failure);
      assert.match(out, /^The service is not running\./);
      assert.match(out, /1 start\b/);
      assert.match(out, /Windows 11/);
    }));

  it("shows each source of a running service", () =>
    withHost(process.pid, async (env) => {
      const { code, out } = await runProgram(["status"], env);
      assert.equal(code, EXIT.ok);
      assert.match(out, /^Watching since .*version 1\.2\.3, pid \d+, 60 MB/);
      assert.match(out, /kernel-log +live +5 seen.*following \/dev\/kmsg/);
    }));

  it("gives numbers to a collector, with success also while nothing watches: the numbers say so", () =>
    withHost(undefined, async (env) => {
      const { code, out } = await runProgram(["status", "--metrics"], env);
      assert.equal(code, EXIT.ok);
      assert.match(out, /^vfio_watch_up 0$/m);
      assert.match(out, /^vfio_watch_last_start_failed\{vm="Windows 11"\} 1$/m);
    }));

  it("does not choose between two forms of answer", () =>
    withHost(undefined, async (env) => {
      const { code, err } = await runProgram(["status", "--json", "--metrics"], env);
      assert.equal(code, EXIT.usage);
      assert.match(err, /--json or --metrics/);
    }));
});

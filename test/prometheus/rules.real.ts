import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { vmName } from "../../src/model/identifiers.ts";
import { renderMetrics } from "../../src/report/metrics.ts";
import { needsPrograms } from "../helpers/needs.ts";
import { BOOT, GPU, START } from "../store/samples.ts";

const skip = needsPrograms("promtool", "amtool");
const project = join(import.meta.dirname, "../..");

function run(program: string, args: readonly string[], input = "") {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: project, input, encoding: "utf8" });
  return { status, said: `${stdout}${stderr}` };
}

test("promtool finds nothing to say of the metrics, whatever VMs are called", { skip }, () => {
  const vms = ["Windows 11", 'a"b\\c', "line\nbreak", "same\u0001", "same\u0002", "вм", ""];
  const text = renderMetrics({
    service: {
      ...{ version: "1.0", pid: 1, bootId: BOOT, startedAt: START, writtenAt: START, database: "history.db" },
      sources: [
        {
          name: "kernel-log",
          state: { state: "live", detail: "/dev/kmsg" },
          ...{ since: START, seen: 3, lastSeenAt: START, lost: 1, skipped: 0 },
        },
      ],
      ...{ problems: [], lastObservationAt: START, memory: { rssBytes: 1, heapBytes: 1 } },
    },
    host: {
      board_vendor: "MSI",
      board: 'X870E "C"',
      bios: "1.A63",
      bios_date: "",
      agesa: "",
      kernel: "6.12",
    },
    vms: vms.map((vm) => ({ vm, willStart: false, class: "device-lost" })),
    history: {
      ...{ bytes: 4096, openIncidents: 1 },
      channels: [
        { channel: "mail", pending: 1, givenUp: 0, lastError: undefined, lastDeliveredAt: undefined },
      ],
      tallies: vms.map((vm, at) => ({
        ...{
          vm: vmName(vm),
          bootId: BOOT,
          bootOrdinal: 1,
          outcome: "failed" as const,
          cause: "device-lost" as const,
        },
        ...{ devices: [GPU], snapshotId: undefined, origin: "live" as const, count: 1 },
        ...{ firstAt: START, lastAt: START, firstNumber: at, lastNumber: at },
      })),
    },
  });
  assert.deepEqual(run("promtool", ["check", "metrics"], text), { status: 0, said: "" });
});

test("the rules are right, and alarm when they should and not else", { skip }, () => {
  const checked = run("promtool", ["check", "rules", "config/prometheus/vfio-watch.rules.yml"]);
  assert.equal(checked.status, 0, checked.said);
  const tested = run("promtool", ["test", "rules", "test/prometheus/rules.test.yml"]);
  assert.equal(tested.status, 0, tested.said);
});

test("Alertmanager takes the example", { skip }, () => {
  const { status, said } = run("amtool", ["check-config", "config/prometheus/alertmanager.example.yml"]);
  assert.equal(status, 0, said);
});

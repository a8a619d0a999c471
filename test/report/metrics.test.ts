import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { RuntimeState } from "../../src/daemon/runtime-state.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { renderMetrics } from "../../src/report/metrics.ts";
import { BOOT, GPU, START, sampleAttempt, withStore } from "../store/samples.ts";

const SERVICE: RuntimeState = {
  version: "1.2.3",
  pid: 1,
  bootId: BOOT,
  startedAt: START,
  writtenAt: START,
  database: "history.db",
  sources: [
    {
      name: "kernel-log",
      state: { state: "live", detail: "/dev/kmsg" },
      since: START,
      seen: 12,
      lastSeenAt: START,
      lost: 312,
      skipped: 1,
    },
    {
      name: "libvirt",
      state: { state: "waiting", why: "no socket", remedy: "install libvirt" },
      since: START,
      seen: 0,
      lastSeenAt: undefined,
      lost: 0,
      skipped: 0,
    },
  ],
  problems: [],
  lastObservationAt: undefined,
  memory: { rssBytes: 64_000_000, heapBytes: 1 },
};

/** The grammar of the text format: what a collector refuses is lost to whoever watches. */
const LINE =
  /^(?:# HELP vfio_watch_[a-z_]+ [^\n]+|# TYPE vfio_watch_[a-z_]+ (?:gauge|counter)|vfio_watch_[a-z_]+(?:\{[a-z]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z]+="(?:[^"\\\n]|\\[\\"n])*")*\})? -?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;

describe("metrics for a collector", () => {
  it("says that the service is not there, and nothing that it cannot know", () => {
    assert.equal(
      renderMetrics({ service: undefined, history: undefined }),
      "# HELP vfio_watch_up Whether the service runs.\n# TYPE vfio_watch_up gauge\nvfio_watch_up 0\n",
    );
  });

  it("shows which source is live, and how many records were lost", () => {
    const lines = renderMetrics({ service: SERVICE, history: undefined }).split("\n");
    for (const line of [
      "vfio_watch_up 1",
      'vfio_watch_source_up{source="kernel-log"} 1',
      'vfio_watch_source_up{source="libvirt"} 0',
      'vfio_watch_records_lost_total{source="kernel-log"} 312',
      `vfio_watch_started_timestamp_seconds ${START / 1000}`,
    ])
      assert.ok(lines.includes(line), `${line} in\n${lines.join("\n")}`);
  });

  it("counts starts by outcome and takes the newest in time for the last one, also beside imported ones", () =>
    withStore((store) => {
      const vm = vmName("Windows 11");
      store.attempts.save(sampleAttempt({ id: "a", vm, openedAt: START, outcome: "failed" }), {
        origin: "live",
      });
      store.attempts.save(sampleAttempt({ id: "b", vm, openedAt: START - 9000, outcome: "started" }), {
        origin: "imported",
      });
      const text = renderMetrics({
        service: undefined,
        history: { bytes: 1, tallies: store.attempts.tallies(), channels: [], openIncidents: 1 },
      });
      const lines = text.split("\n");
      for (const line of [
        'vfio_watch_starts{vm="Windows 11",outcome="failed"} 1',
        'vfio_watch_starts{vm="Windows 11",outcome="started"} 1',
        'vfio_watch_last_start_failed{vm="Windows 11"} 1',
        "vfio_watch_open_incidents 1",
      ])
        assert.ok(lines.includes(line), `${line} in\n${text}`);
    }));

  it("keeps to the grammar whatever a VM is called", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1 }), (name) => {
        const text = renderMetrics({
          service: SERVICE,
          history: {
            bytes: 4096,
            openIncidents: 0,
            channels: [
              {
                channel: name,
                pending: 1,
                givenUp: 0,
                lastError: undefined,
                lastDeliveredAt: undefined,
              },
            ],
            tallies: [
              {
                vm: vmName(name),
                bootId: BOOT,
                bootOrdinal: 1,
                outcome: "failed",
                cause: undefined,
                devices: [GPU],
                snapshotId: undefined,
                origin: "live",
                count: 3,
                firstAt: START,
                lastAt: START,
                firstNumber: 1,
                lastNumber: 3,
              },
            ],
          },
        });
        for (const line of text.trimEnd().split("\n")) assert.match(line, LINE);
      }),
    );
  });

  it("shows what the machine is and whether VMs would start, each sample once", () => {
    const host = {
      board_vendor: "MSI",
      board: "X870E",
      bios: "1.A63",
      bios_date: "",
      agesa: "",
      kernel: "6.12",
    };
    const outlook = (vm: string, willStart: boolean) => ({
      vm,
      willStart,
      class: willStart ? "" : "device-lost",
    });
    const text = renderMetrics({
      ...{ service: undefined, history: undefined, host },
      vms: [outlook("a", false), outlook("b", true), outlook("x\u0001", true), outlook("x\u0002", true)],
    });
    const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    assert.deepEqual(samples.slice(1), [
      'vfio_watch_host_info{board_vendor="MSI",board="X870E",bios="1.A63",bios_date="",agesa="",kernel="6.12"} 1',
      'vfio_watch_will_start{vm="a",class="device-lost"} 0',
      'vfio_watch_will_start{vm="b",class=""} 1',
      'vfio_watch_will_start{vm="x\ufffd",class=""} 1',
    ]);
  });

  it("shows the VMs that were started last where there are very many, and says how many are left out", () => {
    const tallies = Array.from({ length: 300 }, (_tally, at) => ({
      ...{
        vm: vmName(`vm ${at}`),
        bootId: BOOT,
        bootOrdinal: 1,
        outcome: "started" as const,
        cause: undefined,
      },
      ...{ devices: [GPU], snapshotId: undefined, origin: "live" as const, count: 1 },
      ...{ firstAt: START + at, lastAt: START + at, firstNumber: at, lastNumber: at },
    }));
    const history = { bytes: 1, openIncidents: 0, channels: [], tallies };
    const text = renderMetrics({ service: undefined, history });
    assert.match(text, /^vfio_watch_vms_left_out 100$/m);
    assert.equal(text.match(/^vfio_watch_starts\{/gm)?.length, 200);
    assert.match(text, /vm="vm 299"/);
    assert.doesNotMatch(text, /vm="vm 99"/);
  });
});

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { askBlame } from "../../src/history/ask-blame.ts";
import type { StartAttempt } from "../../src/model/attempt.ts";
import { vmName } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import { PIPELINE_DEFAULTS } from "../../src/pipeline/options.ts";
import { createPipeline } from "../../src/pipeline/pipeline.ts";
import { shippedConfigDirectory } from "../../src/places.ts";
import { FIRST_SNAPSHOT, type RecordedBoot, readRecordings } from "../../src/replay/recording.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { recordedHost } from "../helpers/recorded-tree.ts";

const RECORDINGS = join(import.meta.dirname, "..", "fixtures", "recordings");
const { catalogue } = loadCatalogue({ shippedDirectory: join(shippedConfigDirectory(), "signatures") });
const byId = new Map(catalogue.signatures.map((signature) => [signature.id, signature]));

function recording(name: string): RecordedBoot {
  const boots = readRecordings(join(RECORDINGS, name));
  if ("problem" in boots) assert.fail(boots.problem);
  const [boot] = boots;
  assert.ok(boot);
  return boot;
}

function database(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-pipeline-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "history.db");
}

function open(path: string, now: () => number): Store {
  const opened = openStore({ path, clock: { now } });
  assert.equal(opened.state, "open");
  return opened.store;
}

/** A service that runs on a recording from `from` to `until` in the order of time, then is killed or stops. */
function serve(
  boot: RecordedBoot,
  store: Store,
  options: { readonly backlog: boolean; readonly observations?: readonly Observation[] },
): { readonly told: StartAttempt[]; readonly flush: () => void; readonly rest: () => void } {
  const observations = options.observations ?? boot.observations;
  const end = observations.at(-1)?.at ?? boot.bootedAt;
  const clock = createVirtualClock(options.backlog ? end + 60_000 : boot.bootedAt);
  const told: StartAttempt[] = [];
  const host = recordedHost(join(boot.directory, FIRST_SNAPSHOT));
  const pipeline = createPipeline({
    clock,
    store,
    matcher: createMatcher(catalogue),
    signatures: (id) => byId.get(id),
    bootId: boot.bootId,
    settings: PIPELINE_DEFAULTS,
    origin: "live",
    readHost: (vms) => ({ ...host, vms: { state: "read", value: vms } }),
    takeSnapshot: () => undefined,
    onSettled: (attempt) => told.push(attempt),
    afterSettled: () => {},
    askState: () => {},
    onTrouble: (trouble) => assert.fail(trouble.why),
  });
  if (!options.backlog) pipeline.release();
  for (const observation of observations) {
    clock.moveTo(Math.max(clock.now(), observation.at));
    pipeline.observe(observation);
  }
  if (options.backlog) pipeline.release();
  return { told, flush: pipeline.flush, rest: () => clock.moveTo(clock.now() + 1_000_000) };
}

/** What can still be read later: logs, but neither libvirt's events nor the states of the time. */
const readableLater = (observation: Observation) =>
  observation.source !== "libvirt" || observation.kind === "vm-inventory";

describe("the way of an observation", () => {
  it("explains a device in use though the other VM has long ended when the service starts", (context) => {
    const boot = recording("in-use");
    const store = open(database(context), () => boot.bootedAt);
    context.after(() => store.close());
    const { told, rest } = serve(boot, store, {
      backlog: true,
      observations: boot.observations.filter(readableLater),
    });
    rest();
    const failed = told.filter(({ outcome }) => outcome === "failed");
    assert.deepEqual(
      failed.map(({ vm, diagnosis }) => [vm, diagnosis?.causes[0]?.class]),
      [["Windows 11", "device-busy"]],
    );
    assert.match(failed[0]?.diagnosis?.summary ?? "", /'other'/);
  });

  it("tells once, and who has the device, of a VM that lost it to one whose log began a second later", (context) => {
    const boot = recording("starts-at-once");
    const store = open(database(context), () => boot.bootedAt);
    const { told, rest } = serve(boot, store, { backlog: false });
    rest();
    const lost = told.filter(({ vm }) => vm === "pb");
    assert.deepEqual(
      lost.map(({ diagnosis }) => diagnosis?.causes[0]?.signature),
      ["state.in-use-by-vm"],
    );
    assert.match(lost[0]?.diagnosis?.summary ?? "", /in use by the running VM 'pa'/);
    store.close();
  });

  it("tells nothing twice and keeps one row when the service is killed at any observation and reads all again", (context) => {
    const boot = recording("rmrr-intel");
    const interesting = boot.observations.filter(
      ({ source }) => source !== "kernel-log" || boot.observations.length < 50,
    );
    const kernel = boot.observations.filter(
      (observation) => observation.kind === "kernel-record" && /1:1 IOMMU mapping/.test(observation.text),
    );
    const observations = [...interesting, ...kernel].sort((a, b) => a.at - b.at);
    for (let killedAt = 1; killedAt < observations.length; killedAt += 1) {
      const path = database(context);
      const first = open(path, () => boot.bootedAt);
      const before = serve(boot, first, { backlog: false, observations: observations.slice(0, killedAt) });
      before.flush();
      first.close();
      const second = open(path, () => boot.bootedAt);
      const after = serve(boot, second, { backlog: true, observations: observations.filter(readableLater) });
      after.rest();
      const rows = second.attempts.list({});
      assert.deepEqual(
        rows.map(({ vm, outcome, cause }) => [vm, outcome, cause]),
        [["Windows 11", "failed", "iommu-direct-mapping-required"]],
        `killed after observation ${killedAt}`,
      );
      second.close();
    }
  });

  it("makes a failed start of an unknown VM of what the kernel alone says, and blame by device finds it", (context) => {
    const boot = recording("rmrr-intel");
    const store = open(database(context), () => boot.bootedAt);
    context.after(() => store.close());
    const { rest } = serve(boot, store, {
      backlog: false,
      observations: boot.observations.filter(({ kind }) => kind === "kernel-record"),
    });
    rest();
    const [start, ...others] = store.attempts.list({});
    assert.deepEqual(others, []);
    const device = start?.devices[0];
    assert.deepEqual(
      [start?.vm, start?.outcome, start?.cause],
      [`unknown VM (${device})`, "failed", "iommu-direct-mapping-required"],
    );
    const blame = askBlame(store, { device: device ?? "" });
    assert.deepEqual([blame.blame.bad, blame.blame.failure], [1, "iommu-direct-mapping-required"]);
  });

  it("explains a start of Proxmox by QEMU's words, the kernel's and its own", (context) => {
    const boot = recording("rmrr-intel");
    const kernel = boot.observations.filter(
      (observation) => observation.kind === "kernel-record" && /1:1 IOMMU mapping/.test(observation.text),
    );
    const at = (kernel[0]?.at ?? 0) - 400;
    const device = kernel.find((observation) => observation.kind === "kernel-record")?.device;
    const upid = "UPID:pve:00002BF8:0002E7BB:6B0B60AB:qmstart:101:root@pam:";
    const base = {
      source: "proxmox",
      at,
      exactTime: true,
      bootId: boot.bootId,
      vm: vmName("101 (win11)"),
    } as const;
    const explained = (texts: readonly string[], others: readonly Observation[] = []) => {
      const store = open(database(context), () => boot.bootedAt);
      context.after(() => store.close());
      const said = texts.map(
        (text, index): Observation => ({
          ...base,
          kind: "domain-log-line",
          identity: `${upid}:${index}`,
          text,
        }),
      );
      const start: Observation = {
        ...{ ...base, kind: "domain-log-start", identity: `${upid}:start` },
        devices: device === undefined || others.length === 0 ? [] : [device],
        isWhole: true,
      };
      const end: Observation = {
        ...{ ...base, kind: "domain-log-end", identity: `${upid}:end` },
        ...{ at: at + 1500, reason: "failed" },
      };
      const { told, rest } = serve(boot, store, {
        backlog: false,
        observations: [start, ...others, ...said, end].toSorted((a, b) => a.at - b.at),
      });
      rest();
      return told.map(({ vm, outcome, evidence, diagnosis }) => [
        ...[vm, outcome, diagnosis?.causes[0]?.class],
        evidence.some(({ observation }) => observation.kind === "kernel-record"),
      ]);
    };
    const refused = `kvm: -device vfio-pci,host=${device},id=hostpci0: vfio ${device}: failed to setup container for group 8: Failed to set group container: Invalid argument`;
    assert.deepEqual(
      explained([refused, "TASK ERROR: start failed: QEMU exited with code 1"], kernel).at(-1),
      ["101 (win11)", "failed", "iommu-direct-mapping-required", true],
    );
    for (const [text, cause] of [
      ["TASK ERROR: PCI device '0000:09:00.0' already in use by VMID '102'", "device-busy"],
      ["TASK ERROR: could not find a free device for 'hostpci0'", "device-busy"],
      ["TASK ERROR: cannot prepare PCI pass-through, IOMMU not present", "iommu-not-enabled"],
      ["TASK ERROR: can't unbind/bind PCI group to VFIO '0000:09:00.0'", "driver-binding"],
      ["TASK ERROR: no pci device info for device '0000:09:00.0'", "device-missing"],
      ["TASK ERROR: no PCI device found for '0000:09:00'", "device-missing"],
      ["TASK ERROR: PCI device mapping not found for 'gpu'", "device-missing"],
    ] as const) {
      assert.deepEqual(explained([text]).at(-1)?.slice(0, 3), ["101 (win11)", "failed", cause], text);
    }
  });

  it("stores nothing of what the kernel of a healthy host says while it boots", (context) => {
    const boot = recording("good-intel");
    const store = open(database(context), () => boot.bootedAt);
    context.after(() => store.close());
    const { flush } = serve(boot, store, {
      backlog: false,
      observations: boot.observations.filter(({ kind }) => kind === "kernel-record"),
    });
    flush();
    assert.deepEqual(store.sightings.list({}), []);
  });

  it("counts a flood of one kernel message in one row", (context) => {
    const boot = recording("good-intel");
    const store = open(database(context), () => boot.bootedAt);
    context.after(() => store.close());
    const flood = Array.from(
      { length: 20_000 },
      (_, index): Observation => ({
        kind: "kernel-record",
        source: "kernel-log",
        at: boot.bootedAt + 10_000 + index,
        exactTime: true,
        bootId: boot.bootId,
        identity: `${boot.bootId}:${100_000 + index}`,
        sequence: 100_000 + index,
        level: 3,
        text: "AMD-Vi: Completion-Wait loop timed out",
      }),
    );
    const { flush } = serve(boot, store, { backlog: false, observations: flood });
    flush();
    const rows = store.sightings.list({});
    assert.deepEqual(
      rows.map(({ count }) => count),
      [20_000],
    );
  });

  it("keeps with its boot what happens to a host beside starts: sleep, lost cards, links and storms", (context) => {
    const boot = recording("good-intel");
    const store = open(database(context), () => boot.bootedAt);
    context.after(() => store.close());
    const events = [
      "PM: suspend entry (deep)",
      "PM: suspend exit",
      "NVRM: Xid (PCI:0000:2d:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
      "pcieport 0000:00:03.1: pciehp: Slot(5): Link Down",
      "aer_ratelimit: 9 callbacks suppressed",
      "INFO: task qemu-system-x86:311 blocked for more than 241 seconds.",
      "ACPI: IVRS ACPI table found in initrd [kernel/firmware/acpi/ivrs.aml][0xd0]",
    ];
    const observations = events.map(
      (text, index): Observation => ({
        kind: "kernel-record",
        source: "kernel-log",
        at: boot.bootedAt + 10_000 + index,
        exactTime: true,
        bootId: boot.bootId,
        identity: `${boot.bootId}:${200_000 + index}`,
        sequence: 200_000 + index,
        level: 4,
        text,
      }),
    );
    const { flush } = serve(boot, store, { backlog: false, observations });
    flush();
    const signatures = store.sightings.list({}).map(({ signature }) => signature);
    assert.deepEqual([...new Set(signatures)].sort(), [
      "kernel.acpi-table-in-initrd",
      "kernel.aer-storm",
      "kernel.nvidia-off-the-bus",
      "kernel.qemu-hangs",
      "kernel.slot-down",
      "kernel.suspend",
    ]);
  });
});

/**
 * The one place that knows vfio-watch: how a history is written, and how it is asked. The question goes through the
 * command (`blame --json`), whose document is promised not to change within a major version.
 */
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

export async function openProduct(checkout) {
  const load = (path) => import(pathToFileURL(join(checkout, "src", path)).href);
  const { openStore } = await load("store/open.ts");
  const { collectFacts } = await load("facts/facts-of-host.ts");
  const { createHostPaths } = await load("host-paths.ts");
  const { makeSnapshot } = await load("facts/snapshot.ts");
  const { changesBetween } = await load("facts/changes-between.ts");
  const { createAlerting } = await load("daemon/alerting.ts");
  const { loadCatalogue } = await load("diagnosis/catalogue.ts");
  const { catalogue } = loadCatalogue({ shippedDirectory: join(checkout, "config/signatures") });
  const { readVmDefinitions } = await load("host/virtual-machines.ts");
  const { main } = await load("cli/main.ts");
  /** What libvirt defines, by the snapshot of the same moment: facts leave UUIDs out. */
  const definitions = new WeakMap();

  /** Runs a command in this process. */
  async function command(args, env = {}) {
    let out = "";
    let err = "";
    const code = await main(args, {
      out(text) {
        out += text;
      },
      err(text) {
        err += text;
      },
      color: false,
      columns: 400,
      tableColumns: 400,
      env,
      readInput: async () => Buffer.alloc(0),
    });
    return { code, out, err };
  }

  function openHistory(path) {
    mkdirSync(dirname(path), { recursive: true });
    for (const end of ["", "-wal", "-shm", ".lock"]) rmSync(path + end, { force: true });
    const clock = { at: 0, now: () => clock.at };
    const opened = openStore({ path, clock });
    if (opened.state !== "open") throw new Error(opened.why);
    const { store } = opened;
    return {
      path,
      store,
      makeSnapshot,
      beginBoot({ id, at, origin = "live" }) {
        store.boots.begin({ id, startedAt: at, lastSeenAt: at + 3_600_000, end: "clean", origin });
      },
      /** Reads the host below `root` with the product's own collectors. */
      readFacts({ root, versions, hardware, lines, keep }) {
        const paths = createHostPaths(root);
        const defined = readVmDefinitions(paths);
        const all = collectFacts({
          paths,
          softwareVersions: versions,
          hardware: { state: "read", value: hardware },
          ...(lines !== undefined && { kernelLines: lines }),
        });
        const snapshot = makeSnapshot(keep === undefined ? all : all.filter(({ key }) => keep(key)));
        if (defined.state === "read") definitions.set(snapshot, defined.value);
        return snapshot;
      },
      storeFacts({ bootId, at, reason, snapshot }) {
        store.batched(() => {
          if (definitions.has(snapshot)) store.vms.remember(definitions.get(snapshot), at);
          store.snapshots.save(snapshot);
          store.snapshots.link({ bootId, at, snapshotId: snapshot.id, reason });
        });
      },
      recordStart({ vm, bootId, at, outcome, cause, devices, groups, snapshotId, origin = "live" }) {
        const attempt = {
          id: `${vm}:${bootId}:${at}`,
          vm,
          bootId,
          openedAt: at,
          closedAt: at + 5_000,
          outcome,
          devices,
          groups,
          evidence: [],
          ...(outcome !== "started" && { diagnosis: diagnosisOf(cause, devices, groups) }),
        };
        const number = store.attempts.save(attempt, {
          origin,
          ...(snapshotId !== undefined && { snapshotId }),
        });
        return { attempt, number };
      },
      /** What the alert of a failed start says has changed, and the keys behind it in that order. */
      alertOf({ attempt, number }, snapshotId) {
        let content;
        const alerter = {
          raise(occurrence) {
            ({ content } = occurrence);
          },
          recovered() {},
          resolved() {},
        };
        createAlerting({
          catalogue,
          store,
          alerter,
          bootId: attempt.bootId,
          clock: { now: () => attempt.openedAt },
          host: () => undefined,
        }).attemptSettled(attempt, number, snapshotId);
        const last = store.attempts.list({
          vm: attempt.vm,
          until: attempt.openedAt - 1,
          startedOnly: true,
          limit: 1,
        })[0];
        const changes = changesBetween(store.snapshots, last?.snapshotId, snapshotId);
        const shown = content?.changes ?? [];
        // In the order in which they are shown, then what is not.
        const place = ({ sentence }) => {
          const at = shown.findIndex((line) => line.includes(sentence));
          return at < 0 ? shown.length : at;
        };
        const ranked = changes?.toSorted((a, b) => place(a) - place(b));
        return {
          shown,
          keys: ranked?.map(({ key }) => key),
          sentences: ranked?.map(({ sentence }) => sentence),
        };
      },
      async ask(question) {
        const options = [
          ...(question.vm === undefined ? [] : ["--vm", question.vm]),
          ...(question.device === undefined ? [] : ["--device", question.device]),
        ];
        const { out, err } = await command(["blame", ...options, "--database", path, "--json"]);
        if (out === "") throw new Error(err);
        // The simulator knows a device whose identity is not on record by the lack of the key.
        return JSON.parse(out, (key, value) => (key === "identity" && value === null ? undefined : value));
      },
      prune(now, maxAgeMs) {
        for (let step; step?.done !== true; ) step = store.prune({ now, maxAgeMs, maxBytes: 1e12 });
      },
      close: () => store.close(),
    };
  }
  return { command, openHistory };
}

const NOT_ABOUT_DEVICES = new Set([
  "memory-alloc-failed",
  "kvm-unavailable",
  "vm-config-invalid",
  "host-resource-missing",
  "vm-killed",
]);

/** A diagnosis as the product makes it; no class: nothing that could be read says why. */
function diagnosisOf(cause, devices, groups) {
  const sentence = cause === undefined ? "Nothing that could be read says why." : `It failed with ${cause}.`;
  return {
    causes:
      cause === undefined
        ? []
        : [
            {
              class: cause,
              certainty: "certain",
              signature: "kernel.simulated",
              sentence,
              remedies: [],
              evidence: [],
              devices,
              groups,
            },
          ],
    summary: sentence,
    deviceRelated: cause !== undefined && !NOT_ABOUT_DEVICES.has(cause),
    noEffect: [],
  };
}

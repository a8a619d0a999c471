import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { describeHotPlug, type FailedStart } from "../alerts/compose.ts";
import { type Clock, createEndingClock, steadyNow } from "../clock.ts";
import { describeProblem, type LoadedConfig } from "../config.ts";
import { loadCatalogue } from "../diagnosis/catalogue.ts";
import { createMatcher } from "../diagnosis/matcher.ts";
import { textOf } from "../facts/fact-value.ts";
import { factsOf } from "../facts/facts-of-host.ts";
import { rememberMachine } from "../history/known-machine.ts";
import { readBootIdentity } from "../host/boot-identity.ts";
import { createHostMemory } from "../host/host-memory.ts";
import { readMachine } from "../host/machine.ts";
import { createPciNames } from "../host/pci-names.ts";
import { readVmDefinitions } from "../host/virtual-machines.ts";
import type { HostPaths } from "../host-paths.ts";
import { loadKnownFirmware } from "../knowledge/load-known-firmware.ts";
import type { HostState } from "../model/host-state.ts";
import { type BootId, type SignatureId, bootId as toBootId } from "../model/identifiers.ts";
import { valueOr } from "../model/reading.ts";
import type { Source } from "../model/source.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { createMessageFinder } from "../pipeline/message-finder.ts";
import { PIPELINE_DEFAULTS, type PipelineSettings } from "../pipeline/options.ts";
import { createPipeline } from "../pipeline/pipeline.ts";
import { databaseFile, knownFirmwareDirectories, shippedConfigDirectory, userSignatures } from "../places.ts";
import { isProxmoxHost } from "../proxmox/read-vms.ts";
import type { StoreTrouble } from "../store/refusal.ts";
import type { Store } from "../store/store.ts";
import { createAlertDesk } from "./alert-desk.ts";
import { createAlerting } from "./alerting.ts";
import { createBiosWatch } from "./bios-watch.ts";
import { beginBoot, noteCleanEnd } from "./boots.ts";
import { createControlDesk } from "./control-desk.ts";
import { createCredibleTime } from "./credible-time.ts";
import { createEarlyBoot } from "./early-boot.ts";
import { createFloodGear } from "./engine-thrift.ts";
import { createFactCollector } from "./fact-collector.ts";
import { createFactWatch } from "./fact-watch.ts";
import { createFaults } from "./faults.ts";
import { createFleetWatch } from "./fleet-watch.ts";
import { awaitHistory, type HistoryPlace, openHistory } from "./history-place.ts";
import { createHistoryWatch } from "./history-watch.ts";
import { createHostWatch } from "./host-watch.ts";
import { countedTexts, createKernelTextFilter } from "./kernel-text-filter.ts";
import type { ServiceLog } from "./log.ts";
import { lookBack } from "./look-back.ts";
import { createMaintenance } from "./maintenance.ts";
import { createMemoryKeeper } from "./memory-keeper.ts";
import { createMetricsFile } from "./metrics-file.ts";
import { createOverviewKeeper, overviewFile } from "./overview-file.ts";
import { createPreflightWatch } from "./preflight-watch.ts";
import { runtimeDirectory } from "./runtime-state.ts";
import { createSecondCopies, existingCopies } from "./second-copies.ts";
import { settingsThatNeedRestart } from "./settings-in-force.ts";
import { createSettingsWatch } from "./settings-watch.ts";
import { createSettledLog } from "./settled-log.ts";
import { createSnapshots } from "./snapshots.ts";
import { createSourceWatch } from "./source-watch.ts";
import { createSources } from "./sources.ts";
import { createStartAnswers } from "./start-answers.ts";
import { startOnHistory } from "./start-on-history.ts";
import { createStartsAwaited } from "./starts-awaited.ts";
import { createStateWriter } from "./state-writer.ts";

export interface DaemonOptions {
  readonly paths: HostPaths;
  readonly clock: Clock;
  readonly environment: NodeJS.ProcessEnv;
  readonly version: string;
  readonly log: ServiceLog;
  /** Reads the settings anew; called at start and at each reload. */
  readonly loadConfig: () => LoadedConfig;
  readonly settingsFile: string;
  readonly unraid: boolean;
  /** Program and arguments that print what a web interface shows of the VMs; without it no file is kept for one. */
  readonly overviewCommand?: readonly string[];
  /** Program and arguments that print metrics; without it no file of them is kept. */
  readonly metricsCommand?: readonly string[];
  /** Called when only a new start helps, e.g. after a change of settings; without it that is only logged. */
  readonly onRestartNeeded?: (why: string) => void;
}

export interface Daemon {
  /** One line a source: what it sees, or what is missing and what it would take. */
  describe(): readonly string[];
  /** Where what is seen is kept. */
  place(): string;
  /** Whether the loop turns, every source is alive and commits succeed; for watchdogs. */
  isHealthy(): boolean;
  /** Takes up changed settings. */
  reload(): void;
  /** Ends in order; everything that was seen is stored. */
  stop(): Promise<void>;
}

const HISTORY_IN_MEMORY = "store/in-memory";
const ONLY_IN_MEMORY =
  "VMs are watched and failures are told all the same; what is seen is kept in memory only, until the service ends.";
/** A start that has settled is in what 'status' reads within this time; a storm of them is one writing (ms). */
const STATE_WITHIN = 50;

export type DaemonStart =
  | { readonly state: "running"; readonly daemon: Daemon }
  | { readonly state: "refused"; readonly why: string; readonly remedy: string };

/**
 * Builds the service from its settings, connects its parts and starts them. Resolves when every source has read
 * what was already there and is live, or waits for what is missing.
 */
export async function startDaemon(options: DaemonOptions): Promise<DaemonStart> {
  const { paths, environment, unraid } = options;
  const loaded = options.loadConfig();
  const path = databaseFile(loaded, paths, unraid, environment);
  const copies = () => existingCopies(loaded.config, path, paths, environment);
  let lookAtHistory = () => {};
  // Before the history is opened: what is wrong with it is found there.
  const startedAt = options.clock.now();
  // In a turn of its own: it is found in the middle of other work, and the service is stopped for it.
  const onDamage = () => void options.clock.after(0, () => lookAtHistory());
  return startOnHistory(
    () => openHistory({ path, clock: options.clock, copies: copies(), orBeside: true, onDamage }),
    (history, undo) =>
      watchHost(options, startedAt, history, undo, (look) => {
        lookAtHistory = look;
      }),
  );
}

/** Builds the parts on an open history and starts them; says what to undo should it fail. */
async function watchHost(
  options: DaemonOptions,
  startedAt: number,
  { store, volatile }: HistoryPlace,
  undo: (step: () => unknown) => void,
  onHistoryWatch: (look: () => void) => void,
): Promise<DaemonStart> {
  const { paths, log, environment, unraid } = options;
  const clock = createEndingClock(options.clock);
  undo(() => clock.end());
  const startedSteady = steadyNow(clock);
  let loaded = options.loadConfig();
  const config = () => loaded.config;
  const settingsWatch = createSettingsWatch({ files: () => loaded.files, clock, onChange: () => reload() });

  const bootIdentity = () => readBootIdentity({ paths, clock });
  const boot = bootIdentity();
  const bootId: BootId = boot.bootId.state === "read" ? boot.bootId.value : toBootId(`unknown-${startedAt}`);
  beginBoot(store, bootId, boot.bootedAt.state === "read" ? boot.bootedAt.value : startedAt, startedAt);
  store.batched(() => rememberMachine(store, readMachine(paths)));

  const userDirectory = userSignatures(config(), options.settingsFile);
  const { catalogue, problems: catalogueProblems } = loadCatalogue({
    shippedDirectory: `${shippedConfigDirectory()}/signatures`,
    ...(userDirectory !== undefined && { userDirectory }),
  });
  const matcher = createMatcher(catalogue);
  const byId = new Map(catalogue.signatures.map((signature) => [signature.id, signature]));
  const signatures = (id: SignatureId) => byId.get(id);
  const settings: PipelineSettings = {
    ...PIPELINE_DEFAULTS,
    get settlingMs() {
      return config().SETTLING_SECONDS * 1000;
    },
    get crashedEarlyMs() {
      return config().CRASH_EARLY_MINUTES * 60_000;
    },
  };

  const desk = createAlertDesk({
    store,
    clock,
    log,
    config,
    place: { unraid, proxmox: isProxmoxHost(paths) },
    paths,
    environment,
    hostName: hostname(),
    bootId,
    isVolatile: volatile !== undefined,
  });
  const faults = createFaults({ log, onTrouble: desk.storeTrouble });
  const look = (reason: string) =>
    faults.outlive("looking at the host", () => {
      const reading = host.reading();
      snapshots.take(reason, reading);
      const state = host.read(reading);
      // What the backlog tells of has happened: it would be foretold otherwise.
      if (isBacklogRead) {
        const comingUp = earlyBoot.isOver() ? undefined : "coming-up";
        biosWatch.look(state, snapshots.latest(), comingUp);
        preflight.look(state, comingUp);
      }
      lookForChanges(snapshots.latest());
      desk.nudge();
      overview?.note();
      metrics?.note();
    });
  const lookForChanges = (snapshot: string | undefined) => {
    if (earlyBoot.isOver() && !biosWatch.isWaiting()) factWatch.look(snapshot);
  };
  const pciNames = createPciNames(paths);
  const memory = createHostMemory();
  const facts = createFactCollector({ paths, clock, log, config });
  const host = createHostWatch({
    ...{ paths, pciNames, memory, clock, store, bootId, look },
    learned: facts.learned,
  });
  const snapshots = createSnapshots({
    clock,
    store,
    bootId,
    collect: (reading = host.reading()) => factsOf(reading),
    onTrouble: desk.storeTrouble,
  });
  const alerting = createAlerting({
    store,
    alerter: desk.alerter,
    catalogue,
    bootId,
    clock,
    host: host.latest,
    ...(volatile !== undefined && { notRecorded: volatile.why }),
  });
  const failureOf = ({ name, hostDevices }: VmDefinition): FailedStart | undefined => {
    const [{ outcome, devices, summary } = {}] = store.attempts.list({ vm: name, bootId, limit: 1 });
    if (outcome !== "failed" && outcome !== "crashed-early") return undefined;
    const had = new Set(devices);
    return hostDevices.every(({ bdf }) => had.has(bdf))
      ? { outcome, why: summary ?? "why is not known." }
      : undefined;
  };
  const startsAwaited = () =>
    createStartsAwaited({
      clock,
      underWay: () => pipeline.underWay(),
      again: () => look("starts were under way"),
    });
  const preflight = createPreflightWatch({
    ...{ alerting, log, snapshots, transaction: store.durable },
    remembered: store.vms.present,
    underWay: () => pipeline.underWay(),
    hasFailed: (definition) => failureOf(definition)?.outcome === "failed",
  });
  let isBacklogRead = false;
  const earlyBoot = createEarlyBoot({
    clock,
    bootedAt: boot.bootedAt.state === "read" ? boot.bootedAt.value : undefined,
    situation: () => ({
      // udevd keeps this file while it has events to deal with.
      isAwaited: existsSync(paths.at("/run/udev/queue")) || host.vms().state !== "read",
      seen: driversOf(host.read()),
    }),
    onOver: () => look("the host has come up"),
  });
  const biosWatch = createBiosWatch({
    ...{ store, alerter: desk.alerter, log, bootId, clock, remembered: store.vms.present },
    ...{ starts: startsAwaited(), failureOf },
    known: () => loadKnownFirmware(knownFirmwareDirectories(options.settingsFile)).known,
  });
  const factWatch = createFactWatch({
    ...{ store, alerter: desk.alerter, log, bootId, now: clock.now },
    ...{ starts: startsAwaited(), failureOf },
  });
  const logSettled = createSettledLog(log);
  const startAnswers = createStartAnswers({
    ...{ store, clock, catalogue, signatures },
    vms: () => valueOr(readVmDefinitions(paths), []),
  });
  const overview =
    options.overviewCommand &&
    createOverviewKeeper({
      ...{ clock, log, environment, command: options.overviewCommand },
      file: overviewFile(runtimeDirectory(environment)),
    });
  undo(() => overview?.stop());
  const metrics =
    options.metricsCommand &&
    createMetricsFile({
      ...{ clock, log, environment, command: options.metricsCommand },
      file: () => config().METRICS_FILE,
      directory: runtimeDirectory(environment),
      health: () => sources.map((source) => healthOf(source)).join(),
    });
  undo(() => metrics?.stop());

  let sources: readonly Source[] = [];
  const pipeline = createPipeline({
    clock,
    store,
    matcher,
    signatures,
    bootId,
    settings,
    origin: "live",
    readHost: () => host.read(),
    findMessages: createMessageFinder(shippedConfigDirectory(), clock),
    takeSnapshot: snapshots.take,
    saveFacts: snapshots.saveKept,
    onSettled: alerting.attemptSettled,
    onHotPlug: alerting.hotPlugFailed,
    afterHotPlug(hotPlug, summary) {
      desk.nudge();
      log.info(`${describeHotPlug(hotPlug)}: ${summary}`);
    },
    afterSettled(attempt) {
      desk.nudge();
      logSettled(attempt);
      startAnswers.settled(attempt.vm);
      fleet.note();
      // Whoever looks at 'status' right after a failed start wants to find it there.
      noteState();
      overview?.note();
      metrics?.note();
    },
    askState(vm) {
      for (const source of sources) source.askState?.(vm);
    },
    onTrouble: desk.storeTrouble,
    onUnrecorded(what, { why }) {
      const told = alerting.unrecorded(what, why);
      const { steady } = what.kind === "start" ? what.attempt : what.hotPlug;
      if (told !== undefined) desk.tellUnrecorded(told.content, told.topic, steady);
    },
    onFault: faults.tell,
  });

  const floodGear = createFloodGear({ clock });
  let lastObservationAt: number | undefined;
  let lastObservationSteady: number | undefined;
  let noteState = () => {};
  sources = await createSources(config(), {
    paths,
    clock,
    bootId,
    bootIdentity,
    kernelTexts: countedTexts(createKernelTextFilter(matcher), floodGear.lineRead),
  });
  const resume = store.resumePoints.load();
  undo(() => Promise.all(sources.map((source) => source.stop())));
  const begun = sources.map((source) =>
    source.start((observation) => {
      lastObservationAt = clock.now();
      lastObservationSteady = steadyNow(clock);
      pipeline.observe(observation);
      host.learn(observation, pipeline.vms);
      if (observation.kind === "vm-lifecycle") overview?.note();
      // A VM that is given a card and started at once has had the card.
      if (observation.kind === "vm-lifecycle" && observation.event === "defined") snapshots.outdate();
      facts.learn(observation);
    }, resume),
  );
  await Promise.all(begun);
  snapshots.take("service start");
  pipeline.release();
  isBacklogRead = true;
  desk.start();
  look("service start");
  facts.startHardware(() => host.lookSoon("hardware inventory"));
  if (boot.bootedAt.state === "read" && boot.bootId.state === "read") {
    const bootedAt = boot.bootedAt.value;
    const past = lookBack({ store, paths, clock, bootId, bootedAt, matcher, signatures, settings }, log);
    undo(past.stop);
  }

  const sourceWatch = createSourceWatch({
    clock,
    sources,
    trouble: desk.trouble,
    resolved: desk.resolved,
  });
  sourceWatch.look();
  const maintenance = createMaintenance({
    config: config(),
    log,
    store,
    now: createCredibleTime({ clock, store, bootId }),
    snapshot: () =>
      faults.outlive("taking the facts on schedule", () => {
        lookForChanges(snapshots.take("schedule"));
        store.boots.touch(bootId, clock.now());
      }),
  });
  createSecondCopies({ config, database: store.path, ...{ paths, environment, clock, log } });
  const memoryKeeper = createMemoryKeeper({
    clock,
    letGo() {
      alerting.calm();
      store.letGo();
    },
  });
  const fleet = createFleetWatch({
    ...{ config, clock, log, version: options.version, database: store.path, machine: hostname() },
    board: () => boardOf(store, snapshots.latest()),
  });
  undo(() => fleet.stop());
  const historyWatch = createHistoryWatch({ store, onLost: desk.historyLost, startAnew });
  onHistoryWatch(historyWatch.look);
  const stateWriter = createStateWriter({
    clock,
    environment,
    log,
    fixed: { version: options.version, bootId, startedAt, database: store.path },
    startedSteady,
    sources,
    problems: () => [
      ...(volatile === undefined ? [] : [`the history cannot be used: ${volatile.why} ${ONLY_IN_MEMORY}`]),
      ...loaded.problems.map(describeProblem),
      ...catalogueProblems.map(describeCatalogueProblem),
    ],
    troubles: () => store.troubles().filter(({ until }) => until === undefined),
    fleet: fleet.state,
    lastObservationAt: () => lastObservationAt,
    onTurn() {
      faults.outlive("watching the sources", sourceWatch.look);
      faults.outlive("watching the history", desk.look);
      historyWatch.look();
      faults.outlive("watching the history's size", maintenance.guardSize);
      if (volatile === undefined) fleet.look();
      metrics?.look();
      floodGear.look();
      memoryKeeper.look(lastObservationSteady);
    },
  });
  let isStateDue = false;
  noteState = () => {
    if (isStateDue) return;
    isStateDue = true;
    clock.after(STATE_WITHIN, () => {
      isStateDue = false;
      stateWriter.write();
    });
  };
  for (const problem of store.troubles()) {
    // What an earlier run met and got over is history.
    if (problem.until === undefined || problem.since >= startedAt) desk.storeTrouble(problem);
  }

  function reload(): void {
    const before = loaded.config;
    loaded = options.loadConfig();
    log.setLevel(config().LOG_LEVEL);
    log.setFormat(config().LOG_FORMAT);
    desk.reconfigure();
    maintenance.reschedule(config());
    fleet.reconfigure();
    stateWriter.write();
    log.info("settings read again");
    for (const problem of loaded.problems) log.warn(describeProblem(problem));
    const fixed = settingsThatNeedRestart(before, loaded.config);
    if (fixed.length === 0) return;
    startAnew(`these settings have changed: ${fixed.join(", ")}`);
  }

  function startAnew(why: string): void {
    if (options.onRestartNeeded === undefined) log.warn(`a restart is needed, because ${why}`);
    else options.onRestartNeeded(why);
  }
  undo(() => settingsWatch.stop());
  await settingsWatch.start();
  if (volatile !== undefined) {
    const why = `${volatile.why} ${ONLY_IN_MEMORY}`;
    desk.trouble(HISTORY_IN_MEMORY, "The history cannot be used", why, volatile.remedy);
    awaitHistory(store.path, clock, () => startAnew("the history can be used again"));
  } else desk.resolved(HISTORY_IN_MEMORY);
  const control = createControlDesk({
    ...{ environment, clock, log, store, startedAt, startAnswers },
    version: options.version,
    testChannel: desk.test,
    onDecision: desk.nudge,
    onImport: maintenance.hold,
    onFault: faults.tell,
  });
  const deaf = await control.start();
  if (deaf !== undefined) log.warn(`commands cannot speak to the service: ${deaf}`);

  return {
    state: "running",
    daemon: {
      describe: stateWriter.describe,
      place: () =>
        volatile === undefined ? `the history is ${store.path}` : "the history is in memory and ends with it",
      isHealthy: () => stateWriter.isFresh() && sources.every(isAlive) && !store.troubles().some(isStuck),
      reload,
      async stop() {
        try {
          await Promise.all([settingsWatch.stop(), control.stop()]);
          maintenance.stop();
          fleet.stop();
          await Promise.all(sources.map((source) => source.stop()));
          for (const position of sources.map((source) => source.position?.()))
            if (position !== undefined) pipeline.reached(position);
          pipeline.flush();
          await desk.stop();
          noteCleanEnd(store, bootId, clock.now());
        } finally {
          // A damaged history refuses its last writes; it has to be closed all the same, to be saved.
          clock.end();
          store.close();
          stateWriter.stop();
          overview?.stop();
          metrics?.stop();
        }
      },
    },
  };
}

/** As SMBIOS names it. */
function boardOf({ snapshots }: Pick<Store, "snapshots">, snapshotId = ""): string | undefined {
  const said = (key: string) => textOf(snapshots.fact(snapshotId, key)?.value);
  return said("firmware.board.name") ?? said("firmware.system.product");
}

function driversOf({ devices }: HostState): string {
  if (devices.state !== "read") return "";
  return [...devices.value.values()].map(({ bdf, driver }) => `${bdf} ${driver ?? ""}`).join();
}

function describeCatalogueProblem(problem: {
  readonly file: string;
  readonly line?: number;
  readonly reason: string;
}): string {
  return `${problem.file}${problem.line === undefined ? "" : `:${problem.line}`}: ${problem.reason}`;
}

/** What a collector would want to hear at once. */
function healthOf(source: Source): string {
  const { name, state, lost, skipped } = source.health();
  return `${name} ${state.state} ${lost} ${skipped}`;
}

/** A source that waits for what is missing is alive; one that never got to work or has ended is not. */
function isAlive(source: Source): boolean {
  const { state } = source.health().state;
  return state === "live" || state === "waiting";
}

/** Commits fail for a reason that a new start may cure; a full disk or a read-only one it does not. */
function isStuck({ kind, until }: StoreTrouble): boolean {
  return kind === "input-output" && until === undefined;
}

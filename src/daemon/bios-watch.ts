import type { Alerter } from "../alerts/alerter.ts";
import { composeBiosChange, type VmUnderBios } from "../alerts/bios-change.ts";
import type { FailedStart } from "../alerts/compose.ts";
import { incidentKey } from "../alerts/incident-policy.ts";
import type { Clock } from "../clock.ts";
import { diffSnapshots } from "../facts/diff-snapshots.ts";
import { textOf } from "../facts/fact-value.ts";
import { isSameBiosVersion } from "../knowledge/bios-version.ts";
import { type BoardNames, firmwareElsewhere } from "../knowledge/firmware-elsewhere.ts";
import { wordsElsewhere } from "../knowledge/firmware-words.ts";
import type { KnownFirmware } from "../knowledge/load-known-firmware.ts";
import type { Snapshot } from "../model/fact.ts";
import type { HostState } from "../model/host-state.ts";
import type { BootId } from "../model/identifiers.ts";
import { type VmDefinition, wantsDevices } from "../model/virtual-machine.ts";
import type { Store } from "../store/store.ts";
import { isBiosTold, lastCompared, noteBiosTold } from "./compared-facts.ts";
import type { ServiceLog } from "./log.ts";
import { lastingCauses } from "./preflight-watch.ts";
import type { StartsAwaited } from "./starts-awaited.ts";

/**
 * Tells of another BIOS as soon as the first boot with it can be looked at: what it demands is known then, whether libvirt
 * is up or not, and stays so until the next boot.
 */
export interface BiosWatch {
  /** While the host comes up and no VM was ever known, libvirt may tell of some in a moment: that is waited for. */
  look(host: HostState, snapshotId: string | undefined, whileComingUp?: "coming-up"): void;
  /** Another BIOS is to be told of once the starts under way have ended: nobody else tells of it meanwhile. */
  isWaiting(): boolean;
}

interface Bios {
  readonly version: string;
  /** As DMI writes it. */
  readonly date: string | undefined;
  readonly agesa: string | undefined;
}

const IDENTITY = /^firmware\.bios\.(?:version|date)$/;
/** What follows from the BIOS that people ask about; what VMs and drivers did since is not its doing. */
const FOLLOWS = /^(?:firmware\.(?!bios\.|agesa|microcode)|firmware-tables\.\w+\.(?!ivmd|rmrr)|iommu)/;
const MOST_CHANGES = 8;

/** Makes the watch of one run. */
export function createBiosWatch(options: {
  readonly store: Store;
  readonly alerter: Alerter;
  readonly log: ServiceLog;
  readonly bootId: BootId;
  readonly clock: Clock;
  readonly remembered: () => readonly VmDefinition[];
  readonly starts: StartsAwaited;
  readonly failureOf: (definition: VmDefinition) => FailedStart | undefined;
  /** Read when it is asked for, and not kept. */
  readonly known: () => KnownFirmware;
}): BiosWatch {
  const { store, alerter, log, bootId, clock } = options;
  let isDone = isBiosTold(store, bootId);
  let isWaiting = false;

  function tell(before: Snapshot, here: Snapshot, was: Bios, is: Bios, host: HostState): void {
    const changes = diffSnapshots(before, here);
    const { version, agesa } = is;
    const question = { names: boardOf(here), bios: version, agesa };
    const content = composeBiosChange({
      change: changes.find(({ key }) => IDENTITY.test(key))?.sentence ?? `BIOS ${was.version} → ${version}`,
      version,
      agesa: { before: was.agesa, now: agesa },
      demands: demandsOf(host),
      changes: changes
        .filter(({ key }) => FOLLOWS.test(key))
        .slice(0, MOST_CHANGES)
        .map(({ sentence }) => sentence),
      vms: verdicts(host, definitionsIn(host), options.failureOf),
      elsewhere: wordsElsewhere(firmwareElsewhere(options.known(), question), version),
    });
    const key = incidentKey(content, `BIOS ${bootId}`);
    const written = store.durable(() => {
      alerter.raise({ key, content, at: clock.now(), bootId });
      // It is an event and not a state.
      alerter.resolved(key, clock.now());
      noteBiosTold(store, bootId);
    });
    isDone = written.state === "written";
    if (isDone) log.warn(`${content.subject}. ${content.cause}`);
  }

  const definitionsIn = ({ vms }: HostState) =>
    (vms.state === "read" ? vms.value.map(({ definition }) => definition) : options.remembered()).filter(
      wantsDevices,
    );

  return {
    look(host, snapshotId, whileComingUp) {
      isWaiting = false;
      if (isDone || snapshotId === undefined) return;
      if (whileComingUp && host.vms.state !== "read" && options.remembered().length === 0) return;
      const last = lastCompared(store);
      const here = store.snapshots.get(snapshotId);
      const is = here === undefined ? undefined : biosOf(here);
      // What cannot be read now is compared when it can.
      if (here === undefined || is === undefined) return;
      const before =
        last === undefined || last.bootId === bootId ? undefined : store.snapshots.get(last.snapshotId);
      const was = before === undefined ? undefined : biosOf(before);
      if (before === undefined || was === undefined || isSameBuild(was, is)) isDone = true;
      else if (options.starts.mustWait(definitionsIn(host).map(({ name }) => name))) isWaiting = true;
      else tell(before, here, was, is, host);
    },
    isWaiting: () => isWaiting,
  };
}

function isSameBuild(one: Bios, other: Bios): boolean {
  return (
    isSameBiosVersion(one.version, other.version) &&
    (one.date === undefined || other.date === undefined || one.date === other.date)
  );
}

function factsIn({ facts }: Snapshot): (key: string) => string | undefined {
  return (key) => textOf(facts.find((fact) => fact.key === key)?.value);
}

function biosOf(snapshot: Snapshot): Bios | undefined {
  const text = factsIn(snapshot);
  const version = text("firmware.bios.version");
  return version === undefined
    ? undefined
    : { version, date: text("firmware.bios.date"), agesa: text("firmware.agesa") };
}

function boardOf(snapshot: Snapshot): BoardNames {
  const text = factsIn(snapshot);
  return {
    vendor: text("firmware.board.vendor"),
    board: text("firmware.board.name"),
    systemVendor: text("firmware.system.vendor"),
    product: text("firmware.system.product"),
  };
}

function demandsOf({ firmwareDemands }: HostState): readonly string[] | undefined {
  if (firmwareDemands.state === "unreadable") return undefined;
  if (firmwareDemands.state === "absent") return [];
  return firmwareDemands.value
    .filter(({ strength }) => strength === "hard")
    .map(({ description, devices }) => `${description}${devices.length === 0 ? " (no device here)" : ""}`);
}

function verdicts(
  host: HostState,
  definitions: readonly VmDefinition[],
  failureOf: (definition: VmDefinition) => FailedStart | undefined,
): readonly VmUnderBios[] {
  const { groups } = host;
  const unknown =
    groups.state === "unreadable" ? `the IOMMU groups could not be read (${groups.why})` : undefined;
  return definitions.map((definition) => ({
    vm: definition.name,
    stoppedBy: lastingCauses(definition, host)[0]?.sentence,
    unknown,
    failed: failureOf(definition),
  }));
}

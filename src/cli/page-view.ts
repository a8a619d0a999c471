import { listIncidents } from "../alerts/people.ts";
import type { Catalogue } from "../diagnosis/catalogue.ts";
import { readNames } from "../host/read-file.ts";
import type { HostPaths } from "../host-paths.ts";
import { describeReport } from "../report/content.ts";
import type { SectionId } from "../report/document.ts";
import { gatherReport } from "../report/gather.ts";
import type { ChosenStart, PageAlert, PreflightVm } from "../report/page-input.ts";
import { isFailedLastTime } from "../report/page-preflight.ts";
import type { Store } from "../store/store.ts";
import { answerOf } from "./own-answer.ts";
import { signatureLookup } from "./surroundings.ts";
import { programVersion } from "./version.ts";

/** What the page shows of a report, in this order; the rest is in the download. */
const SECTIONS: readonly SectionId[] = ["blame", "diagnosis", "changes", "evidence", "no-effect"];
const MOST_ALERTS = 20;
/** Whether older logs were taken in shows in the newest of them. */
const MOST_LOOKED_AT = 500;

/** How the last failure of each VM stands to its starts since. */
export function withFailures<View extends { readonly vms: readonly PreflightVm[] }>(
  view: View,
  store: Store | undefined,
  catalogue: Catalogue,
): View {
  if (store === undefined) return view;
  const vms = view.vms.map((vm): PreflightVm => {
    const { name, hostDevices } = vm.definition;
    const [failed] =
      hostDevices.length === 0 ? [] : store.attempts.list({ vm: name, failedOnly: true, limit: 1 });
    if (failed === undefined) return vm;
    const [last] = store.attempts.list({ vm: name, limit: 1 });
    const isGood = last?.outcome === "started" && last.number > failed.number;
    const startedSince = isGood ? { number: last.number, at: last.openedAt } : undefined;
    const { number, openedAt: at, summary: why } = failed;
    const judged = { ...vm, failed: { number, at, why, remedies: [], startedSince } };
    if (!isFailedLastTime(judged)) return judged;
    const remedies = answerOf(store, catalogue, failed)?.answer.remedies ?? [];
    return { ...judged, failed: { ...judged.failed, remedies } };
  });
  return { ...view, vms };
}

/** What lasts and was told, newest first. */
export function readAlerts({ alerts }: Store, now: number): readonly PageAlert[] {
  return listIncidents(alerts, now, { openOnly: true, limit: MOST_ALERTS }).flatMap(({ incident, state }) => {
    if (state === "closed") return [];
    const { id, content, count, lastAt, silencedUntil } = incident;
    return [
      {
        id,
        subject: content.subject,
        state,
        count,
        lastAt,
        silencedUntil: state === "silenced" ? silencedUntil : undefined,
      },
    ];
  });
}

/** Diagnostics and syslogs that Unraid keeps on the flash drive, where none were taken in yet. */
export function findOlderLogs(paths: HostPaths, store: Store | undefined): readonly string[] {
  if (store?.attempts.list({ limit: MOST_LOOKED_AT }).some(({ origin }) => origin === "imported")) return [];
  const names = readNames(paths.at("/boot/logs"));
  if (names.state !== "read") return [];
  const known = names.value.filter((name) => /diagnostics.*\.zip$|^syslog/i.test(name));
  return known.toSorted().map((name) => `/boot/logs/${name}`);
}

/** The start that was asked for, else the newest failed one, else how the VM fares that started last. */
export function chooseStart(
  store: Store,
  wanted: number | undefined,
  catalogue: Catalogue,
  now: number,
): ChosenStart | undefined {
  const made = { madeAt: now, madeBy: `vfio-watch ${programVersion()}`, missing: [] };
  const number =
    (wanted === undefined ? undefined : store.attempts.find(wanted)?.number) ??
    store.attempts.list({ failedOnly: true, limit: 1 })[0]?.number;
  const attempt = number === undefined ? undefined : store.attempts.full(number, signatureLookup(catalogue));
  const vm = attempt?.vm ?? store.attempts.list({ limit: 1 })[0]?.vm;
  if (vm === undefined) return undefined;
  const input = gatherReport(
    attempt === undefined ? { about: "host", facts: [], vm } : { about: "start", attempt },
    store,
    catalogue,
    made,
  );
  // Nobody hands in this page, so nothing is masked.
  const content = describeReport(input, undefined);
  const sections = SECTIONS.flatMap((wanted) => content.sections.filter(({ id }) => id === wanted));
  return {
    number: attempt?.number,
    asked: wanted !== undefined && attempt?.number === wanted,
    content: { ...content, sections, notes: [], glance: attempt === undefined ? [] : content.glance },
  };
}

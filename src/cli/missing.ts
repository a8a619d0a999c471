import { CHANNELS } from "../alerts/channels/all.ts";
import { describeProblem } from "../config.ts";
import type { Snapshot } from "../model/fact.ts";
import type { Preflight } from "../preflight/finding.ts";
import { isProxmoxHost } from "../proxmox/read-vms.ts";
import type { Store } from "../store/store.ts";
import type { Watching } from "./brief.ts";
import type { Surroundings } from "./surroundings.ts";

/** Something that keeps the program from seeing or telling more, and what to do about it. */
export interface Missing {
  readonly what: string;
  /** Empty where `what` says it, or nothing can be done. */
  readonly remedy: string;
  /** It is only worth knowing. */
  readonly isNote?: true;
}

/** Everything from which what is missing is found; what could not be opened is undefined. */
export interface MissingInput {
  readonly surroundings: Surroundings;
  readonly watching: Watching;
  readonly store: Store | undefined;
  readonly historyProblem: string | undefined;
  readonly preflight: Preflight | undefined;
  readonly vmProblem: string | undefined;
  readonly facts: Snapshot;
  /** What the service stored of this boot. */
  readonly stored: Snapshot | undefined;
  readonly isRoot: boolean;
}

/** What is missing to see more, what matters most first. */
export function findMissing(input: MissingInput): readonly Missing[] {
  return [
    ...missingService(input),
    ...missingHistory(input),
    ...(input.isRoot
      ? []
      : [
          {
            what: "Not everything can be read by this user.",
            remedy: "Run it as root: sudo vfio-watch doctor.",
          },
        ]),
    ...(input.vmProblem === undefined
      ? []
      : [{ what: `The VMs could not be read: ${input.vmProblem}.`, remedy: "" }]),
    ...missingSettings(input.surroundings),
    ...missingChannels(input),
    ...missingFacts(input),
  ];
}

function missingService({ watching, surroundings }: MissingInput): readonly Missing[] {
  if (watching.state === "stopped" && watching.mayBeHidden)
    return [
      {
        what: "Whether root's service runs cannot be seen by this user.",
        remedy: "Ask as root: 'sudo vfio-watch doctor'.",
      },
    ];
  if (watching.state === "stopped")
    return [
      {
        what: "No service watches this host, so failed starts are not noticed.",
        remedy: surroundings.unraid
          ? "Start it with '/etc/rc.d/rc.vfio-watch start'."
          : "'systemctl start vfio-watch', or 'vfio-watch service install' where there is no such unit.",
      },
    ];
  const { sources, problems } = watching.service;
  return [
    ...(watching.state === "stuck"
      ? [{ what: "The service has said nothing for long, so it hangs.", remedy: "Start it anew." }]
      : []),
    ...sources.flatMap(({ name, state, lost }) => [
      ...(state.state === "waiting" ? [{ what: `${name}: ${state.why}.`, remedy: `${state.remedy}.` }] : []),
      ...(lost > 0
        ? [{ what: `${name}: ${lost} records were lost.`, remedy: "'vfio-watch status' says when." }]
        : []),
    ]),
    ...problems.map((what) => ({ what, remedy: "" })),
  ];
}

function missingHistory({ store, historyProblem }: MissingInput): readonly Missing[] {
  if (historyProblem !== undefined) return [{ what: historyProblem, remedy: "" }];
  if (store === undefined) return [];
  const lasting = store.troubles().filter(({ until }) => until === undefined);
  const isAlone = !store.boots.list().some(({ origin }) => origin === "imported");
  const hasGood = store.attempts.list({ startedOnly: true, limit: 1 }).length > 0;
  return [
    ...lasting.map(({ why, remedy }) => ({ what: why, remedy })),
    ...(isAlone && !hasGood
      ? [
          {
            what: "No good start is on record to compare a failed one with.",
            remedy: "'vfio-watch import host' takes in what logs still hold from before the installation.",
          },
        ]
      : []),
  ];
}

function missingSettings({ loaded }: Surroundings): readonly Missing[] {
  return loaded.problems.map((problem) => ({ what: describeProblem(problem), remedy: "" }));
}

function missingChannels({ surroundings, store }: MissingInput): readonly Missing[] {
  const { loaded, unraid, paths, settingsFile } = surroundings;
  const place = { unraid, proxmox: isProxmoxHost(paths) };
  const reaches = CHANNELS.some((kind) => kind.name !== "log" && kind.isOn(loaded.config, place));
  const failing = store?.alerts.channelStates().filter(({ lastError }) => lastError !== undefined) ?? [];
  return [
    ...(reaches
      ? []
      : [
          {
            what: "Alerts reach nobody: only the service's own log has them.",
            remedy: `Set a channel in ${settingsFile}, then 'vfio-watch alerts test CHANNEL'.`,
          },
        ]),
    ...failing.map(({ channel, lastError = "" }) => ({
      what: `Alerts through ${channel} failed last: ${lastError}.`,
      remedy: `'vfio-watch alerts test ${channel}' tries it.`,
    })),
  ];
}

/** Facts that nobody could read, neither this command nor the service in this boot; told once for each reason. */
function missingFacts({ facts, stored, preflight }: MissingInput): readonly Missing[] {
  const known = stored?.facts.filter(({ value }) => value.state !== "unknown").map(({ key }) => key) ?? [];
  const unknown = facts.facts.flatMap(({ key, value }) =>
    value.state !== "unknown" || known.some((other) => other === key || other.startsWith(`${key}.`))
      ? []
      : [{ key, why: value.why }],
  );
  const told = [...Map.groupBy(unknown, ({ why }) => why)].map(([why, all]) => {
    const more = all.length > 1 ? ` and ${all.length - 1} more` : "";
    return `Not known: ${all[0]?.key ?? ""}${more} (${why}).`;
  });
  const unchecked = preflight?.unchecked.map((what) => `Not looked at: ${what}.`) ?? [];
  return [...told, ...unchecked].map((what) => ({ what, remedy: "", isNote: true }));
}

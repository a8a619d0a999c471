import type { VmName } from "../model/identifiers.ts";
import type { FaultAnswer } from "./ask-blame.ts";
import { nameSuspect } from "./name-suspects.ts";
import { describePhases, describeTogether } from "./outcome-phases.ts";
import { describeDevice } from "./short-names.ts";

const VERBS = { confirmed: "broke", likely: "most likely broke", possible: "may have broken" } as const;

/** The answer for one fault in one sentence. */
export function blameHeadline(answer: FaultAnswer): string {
  const { blame } = answer;
  const [first] = blame.sets;
  if (blame.certainty === "unknown" || first === undefined) return unknownHeadline(answer);
  const names = first.suspects.map((suspect) => nameSuspect(suspect, answer));
  const [lead] = names;
  if (lead === undefined) return unknownHeadline(answer);
  const verb = VERBS[blame.certainty];
  if (first.together) {
    const both = names.map(({ full }) => full).join(" together with ");
    return `${capital(both)} ${verb} ${victim(answer)}, and either one back heals it: ${describeTogether(blame.trials, names)}.`;
  }
  const phases = describePhases(blame.trials, lead);
  const listed = names.map(({ full }) => full).join(" or ");
  const who = names.length > 1 ? `${listed}, which always changed together,` : listed;
  return `${capital(who)} ${verb} ${victim(answer)}: ${phases}.`;
}

/** `passthrough of NVIDIA RTX 4060 Ti (0000:01:00.0) for 'Windows 11'` */
function victim(answer: FaultAnswer): string {
  if (answer.about !== undefined) return `passthrough of ${answer.about}`;
  const [device] = answer.devices;
  if (device === undefined) return `the start of ${quoted(failing(answer))}`;
  return `passthrough of ${describeDevice(device)} for ${quoted(failing(answer))}`;
}

/** VMs that share the device and had no failure are no victims. */
function failing({ blame, vms }: FaultAnswer): readonly VmName[] {
  const failed = new Set(blame.trials.flatMap(({ good, tally }) => (good ? [] : [tally.vm])));
  return failed.size === 0 ? vms : vms.filter((vm) => failed.has(vm));
}

function quoted(vms: readonly VmName[]): string {
  const names = vms.map((vm) => `'${vm}'`);
  const last = names.pop() ?? "any VM";
  return names.length === 0 ? last : `${names.join(", ")} and ${last}`;
}

function unknownHeadline(answer: FaultAnswer): string {
  const { blame, bios } = answer;
  const [first] = blame.sets;
  const named = failing(answer);
  const vms = answer.about ?? (named.length === 0 ? "" : quoted(named));
  // Asked about a device, the answer is not about what the VM did with another one.
  const [device] = answer.question.device === undefined ? [] : answer.devices;
  const withDevice = device === undefined ? "" : ` with ${describeDevice(device)}`;
  const all = blame.good + blame.bad;
  const newest = bios.at(-1)?.version;
  const on = newest === undefined ? "" : ` on BIOS ${newest}`;
  const fail = named.length > 1 || answer.about !== undefined ? "fail" : "fails";
  const share = `${blame.bad} of ${all} starts failed`;
  switch (blame.reason) {
    case "no-failure":
      return `No start of ${vms}${withDevice} has failed: ${blame.good} of ${all} worked, the newest${on}.`;
    case "no-good-start":
      return `No start of ${vms}${withDevice} has ever worked on record (0 of ${all}), so there is no good state to compare with.`;
    case "comes-and-goes":
      return `${byBios(answer) === "" ? "No BIOS version and no other change explains" : "No change alone explains"} why ${vms} ${fail}: it comes and goes (${share}${byBios(answer)}).`;
    case "later-starts":
      return `${vms} ${fail} at the second start in a boot: the first one works, as with a card that cannot be reset (${share}).`;
    case "nothing-changed":
      if (first !== undefined)
        return `What changed when ${vms} began to fail explains it less well than something that no file shows (${share}${byBios(answer)}).`;
      return `Nothing that is watched and could explain it changed when ${vms} began to fail (${share}${byBios(answer)}).`;
    case "in-use":
      return `${vms} failed ${blame.bad} of ${all} times because a device was in use, by another VM or a driver; that says nothing about the BIOS.`;
    case "not-passthrough":
      return `${vms} failed ${blame.bad} of ${all} times, but for reasons that no change of the host need explain (${blame.failure ?? "unknown"}): passthrough did not fail.`;
    case "facts-missing":
      return `${vms} failed ${blame.bad} of ${all} times, but what the host was at the good or at the failed starts is not on record.`;
    default:
      return answer.question.device !== undefined
        ? `No start with the device ${answer.question.device} is on record.`
        : vms === ""
          ? "No start of a VM is on record, so there is nothing to blame."
          : `No start of ${vms} is on record.`;
  }
}

/** Where it fails on one BIOS much more often than on the others: `; it began with 10.02, but not alone: 8 of 21 fail on it`. */
function byBios({ bios, blame }: FaultAnswer): string {
  const rows = bios.map(({ version, worked, causes }) => {
    const bad = causes.reduce(
      (sum, { cause, starts }) => (blame.classes.includes(cause) ? sum + starts : sum),
      0,
    );
    return { version, bad, all: bad + worked };
  });
  const worst = rows
    .filter(({ version, bad }) => version !== undefined && bad > 0)
    .toSorted((a, b) => b.bad / b.all - a.bad / a.all)[0];
  if (worst === undefined || rows.length < 2) return "";
  const [bad, all] = rows.reduce(
    ([x, y], row) => (row === worst ? [x, y] : [x + row.bad, y + row.all]),
    [0, 0],
  );
  if (worst.bad / worst.all < 2 * (bad / Math.max(1, all))) return "";
  return `; on BIOS ${worst.version} ${worst.bad} of ${worst.all}, on all others ${bad} of ${all}`;
}

/** How certain the answer for one fault is, and why. */
export function blameCertainty(answer: FaultAnswer): string {
  const { blame } = answer;
  const [first] = blame.sets;
  if (blame.certainty === "unknown" || first === undefined) return unknownWhy(answer);
  const reasons = [
    first.reverted ? "it was changed back and the outcome went back with it" : "",
    first.proof.length > 0 ? "what is known to cause this failure came with it and was not there before" : "",
    first.misplaced > 0 ? `${starts(first.misplaced)} went the other way` : "",
    `${blame.bad} of ${blame.good + blame.bad} starts failed`,
  ].filter((text) => text !== "");
  const why = `(${outOf(first.probability)}): ${reasons.join(", and ")}`;
  switch (blame.certainty) {
    case "confirmed":
      return `Confirmed ${why}.`;
    case "likely":
      return `Likely ${why}.${whatWouldTellMore(blame.healed, first.reverted)}`;
    case "possible": {
      const rivals = rivalsOf(answer);
      const alike = first.suspects.length > 1 && !first.together ? "; they always changed together" : "";
      return `Possible, no more ${why}${alike}.${rivals === "" ? "" : ` Else: ${rivals}.`}`;
    }
  }
}

function whatWouldTellMore(healed: boolean, reverted: boolean): string {
  if (reverted) return " What no file shows, such as a BIOS setting, may have been put back with it.";
  if (!healed) return " Going back and starting the VM would test it.";
  return " It works again, so there is nothing to try; it was not changed back, which would have tested it.";
}

/** `97 in 100`; never a certainty that no data give. */
export function outOf(probability: number): string {
  if (probability > 0.995) return "more than 99 in 100";
  return `${Math.max(1, Math.round(probability * 100))} in 100`;
}

const WORTH_SAYING = 0.03;

/** What else may have done it, with its chance; where nothing is named, all that may. */
function rivalsOf(answer: FaultAnswer): string {
  const { rivals, sets, certainty } = answer.blame;
  const named = sets.slice(certainty === "unknown" ? 0 : 1).map((set) => ({
    what: set.suspects
      .map((suspect) => nameSuspect(suspect, answer).full)
      .join(set.together ? " together with " : " or "),
    chance: set.probability,
  }));
  const hidden = [
    {
      what: "something that no file shows (a BIOS setting, a cable, a card that hung)",
      chance: rivals.hidden,
    },
    { what: "chance, for the card fails now and then", chance: rivals.flaky },
    { what: "the number of the start within its boot", chance: rivals.number },
  ];
  return [...named, ...hidden]
    .filter(({ chance }) => chance >= WORTH_SAYING)
    .sort((a, b) => b.chance - a.chance)
    .slice(0, 4)
    .map(({ what, chance }) => `${what} (${outOf(chance)})`)
    .join(", ");
}

function unknownWhy(answer: FaultAnswer): string {
  const rivals = rivalsOf(answer);
  const said = rivals === "" ? "" : ` What is left: ${rivals}.`;
  switch (answer.blame.reason) {
    case "no-good-start":
      return "Unknown: import older material (vfio-watch import), or try an older BIOS; one good start is enough to compare.";
    case "comes-and-goes":
      return `Unknown: with the same facts it sometimes works and sometimes fails, so look at the failure itself (vfio-watch show).${said}`;
    case "later-starts":
      return `Unknown: no change of the host decides it, but whether the card was used since it was powered on.${said}`;
    case "nothing-changed":
      if (answer.blame.sets.length > 0) return `Unknown: one start more on each side would tell more.${said}`;
      return `Unknown: whatever changed there had no effect before; something that no file shows may have changed (a BIOS setting, a cable, the card itself).${said}`;
    case "in-use":
      return "Unknown: nothing that changed explains who had it; see who does (vfio-watch check).";
    case "not-passthrough":
      return "There is nothing to blame on the host; see the failure itself (vfio-watch show).";
    case "facts-missing":
      return "Unknown: nothing can be compared.";
    case "no-failure":
      return "There is nothing to blame.";
    default:
      return "";
  }
}

function starts(count: number): string {
  return count === 1 ? "1 start" : `${count} starts`;
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

import { blameCertainty, blameHeadline } from "../history/blame-sentences.ts";
import { agesaSentence } from "../history/shared-agesa.ts";
import type { FleetBlame, FleetFault, LoneChange } from "./fleet-blame.ts";

/** The answer in words. Plain text from what hosts sent: escape it for where it goes. */
export interface FleetBlameText {
  readonly headline: string;
  /** By hosts. */
  readonly hosts: string;
  readonly certainty: string;
  /** First row: headings. */
  readonly table: readonly (readonly string[])[];
  readonly others: readonly string[];
}

export function describeFleetBlame({ faults }: FleetBlame): FleetBlameText {
  const [first, ...others] = faults;
  return {
    headline: blameHeadline(first.answer),
    hosts: hostSentence(first),
    certainty: [blameCertainty(first.answer), agesaSentence(first.answer.agesa)].filter(Boolean).join(" "),
    table: hostTable(first),
    others: others.map(({ answer }) => `${blameHeadline(answer)} ${blameCertainty(answer)}`),
  };
}

/**
 * `114 of 120 owners of this board on 1.A7D fail, 0 of 151 on 1.A63; of 35 hosts on which only the BIOS changed, 35
 * broke.`
 */
export function hostSentence({ values, changes, name, family }: FleetFault): string {
  if (name === undefined) return "";
  const ordered = [...values].sort((a, b) => Number(b.broken) - Number(a.broken) || b.hosts - a.hosts);
  const shares = ordered.slice(0, MOST_VALUES).map(({ value, hosts, failing }, at) => {
    const share = `${failing} of ${hosts}`;
    return at === 0
      ? `${share} ${owners(hosts)} of this board ${name.on(value)} ${hosts === 1 ? "fails" : "fail"}`
      : `${share} ${name.on(value)}`;
  });
  const forth = changes.filter(
    ({ from, to }) => values[from]?.broken === false && values[to]?.broken === true,
  );
  const back = changes.filter(
    ({ from, to }) => values[from]?.broken === true && values[to]?.broken === false,
  );
  const worked = forth.filter(({ failedBefore }) => !failedBefore);
  const failed = back.filter(({ failedBefore }) => failedBefore);
  const [returned, left] = [
    failed.filter(({ isReturn }) => isReturn),
    failed.filter(({ isReturn }) => !isReturn),
  ];
  const what = /^(?:BIOS|kernel|operating system)$/.test(family) ? `the ${family}` : family;
  const turns = [
    worked.length === 0
      ? ""
      : `of ${hostsWord(worked)} on which only ${what} changed, ${count(worked, ({ failedAfter }) => failedAfter)} broke`,
    returned.length === 0
      ? ""
      : `of ${hostsWord(returned)} on which only ${what} went back, ${workAgain(returned)}`,
    left.length === 0
      ? ""
      : `of ${hostsWord(left)} on which only ${what} changed to another, ${workAgain(left)}`,
  ].filter(Boolean);
  return `${[shares.join(", "), ...turns].join("; ")}.`;
}

const MOST_VALUES = 4;

function owners(hosts: number): string {
  return hosts === 1 ? "owner" : "owners";
}

function hostsWord({ length }: readonly unknown[]): string {
  return length === 1 ? "1 host" : `${length} hosts`;
}

function workAgain(changes: readonly LoneChange[]): string {
  const working = count(changes, ({ failedAfter }) => !failedAfter);
  return `${working} ${working === 1 ? "works" : "work"} again`;
}

function count(changes: readonly LoneChange[], isSo: (change: LoneChange) => boolean): number {
  return changes.filter(isSo).length;
}

/** A row for each value: how many hosts, and those on which nothing else changed when they came to it. */
function hostTable({ values, changes, family }: FleetFault): readonly (readonly string[])[] {
  if (values.length === 0) return [];
  return [
    [family, "hosts", "fail", "came here alone", "broke", "mended"],
    ...values.map(({ label, hosts, failing }, index) => {
      const came = changes.filter(({ to }) => to === index);
      return [
        label,
        String(hosts),
        String(failing),
        String(came.length),
        String(count(came, ({ failedBefore, failedAfter }) => !failedBefore && failedAfter)),
        String(count(came, ({ failedBefore, failedAfter }) => failedBefore && !failedAfter)),
      ];
    }),
  ];
}

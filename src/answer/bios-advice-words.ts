import type { BiosRow } from "../history/bios-rows.ts";
import { isSameBiosVersion } from "../knowledge/bios-version.ts";
import { wordsElsewhere } from "../knowledge/firmware-words.ts";
import { formatDay } from "../time-words.ts";
import { type BiosAdvice, isProvenGood } from "./bios-advice.ts";

/** The advice as texts, by what each proves; how they are laid out is the caller's. */
export interface AdviceWords {
  /** The one sentence that answers the question. */
  readonly answer: string;
  /** What this host itself proves. */
  readonly here: readonly string[];
  /** What other owners' records say. */
  readonly elsewhere: readonly string[];
  readonly stake: readonly string[];
  readonly before: readonly string[];
  readonly after: readonly string[];
}

export function adviceWords(advice: BiosAdvice): AdviceWords {
  return {
    answer: answerOf(advice),
    here: hereWords(advice),
    elsewhere: elsewhereWords(advice),
    stake: stakeWords(advice),
    before: advice.verdict === "wrong-board" || advice.verdict === "keep" ? [] : beforeWords(advice),
    after: advice.verdict === "wrong-board" || advice.verdict === "keep" ? [] : afterWords(advice),
  };
}

function answerOf(advice: BiosAdvice): string {
  const { asked, now, isNow, otherBoard, goodHere } = advice;
  switch (advice.verdict) {
    case "wrong-board":
      return `Do not flash it: that file is for the board ${otherBoard}, and this one is another.`;
    case "failed-here":
      if (isNow) return `${asked} is in use, and VMs with passed-through devices failed on it on this host.`;
      return `Do not go to ${asked}: VMs with passed-through devices failed on it on this host.`;
    case "worked-here":
      return `${asked} is proven on this host: passed-through devices worked on it.`;
    case "failed-elsewhere":
      if (isNow)
        return `${asked} is in use, and others had trouble with it. Whether this host has it too is not proven.`;
      return `Better not ${asked}: others had trouble with it. Whether this host would have it too is not proven.`;
    case "worked-elsewhere":
      return `Nothing is known against ${asked}, and it worked for others. On this host it is not proven.`;
    case "keep":
      return `No: ${now} is proven on this host. Leave it, unless you need something that a newer version mends.`;
    case "change":
      return goodHere === undefined
        ? "The firmware's demand for 1:1 mappings stops a VM now. Try the BIOS settings for DMA protection first, then another version."
        : `Yes: the firmware's demand for 1:1 mappings stops a VM now, and ${goodHere.build ?? goodHere.version} worked here. Try the BIOS settings for DMA protection first.`;
    default:
      return asked === undefined
        ? "It cannot be said: no good start on the BIOS in use is on record, or some failed on it. Without a reason to change, do not."
        : `Nothing is known of ${asked} on this board, neither good nor bad. That is no all-clear.`;
  }
}

function hereWords({ now, nowHere, asked, askedHere, goodHere, verdict }: BiosAdvice): readonly string[] {
  const lines: string[] = [];
  if (now === undefined) lines.push("Which BIOS is in use could not be read.");
  else {
    const proven = isProvenGood(nowHere) ? "a proven good one" : "not proven good";
    lines.push(`In use is BIOS ${now}, ${proven}: ${countWords(nowHere)}.`);
  }
  if (asked !== undefined && asked !== now) lines.push(`On ${asked}: ${countWords(askedHere)}.`);
  if (goodHere !== undefined && verdict !== "keep")
    lines.push(
      `Another version that worked here: ${goodHere.build ?? goodHere.version}, ${countWords(goodHere)}.`,
    );
  return lines;
}

function countWords(row: BiosRow | undefined): string {
  if (row === undefined) return "no start of a VM with passed-through devices is on record";
  const worked = `${row.worked} good ${row.worked === 1 ? "start" : "starts"}`;
  const failed = row.failed === 0 ? "none failed" : `${row.failed} failed`;
  return `${worked}, ${failed}, the last on ${formatDay(row.lastSeen)}`;
}

function elsewhereWords({ elsewhere, now, agesaNow, hasAgesa }: BiosAdvice): readonly string[] {
  if (elsewhere === undefined) return [];
  const { agesa, bios, boardsWithAgesa } = elsewhere;
  const said = wordsElsewhere(elsewhere, now);
  const saysSo =
    agesaNow !== undefined && now !== undefined && isSameBiosVersion(now, bios)
      ? "this machine says so"
      : "this host's history says so";
  const carried =
    agesa === undefined
      ? `Which AGESA ${bios} carries is not known; the vendor's page usually names it.`
      : `${bios} carries AGESA ${agesa.name} (${agesa.from === "this machine" ? saysSo : "from other machines of this board"})${boardsWithAgesa === 0 ? "" : `, as versions of ${boardsWithAgesa} other known ${boardsWithAgesa === 1 ? "board" : "boards"} do`}.`;
  return [
    ...(said.length === 0 ? [`No other owner's report of ${bios} on this board is known.`] : said),
    ...(agesa === undefined && !hasAgesa ? [] : [carried]),
  ];
}

function stakeWords({ vms }: BiosAdvice): readonly string[] {
  if (vms.length === 0) return ["No VM with a passed-through device is defined."];
  return vms.map(({ vm, devices, lastGood, stopped }) => {
    const last =
      lastGood === undefined
        ? "no good start is on record"
        : `last good start on ${formatDay(lastGood.at)}${lastGood.bios === undefined ? "" : ` with BIOS ${lastGood.bios}`}`;
    return `'${vm}' (${devices.join(", ")}): ${last}${stopped ? "; something stops it now" : ""}.`;
  });
}

function beforeWords({ now, vms, nowHere }: BiosAdvice): readonly string[] {
  const isUntried = vms.length > 0 && (nowHere === undefined || nowHere.worked + nowHere.failed === 0);
  return [
    ...(isUntried
      ? ["Start each of these VMs once now, so that it is on record whether the version in use works."]
      : []),
    `Get the file of the version in use${now === undefined ? "" : ` (${now})`} and keep it on a stick; find out whether the board lets you go back to it. Some do not.`,
    "Note the BIOS settings, or take pictures of them; an update sets them back: IOMMU, SVM or VT-d, DMA protection (pre-boot, kernel), Above 4G, Resizable BAR, CSM, the first display, speed of the slots.",
    ...(vms.length === 0
      ? []
      : ["Note which device has which address ('vfio-watch facts'); an update can renumber them."]),
    "Keep a 'vfio-watch report' of today.",
  ];
}

function afterWords({ vms }: BiosAdvice): readonly string[] {
  return [
    "At the first boot the firmware's demands can be seen before any VM is started: 'vfio-watch check' says which VMs will not start; the service says it by itself.",
    ...(vms.length === 0
      ? []
      : ["Start each VM once. 'vfio-watch blame' then counts good and failed starts by BIOS version."]),
    "Set the settings again that the update has set back; 'vfio-watch diff' shows what has changed.",
  ];
}

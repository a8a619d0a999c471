import { type AdviceVerdict, adviseBios, type BiosAdvice, type VmAtStake } from "../../answer/bios-advice.ts";
import { type AdviceWords, adviceWords } from "../../answer/bios-advice-words.ts";
import { textOf } from "../../facts/fact-value.ts";
import { agesaRecord } from "../../history/agesa-record.ts";
import { biosRecord } from "../../history/bios-record.ts";
import { wordsElsewhere } from "../../knowledge/firmware-words.ts";
import { valueOr } from "../../model/reading.ts";
import { wantsDevices } from "../../model/virtual-machine.ts";
import type { Preflight } from "../../preflight/finding.ts";
import type { Store } from "../../store/store.ts";
import { createPaint, type Paint, printable } from "../../terminal-text.ts";
import { wrap } from "../../text-columns.ts";
import { aboutMachine, askedHost, checkHost } from "../check-host.ts";
import { type Command, EXIT, refusePositionals, UsageError } from "../command.ts";
import { askFleetOfBoard } from "../fleet-says.ts";
import { documentText, timeJson } from "../json/document.ts";
import { boardNamesOf, findKnownFirmware } from "../known-firmware.ts";
import type { LiveVms } from "../live-vms.ts";
import {
  findCatalogue,
  findSurroundings,
  HISTORY_OPTIONS,
  HISTORY_OPTIONS_HELP,
  openIfThere,
} from "../surroundings.ts";

const LONGEST_VERSION = 100;

/** What to know before a BIOS update. */
export const adviseCommand: Command = {
  name: "advise",
  summary: "Says what is known of a BIOS version before you flash it, and whether to change at all.",
  usage: "[--bios VERSION] [--json]",
  help: `
Without a version: whether the BIOS in use should be changed. Everything is known offline: from this host's own history,
and from records of other owners that come with the program (docs/known-firmware.md), which prove nothing of this host.

  --bios VERSION     the version that you think of, as the vendor or the machine spells it (E7E49AMSI.1A95, 1.A95)
${HISTORY_OPTIONS_HELP}

Exit code: 0 when the version worked here or for others, or the one in use should be kept; 3 when it failed here or for
others, is for another board, or the one in use should be changed; 4 when nothing is known, which is no all-clear.
JSON: {"verdict","answer","now":{"bios","agesa","here":ROW},"asked":{"bios","here":ROW},"elsewhere":{"sentences",
"agesa","records":[{"verdict","board","good","bad","class","confidence","owners","setting","fixedIn","notes","sources"}]},
"vms":[{"vm","devices","stopped","lastGood":{"at","bios","number"}}],"before","after"} where ROW is {"worked","failed",
"lastSeen"} and verdict one of wrong-board, worked-here, failed-here, worked-elsewhere, failed-elsewhere, unknown, keep,
change.
Example: vfio-watch advise --bios 1.A95`,
  options: { ...HISTORY_OPTIONS, bios: { type: "string" } },
  async run(args, io) {
    refusePositionals(args, "takes the version with --bios");
    const asked = args.text("bios")?.trim();
    if (asked !== undefined && (asked === "" || asked.length > LONGEST_VERSION))
      throw new UsageError("--bios needs a version, such as 1.A95");
    const surroundings = findSurroundings(io.env, args.text("database"));
    const { store, why } = openIfThere(surroundings, args.text("database"));
    try {
      const askedAbout = await askedHost(surroundings, store);
      const { live, reading: host } = askedAbout;
      const preflight =
        live.vms.state === "read"
          ? checkHost(surroundings, askedAbout, findCatalogue(surroundings, io), store)
          : undefined;
      const names = boardNamesOf(host);
      const now = valueOr(host.dmi["bios.version"], undefined);
      const fleet = await askFleetOfBoard(surroundings, names.board ?? names.product, now);
      const advice = adviseBios({
        names,
        now,
        agesaNow: valueOr(host.agesa, undefined),
        hasAgesa: host.cpuFlags.state !== "read" || !host.cpuFlags.value.has("vmx"),
        asked,
        vms: atStake(live, preflight, store),
        demandStops: demandStops(preflight),
        record: store === undefined ? [] : biosRecord(store),
        agesaRecord: store === undefined ? [] : agesaRecord(store.snapshots, names.board),
        known: findKnownFirmware(surroundings, io, fleet),
      });
      const words = adviceWords(advice);
      const unread = live.vms.state === "read" ? undefined : "The VMs of this host could not be read.";
      const noHistory =
        store === undefined
          ? `${why ?? "There is no history here."} So nothing is proven of this host.`
          : undefined;
      const about = aboutMachine(askedAbout);
      const notes = [about, ...fleet.sentences, unread, noHistory].filter((note) => note !== undefined);
      if (args.flag("json")) io.out(documentText({ ...adviceJson(advice, words), notes }));
      else {
        if (about !== undefined) io.out(`${wrap(printable(about), io.columns)}\n\n`);
        const shown = notes.filter((note) => note !== about);
        io.out(`${describeAdvice(advice, words, shown, createPaint(io.color), io.columns)}\n`);
      }
      return EXIT_OF[advice.verdict];
    } finally {
      store?.close();
    }
  },
};

const EXIT_OF: Readonly<Record<AdviceVerdict, number>> = {
  "worked-here": EXIT.ok,
  "worked-elsewhere": EXIT.ok,
  keep: EXIT.ok,
  "wrong-board": EXIT.findings,
  "failed-here": EXIT.findings,
  "failed-elsewhere": EXIT.findings,
  change: EXIT.findings,
  unknown: EXIT.notUnderstood,
};

function demandStops(preflight: Preflight | undefined): boolean {
  const findings = preflight?.vms.flatMap((vm) => vm.findings) ?? [];
  return findings.some(({ check, matter }) => check === "state.direct-region" && matter === "stops");
}

function atStake(
  { vms }: LiveVms,
  preflight: Preflight | undefined,
  store: Store | undefined,
): readonly VmAtStake[] {
  return valueOr(vms, [])
    .filter(({ definition }) => wantsDevices(definition))
    .map(({ definition }) => {
      const { name } = definition;
      const [last] = store?.attempts.list({ vm: name, startedOnly: true, limit: 1 }) ?? [];
      const found = preflight?.vms.find(({ vm }) => vm === name);
      return {
        vm: name,
        devices: definition.hostDevices.map(({ bdf }) => bdf),
        stopped: found?.verdict === "will-not-start" || found?.verdict === "may-not-start",
        lastGood:
          store === undefined || last === undefined
            ? undefined
            : { at: last.openedAt, number: last.number, bios: biosOf(store, last.snapshotId) },
      };
    });
}

function biosOf(store: Store, snapshotId: string | undefined): string | undefined {
  if (snapshotId === undefined) return undefined;
  return textOf(store.snapshots.fact(snapshotId, "firmware.bios.version")?.value);
}

function adviceJson(advice: BiosAdvice, words: AdviceWords): object {
  const { elsewhere, asked, now = null, agesaNow = null } = advice;
  const row = (one: BiosAdvice["nowHere"]) =>
    one === undefined ? null : { worked: one.worked, failed: one.failed, lastSeen: timeJson(one.lastSeen) };
  return {
    verdict: advice.verdict,
    answer: words.answer,
    now: { bios: now, agesa: agesaNow, here: row(advice.nowHere) },
    asked: asked === undefined ? null : { bios: asked, here: row(advice.askedHere) },
    elsewhere:
      elsewhere === undefined
        ? null
        : {
            sentences: wordsElsewhere(elsewhere, advice.now),
            agesa: elsewhere.agesa?.name ?? null,
            records: [...elsewhere.here, ...elsewhere.sameAgesa].map(({ verdict, record }) => ({
              verdict,
              board: record.boards,
              good: record.good,
              bad: record.bad,
              class: record.class,
              confidence: record.confidence,
              owners: record.owners,
              setting: record.setting ?? null,
              fixedIn: record.fixedIn ?? null,
              notes: record.notes ?? null,
              sources: record.sources,
            })),
          },
    vms: advice.vms.map(({ vm, devices, stopped, lastGood }) => ({
      ...{ vm, devices, stopped },
      lastGood:
        lastGood === undefined
          ? null
          : { at: timeJson(lastGood.at), bios: lastGood.bios ?? null, number: lastGood.number },
    })),
    before: words.before,
    after: words.after,
  };
}

const ANSWER_STYLE = { 0: "green", 3: "red", 4: "yellow" } as const;

/** The advice as a page for a person. */
export function describeAdvice(
  { verdict, elsewhere }: BiosAdvice,
  words: AdviceWords,
  notes: readonly string[],
  paint: Paint,
  columns: number,
): string {
  const style = ANSWER_STYLE[EXIT_OF[verdict] as keyof typeof ANSWER_STYLE] ?? "yellow";
  const lines = [paint(style, wrap(printable(words.answer), columns))];
  const section = (title: string, texts: readonly string[]) => {
    if (texts.length > 0) lines.push("", paint("bold", title));
    lines.push(...texts.map((text) => wrap(`- ${printable(text)}`, columns, "  ")));
  };
  section("What this host proves", words.here);
  section("What other owners say, which proves nothing of this host", words.elsewhere);
  const records = [...(elsewhere?.here ?? []), ...(elsewhere?.sameAgesa ?? [])];
  section("Where that is from", [...new Set(records.flatMap(({ record }) => record.sources))]);
  section("What is at stake", words.stake);
  section("Before the update", words.before);
  section("How you will know afterwards", words.after);
  section("Note", notes);
  return lines.join("\n");
}

import { valueText as text } from "../facts/fact-value.ts";
import { rootRank } from "../facts/vocabulary.ts";
import type { FaultAnswer } from "./ask-blame.ts";
import { describeFamily, goodValue, nameSuspect } from "./name-suspects.ts";
import type { Suspect } from "./suspects.ts";

/** How easily a thing is changed back alone, easiest first. */
const EASE = [
  /^kernel parameter/,
  /^device binding/,
  /^module option/,
  /^definition of VM/,
  /^plugin/,
  /^BIOS setting/,
  /^kernel$/,
  /^QEMU$|^libvirt$/,
  /^BIOS$/,
  /^operating system/,
];

/** Less than this is learnt from an experiment that is not worth a reboot (in bits). */
const WORTH_A_REBOOT = 0.05;
/** What an experiment tells may be this much less where it is much easier. */
const NEARLY_AS_MUCH = 0.1;

/**
 * The one thing to try at the next reboot: of all that can be put back, the change whose outcome tells most. Nothing
 * where it works again (nobody breaks it anew to find out why), and never what was tried.
 */
export function whatWouldSettle(answer: FaultAnswer): string | undefined {
  const { blame } = answer;
  if (blame.healed || blame.good === 0 || blame.certainty === "confirmed") return undefined;
  const options = blame.sets.flatMap((set) =>
    set.suspects
      .filter((suspect) => isInForce(suspect, answer) && !wasTried(suspect, answer))
      .map((suspect) => ({ suspect, told: bits(set.together ? set.probability : suspect.probability) })),
  );
  const most = Math.max(0, ...options.map(({ told }) => told));
  const power = bits(blame.rivals.hidden);
  if (most < WORTH_A_REBOOT && power < WORTH_A_REBOOT) return undefined;
  if (power > most)
    return "Change nothing, switch the machine off at the wall for a minute, and start the VM: if it works, the card hung; if it still fails, it is a setting or one of the changes.";
  const [easiest] = options
    .filter(({ told }) => told >= most - NEARLY_AS_MUCH)
    .sort((a, b) => ease(a.suspect.family) - ease(b.suspect.family));
  if (easiest === undefined) return undefined;
  const back = goBack(easiest.suspect, answer);
  const rest = [
    ...new Set(
      blame.sets
        .flatMap(({ suspects }) => suspects)
        .filter(({ family }) => family !== easiest.suspect.family)
        .map(({ family }) => describeFamily(family)),
    ),
  ];
  if (rest.length === 0)
    return `${back} and start the VM: if it works, that proves it; if it still fails, it was not that.`;
  return `${back}, leave everything else as it is (${rest.join(", ")}), and start the VM: if it works, it was that; if it still fails, it is among the others.`;
}

/** Whether the newest start had a broken value of it, so that there is something to put back. */
function isInForce({ facts }: Suspect, { blame }: FaultAnswer): boolean {
  const [lead] = facts;
  const value = lead?.pattern.findLast((own) => own >= 0) ?? -1;
  return blame.trials.length > 0 && lead?.broken[value] === true;
}

/** Whether a start failed with it put back, after it broke. */
function wasTried({ facts }: Suspect, { blame }: FaultAnswer): boolean {
  const [lead] = facts;
  const from = blame.trials.findIndex(({ tally }) => tally === blame.boundary?.firstBad);
  return blame.trials.some(
    ({ good }, at) => !good && at > from && from >= 0 && lead?.broken[lead.pattern[at] ?? -1] === false,
  );
}

function bits(chance: number): number {
  if (chance <= 0 || chance >= 1) return 0;
  return -(chance * Math.log2(chance) + (1 - chance) * Math.log2(1 - chance));
}

function ease(family: string): number {
  const place = EASE.findIndex((pattern) => pattern.test(family));
  return place < 0 ? EASE.length + Math.min(9, rootRank(family)) : place;
}

/** The instruction that puts a suspect back as it was when it worked. */
function goBack(suspect: Suspect, answer: FaultAnswer): string {
  const { family, kind } = suspect;
  const { lead, cards } = nameSuspect(suspect, answer);
  const value = text(goodValue(lead, answer.blame));
  if (/^(?:BIOS|kernel|QEMU|libvirt|operating system)$/.test(family))
    return `Go back to ${family} ${value} only`;
  if (kind === "firmware-demand")
    return "Set the BIOS settings back as they were, with the same BIOS version";
  if (cards !== undefined)
    return cards.move === "moved"
      ? `Move the card back to where it was (${cards.where})`
      : `Put the old card (${cards.name}) back`;
  if (kind === "card-address") return `Move the card back to where it was (${value})`;
  if (kind === "other-card") return "Take the new card out again";
  return `Change back only ${describeFamily(family)} (${value})`;
}

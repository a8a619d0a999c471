import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { askBlame, type BlameAnswer } from "../../src/history/ask-blame.ts";
import type { CauseClass } from "../../src/model/catalogue.ts";
import { vmName } from "../../src/model/identifiers.ts";
import {
  AUDIO_IDENTITY,
  BIOS_A95,
  bad,
  type Facts,
  GPU_IDENTITY,
  good,
  hostFacts,
  type MadeBoot,
  NONE,
  storeHistory,
} from "../helpers/made-history.ts";
import { withStore } from "../store/samples.ts";

// Lives of made-up hosts with a planted cause, judged by what was planted. The lives know nothing of how blame weighs:
// what changes, how often it fails and how it ends are drawn, in rates of their own.

/** Numbers in a fixed order for each seed (Lehmer's generator, which is even enough for this). */
function createDraw(seed: number) {
  let state = (seed * 48271 + 11) % 2147483647;
  const next = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  return {
    chance: (share: number) => next() < share,
    between: (from: number, to: number) => from + Math.floor(next() * (to - from + 1)),
    pick: <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T,
  };
}
type Draw = ReturnType<typeof createDraw>;

interface Life {
  readonly boots: readonly MadeBoot[];
  /** Families that are a right answer; none: nothing that shows is the cause. */
  readonly causes: readonly string[];
}

const OPAQUE: readonly CauseClass[] = [
  "reset-failed",
  "bar-reserve-failed",
  "pcie-error",
  "irq-setup-failed",
];

/** A host on which harmless things change now and then. */
function createHost(draw: Draw) {
  const own: Record<string, string> = {};
  return {
    own,
    /** The facts of the next boot. */
    next(planted: Facts): Facts {
      if (draw.chance(0.2))
        own[`software.plugin.${draw.pick(["nut", "tips", "appdata"])}`] = `v${draw.between(1, 99)}`;
      if (draw.chance(0.05)) own["kernel.parameter.quiet"] = draw.pick(["set", NONE]);
      if (draw.chance(0.04)) own["vm.Windows 11.memory"] = `${draw.between(4, 32)} GiB`;
      return hostFacts({ ...own, ...planted });
    },
  };
}

/** So many boots with what is planted; it fails with this chance. */
function boots(
  draw: Draw,
  host: ReturnType<typeof createHost>,
  count: number,
  planted: Facts,
  fails: number,
  cause: CauseClass,
): readonly MadeBoot[] {
  return Array.from({ length: count }, () => ({
    facts: host.next(planted),
    starts: draw.chance(fails) ? [bad(draw.between(1, 3), cause)] : [good(draw.between(1, 3))],
  }));
}

/** Good, broken by the planted change, and mostly back again. */
function broken(draw: Draw, planted: Facts, cause: CauseClass, fails = 1): readonly MadeBoot[] {
  const host = createHost(draw);
  const stray = draw.pick([0, 0, 0.02]);
  return [
    ...boots(draw, host, draw.between(5, 30), {}, stray, cause),
    ...boots(draw, host, draw.between(2, 6), planted, fails, cause),
    ...(draw.chance(0.6) ? boots(draw, host, draw.between(2, 8), {}, stray, cause) : []),
  ];
}

const KINDS: Readonly<Record<string, (draw: Draw) => Life>> = {
  "a BIOS that demands": (draw) => ({
    boots: broken(draw, BIOS_A95, "iommu-direct-mapping-required"),
    causes: ["BIOS"],
  }),
  "a BIOS with which nine of ten starts fail": (draw) => ({
    boots: broken(
      draw,
      { "firmware.bios.version": "1B01", "firmware.bios.date": "05/05/2026" },
      draw.pick(OPAQUE),
      0.9,
    ),
    causes: ["BIOS"],
  }),
  "a BIOS with which two of five boots fail, which the first few need not": (draw) => {
    const host = createHost(draw);
    const cause = draw.pick(OPAQUE);
    const planted = { "firmware.bios.version": "1B01", "firmware.bios.date": "05/05/2026" };
    return {
      boots: [
        ...boots(draw, host, draw.between(12, 40), {}, 0, cause),
        ...boots(draw, host, draw.between(0, 3), planted, 0, cause),
        ...boots(draw, host, draw.between(15, 25), planted, 0.4, cause),
      ],
      causes: ["BIOS"],
    };
  },
  "a BIOS built anew under its name": (draw) => ({
    boots: broken(draw, { "firmware.bios.date": "09/30/2025" }, draw.pick(OPAQUE)),
    causes: ["BIOS"],
  }),
  "a kernel": (draw) => ({
    boots: broken(draw, { "kernel.release": "6.18.1-Unraid" }, draw.pick(OPAQUE)),
    causes: ["kernel"],
  }),
  "Secure Boot": (draw) => ({
    boots: broken(draw, { "firmware.secure-boot": "on" }, draw.pick(OPAQUE)),
    causes: ["firmware"],
  }),
  "a parameter": (draw) => ({
    boots: broken(draw, { "kernel.parameter.pcie_aspm": "force" }, draw.pick(OPAQUE)),
    causes: ["kernel parameter pcie_aspm"],
  }),
  "the card in another slot": (draw) => ({
    boots: broken(
      draw,
      {
        [`pci.${GPU_IDENTITY}.address`]: "0000:03:00.0",
        [`pci.${AUDIO_IDENTITY}.address`]: "0000:03:00.1",
        "pci.144d:a80c/144d:a801.address": "0000:01:00.0",
      },
      "device-missing",
    ),
    causes: ["PCI devices"],
  }),
  "another mainboard": (draw) => ({
    boots: broken(
      draw,
      {
        "firmware.board.name": "X570 AORUS MASTER",
        "firmware.bios.version": "F39",
        "firmware.bios.date": "01/02/2026",
      },
      draw.pick(OPAQUE),
    ),
    causes: ["mainboard", "BIOS"],
  }),
  "a BIOS and a kernel only together": (draw) => {
    const host = createHost(draw);
    const [kernel, bios] = [{ "kernel.release": "6.18.1-Unraid" }, { "firmware.bios.version": "1B01" }];
    const cause = draw.pick(OPAQUE);
    return {
      boots: [
        ...boots(draw, host, draw.between(5, 20), {}, 0, cause),
        ...boots(draw, host, draw.between(4, 9), kernel, 0, cause),
        ...boots(draw, host, draw.between(3, 6), { ...kernel, ...bios }, 1, cause),
        ...boots(draw, host, draw.between(3, 6), bios, 0, cause),
      ],
      causes: ["BIOS", "kernel"],
    };
  },
  "a state that nothing shows": (draw) => ({ boots: broken(draw, {}, draw.pick(OPAQUE)), causes: [] }),
  "a card that fails one boot in six": (draw) => ({
    boots: boots(draw, createHost(draw), draw.between(15, 50), {}, 1 / 6, draw.pick(OPAQUE)),
    causes: [],
  }),
  "a card that works once in a boot": (draw) => {
    const host = createHost(draw);
    return {
      boots: Array.from({ length: draw.between(10, 30) }, () => ({
        facts: host.next({}),
        starts: draw.chance(0.6) ? [good(), bad(draw.between(1, 2), "reset-failed")] : [good()],
      })),
      causes: [],
    };
  },
  "other programs' failures": (draw) => ({
    boots: broken(
      draw,
      BIOS_A95,
      draw.pick(["vm-killed", "device-busy", "host-resource-missing"] as const),
      0.5,
    ),
    causes: [],
  }),
};

const LIVES = 12;

/** Asks after every life of every kind. */
async function playAll(): Promise<
  readonly { kind: string; causes: readonly string[]; answer: BlameAnswer }[]
> {
  const played: { kind: string; causes: readonly string[]; answer: BlameAnswer }[] = [];
  for (const [place, [kind, make]] of Object.entries(KINDS).entries()) {
    for (let index = 0; index < LIVES; index += 1) {
      const { boots: own, causes } = make(createDraw(1 + place * 1000 + index));
      await withStore((store) => {
        storeHistory(store, own);
        played.push({ kind, causes, answer: askBlame(store, { vm: vmName("Windows 11") }) });
      });
    }
  }
  return played;
}

describe("blame in the lives of made-up hosts", () => {
  let all: Awaited<ReturnType<typeof playAll>> = [];
  before(async () => {
    all = await playAll();
  });
  after(() => {
    all = [];
  });
  const families = ({ blame }: BlameAnswer) => blame.sets[0]?.suspects.map(({ family }) => family) ?? [];
  const names = ({ answer, causes }: (typeof all)[number]) =>
    families(answer).some((one) => causes.includes(one));
  const told = (own: typeof all) =>
    own.map(({ kind, answer }) => `${kind}: ${answer.blame.certainty} ${families(answer)}`).join("; ");

  it("confirms nothing but what was planted", () => {
    const confirmed = all.filter(({ answer }) => answer.blame.certainty === "confirmed");
    assert.ok(confirmed.length >= LIVES, `${confirmed.length} were confirmed`);
    assert.equal(told(confirmed.filter((one) => !names(one))), "");
  });

  it("calls likely what was planted, and nothing where nothing shows", () => {
    const likely = all.filter(({ answer }) => answer.blame.certainty === "likely");
    const wrong = likely.filter((one) => !names(one));
    assert.ok(wrong.length <= 0.03 * likely.length, told(wrong));
  });

  it("puts what was planted first, alone or among what went with it", () => {
    const visible = all.filter(({ causes }) => causes.length > 0);
    const missed = visible.filter((one) => one.answer.blame.certainty === "unknown" || !names(one));
    assert.ok(missed.length <= 0.05 * visible.length, told(missed));
  });

  it("names the two that break it only together", () => {
    const pairs = all.filter(({ kind }) => kind === "a BIOS and a kernel only together");
    const missed = pairs.filter(({ answer }) => answer.blame.sets[0]?.together !== true);
    assert.ok(missed.length <= 2, told(missed));
  });

  it("never speaks of a device that the VM did not have", () => {
    const identities = all.flatMap(({ answer }) => answer.devices.map(({ identity }) => identity));
    assert.deepEqual(new Set(identities), new Set([GPU_IDENTITY, AUDIO_IDENTITY]));
  });
});

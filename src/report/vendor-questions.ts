import type { CauseClass } from "../model/catalogue.ts";
import type { Change } from "../model/fact.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { HostFacts } from "./host-facts.ts";

/** What was found, as far as a board's vendor can do something about it. */
export interface VendorFindings {
  readonly causes: readonly CauseClass[];
  readonly devices: readonly Bdf[];
  readonly facts: HostFacts;
  /** The BIOS of the last good start; undefined where there was none or it is unknown. */
  readonly goodBios: string | undefined;
  /** What changed since the last good start. */
  readonly changes: readonly Change[];
  /** The history says that the BIOS broke it. */
  readonly biosBlamed: boolean;
}

/** Questions for the board's vendor. Each follows from something that was found; without findings there are none. */
export function vendorQuestions(findings: VendorFindings): readonly string[] {
  return [
    ...demandQuestions(findings),
    ...tableFaultQuestions(findings),
    ...remappingQuestions(findings),
    ...groupQuestions(findings),
    ...linkQuestions(findings),
    ...updateQuestions(findings),
  ];
}

function biosName(facts: HostFacts): string {
  const version = facts.value("firmware.bios.version");
  const board = facts.value("firmware.board.name");
  return `${version === undefined ? "the BIOS" : `BIOS ${version}`}${board === undefined ? "" : ` of the ${board}`}`;
}

function demandQuestions({ causes, devices, facts, changes }: VendorFindings): readonly string[] {
  if (!causes.includes("iommu-direct-mapping-required")) return [];
  const questions: string[] = [];
  const entries = facts
    .below("firmware-tables.")
    .filter(({ rest, fact }) => /\.(?:ivmd|rmrr)\.\d+$/.test(rest) && fact.value.state === "value");
  const named = devices.length > 0 ? devices.join(" and ") : "a device in a slot";
  for (const { rest, fact } of entries.slice(0, 8)) {
    const table = rest.split(".")[0] ?? "table";
    const text = fact.value.state === "value" ? fact.value.value : "";
    questions.push(
      `In ${biosName(facts)} the ${table} table holds this entry: ${text}. What is that memory for, and does ${named} need it mapped 1:1? Linux 6.6 and newer give no device with such an entry to a VM.`,
    );
  }
  if (entries.length === 0) {
    questions.push(
      `The kernel says that ${biosName(facts)} demands a 1:1 mapping for ${named}. Which entry of the IVRS or DMAR table does that, and what for?`,
    );
  }
  const brought = changes.some(
    ({ key, before, after }) =>
      /\.(?:ivmd|rmrr)\.\d+$|\.direct$/.test(key) && before.state === "absent" && after.state === "value",
  );
  if (brought) {
    questions.push(
      "The demand was not there before. Which change to the firmware brought it, and which version will be without it?",
    );
  }
  if (facts.value("firmware-tables.IVRS.pre-boot-dma-protection") === "on") {
    questions.push(
      "The IVRS says that pre-boot DMA protection is on. Which BIOS setting turns it off, and does the demand go with it?",
    );
  } else {
    questions.push("Which BIOS setting, if any, takes the demand away while the IOMMU stays on?");
  }
  return questions;
}

function tableFaultQuestions({ facts }: VendorFindings): readonly string[] {
  const faults = facts
    .below("firmware-tables.")
    .filter(({ rest, fact }) => /\.finding\.\d+$/.test(rest) && fact.value.state === "value");
  return faults.slice(0, 8).map(({ rest, fact }) => {
    const text = fact.value.state === "value" ? fact.value.value : "";
    return `The ${rest.split(".")[0]} table of ${biosName(facts)} is faulty ${text}. When will it be corrected?`;
  });
}

function remappingQuestions({ causes, facts }: VendorFindings): readonly string[] {
  if (!causes.includes("interrupt-remapping-missing")) return [];
  if (facts.value("firmware-tables.DMAR.interrupt-remapping") !== "not offered") return [];
  return [
    `The DMAR table of ${biosName(facts)} does not offer interrupt remapping. Does the chipset support it, and which setting or version offers it?`,
  ];
}

function groupQuestions({ causes, devices, facts }: VendorFindings): readonly string[] {
  if (!causes.includes("group-not-viable")) return [];
  const group = facts.groups.find(({ members }) => devices.some((device) => members.includes(device)));
  // Functions of one card share a group with good reason.
  const slots = new Set(devices.map(slotOf));
  const others = group?.members.filter((member) => !slots.has(slotOf(member))) ?? [];
  if (group === undefined || others.length === 0) return [];
  return [
    `${devices.join(" and ")} shares IOMMU group ${group.number ?? "?"} with ${others.slice(0, 12).join(", ")}. Which slot of this board has a group of its own, and can the BIOS turn on ACS for this one?`,
  ];
}

function slotOf(address: string): string {
  return address.replace(/\.[0-7]$/, "");
}

const LINK_CLASSES: readonly CauseClass[] = ["pcie-error", "device-lost", "power-state-stuck"];

function linkQuestions({ causes, devices, facts }: VendorFindings): readonly string[] {
  const found = causes.find((cause) => LINK_CLASSES.includes(cause));
  if (found === undefined || devices.length === 0) return [];
  const words = {
    "pcie-error": "reports errors on its PCIe link",
    "device-lost": "drops off the bus",
    "power-state-stuck": "does not come back from a power state",
  }[found as "pcie-error"];
  return [
    `The device at ${devices.join(" and ")} ${words} with ${biosName(facts)}. Is there a known fault of this slot, and which settings for link speed and power management (ASPM) are right for it?`,
  ];
}

function updateQuestions({ biosBlamed, causes, facts, goodBios }: VendorFindings): readonly string[] {
  const now = facts.value("firmware.bios.version");
  if (!biosBlamed || goodBios === undefined || now === undefined || goodBios === now) return [];
  if (causes.includes("iommu-direct-mapping-required")) {
    return [
      `The same machine works with BIOS ${goodBios}. Is going back to it supported, until a corrected version is out?`,
    ];
  }
  return [
    `The same machine works with BIOS ${goodBios} and fails with ${now}. What changed between them in the IOMMU, PCIe and memory map?`,
  ];
}

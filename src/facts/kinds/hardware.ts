import { unreadable } from "../../model/reading.ts";
import { type FactKind, form, LISTED } from "../kind.ts";

const NOT_SHOWN = unreadable("not shown by the firmware");

/** Processor and board as the inventory of the boot has them. */
export const HARDWARE: FactKind = {
  group: "hardware",
  root: "hardware",
  odds: "hardware",
  role: { knob: "mainboard" },
  forms: [
    form("hardware.cpu.name", "CPU", 1, { shown: "hardware" }),
    form("hardware.cpu.cores", "CPU cores", 1, { shown: "hardware" }),
    form("hardware.cpu.virtualization", "CPU virtualization", 1, {
      type: "flag",
      role: { follows: ["BIOS setting"] },
    }),
    form("hardware.board", "Board", 5),
  ],
  collect({ hardware }, tell) {
    if (hardware.state !== "read")
      return tell(
        "hardware",
        hardware.state === "absent" ? unreadable("not asked for in this boot") : hardware,
      );
    const { cpu, board } = hardware.value;
    const known = (text: string) => (text.trim() === "" ? NOT_SHOWN : text);
    tell("hardware.cpu.name", known(cpu.name));
    tell("hardware.cpu.cores", cpu.cores > 0 ? `${cpu.cores} cores, ${cpu.threads} threads` : NOT_SHOWN);
    tell("hardware.cpu.virtualization", cpu.virtualization);
    tell(
      "hardware.board",
      known(`${board.manufacturer} ${board.model} ${board.version}`.replace(/ +/g, " ").trim()),
    );
  },
};

/** One fact a memory slot that is in use. */
export const MEMORY: FactKind = {
  group: "hardware",
  root: "hardware.memory",
  thing: "hardware.memory.{slot}",
  odds: "hardware",
  role: { knob: "mainboard" },
  forms: [form("hardware.memory.{slot}", "Memory module {slot}", 2, { shown: "hardware" })],
  collect({ hardware }, tell) {
    if (hardware.state !== "read") return;
    // Without dmidecode the package reports all memory as one module of which it knows nothing else.
    const modules = hardware.value.memory.filter(({ type, part }) => type !== "" || part !== "");
    const root = "hardware.memory";
    if (modules.length === 0)
      return tell(root, unreadable("the firmware's list of modules could not be read"));
    tell(root, LISTED);
    const seen = new Map<string, number>();
    for (const module of modules) {
      if (module.size <= 0) continue;
      // Some boards name all slots alike.
      const count = (seen.get(module.slot) ?? 0) + 1;
      seen.set(module.slot, count);
      const words = [
        `${Math.round(module.size / 2 ** 20 / 1024)} GiB`,
        module.type,
        module.manufacturer,
        module.part,
        module.speed === undefined || module.speed === 0 ? "" : `at ${module.speed} MT/s`,
      ];
      const slot = `${module.slot.replaceAll(".", "-") || "slot"}${count > 1 ? `#${count}` : ""}`;
      tell(`${root}.${slot}`, words.filter((word) => word !== "").join(" "));
    }
  },
};

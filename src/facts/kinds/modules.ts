import { VFIO_MODULES } from "../../host/vfio-modules.ts";
import { unreadable } from "../../model/reading.ts";
import { type FactKind, form, LISTED } from "../kind.ts";

/**
 * Parameters in force of the modules that matter. Whether a module is loaded is no fact: the first start of a VM loads
 * it, and nothing about the machine has changed; those of one that is not loaded are unknown for the same reason.
 */
export const MODULE_PARAMETERS: FactKind = {
  group: "kernel",
  root: "kernel.module",
  odds: "module-option",
  role: { knob: "module option", which: "option" },
  forms: [
    form(
      "kernel.module.{module:vfio_iommu_type1}.{option:allow_unsafe_interrupts}",
      "Module parameter {module}.{option}",
      3,
      { breaks: { "interrupt-remapping-missing": "any change" }, shown: "kernel" },
    ),
    form("kernel.module.{module}.{option}", "Module parameter {module}.{option}", 3, { shown: "kernel" }),
  ],
  collect({ modules }, tell) {
    const root = "kernel.module";
    if (modules.state !== "read")
      return tell(root, modules.state === "absent" ? unreadable("no /sys/module") : modules);
    const { present, parameters } = modules.value;
    for (const module of VFIO_MODULES)
      if (!present.has(module)) tell(`${root}.${module}`, unreadable("not loaded"));
    for (const [name, value] of parameters) tell(`${root}.${name}`, value === "" ? "(empty)" : value);
  },
};

/** What modprobe.d asks for of the modules that matter: options, and who must not or must first be loaded. */
export const MODPROBE: FactKind = {
  group: "kernel",
  root: "kernel.modprobe",
  thing: "kernel.modprobe.{command}.{module}",
  odds: "module-option",
  role: { knob: "module option", which: "module" },
  forms: [
    form("kernel.modprobe.{command}.{module:vfio_pci}", "modprobe {command} {module}", 3, {
      type: "texts",
      separator: "; ",
      ordered: true,
      breaks: { "driver-binding": "any change" },
      shown: "kernel",
    }),
    form("kernel.modprobe.{command}.{module}", "modprobe {command} {module}", 3, {
      type: "texts",
      separator: "; ",
      ordered: true,
      shown: "kernel",
    }),
  ],
  collect({ modprobe }, tell) {
    const root = "kernel.modprobe";
    if (modprobe.state === "unreadable") return tell(root, modprobe);
    tell(root, LISTED);
    const settings = modprobe.state === "read" ? modprobe.value : [];
    for (const [key, own] of Map.groupBy(settings, ({ kind, module }) => `${root}.${kind}.${module}`)) {
      const [first = "", ...more] = new Set(own.map(({ rest }) => (rest === "" ? "yes" : rest)));
      tell(key, more.length === 0 ? first : [first, ...more]);
    }
  },
};

import { keyPart } from "../key-parts.ts";
import { type FactKind, form, LISTED } from "../kind.ts";

/** The operating system and what runs VMs on it. */
export const SOFTWARE: FactKind = {
  group: "software",
  root: "software",
  odds: "os",
  role: { knob: "operating system" },
  forms: [
    form("software.os.name", "Operating system", 0, { shown: "software" }),
    form("software.os.version", "Operating system version", 0, { shown: "software" }),
    form("software.libvirt", "libvirt", 1, { role: { knob: "libvirt" }, odds: "libvirt", shown: "software" }),
    form("software.qemu", "QEMU", 1, { role: { knob: "QEMU" }, odds: "qemu", shown: "software" }),
  ],
  collect({ osName, osVersion, libvirt, qemu }, tell) {
    tell("software.os.name", osName);
    tell("software.os.version", osVersion);
    tell("software.libvirt", libvirt);
    tell("software.qemu", qemu);
  },
};

/** Names of plugins that bring drivers, or set up devices for VMs. */
const OF_DEVICES =
  "[^.]*(?:[Dd]river|[Vv]fio|[Vv][Bb]ios|[Rr]eset|[Ss][Rr]-?[Ii][Oo][Vv]|[Nn]vidia|[Rr]adeon|amdgpu|i915)[^.]*";

/** Unraid's plugins. */
export const PLUGINS: FactKind = {
  group: "software",
  root: "software.plugin",
  thing: "software.plugin.{plugin}",
  odds: "plugin",
  role: { knob: "plugin", which: "plugin" },
  forms: [
    form("software.plugin.vfio-watch", "Plugin vfio-watch", 3, { role: "bystander" }),
    form(`software.plugin.{plugin:${OF_DEVICES}}`, "Plugin {plugin}", 3, {
      odds: "device-plugin",
      shown: "software",
    }),
    form("software.plugin.{plugin}", "Plugin {plugin}", 3, { shown: "software" }),
  ],
  collect({ plugins }, tell) {
    const root = "software.plugin";
    // Other platforms have none to speak of.
    if (plugins === undefined) return;
    if (plugins.state !== "read") return tell(root, plugins);
    tell(root, LISTED);
    for (const { name, version } of plugins.value) tell(`${root}.${keyPart(name)}`, version);
  },
};

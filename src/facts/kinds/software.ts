import { keyPart } from "../key-parts.ts";
import { type FactKind, LISTED } from "../kind.ts";

/** The operating system and what runs VMs on it. */
export const SOFTWARE: FactKind = {
  group: "software",
  root: "software",
  role: { knob: "operating system" },
  forms: [
    { key: "software.os.name", label: "Operating system", importance: 0, shown: "software" },
    { key: "software.os.version", label: "Operating system version", importance: 0, shown: "software" },
    {
      key: "software.libvirt",
      label: "libvirt",
      importance: 1,
      role: { knob: "libvirt" },
      shown: "software",
    },
    { key: "software.qemu", label: "QEMU", importance: 1, role: { knob: "QEMU" }, shown: "software" },
  ],
  collect({ osName, osVersion, libvirt, qemu }, tell) {
    tell("software.os.name", osName);
    tell("software.os.version", osVersion);
    tell("software.libvirt", libvirt);
    tell("software.qemu", qemu);
  },
};

/** Unraid's plugins. */
export const PLUGINS: FactKind = {
  group: "software",
  root: "software.plugin",
  thing: "software.plugin.{plugin}",
  role: { knob: "plugin", which: "plugin" },
  forms: [
    { key: "software.plugin.vfio-watch", label: "Plugin vfio-watch", importance: 3, role: "bystander" },
    { key: "software.plugin.{plugin}", label: "Plugin {plugin}", importance: 3, shown: "software" },
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

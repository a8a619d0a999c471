import type { BindingPlace } from "../../host/vfio-setup.ts";
import { mapReading, unreadable } from "../../model/reading.ts";
import { type FactForm, type FactKind, form, LISTED } from "../kind.ts";

const BREAKS: FactForm["breaks"] = { "driver-binding": "any change" };
const list = (name: string, label: string, importance = 1): FactForm => ({
  key: `vfio-setup.${name}`,
  type: "list",
  separator: " ",
  label,
  importance,
  breaks: BREAKS,
  shown: "binding",
});

/** Who asks for which device to be held by vfio-pci, and what Unraid's own script had to say about it. */
export const VFIO_SETUP: FactKind = {
  group: "vfio-setup",
  root: "vfio-setup",
  odds: "binding",
  role: { knob: "device binding" },
  forms: [
    list("config", "BIND in vfio-pci.cfg"),
    list("ids", "Parameter vfio-pci.ids"),
    list("modprobe-ids", "vfio-pci ids in modprobe.d"),
    list("vfs", "VFs made at boot (sriov.cfg)"),
    list("vfs-bound", "VFs bound at boot (sriovvfs.cfg)"),
    list("unmatched", "Bindings that fit no device", 0),
    { ...list("errors", "Errors of Unraid's VFIO binding", 0), separator: "; ", ordered: true },
  ],
  collect({ vfioSetup }, tell) {
    if (vfioSetup.state !== "read") return tell("vfio-setup", vfioSetup);
    const { asked, errors, bindings, unmatched, vfs } = vfioSetup.value;
    const ask = (name: string, place: BindingPlace) =>
      tell(
        `vfio-setup.${name}`,
        mapReading(asked[place], (requests) => requests.map(({ text }) => text)),
      );
    ask("config", "vfio-pci.cfg");
    ask("vfs-bound", "sriovvfs.cfg");
    ask("ids", "vfio-pci.ids");
    ask("modprobe-ids", "modprobe.d");
    tell("vfio-setup.vfs", vfs);
    tell("vfio-setup.errors", errors);
    tell(
      "vfio-setup.unmatched",
      bindings.state === "unreadable" ? bindings : unmatched.map(({ text }) => text),
    );
  },
};

/** What was changed in Unraid's vfio-pci.cfg since the boot: until the next one it has no effect. */
export const BINDING_IN_WAIT: FactKind = {
  group: "vfio-setup",
  root: "vfio-setup.waits-for-reboot",
  odds: "other",
  role: "bystander",
  forms: [
    {
      key: "vfio-setup.waits-for-reboot",
      type: "list",
      separator: "; ",
      label: "Binding that waits for a reboot",
      importance: 0,
      shown: "binding",
    },
  ],
  collect({ vfioSetup }, tell) {
    const root = "vfio-setup.waits-for-reboot";
    if (vfioSetup.state !== "read") return tell(root, vfioSetup);
    tell(
      root,
      mapReading(vfioSetup.value.changedSinceBoot, ({ added, removed }) => [
        ...added.map(({ text }) => `${text} added`),
        ...removed.map(({ text }) => `${text} removed`),
      ]),
    );
  },
};

/** By whom each device is asked for. */
export const DEVICE_BINDINGS: FactKind = {
  group: "vfio-setup",
  root: "vfio-setup.device",
  thing: "vfio-setup.device.{address*}",
  odds: "binding",
  role: { knob: "device binding" },
  forms: [
    form("vfio-setup.device.{address*}", "VFIO binding of {address}", 2, {
      breaks: BREAKS,
      shown: "binding",
    }),
  ],
  collect({ vfioSetup }, tell) {
    const root = "vfio-setup.device";
    const bindings = vfioSetup.state === "read" ? vfioSetup.value.bindings : vfioSetup;
    if (bindings.state === "unreadable") return tell(root, unreadable(bindings.why));
    tell(root, LISTED);
    for (const { bdf, requests } of bindings.state === "read" ? bindings.value : []) {
      const places = new Set(requests.map(({ place }) => place));
      places.delete("driver_override");
      if (places.size > 0) tell(`${root}.${bdf}`, `bound by ${[...places].join(" and by ")}`);
    }
  },
};

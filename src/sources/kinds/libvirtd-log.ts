import { path } from "../../settings/value-kinds.ts";
import { sourceKind } from "./kind.ts";

export const libvirtdLog = sourceKind({
  name: "libvirtd-log",
  settings: {
    LIBVIRTD_LOG: path("", "The log file of libvirtd or virtqemud. Empty: the usual ones, else the journal."),
  },
  labels: { LIBVIRTD_LOG: "Log of libvirtd" },
  importance: "what libvirt refuses before QEMU runs, and devices that cannot be plugged in",
  speaker: "libvirt",
  needs: (managers) => managers.libvirt,
  async create({ LIBVIRTD_LOG: file }, { paths, clock, bootId, since }) {
    const { createLibvirtdLogSource } = await import("../libvirtd-log.ts");
    return createLibvirtdLogSource({
      ...{ paths, clock, bootId },
      ...(since !== undefined && { since }),
      ...(file !== "" && { file }),
    });
  },
});

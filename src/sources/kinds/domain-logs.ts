import { path } from "../../settings/value-kinds.ts";
import { sourceKind } from "./kind.ts";

export const domainLogs = sourceKind({
  name: "domain-logs",
  settings: {
    DOMAIN_LOG_DIRECTORY: path("/var/log/libvirt/qemu", "Where libvirt keeps one log for each VM."),
  },
  labels: { DOMAIN_LOG_DIRECTORY: "Logs of the VMs" },
  importance: "each try to start a VM under libvirt, and what QEMU said of it",
  speaker: "QEMU",
  needs: (managers) => managers.libvirt,
  async create({ DOMAIN_LOG_DIRECTORY: directory }, { paths, clock, bootId, since }) {
    const { createDomainLogsSource } = await import("../domain-logs.ts");
    return createDomainLogsSource({
      ...{ paths, clock, bootId, directory },
      ...(since !== undefined && { since }),
    });
  },
});

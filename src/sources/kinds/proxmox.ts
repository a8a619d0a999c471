import { sourceKind } from "./kind.ts";

export const proxmox = sourceKind({
  name: "proxmox",
  settings: {},
  labels: {},
  importance: "on Proxmox VE the VMs, each try to start one and what QEMU said of it",
  speaker: "Proxmox",
  needs: (managers) => managers.proxmox,
  async create(_settings, { paths, clock, bootId, since }) {
    const { createProxmoxSource } = await import("../proxmox.ts");
    return createProxmoxSource({ ...{ paths, clock, bootId }, ...(since !== undefined && { since }) });
  },
});

import { sourceKind } from "./kind.ts";

export const libvirt = sourceKind({
  name: "libvirt",
  settings: {},
  labels: {},
  importance: "which VMs there are with which devices, which of them run, and whose start went well",
  needs: (managers) => managers.libvirt,
  async create(_settings, { paths, clock, bootId }) {
    const { createLibvirtSource } = await import("../libvirt.ts");
    return createLibvirtSource({ paths, clock, bootId });
  },
});

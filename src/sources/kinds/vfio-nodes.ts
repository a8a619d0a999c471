import { sourceKind } from "./kind.ts";

export const vfioNodes = sourceKind({
  name: "vfio-nodes",
  settings: {},
  labels: {},
  importance: "groups that come to vfio-pci and leave it",
  needs: () => true,
  async create(_settings, { paths, clock, bootId }) {
    const { createVfioNodesSource } = await import("../vfio-nodes.ts");
    return createVfioNodesSource({ paths, clock, bootId });
  },
});

import { sourceKind } from "./kind.ts";

export const configFiles = sourceKind({
  name: "config-files",
  settings: {},
  labels: {},
  importance:
    "at once when a boot loader, module option or VM definition is changed, and not at the next reading",
  needs: () => true,
  async create(_settings, { paths, clock, bootId }) {
    const { createConfigFilesSource } = await import("../config-files.ts");
    return createConfigFilesSource({ paths, clock, bootId });
  },
});

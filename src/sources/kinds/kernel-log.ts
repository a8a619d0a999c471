import { sourceKind } from "./kind.ts";

export const kernelLog = sourceKind({
  name: "kernel-log",
  settings: {},
  labels: {},
  importance: "what the kernel refuses and why, cards that hang or fall off the bus",
  speaker: "kernel",
  whenLost: "A larger kernel log helps: the kernel parameter log_buf_len=4M.",
  needs: () => true,
  async create(_settings, { paths, clock, bootIdentity, kernelTexts }) {
    const { createKernelLogSource } = await import("../kernel-log.ts");
    return createKernelLogSource({ paths, clock, bootIdentity, ...kernelTexts });
  },
});

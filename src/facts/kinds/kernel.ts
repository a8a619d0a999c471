import type { FactKind } from "../kind.ts";

/** The kernel that runs. */
export const KERNEL: FactKind = {
  group: "kernel",
  root: "kernel",
  role: { knob: "kernel" },
  forms: [
    { key: "kernel.release", label: "Kernel", importance: 0, shown: "kernel" },
    { key: "kernel.build", label: "Kernel build", importance: 2, shown: "kernel" },
    { key: "kernel.taint", label: "Kernel taint", importance: 6, role: "bystander", shown: "kernel" },
    {
      key: "kernel.lockdown",
      label: "Kernel lockdown",
      importance: 4,
      role: { follows: ["kernel", "kernel parameter", "BIOS setting"] },
      shown: "kernel",
    },
  ],
  collect(host, tell) {
    tell("kernel.release", host.kernelRelease);
    tell("kernel.build", host.kernelBuild);
    tell("kernel.taint", host.taint);
    tell("kernel.lockdown", host.lockdown);
  },
};

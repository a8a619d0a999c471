import { type FactKind, form } from "../kind.ts";

/** The kernel that runs. */
export const KERNEL: FactKind = {
  group: "kernel",
  root: "kernel",
  odds: "other",
  role: { knob: "kernel" },
  forms: [
    form("kernel.release", "Kernel", 0, { shown: "kernel" }),
    form("kernel.build", "Kernel build", 2, { shown: "kernel" }),
    form("kernel.taint", "Kernel taint", 6, { role: "bystander", shown: "kernel" }),
    form("kernel.lockdown", "Kernel lockdown", 4, {
      role: { follows: ["kernel", "kernel parameter", "BIOS setting"] },
      shown: "kernel",
    }),
  ],
  collect(host, tell) {
    tell("kernel.release", host.kernelRelease);
    tell("kernel.build", host.kernelBuild);
    tell("kernel.taint", host.taint);
    tell("kernel.lockdown", host.lockdown);
  },
};

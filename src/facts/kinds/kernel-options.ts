import { KERNEL_OPTIONS } from "../../host/kernel-options.ts";
import { type FactKind, form } from "../kind.ts";

const ROOT = "kernel.option";

/** How the kernel was built, of what decides for passthrough; an option that a kernel does not know is absent. */
export const KERNEL_BUILD_OPTIONS: FactKind = {
  group: "kernel",
  root: ROOT,
  odds: "other",
  role: { follows: ["kernel"] },
  forms: [
    form(
      `${ROOT}.{option:${["DRM_SIMPLEDRM", "SYSFB_SIMPLEFB", "FB_EFI", "FB_SIMPLE"].join("|")}}`,
      "Kernel option {option}",
      4,
      {
        breaks: { "bar-reserve-failed": "any change" },
        shown: "kernel",
      },
    ),
    form(`${ROOT}.{option:VFIO_DEVICE_CDEV|IOMMUFD}`, "Kernel option {option}", 4, {
      breaks: { "container-setup-failed": "any change" },
      shown: "kernel",
    }),
    form(`${ROOT}.{option}`, "Kernel option {option}", 5, { shown: "kernel" }),
  ],
  collect({ kernelOptions }, tell) {
    if (kernelOptions.state !== "read") return tell(ROOT, kernelOptions);
    for (const option of KERNEL_OPTIONS) tell(`${ROOT}.${option}`, kernelOptions.value.get(option));
  },
};

import type { CauseClass, SignatureMatch } from "../model/catalogue.ts";
import type { Certainty } from "../model/diagnosis.ts";
import { type ErrnoName, errnoNamed } from "./errno.ts";

/** What a symptom points to, seen together with what the kernel said. */
export interface Verdict {
  readonly class: CauseClass;
  readonly certainty: Certainty;
}

/** What the kernel said of the same failure. */
export interface KernelTestimony {
  /** Classes that its lines name as causes. */
  readonly classes: ReadonlySet<CauseClass>;
  /** All that the kernel said is known, so that its silence means something. */
  readonly complete: boolean;
}

/**
 * Reads a symptom: its error number, the step at which it came, and what the kernel said or did not say.
 * Where the kernel named a reason that leads to this very step, that is the verdict.
 */
export function readSymptom(match: SignatureMatch, ownClass: CauseClass, kernel: KernelTestimony): Verdict {
  const errno = match.captures.errno === undefined ? undefined : errnoNamed(match.captures.errno);
  const step = STEPS[match.signature.id];
  const reason = step?.kernelReasons.find((candidate) => kernel.classes.has(candidate));
  if (reason !== undefined) return { class: reason, certainty: "certain" };
  const own: Verdict = {
    class: ownClass,
    certainty: match.signature.severity === "fatal" ? "likely" : "possible",
  };
  if (step === undefined || errno === undefined)
    return step === undefined ? own : { ...own, certainty: "possible" };
  if (errno === "ENOMEM" && step === MAP && kernel.complete) {
    // The kernel always names RLIMIT_MEMLOCK when that was it; its silence leaves the host's own shortage.
    return { class: "memory-alloc-failed", certainty: "likely" };
  }
  return step.meanings[errno] ?? own;
}

interface Step {
  /** What the kernel may have said that makes this step fail. */
  readonly kernelReasons: readonly CauseClass[];
  readonly meanings: Readonly<Partial<Record<ErrnoName, Verdict>>>;
}

const likely = (causeClass: CauseClass): Verdict => ({ class: causeClass, certainty: "likely" });
const possible = (causeClass: CauseClass): Verdict => ({ class: causeClass, certainty: "possible" });

/** The kernel claims the group's DMA for VFIO: refused with EINVAL for a 1:1 region, with EPERM for Intel's RMRR. */
const CLAIM: Step = {
  kernelReasons: ["iommu-direct-mapping-required", "interrupt-remapping-missing"],
  meanings: { EBUSY: likely("device-busy"), ENODEV: likely("device-missing") },
};
/** type1 attaches the group to an IOMMU domain: EPERM without interrupt remapping, or for RMRR before Linux 6.6. */
const ATTACH: Step = {
  kernelReasons: [
    "interrupt-remapping-missing",
    "iommu-direct-mapping-required",
    "memlock-limit",
    "dma-map-failed",
  ],
  meanings: {},
};
const OPEN_DEVICE: Step = {
  kernelReasons: ["device-lost", "power-state-stuck", "reset-failed", "access-denied"],
  // ENODEV: no driver of VFIO has the device, although one of its group's has; EIO: it could not be enabled.
  meanings: {
    ENODEV: likely("driver-binding"),
    EIO: possible("device-lost"),
    EPERM: likely("access-denied"),
  },
};
const MAP: Step = {
  kernelReasons: ["memlock-limit", "dma-map-failed"],
  meanings: { ENOMEM: likely("memlock-limit") },
};
const REGION: Step = {
  kernelReasons: ["bar-reserve-failed", "device-lost", "power-state-stuck"],
  meanings: {
    EBUSY: likely("bar-reserve-failed"),
    EIO: possible("device-lost"),
    ENODEV: possible("device-lost"),
    ENXIO: possible("device-lost"),
  },
};

/** By the id of the signature that sees the step fail. */
const STEPS: Readonly<Record<string, Step>> = {
  "qemu.set-group-container": CLAIM,
  "qemu.iommufd-bind": CLAIM,
  "userspace.group-to-container": CLAIM,
  "qemu.set-iommu": ATTACH,
  "qemu.iommu-info": ATTACH,
  "qemu.iommufd-attach": ATTACH,
  "qemu.container-not-set-up": {
    kernelReasons: [...CLAIM.kernelReasons, "memlock-limit", "dma-map-failed"],
    meanings: {},
  },
  "qemu.device-from-group": OPEN_DEVICE,
  "qemu.listener-no-memory": MAP,
  "qemu.listener-dma-map": MAP,
  "qemu.listener-failed": MAP,
  "qemu.dma-map": MAP,
  "qemu.map-dma-ioctl": MAP,
  "qemu.map-dma-ioctl-device": MAP,
  "qemu.region-access": REGION,
};

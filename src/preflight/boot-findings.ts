import type { BootLoaderClaim } from "../host/boot-loader.ts";
import type { RunningLoader } from "../host/boot-loader-running.ts";
import type { PreflightFinding, PreflightInput } from "./finding.ts";

/** Parameters that a boot loader's file claims and that do not run (law 6). */
export function bootFindings({ bootLoaders }: PreflightInput): readonly PreflightFinding[] {
  const { running, claims } = bootLoaders;
  const inEffect = claims.filter(({ verdict }) => verdict === "in-effect").map(({ path }) => path);
  return claims.flatMap((claim): readonly PreflightFinding[] => {
    const missing = claim.difference?.missing ?? [];
    if (missing.length === 0) return [];
    const shown = missing.slice(0, 12).join(" ");
    const common = { certainty: "certain", devices: [], groups: [] } as const;
    if (claim.verdict === "other-loader") {
      const loader = loaderName(running);
      return [
        {
          ...common,
          check: "preflight.other-boot-loader",
          matter: "harmless",
          sentence: `Editing ${claim.path} has no effect: ${loader} started this kernel, and does not read that file.`,
          evidence: [
            `${claim.path} asks for ${shown}, which ${missing.length === 1 ? "does" : "do"} not run`,
            ...running.evidence,
          ],
          remedies: [
            inEffect.length > 0
              ? `Edit ${inEffect.join(" or ")} instead, whose parameters are the ones that run.`
              : `Edit the file of the loader that runs${otherPaths(claim, claims)}; /proc/cmdline shows what is in effect.`,
          ],
        },
      ];
    }
    if (claim.verdict !== "differs") return [];
    return [
      {
        ...common,
        check: "preflight.parameters-not-in-effect",
        matter: "tidy",
        sentence: `${claim.path} asks for ${shown}, and the kernel runs without: it was edited since the boot, or another entry was chosen.`,
        evidence: [`missing in /proc/cmdline: ${shown}`, ...extraLine(claim)],
        remedies: ["Reboot with that entry, then look at /proc/cmdline again."],
      },
    ];
  });
}

const NAMES = {
  syslinux: "Syslinux",
  grub: "GRUB",
  limine: "Limine",
  "systemd-boot": "systemd-boot",
} as const;

function loaderName({ name, possible }: RunningLoader): string {
  const [only, ...others] = possible;
  if (name !== undefined) return name;
  return only !== undefined && others.length === 0 ? NAMES[only] : "another boot loader";
}

function extraLine({ difference }: BootLoaderClaim): readonly string[] {
  const extra = difference?.extra ?? [];
  return extra.length === 0 ? [] : [`only in /proc/cmdline: ${extra.slice(0, 12).join(" ")}`];
}

function otherPaths(claim: BootLoaderClaim, claims: readonly BootLoaderClaim[]): string {
  const others = claims.filter((other) => other !== claim && other.verdict !== "other-loader");
  return others.length === 0 ? "" : ` (${others.map(({ path }) => path).join(" or ")})`;
}

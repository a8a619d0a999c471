import type { HostReading } from "../../host/host-reading.ts";
import { absent, mapReading, type Reading, read } from "../../model/reading.ts";
import { type FactKind, form } from "../kind.ts";

const ROOT = "kernel.memory-encryption";
const SEV = "/sys/module/kvm_amd/parameters";
const FORMS = { sev: "SEV", sev_es: "SEV-ES", sev_snp: "SEV-SNP" };

/** AMD's encryption of memory: by the kernel for itself (SME), and what KVM offers to VMs (SEV). TSME is the firmware's. */
export const MEMORY_ENCRYPTION: FactKind = {
  group: "kernel",
  root: ROOT,
  odds: "other",
  role: { follows: ["kernel parameter", "BIOS setting", "kernel"] },
  forms: [
    form(`${ROOT}.sme`, "Memory encrypted by the kernel (SME)", 4, { shown: "kernel" }),
    form(`${ROOT}.sev`, "Encryption that KVM offers to VMs", 5, { type: "list", shown: "kernel" }),
  ],
  collect(host, tell) {
    const { cpuFlags } = host;
    // The kernel takes the flag away where the firmware has not switched it on (early_detect_mem_encrypt).
    if (cpuFlags.state !== "read" || !cpuFlags.value.has("sme"))
      tell(`${ROOT}.sme`, cpuFlags.state === "read" ? undefined : cpuFlags);
    else
      tell(
        `${ROOT}.sme`,
        mapReading(isSmeWanted(host), (wanted) => (wanted ? "on" : "off")),
      );
    tell(`${ROOT}.sev`, sevOffered(host));
  },
};

/** The kernel's own choice where its command line has none (AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT, up to Linux 6.9). */
function isSmeWanted({ commandLine, kernelOptions }: HostReading): Reading<boolean> {
  return mapReading(commandLine, (words) => {
    const said = words.findLast(({ name }) => name === "mem_encrypt")?.value;
    if (said !== undefined) return said === "on";
    return (
      kernelOptions.state === "read" && kernelOptions.value.get("AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT") === "y"
    );
  });
}

function sevOffered({ files }: HostReading): Reading<readonly string[]> {
  const offered: string[] = [];
  for (const [file, name] of Object.entries(FORMS)) {
    const said = files.value(`${SEV}/${file}`);
    if (said.state === "unreadable") return said;
    if (said.state === "read" && /^[Y1]$/.test(said.value)) offered.push(name);
  }
  return offered.length === 0 ? absent : read(offered);
}

import type { HostTruths } from "../diagnosis/remedies.ts";

/** Since this version the web interface has a page of its own for them (release notes of 7.3.0). */
const BOOT_PARAMETERS = { major: 7, minor: 3 };
const OWN_PAGE = "Settings > Boot Parameters";
const FILE_PAGE = "Main > Flash > Syslinux Configuration";
/** Another loader than Unraid's own is its owner's, with a file that these pages do not write. */
const FOREIGN_LOADER = /limine|refind|systemd-boot|unregistered/i;

/** What is typed into a shell elsewhere, and is on a page there. */
const ON_PAGES: readonly (readonly [command: string, there: string])[] = [
  ["`vfio-watch report`", "the report under Tools > VFIO Watch"],
  ["with 'virsh start'", "on the VMs tab"],
];

/**
 * Advice as a user of Unraid's web interface follows it: with its pages for commands, and after what is about kernel
 * parameters the page where they are changed, in a sentence of its own.
 */
export function adviceForUnraid(advice: string, truths: HostTruths): string {
  if (truths.system !== "unraid") return advice;
  const text = ON_PAGES.reduce((all, [command, there]) => all.replace(command, there), advice);
  return withParameterPage(text, truths);
}

function withParameterPage(advice: string, { systemVersion, loader }: HostTruths): string {
  if (!/\bkernel (?:parameters?|command line)\b/.test(advice)) return advice;
  // It names its page already.
  if (/\b(?:Settings|Main)\b/.test(advice)) return advice;
  if (FOREIGN_LOADER.test(loader ?? "")) return advice;
  return `${advice} Unraid has them under ${pageOf(systemVersion)}.`;
}

function pageOf(version: string | undefined): string {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version ?? "") ?? [];
  if (major === undefined) return `${OWN_PAGE}, before 7.3 under ${FILE_PAGE}`;
  const isNew =
    Number(major) > BOOT_PARAMETERS.major ||
    (Number(major) === BOOT_PARAMETERS.major && Number(minor) >= BOOT_PARAMETERS.minor);
  return isNew ? OWN_PAGE : FILE_PAGE;
}

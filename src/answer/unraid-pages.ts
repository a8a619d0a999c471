import type { HostTruths } from "../diagnosis/remedies.ts";

/** Since this version the web interface has a page of its own for them (release notes of 7.3.0). */
const BOOT_PARAMETERS = { major: 7, minor: 3 };
const OWN_PAGE = "Settings > Boot Parameters";
const FILE_PAGE = "Main > Flash > Syslinux Configuration";
/** Another loader than Unraid's own is its owner's, with a file that these pages do not write. */
const FOREIGN_LOADER = /limine|refind|systemd-boot|unregistered/i;

/** Advice on kernel parameters with the page of Unraid's web interface where they are changed, in a sentence after it. */
export function withUnraidPage(advice: string, { system, systemVersion, loader }: HostTruths): string {
  if (system !== "unraid" || !/\bkernel (?:parameters?|command line)\b/.test(advice)) return advice;
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

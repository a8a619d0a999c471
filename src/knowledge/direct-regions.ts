/**
 * Whether a kernel refuses a group with a direct region. Linux does since 6.6 (a48ce36e2786, in no older stable
 * series: 6.1.176 lacks it), on Intel always (its own RMRR check is of 2014). Red Hat's kernels carry the IOMMU
 * code of newer ones under an old number, so nothing is said of them.
 */
export function refusesDirectRegions(
  release: string,
  platform: "amd" | "intel" | undefined,
): boolean | undefined {
  if (platform === "intel") return true;
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  if (major === undefined || minor === undefined) return undefined;
  if (/\.el\d/.test(release)) return undefined;
  const [first, second] = [Number(major), Number(minor)];
  if (first > 6 || (first === 6 && second >= 6)) return true;
  return platform === "amd" ? false : undefined;
}

/** Whether a parameter, which only patched kernels have, keeps the kernel from minding the demand. */
export function isRelaxing(parameter: string): boolean {
  return /\brelax_(?:rmrr|unity)\b/.test(parameter);
}

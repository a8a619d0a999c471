/** The logarithm of an impossible thing's chance. */
export const NOTHING = Number.NEGATIVE_INFINITY;

export function logAdd(a: number, b: number): number {
  if (a === NOTHING) return b;
  if (b === NOTHING) return a;
  return a > b ? a + Math.log1p(Math.exp(b - a)) : b + Math.log1p(Math.exp(a - b));
}

/** The logarithm of what is left of `a`; nothing where rounding leaves none. */
export function logSubtract(a: number, b: number): number {
  return b === NOTHING ? a : a - b < 1e-12 ? NOTHING : a + Math.log1p(-Math.exp(b - a));
}

export function logSum(logs: readonly number[]): number {
  const most = Math.max(...logs);
  return most === NOTHING
    ? NOTHING
    : most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0));
}

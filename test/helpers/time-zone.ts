/** Runs `use` in a time zone, as a machine that stands there would. */
export function inZone<T>(zone: string, use: () => T): T {
  const own = process.env.TZ;
  process.env.TZ = zone;
  try {
    return use();
  } finally {
    if (own === undefined) delete process.env.TZ;
    else process.env.TZ = own;
  }
}

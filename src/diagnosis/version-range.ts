/** Whether a condition on a version can be understood: `>=6.6`, `<6.6`, `>=3.17 <6.6`. */
export function isVersionRange(range: string): boolean {
  return range.split(" ").every((bound) => BOUND.test(bound));
}

/** Whether a version (`6.12.54-Unraid`) lies in a range; undefined for what is no version. */
export function isInRange(version: string, range: string): boolean | undefined {
  const [major, minor] = numbersOf(version);
  if (major === undefined) return undefined;
  return range.split(" ").every((bound) => {
    const [, sign, text = ""] = BOUND.exec(bound) ?? [];
    const [boundMajor = 0, boundMinor = 0] = numbersOf(text);
    const isBelow = major < boundMajor || (major === boundMajor && (minor ?? 0) < boundMinor);
    return sign === "<" ? isBelow : !isBelow;
  });
}

const BOUND = /^(>=|<)([0-9]+(?:\.[0-9]+)?)$/;

function numbersOf(version: string): readonly number[] {
  const [, major, minor] = /^(\d+)(?:\.(\d+))?/.exec(version) ?? [];
  return major === undefined ? [] : [Number(major), Number(minor ?? 0)];
}

/*
 * A BIOS version has one spelling in SMBIOS and others in the vendor's file name and in what people write. Which ones
 * mean the same is decided here and nowhere else; what is shown is the machine's own spelling.
 */

/** The form of a file's name and of a release on the vendor's page, and the versions that it means. */
const SPELLINGS: readonly (readonly [
  form: RegExp,
  meant: (parts: readonly string[]) => readonly string[],
])[] = [
  // MSI's file (E7E49AMSI.1A63, E7C56AMS.A90); SMBIOS of its desktop boards has 1.A63, A.90.
  [
    /^E?[0-9A-Z]{4}[A-Z]{1,2}MS[0-9A-Z]?\.([0-9A-Z])([0-9A-Z]{2,3})$/,
    ([first, rest]) => [`${first}.${rest}`],
  ],
  // MSI's download (7E49V1A63); it leaves a nought at the end out: 7E66V2A3 for 2.A30, of older boards 7C56VA9 for A.90.
  [/^[0-9][0-9A-Z]{3}V([0-9A-Z])([0-9A-Z]{3})$/, ([first, rest]) => [`${first}.${rest}`]],
  [
    /^[0-9][0-9A-Z]{3}V([0-9A-Z])([0-9A-Z]{2})$/,
    ([first, rest]) => [`${first}.${rest}`, `${first}.${rest}0`],
  ],
  [/^[0-9][0-9A-Z]{3}V([0-9A-Z])([0-9A-Z])$/, ([first, rest]) => [`${first}.${rest}0`]],
  // People write its board in front: MS-7E49 1.A95, 7E49 v1.A95.
  [/^(?:MS-)?[0-9][0-9A-Z]{3} V?([0-9A-Z]\.[0-9A-Z]{2,3})$/, ([version = ""]) => [version]],
  // Lenovo: the build and in brackets the release, R1YET38W (1.15 ).
  [/^([0-9A-Z]{8}) ?\( ?(\d+\.\d+) ?\)$/, ([build = "", release = ""]) => [build, release]],
  // HP: the family of the board in front, V82 VER. 01.03.02.
  [/^[A-Z]\d\d VER\. ?(\d+(?:\.\d+)+)$/, ([release = ""]) => [release]],
  // ASUS laptops: the model in front, GA402XY.310.
  [/^[A-Z]{1,3}\d{3,4}[A-Z]{0,3}\.(\d{3})$/, ([release = ""]) => [release]],
  // Gigabyte's file: the board in front, X670EAORUSPRO.F30.
  [/^[0-9A-Z-]{4,}\.(F[A-Z]?\d{1,3}[A-Z]?)$/, ([release = ""]) => [release]],
  // ASUS's file: the board in front, ROG-STRIX-X670E-E-GAMING-WIFI-ASUS-2613.
  [/^[0-9A-Z-]+-ASUS-(\d{4})$/, ([release = ""]) => [release]],
  // ASRock: P for a release to everybody, which its page leaves out, P4.60. L is another build and stays.
  [/^P(\d+\.\d+[A-Z]?)$/, ([release = ""]) => [release]],
  // What people write in front.
  [/^V(?:ER(?:SION)?)?\.? ?(\d[0-9A-Z.]*|[A-Z]\.[0-9A-Z]{2,3})$/, ([release = ""]) => [release]],
];

const FILE_ENDING = /\.(?:ZIP|ROM|CAP|BIN|EXE)$/;
/** Behind a version on the vendor's page: 7E49v1A95(Beta version). */
const BETA = /[ _-]?\(?\bBETA\b[^)]*\)?$/;
/** Behind it in what people copy from DMI, or from what this program says: 1.A95 (2026-06-18). */
const DATE = / ?\((?:\d{4}-\d\d-\d\d|\d\d[/.]\d\d[/.]\d{4})\)$/;

/** A spelling without what does not belong to the version. */
function bareVersion(spelling: string): string {
  const text = spelling.trim().replace(/\s+/g, " ").toUpperCase();
  return text.replace(DATE, "").replace(FILE_ENDING, "").replace(BETA, "");
}

/** The versions that a spelling can mean, in one form; two spellings that share one mean the same version. */
export function biosVersionKeys(spelling: string): readonly string[] {
  const text = bareVersion(spelling);
  for (const [form, meant] of SPELLINGS) {
    const [whole, ...parts] = form.exec(text) ?? [];
    if (whole !== undefined) return [...new Set([...meant(parts), text])];
  }
  return [text];
}

/** Whether two spellings mean one version of the same board's BIOS (`1.A63`, `E7E49AMSI.1A63`). */
export function isSameBiosVersion(one: string, other: string): boolean {
  const keys = biosVersionKeys(one).map(withoutNoughts);
  return biosVersionKeys(other).some((key) => keys.includes(withoutNoughts(key)));
}

/** Three numbers and more are written with noughts in front and without: 01.03.02. */
function withoutNoughts(key: string): string {
  return /^(?:\d+\.){2,}\d+$/.test(key) ? key.replace(/\b0+(?=\d)/g, "") : key;
}

/** A version as a machine that says `own` of itself would say it: MSI's file name becomes what SMBIOS has. */
export function inSpellingOf(own: string | undefined, spelling: string): string {
  const [short = spelling, ...others] = biosVersionKeys(spelling);
  if (own !== undefined && isSameBiosVersion(own, spelling)) return own;
  const ownIsShort = own === undefined || biosVersionKeys(own).length === 1;
  return others.length > 0 && ownIsShort ? short : spelling.trim();
}

/**
 * How each of these versions is shown: of several spellings of one the machine's own, which is no vendor's file or
 * release, else the first.
 */
export function ownSpellings(versions: readonly string[]): ReadonlyMap<string, string> {
  const groups: { readonly version: string; readonly keys: readonly string[] }[][] = [];
  for (const version of versions) {
    const keys = biosVersionKeys(version);
    const own = groups.find(([first]) => first?.keys.some((key) => keys.includes(key)));
    if (own === undefined) groups.push([{ version, keys }]);
    else own.push({ version, keys });
  }
  return new Map(
    groups.flatMap((group) => {
      const shown = group.find(({ keys }) => keys.length === 1) ?? group[0];
      return group.map(({ version }) => [version, shown?.version ?? version] as const);
    }),
  );
}

/** The board (`7E49` of MS-7E49) that a name of MSI's names with the version; undefined where it names none. */
export function boardOfBiosFile(spelling: string): string | undefined {
  const text = bareVersion(spelling);
  return (
    /^E?([0-9A-Z]{4})[A-Z]{1,2}MS[0-9A-Z]?\./.exec(text)?.[1] ??
    /^([0-9][0-9A-Z]{3})V[0-9A-Z]{2,4}$/.exec(text)?.[1] ??
    /^(?:MS-)?([0-9][0-9A-Z]{3}) V?[0-9A-Z]\.[0-9A-Z]{2,3}$/.exec(text)?.[1]
  );
}

/**
 * Whether a version is what a record says: a version in any spelling, `*` for every one, or bounds (`>=2.00 <=3.90`).
 * Bounds hold only for versions that are numbers; of others nobody can say which is newer.
 */
export function fitsVersions(wanted: string, version: string): boolean {
  if (wanted === "*") return true;
  if (!/^[<>]/.test(wanted)) return isSameBiosVersion(wanted, version);
  const numbers = biosVersionKeys(version).find((key) => /^\d+(?:\.\d+)*$/.test(key));
  return numbers !== undefined && isWithin(wanted, (bound) => compareNumbers(numbers, bound));
}

/** Whether bounds like `>=2.00 <3.90` are met, by how a value compares with each. */
export function isWithin(bounds: string, compare: (bound: string) => number): boolean {
  return bounds.split(" ").every((bound) => {
    const [, sign, value = ""] = BOUND.exec(bound) ?? [];
    if (sign === undefined) return false;
    const order = compare(value);
    if (order === 0) return sign.endsWith("=");
    return sign.startsWith("<") ? order < 0 : order > 0;
  });
}

const BOUND = /^(<=?|>=?)([0-9][0-9a-zA-Z.]*)$/;

/** Whether a text with bounds can be understood. */
export function areBounds(text: string): boolean {
  return text.split(" ").every((bound) => BOUND.test(bound));
}

function compareNumbers(one: string, other: string): number {
  const [left, right] = [one, other].map((text) => text.split(".").map(Number));
  for (let place = 0; place < Math.max(left?.length ?? 0, right?.length ?? 0); place++) {
    const difference = (left?.[place] ?? 0) - (right?.[place] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

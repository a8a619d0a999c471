/** What vendors leave in a field of SMBIOS that they forgot to fill. */
const PLACEHOLDER =
  /^(?:default string|to be filled by o\.?e\.?m\.?|not (?:specified|applicable|available)|system (?:manufacturer|product name|version)|none|n\/?a|unknown|o\.?e\.?m\.?|x+|\.*)$/i;

/** Whether a field of SMBIOS says nothing. */
export function isPlaceholder(text: string): boolean {
  return PLACEHOLDER.test(text.trim());
}

/**
 * Whether two names are one board's. Vendors change spaces and capitals between BIOS versions; MSI's number is the
 * board, whatever the name before it (`MPG X870E CARBON WIFI (MS-7E49)`, and as the system's product `MS-7E49`), and a name
 * may come without it.
 */
export function isSameBoard(one: string, other: string): boolean {
  const [left, right] = [numberOf(one), numberOf(other)];
  if (left !== undefined && right !== undefined) return left === right;
  const [name, otherName] = [plain(one), plain(other)];
  return name !== "" && name === otherName;
}

/** `7E49` of MS-7E49. */
export function numberOf(board: string): string | undefined {
  return /\bMS-([0-9A-Z]{4})\b/i.exec(board)?.[1]?.toUpperCase();
}

/** MSI's number stands in brackets behind the name; Gigabyte has -CF behind those of some. */
function plain(name: string): string {
  const bare = name.trim().replace(/\s*\(MS-[0-9A-Z]{4}\)$|-CF$/i, "");
  return bare.toLowerCase().replace(/[^a-z0-9]+/g, "") || bare.toLowerCase();
}

/** What follows a company's name. */
const COMPANY = /^(?:co|ltd|limited|inc|corp|corporation|group|technology|computer|international)$/;
/** Names of one company, by their first letters and figures. */
const ALIASES: Readonly<Record<string, string>> = {
  asustek: "asus",
  hewlettpackard: "hp",
  microstar: "msi",
};

/** Whether two names are one vendor's: `Micro-Star International Co., Ltd.` is `MSI`, `ASUSTeK COMPUTER INC.` is `Asus`. */
export function isSameVendor(one: string, other: string): boolean {
  const key = vendorKey(one);
  return key !== "" && key === vendorKey(other);
}

function vendorKey(name: string): string {
  const words = name
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "" && !COMPANY.test(word));
  const key = words.join("");
  return ALIASES[key] ?? key;
}

/**
 * Takes off what forums, mail, terminals, containers and JSON do to a text on its way, so that what is left
 * is log text again. Everything that is not sure to be such a wrapping stays.
 */
export function unwrapTransport(text: string): string {
  let result = text.replace(/\r\n?/g, "\n").replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "");
  // Copied from a screen, colours lose their first character.
  result = result.replace(/(?:\^\[)?\[\d{1,2}(?:;\d{1,3}){0,3}m/g, "");
  result = decodeQuotedPrintable(result);
  result = decodeEscapes(result);
  result = stripMarkup(decodeEntities(decodeEntities(result)));
  return closeUp(result)
    .replace(/[\u00a0\u2007\u202f]/g, " ")
    .replace(/[\u200b-\u200d\u2060\ufeff]/g, "")
    .replace(/[\u2018\u2019\u201a\u00b4]/g, "'")
    .replace(/[\u201c\u201d\u201e]/g, '"')
    .replace(/[\u2010\u2011]/g, "-");
}

/** Some pages and mail programs put an empty line after every line; then empty lines part nothing. */
function closeUp(text: string): string {
  const lines = text.split("\n");
  const filled = lines.filter((line) => line.trim() !== "").length;
  if (filled < 2 || lines.length - filled < filled - 1) return text;
  const adjacent = lines.some((line, index) => line.trim() !== "" && (lines[index + 1] ?? "").trim() !== "");
  return adjacent ? text : lines.filter((line) => line.trim() !== "").join("\n");
}

/** Mail's encoding breaks lines with a lone `=`; `=3D` is what it must make of every real one. */
function decodeQuotedPrintable(text: string): string {
  if (!/=3D|=20$/m.test(text) && !/(?:^|[=\n])[^=\n]{60,75}=\n/.test(text)) return text;
  const joined = text.replace(/=[ \t]*\n/g, "");
  return joined.replace(/=([2-7][0-9A-F])/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** Escapes of JSON and Python (`\n`, `\"`), of /dev/kmsg and systemd (`\x0a`, `\x2d`). */
function decodeEscapes(text: string): string {
  return (
    text
      .replace(/\\u001b\[[0-9;]*m|\\x1b\[[0-9;]*m/gi, "")
      .replace(/\\[xu](?:00)?([0-7][0-9a-f])/gi, (whole, digits: string) => {
        const code = Number.parseInt(digits, 16);
        return code === 10 || code === 9 || (code >= 32 && code < 127) ? String.fromCharCode(code) : whole;
      })
      .replace(/\\r\\n|\\n(?![a-z]{2,}\\)/g, "\n")
      .replace(/\\t(?=\W)/g, "\t")
      // Tried only where a run of backslashes begins: else every one of a long run would be the start of a try.
      .replace(/(?<!\\)\\+(["'/])/g, "$1")
  );
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
  nbsp: " ",
};

function decodeEntities(text: string): string {
  return text.replace(
    /&(?:(lt|gt|amp|quot|apos|nbsp)|#(\d{2,5})|#x([0-9a-f]{2,5}));/gi,
    (whole, name, decimal, hex) => {
      if (name !== undefined) return ENTITIES[String(name).toLowerCase()] ?? whole;
      const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
      return code >= 32 || code === 10 ? String.fromCodePoint(code) : " ";
    },
  );
}

function stripMarkup(text: string): string {
  return text
    .replace(/<br ?\/?>\n?|<\/?(?:p|div|li|ul|ol|tr|pre|blockquote|table|h[1-6])\b[^<>\n]{0,200}>/gi, "\n")
    .replace(
      /<\/?(?:span|b|i|u|em|strong|code|tt|font|a|td|th|tbody|kbd|small|samp|mark)\b[^<>\n]{0,200}>/gi,
      "",
    )
    .replace(/\[\/?(?:code|quote|icode|spoiler|list|table|tr)(?:=[^\]\n]{0,100})?\]/gi, "\n")
    .replace(
      /\[\/?(?:color|font|size|b|i|u|s|url|td|center|indent|img|left|right)(?:=[^\]\n]{0,100})?\]/gi,
      "",
    )
    .replace(/`+|\*\*/g, "");
}

import type { PrintedFormat } from "./printed-format.ts";

/*
 * Reads C without a compiler: comments and directives are left out, function bodies are found by the brace in the
 * first column that ends them (kernel, QEMU and libvirt are all written so), and of a call that prints, the first
 * argument that is made of string literals is the format.
 */

type Token =
  | { readonly kind: "word"; readonly text: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "sign"; readonly text: string; readonly inFirstColumn: boolean };

/** How severe it is what a call of this name prints, with this word as its first argument; undefined where it prints not. */
export type PrinterOf = (name: string, first: string | undefined) => PrintedFormat["severity"] | undefined;

/** All formats that a C source can print, in their order. */
export function formatsInC(
  source: string,
  printerOf: PrinterOf,
  constants: TextConstants,
): readonly PrintedFormat[] {
  const tokens = tokensOf(source);
  const formats: PrintedFormat[] = [];
  let depth = 0;
  let parentheses = 0;
  let candidate = "";
  let inFunction = "";
  for (const [index, token] of tokens.entries()) {
    if (token.kind === "sign") {
      if (token.text === "{") {
        if (depth === 0) inFunction = candidate;
        depth++;
      } else if (token.text === "}") {
        // Branches of #if that open a brace twice would shift all that follows.
        depth = token.inFirstColumn ? 0 : Math.max(0, depth - 1);
      } else if (token.text === "(") {
        const before = tokens[index - 1];
        // Annotations like __releases() stand behind the parameters.
        if (depth === 0 && parentheses === 0 && before?.kind === "word" && !before.text.startsWith("__"))
          candidate = before.text;
        parentheses++;
      } else if (token.text === ")") parentheses = Math.max(0, parentheses - 1);
      else if (token.text === ";" && depth === 0) parentheses = 0;
      continue;
    }
    if (token.kind !== "word" || depth === 0) continue;
    const next = tokens[index + 1];
    if (next?.kind !== "sign" || next.text !== "(") continue;
    const first = tokens[index + 2];
    const severity = printerOf(token.text, first?.kind === "word" ? first.text : undefined);
    if (severity === undefined) continue;
    for (const text of formatOfCall(tokens, index + 1, constants))
      formats.push({ text, function: inFunction, severity, printer: token.text });
  }
  return formats;
}

/** Names that stand for texts: `#define ERR_PREFIX "…"`. */
export type TextConstants = ReadonlyMap<string, string>;

/** The text constants that a source defines. */
export function textConstantsOf(source: string): TextConstants {
  const found = new Map<string, string>();
  for (const [, name = "", value = ""] of source.matchAll(
    /^[ \t]*#[ \t]*define[ \t]+([A-Za-z_]\w*)[ \t]+((?:(?:\\\n|[ \t])*"(?:\\.|[^"\\\n])*")+)[ \t]*(?:\/[/*].*)?$/gm,
  )) {
    found.set(
      name,
      tokensOf(value)
        .map(({ text }) => text)
        .join(""),
    );
  }
  return found;
}

/** Formats of the call whose parenthesis opens at `open`; a choice (`a ? "x" : "y"`) gives two. */
function formatOfCall(tokens: readonly Token[], open: number, constants: TextConstants): readonly string[] {
  const found: string[] = [];
  let depth = 0;
  let run = "";
  let hasText = false;
  const endRun = () => {
    if (hasText) found.push(run);
    run = "";
    hasText = false;
  };
  for (let index = open; index < tokens.length; index++) {
    const token = tokens[index];
    if (token === undefined) break;
    if (token.kind === "text") {
      run += token.text;
      hasText = true;
    } else if (token.kind === "word") {
      const constant = constants.get(token.text) ?? formatMacro(token.text);
      if (constant !== undefined) run += constant;
      // What is not known stands for some text within a format, and for nothing beside one.
      else if (hasText && !isCall(tokens, index) && tokens[index - 1]?.kind === "text") run += "%s";
    } else if (token.text === "(") depth++;
    else if (token.text === ")") {
      depth--;
      if (depth === 0) break;
    } else if (token.text === "," && depth === 1) {
      const before = found.length;
      endRun();
      // `virReportError(code, "%s", _("…"))`: the text is the next argument.
      if (found.length > before && found.at(-1) === "%s") found.pop();
      else if (found.length > 0) break;
    } else if (token.text === "?" || token.text === ":") endRun();
    else if (token.text === ";" || token.text === "{") break;
  }
  endRun();
  return found;
}

function isCall(tokens: readonly Token[], index: number): boolean {
  const next = tokens[index + 1];
  return next?.kind === "sign" && next.text === "(";
}

/** The macros of C and QEMU that write a number's conversion: `PRIx64`, `HWADDR_PRIx`, `TARGET_FMT_plx`. */
function formatMacro(name: string): string | undefined {
  if (/^(?:PRI[xX]|\w+_PRI[xX]|TARGET_FMT_(?:pl|l)x|TARGET_PRIxlx|RAM_ADDR_FMT|VADDR_PRIx|PFA)/.test(name))
    // The percent sign stands in the literal before it, except in the whole conversions.
    return /FMT/.test(name) ? "%x" : "x";
  if (/^(?:PRI[diu]|\w+_PRI[diu])/.test(name)) return "d";
  return undefined;
}

const WORD = /[A-Za-z_]\w*/y;

function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = [];
  let lineStart = 0;
  for (let at = 0; at < source.length; ) {
    const character = source[at] ?? "";
    if (character === "\n") {
      at++;
      lineStart = at;
    } else if (character === "#" && source.slice(lineStart, at).trim() === "")
      at = endOfDirective(source, at);
    else if (source.startsWith("//", at)) at = orEnd(source, source.indexOf("\n", at));
    else if (source.startsWith("/*", at)) at = orEnd(source, source.indexOf("*/", at + 2) + 2, 2);
    else if (character === '"') {
      const end = endOfLiteral(source, at, '"');
      tokens.push({ kind: "text", text: unescaped(source.slice(at + 1, end)) });
      at = end + 1;
    } else if (character === "'") at = endOfLiteral(source, at, "'") + 1;
    else if (/[A-Za-z_]/.test(character)) {
      WORD.lastIndex = at;
      const [text = character] = WORD.exec(source) ?? [];
      tokens.push({ kind: "word", text });
      at += text.length;
    } else {
      if (/[(){};,?:]/.test(character))
        tokens.push({ kind: "sign", text: character, inFirstColumn: at === lineStart });
      at++;
    }
  }
  return tokens;
}

function orEnd(source: string, position: number, notFound = 0): number {
  return position < notFound || position < 0 ? source.length : position;
}

function endOfDirective(source: string, from: number): number {
  for (let at = from; ; ) {
    const end = source.indexOf("\n", at);
    if (end < 0) return source.length;
    if (source[end - 1] !== "\\") return end;
    at = end + 1;
  }
}

function endOfLiteral(source: string, from: number, quote: string): number {
  for (let at = from + 1; at < source.length; at++) {
    if (source[at] === "\\") at++;
    else if (source[at] === quote || source[at] === "\n") return at;
  }
  return source.length;
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "", '"': '"', "'": "'", "\\": "\\" };

function unescaped(literal: string): string {
  return literal.replace(/\\(?:\n|x[0-9a-fA-F]{1,2}|[0-7]{1,3}|(.))/g, (_, character: string | undefined) =>
    character === undefined ? "" : (ESCAPES[character] ?? ""),
  );
}

import type { PrintedFormat } from "./printed-format.ts";

/** All formats that a Perl source dies of or warns about, with its variables as C's conversions. */
export function formatsInPerl(source: string): readonly PrintedFormat[] {
  const code = source.replace(/^=[a-z][\s\S]*?^=cut$/gm, "").replace(/^__END__[\s\S]*/m, "");
  const formats: PrintedFormat[] = [];
  let inFunction = "";
  const calls =
    /^\s*sub (\w+)|\b(die|warn|log_warn|log_error|croak|confess|raise_param_exc|raise_perm_exc|syslog|log_fail)\b[\s(]*((?:[{\w=>',\s]*?)(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\\n])*')(?:\s*\.\s*(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\\n])*'|\$[\w>{}'[\]-]+))*)/gm;
  for (const [, name, printer, argument = ""] of code.matchAll(calls)) {
    if (name !== undefined) inFunction = name;
    if (printer === undefined) continue;
    const text = perlText(argument);
    const severity =
      printer === "warn" || printer === "log_warn" || printer === "syslog" ? "warning" : "error";
    if (text !== "") formats.push({ text, function: inFunction, severity, printer });
  }
  return formats;
}

/** The literals of an argument joined; a variable stands for some text. */
function perlText(argument: string): string {
  let text = "";
  for (const [part, double, single] of argument.matchAll(
    /"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\\n])*)'|\$[\w>{}'[\]-]+/g,
  )) {
    if (double !== undefined)
      text += double
        .replaceAll("%", "%%")
        .replace(
          /@\{\[.*?\]\}|\$\{[^}]*\}|[$@][A-Za-z_]\w*(?:(?:->)?(?:\{[^}]*\}|\[[^\]]*\]))*|\$[@!?]/g,
          "%s",
        )
        .replace(/\\n/g, "\n")
        .replace(/\\(.)/g, "$1");
    else if (single !== undefined) text += single.replaceAll("%", "%%").replace(/\\(.)/g, "$1");
    else if (part.startsWith("$")) text += "%s";
  }
  return text;
}

/** All formats that a Rust source logs as errors or gives its error types, with its braces as C's conversions. */
export function formatsInRust(source: string): readonly PrintedFormat[] {
  const code = source.replace(/^\s*\/\/.*$/gm, "").replace(/^#\[cfg\(test\)\]\s*\nmod [\s\S]*/m, "");
  const formats: PrintedFormat[] = [];
  let inFunction = "";
  const calls =
    /\bfn (\w+)|\benum (\w+)|(?:\b(error|warn|eprintln|panic|bail|anyhow)!\(|#\[(error)\(|\b(write)!\(\s*f\s*,)\s*(?:target: [^,]+,\s*)?"((?:\\[\s\S]|[^"\\])*)"/g;
  for (const [, fn, type, macro, attribute, display, literal] of code.matchAll(calls)) {
    inFunction = fn ?? type ?? inFunction;
    if (literal === undefined) continue;
    const text = literal
      .replace(/\\\n\s*/g, "")
      .replaceAll("%", "%%")
      .replace(/\{\{|\{[^{}]*\}|\}\}/g, (part) => (part === "{{" ? "{" : part === "}}" ? "}" : "%s"))
      .replace(/\\n/g, "\n")
      .replace(/\\(.)/g, "$1");
    const severity = macro === "warn" ? "warning" : "error";
    formats.push({ text, function: inFunction, severity, printer: macro ?? attribute ?? display ?? "" });
  }
  return formats;
}

/** All formats that a Go source makes errors of or logs as ones, with its verbs as C's conversions. */
export function formatsInGo(source: string): readonly PrintedFormat[] {
  const code = source.replace(/^\s*\/\/.*$/gm, "").replace(/\/\*[\s\S]*?\*\//g, "");
  const formats: PrintedFormat[] = [];
  let inFunction = "";
  const calls =
    /^func (?:\([^)\n]*\) )?(\w+)|\b(Errorf|Error|Warningf|Warning|Warnf|Warn|Criticalf|Critical|New|StatusErrorf)\((?:[\w.]+,\s*)?("(?:\\.|[^"\\\n])*"|`[^`]*`)/gm;
  for (const [, name, printer, literal] of code.matchAll(calls)) {
    if (name !== undefined) inFunction = name;
    if (printer === undefined || literal === undefined) continue;
    const text = literal
      .slice(1, -1)
      .replace(/%[-+#]?(?:\[\d\])?[vsTtwUFe]/g, "%s")
      .replace(/%[-+#]?q/g, '"%s"')
      .replace(/\\n/g, "\n")
      .replace(/\\(.)/g, "$1");
    formats.push({
      text,
      function: inFunction,
      severity: printer.startsWith("Warn") ? "warning" : "error",
      printer,
    });
  }
  return formats;
}

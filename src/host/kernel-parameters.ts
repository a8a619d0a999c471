/** One word of a kernel command line. */
export interface KernelParameter {
  /** As written, e.g. `vfio-pci.ids`. */
  readonly name: string;
  /** Undefined for a bare word (`quiet`), empty for `name=`. */
  readonly value: string | undefined;
}

/** Well above COMMAND_LINE_SIZE of every architecture (x86: 2048); what is longer did not come from a kernel. */
const COMMAND_LINE_LIMIT = 64 * 1024;

/**
 * Splits a command line as the kernel does (`next_arg` in lib/cmdline.c): double quotes keep spaces together and
 * are not part of the value; a `--` ends the kernel's own parameters, the rest is for init. Repeated names are kept
 * in order, because some parameters add up and for the others the last one counts.
 */
export function parseKernelParameters(commandLine: string): readonly KernelParameter[] {
  const text = commandLine.slice(0, COMMAND_LINE_LIMIT);
  const parameters: KernelParameter[] = [];
  let at = 0;
  while (at < text.length) {
    while (at < text.length && isSpace(text, at)) at += 1;
    const start = at;
    let quoted = false;
    for (; at < text.length && (quoted || !isSpace(text, at)); at += 1) {
      if (text[at] === '"') quoted = !quoted;
    }
    const word = text.slice(start, at);
    if (word === "--") break;
    const parameter = parseWord(word);
    if (parameter !== undefined) parameters.push(parameter);
  }
  return parameters;
}

function isSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || (code >= 0x09 && code <= 0x0d) || code === 0;
}

function parseWord(word: string): KernelParameter | undefined {
  // The kernel drops an opening quote of the whole word and the closing one that belongs to it.
  const bare = word.startsWith('"') ? word.slice(1, word.endsWith('"') ? -1 : undefined) : word;
  const equals = bare.indexOf("=");
  if (equals < 0) return bare === "" ? undefined : { name: bare, value: undefined };
  const name = bare.slice(0, equals);
  const value = bare.slice(equals + 1);
  if (!value.startsWith('"')) return { name, value };
  return { name, value: value.slice(1, value.length > 1 && value.endsWith('"') ? -1 : undefined) };
}

/** The kernel takes `-` and `_` for the same in parameter names (`parameq` in kernel/params.c). */
export function canonicalParameterName(name: string): string {
  return name.replaceAll("-", "_");
}

/** The parameter as it would be typed, quotes around a value with spaces. */
export function formatKernelParameter({ name, value }: KernelParameter): string {
  if (value === undefined) return name;
  return /\s/.test(value) ? `${name}="${value}"` : `${name}=${value}`;
}

/** All values of a parameter, in order; a bare word counts as the empty value. */
export function parameterValues(parameters: readonly KernelParameter[], name: string): readonly string[] {
  const wanted = canonicalParameterName(name);
  return parameters
    .filter((parameter) => canonicalParameterName(parameter.name) === wanted)
    .map((parameter) => parameter.value ?? "");
}

/**
 * Words that boot loaders add or consume by themselves: GRUB puts `BOOT_IMAGE=` in front, Syslinux and the EFI stub
 * read `initrd=` (and Syslinux passes both on), so they say nothing about what a person wrote.
 */
const LOADER_WORDS = new Set(["BOOT_IMAGE", "initrd", "auto"]);

/** The parameters without what loaders add. */
export function withoutLoaderWords(parameters: readonly KernelParameter[]): readonly KernelParameter[] {
  return parameters.filter(({ name }) => !LOADER_WORDS.has(name));
}

/** How a claimed command line differs from the running one. */
export interface ParameterDifference {
  /** Claimed and not running, as written. */
  readonly missing: readonly string[];
  /** Running and not claimed, as written. */
  readonly extra: readonly string[];
}

/** Compares claimed with running parameters, whatever their order; what loaders add is left out on both sides. */
export function compareParameters(
  claimed: readonly KernelParameter[],
  running: readonly KernelParameter[],
): ParameterDifference {
  const rest = new Map<string, string[]>();
  for (const parameter of withoutLoaderWords(running)) {
    const same = comparable(parameter);
    const spellings = rest.get(same);
    if (spellings === undefined) rest.set(same, [formatKernelParameter(parameter)]);
    else spellings.push(formatKernelParameter(parameter));
  }
  const missing: string[] = [];
  for (const parameter of withoutLoaderWords(claimed)) {
    if (rest.get(comparable(parameter))?.shift() === undefined)
      missing.push(formatKernelParameter(parameter));
  }
  return { missing, extra: [...rest.values()].flat() };
}

function comparable({ name, value }: KernelParameter): string {
  return value === undefined ? canonicalParameterName(name) : `${canonicalParameterName(name)}=${value}`;
}

/** Parameters that carry secrets or tell machines apart: that they are there is a fact, what they say is not. */
const PRIVATE_NAME =
  /pass(?:word|phrase|wd)?$|secret|credential|token|uuid|guid|serial|machine_id|luks\.key/i;
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi;

/** The parameter as it may be stored and shown: secrets and identifiers of the machine are left out. */
export function publicParameter({ name, value }: KernelParameter): KernelParameter {
  if (value === undefined) return { name, value };
  return { name, value: PRIVATE_NAME.test(name) ? "(not recorded)" : value.replace(UUID, "(id)") };
}

import { keyHash } from "./message-format.ts";

/*
 * The data's text (config/messages/README.md says where it comes from):
 *
 *   = qemu 5.2.0 7.2.0 10.0.13          a program, and the versions that were read
 *   @ hw/vfio/pci.c                     a file
 *   : vfio_realize                      a function
 *   E6 error getting device …: %m       severity (E, W, I), which of the versions (bits in hexadecimal digits; all
 *                                       where there are none), the format
 */

/** A message that a program's sources hold. */
export interface KnownFormat {
  /** As the data calls it: `kernel`, `qemu`, `libvirt`, `proxmox`, … */
  readonly program: string;
  /** The source file, from the root of the program's tree. */
  readonly path: string;
  /** Empty where it was not found. */
  readonly function: string;
  readonly severity: "error" | "warning" | "info";
  /** The versions that print it, of those that were read. */
  readonly versions: readonly string[];
  readonly format: string;
}

const SEVERITIES: Readonly<Record<string, KnownFormat["severity"]>> = { E: "error", W: "warning", I: "info" };
const [NEWLINE, BLANK, PROGRAM, PATH, FUNCTION] = [0x0a, 0x20, 0x3d, 0x40, 0x3a];

/**
 * Where the formats stand in the data, and by which word each is found: half a megabyte, which may be kept where the
 * data are not. Every array has one number a format; those but `keys` are places of lines.
 */
export interface MessageIndex {
  /** `keyHash` of each format. */
  readonly keys: Int32Array;
  readonly lines: Int32Array;
  readonly programs: Int32Array;
  readonly paths: Int32Array;
  readonly functions: Int32Array;
}

/** Goes through the data once. What is no line of the data is passed over. */
export function indexMessages(data: Uint8Array): MessageIndex {
  const keys: number[] = [];
  const lines: number[] = [];
  const programs: number[] = [];
  const paths: number[] = [];
  const functions: number[] = [];
  let [program, path, inFunction] = [-1, -1, -1];
  for (let start = 0; start < data.length; ) {
    const newline = data.indexOf(NEWLINE, start);
    const end = newline < 0 ? data.length : newline;
    const sign = data[start];
    if (sign === PROGRAM) program = start;
    else if (sign === PATH) path = start;
    else if (sign === FUNCTION) inFunction = start;
    else {
      const blank = data.indexOf(BLANK, start);
      if (blank > start && blank < end && program >= 0) {
        keys.push(keyHash(data, blank + 1, end));
        lines.push(start);
        programs.push(program);
        paths.push(path);
        functions.push(inFunction);
      }
    }
    start = end + 1;
  }
  return {
    keys: Int32Array.from(keys),
    lines: Int32Array.from(lines),
    programs: Int32Array.from(programs),
    paths: Int32Array.from(paths),
    functions: Int32Array.from(functions),
  };
}

/** The format with this number; undefined where its line has no severity. */
export function formatAt(data: Uint8Array, index: MessageIndex, number: number): KnownFormat | undefined {
  const line = lineAt(data, index.lines[number]);
  const [, letter = "", mask = "", format = ""] = /^(.)([0-9a-f]*) (.*)$/.exec(line) ?? [];
  const severity = SEVERITIES[letter];
  if (severity === undefined) return undefined;
  const [program = "", ...versions] = lineAt(data, index.programs[number]).slice(2).split(" ");
  const bits = Number.parseInt(mask, 16);
  return {
    program,
    path: lineAt(data, index.paths[number]).slice(2),
    function: lineAt(data, index.functions[number]).slice(2),
    severity,
    versions: mask === "" ? versions : versions.filter((_, bit) => ((bits >> bit) & 1) === 1),
    format,
  };
}

function lineAt(data: Uint8Array, start = -1): string {
  if (start < 0) return "";
  const newline = data.indexOf(NEWLINE, start);
  return new TextDecoder().decode(data.subarray(start, newline < 0 ? data.length : newline));
}

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

/**
 * Goes through the data once and gives each format that is wanted; nothing of the rest is made. `wants` is asked with
 * the format's place in the data.
 * What is no line of the data is passed over.
 */
export function eachFormat(
  data: string,
  wants: (from: number, to: number) => boolean,
  take: (known: KnownFormat) => void,
): void {
  let program = "";
  let versions: readonly string[] = [];
  let path = "";
  let inFunction = "";
  for (let start = 0; start < data.length; ) {
    const newline = data.indexOf("\n", start);
    const end = newline < 0 ? data.length : newline;
    const sign = data[start];
    if (sign === "=") [program = "", ...versions] = data.slice(start + 2, end).split(" ");
    else if (sign === "@") path = data.slice(start + 2, end);
    else if (sign === ":") inFunction = data.slice(start + 2, end);
    else {
      const severity = sign === undefined ? undefined : SEVERITIES[sign];
      const blank = data.indexOf(" ", start);
      if (severity !== undefined && blank > start && blank < end) {
        if (wants(blank + 1, end)) {
          const format = data.slice(blank + 1, end);
          const mask = data.slice(start + 1, blank);
          const printing =
            mask === ""
              ? versions
              : versions.filter((_, bit) => ((Number.parseInt(mask, 16) >> bit) & 1) === 1);
          take({ program, path, function: inFunction, severity, versions: printing, format });
        }
      }
    }
    start = end + 1;
  }
}

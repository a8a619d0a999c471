import type { HostPaths } from "../host-paths.ts";
import { mapReading, type Reading, valueOr } from "../model/reading.ts";
import { readText, readValue } from "./read-file.ts";

/** A loaded module that does not come with the kernel. */
export interface ForeignModule {
  readonly name: string;
  /** Undefined where it has none, or does not show it. */
  readonly version: string | undefined;
}

const MOST = 100;

/**
 * Loaded modules with an O among the letters at the end of their line in /proc/modules, `(POE)`
 * (Documentation/admin-guide/tainted-kernels.rst): one file for what sysfs has in hundreds.
 */
export function readForeignModules(paths: HostPaths): Reading<readonly ForeignModule[]> {
  return mapReading(readText(paths.at("/proc/modules")), (text) =>
    text
      .split("\n")
      .flatMap((line) => /^([\w-]{1,64}) .*\([A-Z]*O[A-Z]*\)$/.exec(line.trimEnd())?.[1] ?? [])
      .toSorted()
      .slice(0, MOST)
      .map((name) => {
        const version = valueOr(readValue(paths.at(`/sys/module/${name}/version`)), "");
        return { name, version: version === "" ? undefined : version };
      }),
  );
}

import { hostInKernelLines, pastHost, TELLING_LINE } from "./known-host.ts";
import type { Material, PastBoot } from "./past-boot.ts";
import { type LastWords, observationsOf, readLastWords, startBefore } from "./pstore.ts";

/** Where dumps of dead kernels lie: the kernel's own place, and the one to which systemd-pstore moves them. */
export const LAST_WORDS_PLACES = ["/sys/fs/pstore", "/var/lib/systemd/pstore"];
const LINE_SHOWN = 400;

/** The boots whose kernels left their last words in these directories. */
export function readDeadBoots(directories: readonly string[]): Material {
  return {
    boots: directories.flatMap((directory) => readLastWords(directory).map(bootOf)),
    loose: [],
    notes: [],
  };
}

function bootOf(words: LastWords): PastBoot {
  const lines = words.lines.map(({ text }) => text);
  return {
    id: undefined,
    // The clock of the firmware dates the dump, so it tells which boot this was rather than when it began.
    startedAt: undefined,
    precision: undefined,
    firstSeenAt: startBefore(words),
    lastSeenAt: words.at,
    end: words.reason === "Panic" ? "unclean" : "unknown",
    ...pastHost(hostInKernelLines(lines.filter((line) => TELLING_LINE.test(line)))),
    observations: observationsOf(words),
    lastWords: lines.map((line) => line.slice(0, LINE_SHOWN)),
  };
}

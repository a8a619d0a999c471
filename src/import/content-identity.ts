import { hash } from "node:crypto";
import type { BootId } from "../model/identifiers.ts";
import { bootId } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";

/**
 * Gives what was read an identity made of its content, not of its place: the same line in a log on disk, in a rotated
 * copy and in a diagnostics archive is the same line. Equal lines at one time are told apart by their number.
 */
export function createContentIdentities(): (observation: Observation) => Observation {
  const seen = new Map<string, number>();
  return (observation) => {
    const vm = "vm" in observation ? (observation.vm ?? "") : "";
    const said =
      "text" in observation
        ? observation.text
        : "reason" in observation
          ? observation.reason
          : observation.kind;
    const content = hash("sha256", `${observation.kind}\n${observation.at}\n${vm}\n${said}`, "hex").slice(
      0,
      24,
    );
    const number = (seen.get(content) ?? 0) + 1;
    seen.set(content, number);
    const identity = `past:${content}${number === 1 ? "" : `:${number}`}`;
    const { resume: _resume, ...rest } = observation;
    return { ...rest, identity } as Observation;
  };
}

/** At the end, so that a shortened id still tells boots apart. */
const OF_LOG = "-imported-log";
const OF_PART = "-imported-part";

/** Id of a boot that a log shows from its first line; the same for every copy of that log. */
export function idOfLoggedBoot(startedAt: number, kernelRelease: string | undefined): BootId {
  return derived(OF_LOG, `${Math.round(startedAt / 1000)}\n${kernelRelease ?? ""}`);
}

/** Id of a boot of which only a part is known, by that part's beginning. */
export function idOfPartialBoot(firstSeenAt: number, bios: string | undefined): BootId {
  return derived(OF_PART, `${Math.round(firstSeenAt / 1000)}\n${bios ?? ""}`);
}

/** Whether the id was made of the time of a log's first line. */
export function isIdOfLoggedBoot(id: BootId): boolean {
  return id.endsWith(OF_LOG);
}

function derived(kind: string, content: string): BootId {
  return bootId(`${hash("sha256", content, "hex").slice(0, 24)}${kind}`);
}

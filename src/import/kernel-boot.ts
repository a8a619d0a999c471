import { remappingInKernelLog } from "../host/interrupt-remapping.ts";
import { factsOfKnownHost, hostInKernelLines, type KnownHost } from "./known-host.ts";
import type { PastBoot } from "./past-boot.ts";
import type { SyslogBoot } from "./syslog-boots.ts";

/** A boot as a syslog shows it, with what else is known of the host in it. */
export function bootOfSyslog(boot: SyslogBoot, also: KnownHost = {}): PastBoot {
  const spoken = hostInKernelLines(boot.kernelLines);
  const host: KnownHost = {
    ...spoken,
    ...also,
    ...(also.bios === undefined && spoken.bios === undefined ? {} : { bios: also.bios ?? spoken.bios }),
  } as KnownHost;
  const remapping = remappingInKernelLog(boot.kernelLines);
  return {
    id: undefined,
    startedAt: boot.startSeen ? boot.firstAt : undefined,
    precision: boot.startSeen ? "log" : undefined,
    firstSeenAt: boot.firstAt,
    lastSeenAt: boot.lastAt,
    end: boot.endedCleanly ? "clean" : "unknown",
    bios: host.bios?.version,
    kernelRelease: host.kernelRelease,
    facts: factsOfKnownHost(host),
    observations: boot.observations,
    groups: new Map(),
    definitions: [],
    interruptRemapping: remapping,
  };
}

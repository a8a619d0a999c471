import { hostInKernelLines, type KnownHost, pastHost } from "./known-host.ts";
import type { PastBoot } from "./past-boot.ts";
import type { SyslogBoot } from "./syslog-boots.ts";

/** A boot as a syslog shows it, with what else is known of the host in it. */
export function bootOfSyslog(boot: SyslogBoot, also: KnownHost = {}): PastBoot {
  const spoken = hostInKernelLines(boot.kernelLines);
  return {
    id: undefined,
    startedAt: boot.startSeen ? boot.firstAt : undefined,
    precision: boot.startSeen ? "log" : undefined,
    firstSeenAt: boot.firstAt,
    lastSeenAt: boot.lastAt,
    end: boot.endedCleanly ? "clean" : "unknown",
    ...pastHost({ ...spoken, ...also }),
    observations: boot.observations,
  };
}

import type { Clock } from "../../clock.ts";
import type { HostPaths } from "../../host-paths.ts";
import type { Incident } from "../../model/alert.ts";
import type { VmDefinition } from "../../model/virtual-machine.ts";
import type { AlertLog } from "../channel.ts";
import type { Environment } from "../proxy.ts";
import type { AlertConfig } from "../settings.ts";
import type { ChannelSurroundings, VmProblem } from "./kind.ts";

/** What channels need, from the settings in force and what the composition has. */
export function channelSurroundings(
  config: AlertConfig,
  given: {
    readonly host: HostPaths;
    readonly clock: Clock;
    readonly log: AlertLog;
    readonly environment: Environment;
    readonly machineName: string;
    readonly vmProblems: () => readonly VmProblem[];
  },
): ChannelSurroundings {
  const { host, clock, log, environment, machineName, vmProblems } = given;
  return {
    ...{ host, clock, log, vmProblems },
    hostName: config.HOST_NAME || machineName,
    http: { timeoutMs: config.HTTP_TIMEOUT_SECONDS * 1000, proxy: config.HTTP_PROXY, environment, clock },
  };
}

/** What is wrong with each VM that has passed-through devices: its newest incident that is still open. */
export function vmProblems(
  known: readonly { readonly definition: VmDefinition; readonly goneAt: number | undefined }[],
  open: readonly Incident[],
): readonly VmProblem[] {
  return known
    .filter(({ definition }) => definition.hostDevices.length > 0)
    .map(({ definition: { name, movedTo }, goneAt }) => {
      if (goneAt !== undefined || movedTo !== undefined)
        return { vm: name, isGone: true, problem: undefined };
      const incident = open.find(({ content }) => content.vm === name && content.kind !== "recovered");
      if (incident === undefined) return { vm: name, problem: undefined };
      const { subject, cause } = incident.content;
      return { vm: name, problem: { subject, cause, since: incident.openedAt } };
    });
}

import type { Environment } from "../../src/fleet/environment.ts";
import type { BoardTallies, HostTally } from "../../src/fleet/questions.ts";
import type { Outcome } from "../../src/model/attempt.ts";

export const DIRECT = "iommu-direct-mapping-required";
const DAY = 86_400_000;
const BEGINNING = Date.UTC(2026, 0, 1);

/** Facts of an environment with what differs. */
export function environment(changed: Environment = {}): Environment {
  return {
    "firmware.board.vendor": "Micro-Star International Co., Ltd.",
    "firmware.board.name": "MPG X870E CARBON WIFI (MS-7E49)",
    "firmware.bios.version": "1.A63",
    "firmware.bios.date": "08/05/2025",
    "firmware.agesa": "ComboAm5PI 1.2.0.3e",
    "hardware.cpu.name": "AMD Ryzen 9 9950X",
    "kernel.release": "6.12.54-Unraid",
    "kernel.parameter": "listed",
    "software.os.name": "Unraid",
    "software.os.version": "7.2.3",
    "software.qemu": "9.2.0",
    ...changed,
  };
}

/** The BIOS that demands the mapping, with what comes with it. */
export const NEW_BIOS: Environment = {
  "firmware.bios.version": "1.A7D",
  "firmware.bios.date": "11/20/2025",
  "firmware.agesa": "ComboAm5PI 1.2.7.0",
};

/** One stretch of a host's life: which environment, how its starts went. */
export interface MadeStretch {
  readonly environment: Environment;
  readonly good?: number;
  readonly bad?: number;
  readonly class?: string;
  readonly device?: string;
}

/** A board's hosts, each with its stretches in order, a week apart. */
export function madeFleet(hosts: readonly (readonly MadeStretch[])[]): BoardTallies {
  const numbers = new Map<string, string>();
  const environments = new Map<string, Environment>();
  const tallies = new Map<string, HostTally>();
  for (const [host, stretches] of hosts.entries()) {
    for (const [week, stretch] of stretches.entries()) {
      const text = JSON.stringify(stretch.environment);
      const number = numbers.get(text) ?? String(numbers.size + 1);
      numbers.set(text, number);
      environments.set(number, stretch.environment);
      const at = BEGINNING + (host + week * 7) * DAY;
      const add = (outcome: Outcome, starts: number, cause: string) => {
        if (starts === 0) return;
        const { device = "10de:2805/1462:5174" } = stretch;
        const key = [host, number, device, cause, outcome].join();
        const known = tallies.get(key);
        tallies.set(key, {
          ...{ host, environment: number, device, class: cause, outcome },
          starts: (known?.starts ?? 0) + starts,
          firstAt: known?.firstAt ?? at,
          lastAt: at + (starts - 1) * 3_600_000,
        });
      };
      add("started", stretch.good ?? 0, "");
      add("failed", stretch.bad ?? 0, stretch.class ?? DIRECT);
    }
  }
  return {
    board: "MPG X870E CARBON WIFI (MS-7E49)",
    hosts: new Map(hosts.map((_stretches, host) => [host, `host ${host}`])),
    environments,
    tallies: [...tallies.values()],
  };
}

export function repeatHost(
  times: number,
  stretches: readonly MadeStretch[],
): readonly (readonly MadeStretch[])[] {
  return Array.from({ length: times }, () => stretches);
}

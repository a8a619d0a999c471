/** What the child prints, one line of JSON. No serial numbers: they would name a person's machine. */
export interface HardwareReport {
  readonly cpu: {
    readonly name: string;
    readonly cores: number;
    readonly threads: number;
    readonly virtualization: boolean;
  };
  readonly board: { readonly manufacturer: string; readonly model: string; readonly version: string };
  readonly memory: readonly {
    /** Slot as the board names it, e.g. `DIMM_A2`. */
    readonly slot: string;
    /** Bytes. */
    readonly size: number;
    readonly type: string;
    readonly manufacturer: string;
    readonly part: string;
    /** Mega transfers a second as configured now. */
    readonly speed: number | undefined;
  }[];
}

/**
 * The whole work of the short-lived child: `systeminformation` starts dozens of shells and keeps 10 MB, neither of
 * which the daemon itself should. Writes a {@link HardwareReport} with `write` and resolves; rejects when the
 * package cannot be loaded.
 */
export async function runHardwareChild(
  write: (line: string) => void = (line) => process.stdout.write(line),
): Promise<void> {
  const { default: systemInformation } = await import("systeminformation");
  const [cpu, board, memory] = await Promise.all([
    systemInformation.cpu(),
    systemInformation.baseboard(),
    systemInformation.memLayout(),
  ]);
  const report: HardwareReport = {
    cpu: {
      name: `${cpu.manufacturer} ${cpu.brand}`,
      cores: cpu.physicalCores,
      threads: cpu.cores,
      virtualization: cpu.virtualization,
    },
    board: { manufacturer: board.manufacturer, model: board.model, version: board.version },
    memory: memory.map((module) => ({
      slot: module.bank,
      size: module.size,
      type: module.type,
      manufacturer: module.manufacturer ?? "",
      part: module.partNum,
      speed: module.clockSpeed ?? undefined,
    })),
  };
  write(`${JSON.stringify(report)}\n`);
}

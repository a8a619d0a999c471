import type { BootTable } from "./boots.ts";
import type { Connection } from "./connection.ts";
import type { SignatureTable } from "./signatures.ts";
import type { SnapshotTable } from "./snapshots.ts";
import type { VmTable } from "./vms.ts";

/** The tables that starts refer to. */
export interface AttemptParts {
  readonly connection: Connection;
  readonly boots: BootTable;
  readonly snapshots: SnapshotTable;
  readonly vms: VmTable;
  readonly signatures: SignatureTable;
}

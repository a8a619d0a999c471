import { type Bdf, type VmName, vmName } from "../model/identifiers.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { BootTable } from "./boots.ts";
import { boundedJson } from "./bounded.ts";
import type { Connection } from "./connection.ts";
import type { KnownVm, VmStore } from "./record-stores.ts";

/** VMs for the other tables, which refer to them by number. */
export interface VmTable extends VmStore {
  numberOf(vm: VmName): number;
  names(): ReadonlyMap<number, VmName>;
}

interface VmRow {
  readonly name: string;
  readonly definition: string;
  readonly since: number;
  readonly gone_at: number | null;
}

export function createVmTable(connection: Connection, boots: BootTable): VmTable {
  const selectNumber = connection.statement<[string], { number: number }>(
    "SELECT number FROM vm WHERE name = ?",
  );
  const insertName = connection.statement<[string]>("INSERT INTO vm (name) VALUES (?)");
  const names = connection.statement<[], { number: number; name: string }>("SELECT number, name FROM vm");
  const put = connection.statement<[string, string, number]>(
    `INSERT INTO vm (name, definition, since) VALUES (?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, gone_at = NULL,
       since = CASE WHEN definition IS excluded.definition THEN since ELSE excluded.since END
     WHERE definition IS NOT excluded.definition OR gone_at IS NOT NULL`,
  );
  const gone = connection.statement<[number, string]>("UPDATE vm SET gone_at = ? WHERE name = ?");
  const list = connection.statement<[], VmRow>(
    "SELECT name, definition, since, gone_at FROM vm WHERE definition IS NOT NULL ORDER BY name",
  );
  const one = connection.statement<[string], VmRow>(
    "SELECT name, definition, since, gone_at FROM vm WHERE name = ? AND definition IS NOT NULL",
  );
  const groups = connection.statement<[], GroupRow>("SELECT bdf, iommu_group, boot, at FROM device_group");
  const putGroup = connection.statement<[string, number, number, number]>(
    `INSERT INTO device_group (bdf, iommu_group, boot, at) VALUES (?, ?, ?, ?)
     ON CONFLICT (bdf) DO UPDATE SET iommu_group = excluded.iommu_group, boot = excluded.boot, at = excluded.at
     WHERE iommu_group <> excluded.iommu_group OR boot IS NOT excluded.boot`,
  );
  const groupOf = connection.statement<[string], { iommu_group: number }>(
    "SELECT iommu_group FROM device_group WHERE bdf = ?",
  );

  const putDefinition = (definition: VmDefinition, at: number) =>
    put.run(definition.name, boundedJson(definition, 4096, 256), Math.round(at));

  return {
    numberOf: (vm) => selectNumber.get(vm)?.number ?? insertName.insert(vm),
    names: () => new Map(names.all().map((row) => [row.number, vmName(row.name)])),
    remember(definitions, at) {
      connection.batched(() => {
        const listed = new Set<string>(definitions.map((definition) => definition.name));
        for (const definition of definitions) putDefinition(definition, at);
        for (const known of list.all())
          if (known.gone_at === null && !listed.has(known.name)) gone.run(Math.round(at), known.name);
      });
    },
    rememberOne(definition, at) {
      connection.batched(() => putDefinition(definition, at));
    },
    list: () => list.all().map(toKnownVm),
    present: () =>
      list
        .all()
        .map(toKnownVm)
        .flatMap(({ definition, goneAt }) => (goneAt === undefined ? [definition] : [])),
    get(vm) {
      const row = one.get(vm);
      return row === undefined ? undefined : toKnownVm(row);
    },
    rememberGroups(map, bootId, at) {
      connection.batched(() => {
        const boot = boots.numberOf(bootId, at, "live");
        for (const [bdf, group] of map) putGroup.run(bdf, group, boot, Math.round(at));
      });
    },
    groups(bootId) {
      const boot = bootId === undefined ? undefined : boots.known(bootId);
      const rows = groups.all().filter((row) => bootId === undefined || row.boot === boot);
      return new Map(rows.map((row) => [row.bdf as Bdf, row.iommu_group]));
    },
    groupsOf(devices) {
      const found = devices.flatMap((bdf) => groupOf.get(bdf)?.iommu_group ?? []);
      return [...new Set(found)].sort((a, b) => a - b);
    },
  };
}

interface GroupRow {
  readonly bdf: string;
  readonly iommu_group: number;
  readonly boot: number | null;
}

function toKnownVm(row: VmRow): KnownVm {
  return {
    definition: JSON.parse(row.definition) as VmDefinition,
    since: row.since,
    goneAt: row.gone_at ?? undefined,
  };
}

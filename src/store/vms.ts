import { type Bdf, type VmName, vmName } from "../model/identifiers.ts";
import { managerOf, type VmDefinition } from "../model/virtual-machine.ts";
import { renameIncidents } from "./alerts.ts";
import type { BootTable } from "./boots.ts";
import { boundedJson } from "./bounded.ts";
import type { Connection, SqlValue, Statement } from "./connection.ts";
import type { KnownVm, VmStore } from "./record-stores.ts";
import { createVmNames } from "./vm-names.ts";

/** VMs for the other tables, which refer to them by number. */
export interface VmTable extends VmStore {
  /**
   * The VM that was called so at the time; one that nobody knows is made known by its name. `stored` is the answer that
   * was given before: it holds where it is asked again by what the VM is called now.
   */
  numberOf(vm: VmName, at: number, stored?: number): number;
  /** What each is called now. */
  names(): ReadonlyMap<number, VmName>;
  /** The VM that is or was called so, with those of which it is the successor. */
  numbersOf(vm: VmName): readonly number[];
}

interface VmRow {
  readonly number: number;
  readonly name: string;
  readonly uuid: string | null;
  readonly definition: string | null;
  readonly since: number | null;
  readonly gone_at: number | null;
}

/**
 * A VM is its UUID (Proxmox: its number with what tells it from another one of that number); its name is only what it
 * is called at the moment. Attempts are joined to it by the name that it had at the time, since that is all that logs
 * say, and come back under the name that it has now.
 */
export function createVmTable(connection: Connection, boots: BootTable): VmTable {
  const names = createVmNames(connection);
  const columns = "number, name, uuid, definition, since, gone_at";
  const all = connection.statement<[], VmRow>(`SELECT ${columns} FROM vm ORDER BY name, number`);
  const byNumber = connection.statement<[number], VmRow>(`SELECT ${columns} FROM vm WHERE number = ?`);
  // One under which a start was known only until its VM was found is none.
  const heardOf = connection.statement<[], { number: number }>(
    `SELECT number FROM vm WHERE definition IS NOT NULL
       OR EXISTS (SELECT 1 FROM attempt WHERE attempt.vm = vm.number)`,
  );
  const byUuid = connection.statement<[string], VmRow>(`SELECT ${columns} FROM vm WHERE uuid = ?`);
  // The last that took the name before the time; else the first that ever did.
  const nameAt = connection.statement<[string, number], { vm: number }>(
    `SELECT vm FROM vm_name, (SELECT ? AS wanted, ? AS at) WHERE name = wanted
     ORDER BY since > at, iif(since > at, since, -since) LIMIT 1`,
  );
  const insert = noting(
    connection.statement<[string, string | null]>("INSERT INTO vm (name, uuid) VALUES (?, ?)"),
  );
  const call = noting(
    connection.statement<[string, number, number]>(
      "INSERT OR REPLACE INTO vm_name (name, since, vm) VALUES (?, ?, ?)",
    ),
  );
  const rename = noting(connection.statement<[string, number]>("UPDATE vm SET name = ? WHERE number = ?"));
  const adopt = noting(connection.statement<[string, number]>("UPDATE vm SET uuid = ? WHERE number = ?"));
  const define = connection.statement<[string, number, number]>(
    `WITH given (definition, at, number) AS (VALUES (?, ?, ?))
     UPDATE vm SET definition = given.definition, gone_at = NULL,
       since = iif(vm.definition IS given.definition, since, given.at)
     FROM given WHERE vm.number = given.number AND (vm.definition IS NOT given.definition OR gone_at IS NOT NULL)`,
  );
  const gone = connection.statement<[number, number]>(
    "UPDATE vm SET gone_at = ? WHERE number = ? AND gone_at IS NULL",
  );
  const succeed = noting(
    connection.statement<[number, number]>("UPDATE vm SET successor = ? WHERE number = ?"),
  );
  const merge = ["UPDATE attempt SET vm = ? WHERE vm = ?", "UPDATE vm_name SET vm = ? WHERE vm = ?"].map(
    (sql) => noting(connection.statement<[number, number]>(sql)),
  );
  const remove = noting(connection.statement<[number]>("DELETE FROM vm WHERE number = ?"));
  const groups = connection.statement<[], GroupRow>("SELECT bdf, iommu_group, boot, at FROM device_group");
  const putGroup = connection.statement<[string, number, number, number]>(
    `INSERT INTO device_group (bdf, iommu_group, boot, at) VALUES (?, ?, ?, ?)
     ON CONFLICT (bdf) DO UPDATE SET iommu_group = excluded.iommu_group, boot = excluded.boot, at = excluded.at
     WHERE iommu_group <> excluded.iommu_group OR boot IS NOT excluded.boot`,
  );
  const groupOf = connection.statement<[string], { iommu_group: number }>(
    "SELECT iommu_group FROM device_group WHERE bdf = ?",
  );

  /** As it is, and the names are read anew when they are asked for next. */
  function noting<Parameters extends SqlValue[]>(write: Statement<Parameters, never>) {
    return {
      run(...parameters: Parameters) {
        names.changed();
        return write.run(...parameters);
      },
      insert(...parameters: Parameters) {
        names.changed();
        return write.insert(...parameters);
      },
    };
  }

  /** Makes a VM known that has the name from `since` on. */
  function make(name: string, uuid: string | null, since: number): number {
    const number = insert.insert(name, uuid);
    call.run(name, since, number);
    return number;
  }

  /** The number of the VM that the definition is of; what it tells of names is taken up. */
  function identify({ name, uuid }: VmDefinition, at: number): number {
    const known = names();
    const holder = nameAt.get(name, at)?.vm;
    const held = holder === undefined ? undefined : byNumber.get(holder);
    if (uuid === "") return holder ?? make(name, null, 0);
    const own = byUuid.get(uuid);
    if (own === undefined) {
      if (held === undefined) return make(name, uuid, 0);
      // Known by its name alone until now, or, by an older release, without its number before its own identity.
      const isSame = held.uuid === null || uuid.endsWith(`/${held.uuid}`);
      if (isSame) adopt.run(uuid, held.number);
      return isSame ? held.number : make(name, uuid, at);
    }
    if (held?.uuid === null) join(held.number, own.number);
    else if (held?.number !== own.number) call.run(name, at, own.number);
    if (own.name !== name) {
      rename.run(name, own.number);
      const since = known.historyOf([own.number]).findLast((row) => row.name === own.name)?.since ?? 0;
      renameIncidents(connection, own.name, name, since);
    }
    return own.number;
  }

  /** What older material calls a VM; another that the name may have meant then is not told apart by its UUID alone. */
  function placeName({ name, uuid }: VmDefinition, at: number): void {
    if (uuid === "") return;
    const own = byUuid.get(uuid);
    const holder = nameAt.get(name, at)?.vm;
    const held = holder === undefined ? undefined : byNumber.get(holder);
    if (own === undefined) {
      if (held === undefined) make(name, uuid, 0);
      else if (held.uuid === null) adopt.run(uuid, held.number);
      return;
    }
    if (held?.uuid === null) join(held.number, own.number);
    else if (held === undefined) call.run(name, 0, own.number);
    // Only what was never seen defined is called as the newest material calls it.
    if (own.definition === null && nameAt.get(name, at)?.vm === own.number) rename.run(name, own.number);
  }

  function join(from: number, to: number): void {
    for (const move of merge) move.run(to, from);
    remove.run(from);
  }

  function put(definition: VmDefinition, at: number): number {
    const number = identify(definition, Math.round(at));
    const isNew = define.run(boundedJson(definition, 4096, 256), Math.round(at), number) > 0;
    if (isNew) followPredecessor(number, definition, Math.round(at));
    return number;
  }

  /** One with the same name and devices as the one before it, under another UUID, is that one made anew. */
  function followPredecessor(number: number, definition: VmDefinition, at: number): void {
    const before = names().before(number);
    const row = before === undefined ? undefined : byNumber.get(before);
    // Two VMs never have one name at a time.
    if (row === undefined || row.name !== definition.name) return;
    gone.run(at, row.number);
    const had = row.definition === null ? "" : devicesOf(JSON.parse(row.definition) as VmDefinition);
    if (had !== "" && had === devicesOf(definition)) succeed.run(number, row.number);
  }

  /** Those that have a definition, each under the name that it is shown by; of one made anew the newest. */
  function known(): readonly (KnownVm & { readonly number: number })[] {
    const { byNumber: shown } = names();
    const rows = all.all().filter(({ definition }) => definition !== null);
    const newest = new Map(
      rows.toSorted((a, b) => a.number - b.number).map((row) => [shown.get(row.number), row]),
    );
    return rows.flatMap((row) => {
      const name = shown.get(row.number);
      if (name === undefined || newest.get(name) !== row) return [];
      const definition = { ...(JSON.parse(row.definition ?? "{}") as VmDefinition), name };
      return [{ number: row.number, definition, since: row.since ?? 0, goneAt: row.gone_at ?? undefined }];
    });
  }

  return {
    numberOf(vm, at, stored) {
      const found = nameAt.get(vm, Math.round(at))?.vm;
      if (found === stored && found !== undefined) return found;
      if (stored !== undefined && names().byNumber.get(stored) === vm) return stored;
      return found ?? make(vm, null, 0);
    },
    names: () => names().byNumber,
    numbersOf: (vm) => names().numbersOf(vm),
    remember(definitions, at, manager) {
      connection.batched(() => {
        const listed = new Set(definitions.map((definition) => put(definition, at)));
        for (const { number, definition, gone_at } of all.all())
          if (
            definition !== null &&
            gone_at === null &&
            !listed.has(number) &&
            managerOf(JSON.parse(definition) as VmDefinition) === manager
          )
            gone.run(Math.round(at), number);
      });
    },
    rememberOne(definition, at) {
      connection.batched(() => void put(definition, at));
    },
    rememberPast(definitions, at) {
      connection.batched(() => {
        for (const definition of definitions) placeName(definition, Math.round(at));
      });
    },
    list: () => known().map(withoutNumber),
    present: () => known().flatMap(({ definition, goneAt }) => (goneAt === undefined ? [definition] : [])),
    get(vm) {
      const numbers = new Set(names().numbersOf(vm));
      const found = known().find(({ number }) => numbers.has(number));
      return found && withoutNumber(found);
    },
    past(vm) {
      const known = names();
      const numbers = known.numbersOf(vm);
      const [newest] = numbers.toReversed();
      const name = newest === undefined ? vm : (known.byNumber.get(newest) ?? vm);
      const history = known.historyOf(numbers);
      return {
        name,
        formerNames: [...new Set(history.map((row) => vmName(row.name)))].filter((former) => former !== name),
        madeAnewAt: history.flatMap(({ name, vm, since }, index) =>
          history.slice(0, index).some((earlier) => earlier.name === name && earlier.vm !== vm)
            ? [since]
            : [],
        ),
      };
    },
    everyName() {
      const known = names().byNumber;
      return [...new Set(heardOf.all().flatMap(({ number }) => known.get(number) ?? []))];
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

function withoutNumber({ definition, since, goneAt }: KnownVm): KnownVm {
  return { definition, since, goneAt };
}

interface GroupRow {
  readonly bdf: string;
  readonly iommu_group: number;
  readonly boot: number | null;
}

function devicesOf({ hostDevices }: VmDefinition): string {
  return hostDevices
    .map(({ bdf }) => bdf)
    .toSorted()
    .join(" ");
}

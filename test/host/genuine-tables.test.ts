import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { decodeDmar } from "../../src/host/acpi-dmar.ts";
import { decodeIvrs } from "../../src/host/acpi-ivrs.ts";
import type { TableFinding } from "../../src/host/acpi-table.ts";
import { describeMemoryDefinition, describeReservedMemory } from "../../src/host/firmware-wording.ts";

/**
 * 163 IVRS and 332 DMAR of owners' machines, from the public data set linuxhw/ACPI (CC BY 4.0, state of 2025-01-05).
 * They lie beside the checkout and do not come with it.
 */
const TABLES = join(import.meta.dirname, "../../../shared/reference/firmware/acpi");
const skip = existsSync(TABLES) ? false : "the genuine tables are not beside this checkout";
const files = skip === false ? readdirSync(TABLES).filter((name) => name.endsWith(".bin")) : [];
const bytesOf = (name: string) => new Uint8Array(readFileSync(join(TABLES, name)));

/** Kinds of findings with their numbers taken out, and how often they come. */
function countKinds(findings: readonly TableFinding[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { text } of findings) {
    const kind = /unknown type/.test(text) ? text : text.replace(/\d+/g, "N");
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return new Map([...counts].sort(([, a], [, b]) => b - a));
}

/** Memory differs from machine to machine; who and how does not. */
const withoutMemory = (description: string) => description.replace(/, memory 0x[0-9a-f]+-0x[0-9a-f]+/, "");

test("every genuine IVRS decodes, and demands go with the pre-boot bit", { skip }, (context) => {
  const tables = files.filter((name) => name.startsWith("IVRS"));
  assert.equal(tables.length, 163);
  const rows = tables.map((name) => {
    const { table, findings } = decodeIvrs(bytesOf(name));
    assert.ok(table !== undefined, `${name}: ${findings.map(({ text }) => text).join("; ")}`);
    assert.ok(table.hardwareUnits.length > 0, `${name} names no IOMMU`);
    return { name, table, findings };
  });
  const [on, off] = [true, false].map((bit) =>
    rows.filter(({ table }) => table.info.preBootDmaProtection === bit),
  );
  const demanding = (all: typeof rows | undefined) =>
    (all ?? []).filter(({ table }) => table.memoryDefinitions.length > 0);
  context.diagnostic(
    `IVRS: pre-boot DMA protection on in ${on?.length}, of which ${demanding(on).length} demand; off in ${off?.length}, of which ${demanding(off).length} demand`,
  );
  for (const { name, table } of demanding(rows))
    for (const definition of table.memoryDefinitions)
      context.diagnostic(`${name}: ${withoutMemory(describeMemoryDefinition(definition))}`);
  const kinds = countKinds(rows.flatMap(({ findings }) => findings));
  for (const [kind, count] of kinds) context.diagnostic(`IVRS finding, ${count} times: ${kind}`);
  for (const kind of kinds.keys())
    if (/unknown type/.test(kind)) assert.match(kind, /type [0-9a-f]+h, \d+ bytes/);
  assert.deepEqual([on?.length, demanding(on).length, off?.length, demanding(off).length], [44, 8, 119, 0]);
});

test("every genuine DMAR decodes, and says for whom it reserves memory", { skip }, (context) => {
  const tables = files.filter((name) => name.startsWith("DMAR"));
  assert.equal(tables.length, 332);
  const counts = new Map<string, number>();
  const all: TableFinding[] = [];
  let reserving = 0;
  for (const name of tables) {
    const { table, findings } = decodeDmar(bytesOf(name));
    assert.ok(table !== undefined, `${name}: ${findings.map(({ text }) => text).join("; ")}`);
    assert.ok(
      table.structures.some(({ kind }) => kind === "DRHD"),
      `${name} names no IOMMU`,
    );
    all.push(...findings);
    const reserved = table.structures.filter((structure) => structure.kind === "RMRR");
    if (reserved.length > 0) reserving += 1;
    for (const of of new Set(reserved.map((one) => withoutMemory(describeReservedMemory(one)))))
      counts.set(of, (counts.get(of) ?? 0) + 1);
  }
  context.diagnostic(`DMAR: ${reserving} of ${tables.length} reserve memory`);
  for (const [of, count] of [...counts].sort(([, a], [, b]) => b - a))
    context.diagnostic(`in ${count} tables: ${of}`);
  const kinds = countKinds(all);
  for (const [kind, count] of kinds) context.diagnostic(`DMAR finding, ${count} times: ${kind}`);
  for (const kind of kinds.keys())
    if (/unknown type/.test(kind)) assert.match(kind, /type [0-9a-f]+h, \d+ bytes/);
  assert.ok(reserving > 0);
});

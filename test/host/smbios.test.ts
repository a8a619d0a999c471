import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createHostMemory } from "../../src/host/host-memory.ts";
import { agesaIn, parseSmbios, readAgesa } from "../../src/host/smbios.ts";
import { createHostTree } from "../helpers/host-tree.ts";
import { smbiosStructure, smbiosTable } from "../helpers/smbios-table.ts";

const MADE = [
  smbiosStructure(0, 26, ["American Megatrends International, LLC.", "1.A63", "01/02/2025"]),
  smbiosStructure(127, 4, []),
];

test("AGESA is found in additional information, among an OEM's strings, and in a structure of the vendor's own", () => {
  for (const type of [40, 11, 221]) {
    const bytes = smbiosTable([
      smbiosStructure(2, 15, ["Board"]),
      smbiosStructure(type, 14, ["AGESA!V9 ComboAm5PI 1.2.0.3a"]),
    ]);
    assert.equal(agesaIn(parseSmbios(bytes)), "ComboAm5PI 1.2.0.3a", String(type));
  }
});

test("a zero behind the mark makes the name a string of its own", () => {
  const bytes = smbiosTable([smbiosStructure(40, 14, ["Other", "AGESA!V9", "ComboAM4v2PI 1.2.0.7"])]);
  assert.equal(agesaIn(parseSmbios(bytes)), "ComboAM4v2PI 1.2.0.7");
});

test("additional information is believed before a vendor's own structure", () => {
  const bytes = smbiosTable([
    smbiosStructure(221, 8, ["AGESA!V9 Old 0.0.0.1"]),
    smbiosStructure(40, 14, ["AGESA!V9 ComboAm5PI 1.2.0.3"]),
  ]);
  assert.equal(agesaIn(parseSmbios(bytes)), "ComboAm5PI 1.2.0.3");
});

test("a table without it, as on Intel, has none; and what is cut or made up does no harm", () => {
  assert.equal(agesaIn(parseSmbios(smbiosTable(MADE))), undefined);
  assert.equal(agesaIn(parseSmbios(smbiosTable([smbiosStructure(11, 5, ["AGESA is great"])]))), undefined);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => Array.isArray(parseSmbios(bytes))));
  const whole = smbiosTable([smbiosStructure(40, 14, ["AGESA!V9 ComboAm5PI 1.2.0.3"]), ...MADE]);
  for (let length = 0; length < whole.length; length++) parseSmbios(whole.subarray(0, length));
});

test("it is read from the table, or from its entries where a tree has only those", (context) => {
  const structure = smbiosStructure(40, 14, ["AGESA!V9 ComboAm5PI 1.2.0.3"]);
  const table = createHostTree(context, {
    "/sys/firmware/dmi/tables/DMI": smbiosTable([...MADE.slice(0, 1), structure]),
  });
  const entries = createHostTree(context, { "/sys/firmware/dmi/entries/40-0/raw": structure });
  for (const { paths } of [table, entries])
    assert.deepEqual(readAgesa(paths, createHostMemory()), { state: "read", value: "ComboAm5PI 1.2.0.3" });
});

test("a machine whose table has none is absent, one without a table too", (context) => {
  const intel = createHostTree(context, { "/sys/firmware/dmi/tables/DMI": smbiosTable(MADE) });
  assert.deepEqual(readAgesa(intel.paths, createHostMemory()), { state: "absent" });
  assert.deepEqual(readAgesa(createHostTree(context).paths, createHostMemory()), { state: "absent" });
});

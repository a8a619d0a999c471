import assert from "node:assert/strict";
import { test } from "node:test";
import { compareAgesa, fitsAgesa, isSameAgesa, parseAgesa } from "../../src/knowledge/agesa.ts";

const order = (one: string, other: string) => {
  const [left, right] = [parseAgesa(one), parseAgesa(other)];
  assert.ok(left !== undefined && right !== undefined, `${one}, ${other}`);
  return compareAgesa(left, right);
};

test("one AGESA is the same in all spellings that vendors give it", () => {
  assert.ok(isSameAgesa("ComboAM5PI 1.2.0.3a", "ComboAm5PI 1.2.0.3A"));
  assert.ok(isSameAgesa("AGESA!V9 ComboAm5PI 1.2.0.1", "ComboAM5PI 1.2.0.1"));
  assert.ok(isSameAgesa("Combo-AM4 1.0.0.3", "ComboAM4PI 1.0.0.3"));
  assert.ok(isSameAgesa("ComboAm5PI 1.2.0.0a Patch A", "ComboAM5PI 1.2.0.0a PatchA"));
  assert.ok(isSameAgesa("AM4 AGESA Combo V2 PI 1.2.0.8", "ComboAM4v2PI 1.2.0.8"));
  assert.ok(isSameAgesa("AGESA ComboV2PI-1.2.0.F", "ComboAm4v2PI 1.2.0.F"));
  assert.ok(isSameAgesa("AGESA_ComboAM4PI_1.0.0.4_Patch_B", "ComboAM4PI 1.0.0.4 Patch B"));
  assert.ok(!isSameAgesa("ComboAM4PI_1.0.0.4_Patch_B", "ComboAM4PI 1.0.0.4"));
  assert.ok(!isSameAgesa("ComboAm5PI 1.2.0.3", "ComboAm5PI 1.2.0.3a"));
  assert.ok(!isSameAgesa("ComboAM4PI 1.2.0.3", "ComboAM4v2PI 1.2.0.3"));
  assert.ok(!isSameAgesa("what", "what"));
});

test("builds and patches come after what they are of, and families are not compared", () => {
  assert.ok((order("ComboAm5PI 1.2.0.2b", "ComboAm5PI 1.2.0.3") ?? 0) < 0);
  assert.ok((order("ComboAm5PI 1.2.0.2b", "ComboAm5PI 1.2.0.2a") ?? 0) > 0);
  assert.ok((order("ComboAm5PI 1.2.0.0a Patch A", "ComboAm5PI 1.2.0.0a") ?? 0) > 0);
  assert.ok((order("GenoaPI-SP5 1.0.0.C", "GenoaPI-SP5 1.0.0.9") ?? 0) > 0);
  assert.equal(order("AGESA 1.0.0.6", "AGESA!V9 1.0.0.6"), undefined, "nobody says of which socket");
  assert.equal(order("StrixPI-FP8 1.0.0.1", "PhoenixPI-FP8-FP7 1.0.0.1"), undefined);
});

test("bounds hold within their family only", () => {
  const wanted = "ComboAM4 >=0.0.7.2 <=1.0.0.1";
  assert.ok(fitsAgesa(wanted, "Combo-AM4 0.0.7.2"));
  assert.ok(fitsAgesa(wanted, "ComboAM4PI 1.0.0.1"));
  assert.ok(!fitsAgesa(wanted, "ComboAM4PI 1.0.0.3"));
  assert.ok(!fitsAgesa(wanted, "ComboAM4v2PI 1.0.0.1"));
  assert.ok(!fitsAgesa(wanted, "ComboAm5PI 1.0.0.0"));
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  boardOfBiosFile,
  fitsVersions,
  inSpellingOf,
  isSameBiosVersion,
} from "../../src/knowledge/bios-version.ts";

test("a vendor's file name, what people write and what SMBIOS says are one version", () => {
  for (const [one, other] of [
    ["E7E49AMSI.1A63", "1.A63"],
    ["7E49v1A63", "1.A63"],
    ["7E49v1A63.zip", "E7E49AMSI.1A63"],
    ["E7C56AMS.A90", "A.90"],
    ["7C56vA9", "A.90"],
    ["e7e49amsi.1a63", " 1.A63 "],
    ["P4.60", "4.60"],
    ["R1YET38W (1.15 )", "1.15"],
    ["R1YET38W (1.15 )", "R1YET38W"],
    ["V82 Ver. 01.03.02", "01.03.02"],
    ["GA402XY.310", "310"],
    ["X670EAORUSPRO.F30", "F30"],
    ["F22b", "f22B"],
    ["7E66v2A3", "2.A30"],
    ["7E66v2A3", "2.A3"],
    ["X670E-AORUS-PRO.F30", "F30"],
    ["ROG-STRIX-X670E-E-GAMING-WIFI-ASUS-2613.CAP", "2613"],
    ["v1.40", "1.40"],
    ["7E49v1A95(Beta version)", "1.A95"],
    ["1.A95 beta", "1.A95"],
    ["7E49 v1.A95", "E7E49AMSI.1A95"],
    ["MS-7E49 1.A95", "7E49v1A95.zip"],
    ["v1.A95", "1.A95"],
    ["vA.90", "E7C56AMS.A90"],
    ["1.A95 (2026-06-18)", "1.A95"],
    ["F30 (06/18/2026)", "F30"],
    ["4.60 (beta 2)", "P4.60"],
    ["Version 1.40", "1.40"],
    ["V82 Ver. 01.03.02", "1.3.2"],
  ] as const) {
    assert.ok(isSameBiosVersion(one, other), `${one} = ${other}`);
    assert.ok(isSameBiosVersion(other, one), `${other} = ${one}`);
  }
});

test("different versions stay different, however they are spelled", () => {
  for (const [one, other] of [
    ["E7E49AMSI.1A63", "1.A95"],
    ["E7C56AMS.A90", "A.9"],
    ["7C56vA9", "A.9A"],
    ["7E66v2A3", "2.A31"],
    ["1.05", "1.5"],
    ["V1.10", "1.1"],
    ["P4.60", "L4.60"],
    ["R1YET38W (1.15 )", "R1YET39W (1.16 )"],
    ["F30", "F30a"],
    ["1.A63", "1A63"],
    ["2.A30", "1.A30"],
  ] as const)
    assert.ok(!isSameBiosVersion(one, other), `${one} ≠ ${other}`);
});

test("every version of a board is one in both of MSI's spellings, and no two of them are one", () => {
  const digit = fc.constantFrom(..."0123456789ABCDEFG");
  const version = fc.tuple(
    digit,
    fc.array(digit, { minLength: 2, maxLength: 3 }).map((all) => all.join("")),
  );
  fc.assert(
    fc.property(version, version, ([first, rest], [other, tail]) => {
      const file = `E7E49AMSI.${first}${rest}`;
      assert.ok(isSameBiosVersion(file, `${first}.${rest}`));
      assert.equal(isSameBiosVersion(file, `${other}.${tail}`), first === other && rest === tail);
    }),
  );
});

test("what is shown is the machine's own spelling", () => {
  assert.equal(inSpellingOf("1.A63", "E7E49AMSI.1A63"), "1.A63");
  assert.equal(inSpellingOf("E7E49AMSI.1A63", "1.A63"), "E7E49AMSI.1A63");
  assert.equal(inSpellingOf("1.A63", "E7E49AMSI.1A95"), "1.A95");
  assert.equal(inSpellingOf("1.A63", "1.A95"), "1.A95");
  assert.equal(inSpellingOf("E7E49AMSI.1A63", "E7E49AMSI.1A95"), "E7E49AMSI.1A95");
});

test("MSI's names say for which board a file is", () => {
  assert.equal(boardOfBiosFile("E7E49AMSI.1A95"), "7E49");
  assert.equal(boardOfBiosFile("7d70v1A2.zip"), "7D70");
  assert.equal(boardOfBiosFile("MS-7d70 1.A95"), "7D70");
  assert.equal(boardOfBiosFile("1.A95"), undefined);
  assert.equal(boardOfBiosFile("F30"), undefined);
});

test("bounds hold for versions that are numbers, and for no others", () => {
  assert.ok(fitsVersions(">=2.00 <=3.90", "P3.50"));
  assert.ok(fitsVersions(">=2.00 <=3.90", "3.90"));
  assert.ok(!fitsVersions(">=2.00 <=3.90", "P4.60"));
  assert.ok(!fitsVersions(">=2.00 <=3.90", "1.A63"));
  assert.ok(fitsVersions(">2423", "3607"));
  assert.ok(!fitsVersions(">2423", "2423"));
  assert.ok(fitsVersions("<2.67", "G7ETA2WW (2.62 )"));
  assert.ok(fitsVersions("*", "anything"));
});

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it, test } from "node:test";
import { parseAgesa } from "../../src/knowledge/agesa.ts";
import { type BoardNames, firmwareElsewhere, isOfBoard } from "../../src/knowledge/firmware-elsewhere.ts";
import { wordsElsewhere } from "../../src/knowledge/firmware-words.ts";
import { readKnownFirmwareFile } from "../../src/knowledge/known-firmware-file.ts";
import { loadKnownFirmware } from "../../src/knowledge/load-known-firmware.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";

const shipped = join(import.meta.dirname, "../../config/known-firmware");
const { known, problems } = loadKnownFirmware({ shipped });
const directory = temporaryDirectory();
after(() => directory.remove());

const board = (vendor: string, name: string): BoardNames => ({
  vendor,
  board: name,
  systemVendor: vendor,
  product: undefined,
});
const CARBON = board("Micro-Star International Co., Ltd.", "MPG X870E CARBON WIFI (MS-7E49)");
const told = (names: BoardNames, bios: string, agesa?: string) =>
  wordsElsewhere(firmwareElsewhere(known, { names, bios, agesa }), bios).join("\n");

describe("the shipped knowledge", () => {
  it("has nothing wrong in it", () => {
    assert.deepEqual(problems, []);
    assert.ok(known.records.length > 30);
  });

  it("is no more than 150 kilobytes", () => {
    const sizes = readdirSync(shipped).map((name) => statSync(join(shipped, name)).size);
    const sum = sizes.reduce((total, size) => total + size, 0);
    assert.ok(sum <= 150_000, `${sum} bytes`);
  });

  it("names an AGESA that can be compared for each version of the map", () => {
    assert.ok(known.agesa.length > 900);
    const odd = known.agesa.filter(({ agesa }) => parseAgesa(agesa) === undefined);
    assert.deepEqual(odd, []);
  });

  it("finds every version of the map again from SMBIOS strings", () => {
    for (const { vendor, board: name, bios, agesa } of known.agesa) {
      const found = firmwareElsewhere(known, { names: board(vendor, name), bios, agesa: undefined });
      const versions = known.agesa.filter(
        (entry) => entry.board === name && entry.vendor === vendor && entry.bios === bios,
      );
      assert.ok(
        versions.some((entry) => entry.agesa === found.agesa?.name),
        `${vendor} ${name} ${bios}: ${found.agesa?.name} instead of ${agesa}`,
      );
    }
  });

  it("finds every record again by the board that it names", () => {
    for (const record of known.records) {
      const [vendor = "", name = ""] = [record.vendors[0], record.boards[0]].map((text) =>
        text === "*" ? "any" : text,
      );
      assert.ok(isOfBoard(record, { ...board(vendor, name), product: record.products[0] }), name);
    }
  });
});

describe("what is said of a version", () => {
  it("says what other owners met on it, and which version worked for how many", () => {
    const line =
      "This board with 1.A95: one other owner could not start VMs on it (1:1 demand); 1.A63 worked for two.";
    assert.equal(told(CARBON, "1.A95").split("\n")[0], line);
  });

  it("says the same of MSI's other spelling, as the machine spells it", () => {
    const text = told(CARBON, "E7E49AMSI.1A95");
    assert.match(text, /^This board with E7E49AMSI\.1A95: one other owner could not start VMs/);
  });

  it("says of a good version that it worked for others", () => {
    assert.match(
      told(CARBON, "1.A63"),
      /^This board with 1\.A63: passthrough worked on it for two other owners\./,
    );
  });

  it("claims nothing of a version that no record names", () => {
    assert.match(told(CARBON, "1.A20"), /of 1\.A20 nothing is known/);
    assert.equal(told(board("ASRock", "X670E Taichi"), "9.99"), "");
  });

  it("does not take a demand in a table for a failed VM", () => {
    const text = told(board("ASUSTeK COMPUTER INC.", "UM5606WA"), "312");
    assert.match(text, /nobody is known to have tried a VM/);
    assert.doesNotMatch(text, /could not start/);
  });

  it("tells models of one board name apart by the product", () => {
    const laptop = board("LENOVO", "LNVNB161216");
    assert.match(told({ ...laptop, product: "82XM" }, "KYCN32WW"), /1:1 demand/);
    assert.equal(told({ ...laptop, product: "83AA" }, "KYCN32WW").includes("KYCN32WW:"), false);
  });

  it("carries a warning from board to board with the AGESA, and not beyond its bounds", () => {
    const other = board("Gigabyte Technology Co., Ltd.", "X570 AORUS MASTER");
    assert.match(told(other, "F3", "ComboAM4PI 1.0.0.1"), /1\.0\.0\.1|lost passed-through devices/);
    assert.equal(told(other, "F30", "ComboAM4PI 1.0.0.4"), "");
  });
});

test("a record that is wrong is left out alone and named with its line", () => {
  const text = `{
  "vendor": ["Board & Co"],
  "records": [
    { "board": ["One"], "bad": ["1"], "class": "device-lost", "confidence": "reported" },
    { "board": ["Two"], "bad": [">x"], "class": "device-lost", "confidence": "reported" },
    { "board": ["Three"], "class": "no-such", "confidence": "reported" },
    { "board": ["*"], "bad": ["1"], "class": "device-lost", "confidence": "reported" },
    { "board": ["Four"], "class": "device-lost", "confidence": "reported", "owners": 0 },
    { "board": ["Five"], "class": "device-lost", "confidence": "reported", "sources": ["a forum"] }
  ]
}`;
  const { records, problems: found } = readKnownFirmwareFile(text);
  assert.deepEqual(
    records.map(({ boards }) => boards[0]),
    ["One"],
  );
  assert.deepEqual(
    found.map(({ line }) => line),
    [5, 6, 7, 8, 9],
  );
  assert.equal(readKnownFirmwareFile("{").problems.length, 1);
  assert.equal(readKnownFirmwareFile("[]").problems.length, 1);
});

test("an owner's own file adds to what is shipped", () => {
  const own = join(directory.path, "known-firmware");
  mkdirSync(own, { recursive: true });
  const record = { board: ["X1"], bad: ["7"], class: "reset-failed", confidence: "reported", owners: 3 };
  writeFileSync(join(own, "mine.json"), JSON.stringify({ vendor: ["Mine"], records: [record] }));
  writeFileSync(join(own, "broken.json"), "{");
  const loaded = loadKnownFirmware({ shipped, own });
  assert.equal(loaded.known.records.length, known.records.length + 1);
  assert.deepEqual(
    loaded.problems.map(({ file }) => file),
    [join(own, "broken.json")],
  );
  const found = firmwareElsewhere(loaded.known, { names: board("Mine", "X1"), bios: "7", agesa: undefined });
  assert.match(
    wordsElsewhere(found)[0] ?? "",
    /three other owners had trouble with passthrough on it \(reset failed\)/,
  );
});

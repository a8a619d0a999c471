import assert from "node:assert/strict";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it, test } from "node:test";
import { type DmiField, readDmi } from "../../src/host/firmware.ts";
import { createHostMemory } from "../../src/host/host-memory.ts";
import { parseAgesa } from "../../src/knowledge/agesa.ts";
import { isSameBoard, isSameVendor } from "../../src/knowledge/board-names.ts";
import { type BoardNames, firmwareElsewhere, isOfBoard } from "../../src/knowledge/firmware-elsewhere.ts";
import { wordsElsewhere } from "../../src/knowledge/firmware-words.ts";
import { readKnownFirmwareFile } from "../../src/knowledge/known-firmware-file.ts";
import { loadKnownFirmware } from "../../src/knowledge/load-known-firmware.ts";
import { valueOr } from "../../src/model/reading.ts";
import { createHostTree } from "../helpers/host-tree.ts";
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

  it("finds every version of the map again from SMBIOS strings, as Linux shows them", (context) => {
    const tree = createHostTree(context, {});
    const read = (file: string, text: string, field: DmiField) => {
      tree.write(`/sys/class/dmi/id/${file}`, `${text}\n`);
      return valueOr(readDmi(tree.paths, createHostMemory(), field), undefined);
    };
    const boards = Map.groupBy(known.agesa, ({ vendor, board: name }) => `${vendor}\n${name}`);
    for (const own of boards.values()) {
      const [{ vendor, board: name, bios } = { vendor: "", board: "", bios: "" }] = own;
      const names = {
        vendor: read("board_vendor", vendor, "board.vendor"),
        board: read("board_name", `${name} `, "board.name"),
        systemVendor: read("sys_vendor", "System manufacturer", "system.vendor"),
        product: read("product_name", "To be filled by O.E.M.", "system.product"),
      };
      const found = firmwareElsewhere(known, { names, bios, agesa: undefined });
      const pairs = found.versions.map((version) => `${version.bios} ${version.agesa}`);
      for (const entry of own)
        assert.ok(pairs.includes(`${entry.bios} ${entry.agesa}`), `${vendor} ${name} ${entry.bios}`);
      assert.ok(
        own.some(({ bios: other, agesa }) => other === bios && agesa === found.agesa?.name),
        `${vendor} ${name}`,
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

describe("a board", () => {
  const SPELLINGS: readonly (readonly [map: string, also: readonly string[]])[] = [
    [
      "Micro-Star International Co., Ltd.",
      [
        "MSI",
        "Micro-Star International Co., Ltd",
        "MICRO-STAR INTERNATIONAL CO.,LTD",
        "Micro-Star International Co., Ltd. ",
      ],
    ],
    ["ASUSTeK COMPUTER INC.", ["ASUSTeK Computer INC.", "ASUSTeK Computer Inc.", "ASUS", "Asus"]],
    ["Gigabyte Technology Co., Ltd.", ["GIGABYTE", "GIGABYTE TECHNOLOGY CO.,LTD", "Gigabyte"]],
    ["HP", ["Hewlett-Packard", "Hewlett Packard", "HP Inc."]],
    ["Dell Inc.", ["Dell", "DELL INC"]],
    ["BIOSTAR Group", ["BIOSTAR", "Biostar Group"]],
    ["LENOVO", ["Lenovo"]],
  ];

  it("is of its vendor in each of the spellings that machines have, and of no other", () => {
    for (const [vendor, others] of SPELLINGS) {
      for (const other of others) assert.ok(isSameVendor(vendor, other), other);
      for (const [stranger] of SPELLINGS) assert.equal(isSameVendor(vendor, stranger), vendor === stranger);
    }
    for (const [one, other] of [
      ["ASRock", "ASRock Industrial"],
      ["HP", "HPE"],
      ["Technology Co., Ltd.", "Computer Inc."],
    ] as const)
      assert.ok(!isSameVendor(one, other), other);
  });

  it("is the same with and without MSI's number, Gigabyte's ending, blanks and capitals", () => {
    for (const [one, other] of [
      ["MPG X870E CARBON WIFI (MS-7E49)", "MPG X870E CARBON WIFI"],
      ["MPG X870E CARBON WIFI (MS-7E49)", "MS-7E49"],
      ["B550 AORUS ELITE V2", "B550 AORUS ELITE V2-CF"],
      ["TUF GAMING B650-PLUS", "  Tuf Gaming B650-Plus   "],
      ["主板 一", "主板 一"],
    ] as const)
      assert.ok(isSameBoard(one, other), other);
    for (const [one, other] of [
      ["MAG B650 TOMAHAWK WIFI (MS-7D75)", "MAG B650 TOMAHAWK WIFI (MS-7E75)"],
      ["TUF GAMING B650-PLUS", "TUF GAMING B650-PLUS WIFI"],
      ["主板 一", "主板 二"],
      ["", ""],
    ] as const)
      assert.ok(!isSameBoard(one, other), other);
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

test("a record of versions that worked says ill of none, and one of a good version may know a bad one", () => {
  const record = { board: ["Board Y"], class: "device-lost", confidence: "reported", owners: 7 };
  const of = (...more: readonly object[]) => {
    const records = more.map((one) => ({ ...record, ...one }));
    const file = readKnownFirmwareFile(JSON.stringify({ vendor: ["V"], records }));
    assert.deepEqual(file.problems, []);
    return (bios: string) =>
      wordsElsewhere(
        firmwareElsewhere(
          { records: file.records, agesa: [] },
          { names: board("V", "Board Y"), bios, agesa: undefined },
        ),
        bios,
      );
  };
  assert.deepEqual(of({ good: ["3"] })("5"), ["This board: 3 worked for seven; of 5 nothing is known."]);
  assert.deepEqual(of({ goodAgesa: ["ComboAM5 1.0.0.7"] })("5"), []);
  assert.deepEqual(of({ good: ["3"], bad: ["4"] })("3"), [
    "This board with 3: passthrough worked on it for seven other owners.",
    "This board with 4: seven other owners lost passed-through devices on it (device lost).",
  ]);
  // The exception is named by itself.
  const exception = of({ good: ["3"], bad: ["*"] });
  assert.deepEqual(exception("3"), [
    "This board with 3: passthrough worked on it for seven other owners.",
    "This board with every other version: seven other owners lost passed-through devices on it (device lost).",
  ]);
  assert.match(of({ good: ["3"], bad: [">=2 <=4"] })("3")[1] ?? "", /^This board with versions >=2 <=4: /);
  assert.match(
    exception("4")[0] ?? "",
    /^This board with 4: seven other owners lost .*; 3 worked for seven\.$/,
  );
  assert.deepEqual(of({ owners: 1 })("3"), [
    "This board, version not said: one other owner lost passed-through devices on it (device lost).",
  ]);
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

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { type CatalogueFile, readCatalogueFile } from "../../src/diagnosis/catalogue-file.ts";
import { createMatcher, isAskedFor } from "../../src/diagnosis/matcher.ts";
import { CAUSE_CLASSES } from "../../src/model/catalogue.ts";

const shippedDirectory = join(import.meta.dirname, "../../config/signatures");
const shipped = loadCatalogue({ shippedDirectory });
const scratch = mkdtempSync(join(tmpdir(), "catalogue-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** A user directory that holds these files. */
function userFiles(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(scratch, "user-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

function signature(overrides: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    id: "user.some-card",
    layer: "kernel",
    role: "cause",
    severity: "fatal",
    pattern: "some card caught fire",
    meaning: "The card burns.",
    examples: ["some card caught fire"],
    ...overrides,
  });
}

function file(...signatures: readonly string[]): string {
  return `{ "class": "device-lost",\n"signatures": [\n${signatures.join(",\n")}\n] }`;
}

describe("the shipped catalogue", () => {
  test("loads without a problem and knows every cause class", () => {
    assert.deepEqual(shipped.problems, []);
    const known = new Set(shipped.catalogue.signatures.map((known) => known.class));
    assert.deepEqual(
      CAUSE_CLASSES.filter((causeClass) => !known.has(causeClass)),
      [],
    );
  });

  // Read without these checks wherever the program runs.
  for (const name of readdirSync(shippedDirectory)) {
    test(`${name} passes every check that an owner's file has to pass`, () => {
      const text = readFileSync(join(shippedDirectory, name), "utf8");
      const checked = readCatalogueFile(text);
      assert.deepEqual(checked.problems, []);
      const withoutLines = (file: CatalogueFile) => file.signatures.map((found) => ({ ...found, line: 1 }));
      const trusted = readCatalogueFile(text, true);
      assert.deepEqual(
        { ...checked, signatures: withoutLines(checked) },
        { ...trusted, signatures: withoutLines(trusted) },
      );
    });
  }

  test("names the line of a shipped file that is no JSON", () => {
    const { problems, signatures } = readCatalogueFile(
      '{ "class": "device-lost",\n"signatures": [\n,] }',
      true,
    );
    assert.deepEqual([problems[0]?.line, signatures], [3, []]);
  });

  test("says of everything that may be a cause what to do about it", () => {
    const silent = shipped.catalogue.signatures.filter(
      ({ role, remedies }) => (role === "cause" || role === "symptom") && remedies.length === 0,
    );
    assert.deepEqual(silent, []);
  });

  const matcher = createMatcher(shipped.catalogue);
  for (const known of shipped.catalogue.signatures) {
    test(`${known.id} is the first to match its own examples, and no cause of another class does`, () => {
      for (const example of known.examples) {
        const all = matcher.match(known.layer, example).map((match) => match.signature);
        // What somebody asked for stands beside what came of it and hides nothing.
        const found = all.filter(({ id, start }) => id === known.id || !isAskedFor(start));
        if (isAskedFor(known.start)) assert.ok(found.includes(known), example);
        else assert.equal(found[0]?.id, known.id, example);
        const others = found.filter(({ role, class: other }) => role === "cause" && other !== known.class);
        assert.deepEqual(others, [], example);
        // What else fits the rest of the line may only be its envelope or a weaker word for the same.
        for (const { role, class: other, id } of found.slice(1)) {
          const harmless = role === "symptom" || role === "noise" || other === known.class;
          assert.ok(harmless, `${id} matches ${example}`);
        }
      }
    });
  }
});

describe("a user's own files", () => {
  test("with the same mistake in a hundred places say so a few times, and count the rest", () => {
    const faulty = Array.from({ length: 100 }, (_, index) =>
      signature({ id: `user.${index}`, pattern: "(unclosed" }),
    );
    const userDirectory = userFiles({ "faulty.json": file(...faulty), "one.json": file("{}") });
    const { problems } = loadCatalogue({ shippedDirectory, userDirectory });
    assert.equal(problems.length, 21);
    assert.match(problems[19]?.reason ?? "", /^81 more of its signatures are refused$/);
    assert.match(problems[20]?.file ?? "", /one\.json$/);
  });

  test("add signatures to the shipped ones", () => {
    const userDirectory = userFiles({ "mine.json": file(signature()), "notes.txt": "not a catalogue" });
    const { catalogue, problems } = loadCatalogue({ shippedDirectory, userDirectory });
    assert.deepEqual(problems, []);
    assert.equal(catalogue.signatures.length, shipped.catalogue.signatures.length + 1);
    const [match] = createMatcher(catalogue).match("kernel", "x: some card caught fire!");
    assert.equal(match?.signature.id, "user.some-card");
    assert.equal(match?.signature.class, "device-lost");
  });

  test("need not exist", () => {
    const { problems } = loadCatalogue({ shippedDirectory, userDirectory: join(scratch, "nowhere") });
    assert.deepEqual(problems, []);
  });

  test("come before shipped ones where their order says so", () => {
    const mine = signature({ pattern: "1:1 IOMMU mapping", examples: ["1:1 IOMMU mapping"], order: 1 });
    const userDirectory = userFiles({ "mine.json": file(mine) });
    const { catalogue } = loadCatalogue({ shippedDirectory, userDirectory });
    assert.equal(catalogue.signatures[0]?.id, "user.some-card");
  });

  const refused: readonly (readonly [string, Readonly<Record<string, unknown>>, RegExp])[] = [
    ["a look-ahead", { pattern: "card(?=s) caught" }, /look-around \(\?=/],
    ["a negative look-ahead", { pattern: "card(?!s) caught" }, /look-around \(\?!/],
    ["a look-behind", { pattern: "(?<=some )card" }, /look-around \(\?<=/],
    ["a negative look-behind", { pattern: "(?<!no )card" }, /look-around \(\?<!/],
    ["a numbered back-reference", { pattern: "(card) \\1" }, /back-reference \\1/],
    ["a named back-reference", { pattern: "(?<a>card) \\k<a>" }, /back-reference \\k/],
    ["a repetition that no linear engine runs", { pattern: "card.{0,900}" }, /too large/],
    ["a broken expression", { pattern: "card(" }, /not a regular expression/],
    ["an expression that fits everything", { pattern: "(?:card)*" }, /fits an empty line/],
    ["an expression without end", { pattern: `card${"x".repeat(1000)}` }, /more than 1000 characters/],
    ["an unknown abbreviation", { pattern: "{{bfd}} card" }, /\{\{bfd\}\} is unknown/],
    ["an example that it does not fit", { examples: ["some card froze"] }, /does not fit its example/],
    ["no example", { examples: [] }, /no example/],
    ["an unknown layer", { layer: "bios" }, /"layer" must be one of kernel, qemu, libvirt/],
    ["an unknown key", { patern: "x" }, /"patern" is unknown/],
    ["a text where a list belongs", { remedies: "pour water" }, /"remedies" must be a list/],
    ["an id that is taken", { id: "kernel.memlock" }, /taken already, in .*memlock-limit\.json/],
    ["an id with blanks", { id: "some card" }, /not of the form/],
    ["an order that is no number", { order: "first" }, /"order" must be a whole number/],
  ];
  for (const [what, overrides, reason] of refused) {
    test(`with ${what} lose that signature alone, and the line is named`, () => {
      const good = signature({ id: "user.good" });
      const userDirectory = userFiles({
        "mine.json": file(good, signature(overrides), signature({ id: "user.after" })),
      });
      const { catalogue, problems } = loadCatalogue({ shippedDirectory, userDirectory });
      assert.equal(problems.length, 1);
      assert.equal(problems[0]?.file, join(userDirectory, "mine.json"));
      assert.equal(problems[0]?.line, 4);
      assert.match(problems[0]?.reason ?? "", reason);
      assert.equal(catalogue.signatures.length, shipped.catalogue.signatures.length + 2);
    });
  }

  const unreadable: readonly (readonly [string, string, number, RegExp])[] = [
    ["that stops in the middle", '{ "class": "device-lost",\n"signatures": [\n', 3, /the end of the file/],
    ["with a comma too many", '{ "class": "device-lost",\n\n"signatures": [ ], }', 3, /not JSON/],
    ["with an open string", '{ "class": "device-lost,\n"signatures": [] }', 1, /does not end on its line/],
    ["with a key twice", '{ "class": "device-lost",\n"class": "x",\n"signatures": [] }', 2, /second time/],
    ["of an unknown class", '{ "class": "device-drunk",\n"signatures": [] }', 1, /"class" must be one of/],
    ["without signatures", '\n{ "class": "device-lost" }', 2, /"signatures" is missing/],
    ["nested without end", `${"[".repeat(5000)}`, 1, /nested too deeply/],
  ];
  for (const [what, text, line, reason] of unreadable) {
    test(`${what} are left out, and the line is named`, () => {
      const userDirectory = userFiles({ "bad.json": text, "good.json": file(signature()) });
      const { catalogue, problems } = loadCatalogue({ shippedDirectory, userDirectory });
      assert.equal(problems.length, 1);
      assert.equal(problems[0]?.file, join(userDirectory, "bad.json"));
      assert.equal(problems[0]?.line, line);
      assert.match(problems[0]?.reason ?? "", reason);
      assert.equal(catalogue.signatures.length, shipped.catalogue.signatures.length + 1);
    });
  }

  test("that are too large or no files are named and skipped", () => {
    const userDirectory = userFiles({ "large.json": " ".repeat(1_000_001) });
    mkdirSync(join(userDirectory, "directory.json"));
    const { problems } = loadCatalogue({ shippedDirectory, userDirectory });
    assert.deepEqual(
      problems.map(({ reason }) => reason),
      ["not an ordinary file", "larger than 1000000 bytes"],
    );
  });
});

test("a shipped directory that is not there is a problem and not an exception", () => {
  const { catalogue, problems } = loadCatalogue({ shippedDirectory: join(scratch, "nowhere") });
  assert.deepEqual(catalogue.signatures, []);
  assert.match(problems[0]?.reason ?? "", /cannot be read: ENOENT/);
});

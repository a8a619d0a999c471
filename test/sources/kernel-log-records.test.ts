import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createKernelTextFilter } from "../../src/daemon/kernel-text-filter.ts";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { createLiteralScanner } from "../../src/diagnosis/literal-scanner.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { bootId } from "../../src/model/identifiers.ts";
import type { Gap, KernelRecord } from "../../src/model/observation.ts";
import { TEXT_LIMIT, unescapeKernelText } from "../../src/sources/kernel-log/escaping.ts";
import type { KernelLogPosition } from "../../src/sources/kernel-log/position.ts";
import { createKmsgParser, deviceOf, textOf } from "../../src/sources/kernel-log/record-parser.ts";
import { createRecordTeller } from "../../src/sources/kernel-log/record-teller.ts";
import { readRecordedKernelLog } from "../../src/sources/kernel-log/recorded.ts";

const BOOT = bootId("04e66956-15e4-4c43-b6e1-fe6d74abe0ee");
const BOOT_WALL = 1_795_424_068_918;
const RECORDINGS = join(import.meta.dirname, "../fixtures/recordings");
const SHIPPED = join(import.meta.dirname, "../../config/signatures");

function recorded(log: string | Uint8Array) {
  const bytes = typeof log === "string" ? Buffer.from(log) : log;
  const generator = readRecordedKernelLog(bytes, { bootId: BOOT, bootWallMs: BOOT_WALL });
  const told: (KernelRecord | Gap)[] = [];
  for (;;) {
    const next = generator.next();
    if (next.done) return { told, ...next.value };
    told.push(next.value);
  }
}

const texts = (log: string) => recorded(log).told.map((o) => (o.kind === "kernel-record" ? o.text : o.kind));

/** Escapes as the kernel does before it hands a record out. */
function escapeAsKernel(text: string): string {
  return Array.from(Buffer.from(text), (byte) =>
    byte < 0x20 || byte >= 0x7f || byte === 0x5c
      ? `\\x${byte.toString(16).padStart(2, "0")}`
      : String.fromCharCode(byte),
  ).join("");
}

describe("a kernel record", () => {
  test("becomes an observation with its boot, sequence, time, level and text", () => {
    const log = "3,537,24907277,-;DMAR: [DMA Read NO_PASID] fault addr 0x12343000\n";
    assert.deepEqual(recorded(`6,536,24264264,-;before\n${log}`).told[2], {
      kind: "kernel-record",
      source: "kernel-log",
      at: BOOT_WALL + 24_907,
      exactTime: true,
      bootId: BOOT,
      monotonicUs: 24_907_277,
      identity: `${BOOT}:537`,
      resume: {
        key: "kernel-log",
        value: JSON.stringify({ bootId: BOOT, sequence: 537, monotonicUs: 24_907_277 }),
      },
      sequence: 537,
      level: 3,
      text: "DMAR: [DMA Read NO_PASID] fault addr 0x12343000",
    });
  });

  test("takes its device from the dictionary, whatever the text says", () => {
    const log =
      "4,0,1,-;vfio-pci 0000:02:00.0: text\n SUBSYSTEM=pci\n DEVICE=+pci:0000:01:00.1\n6,1,2,-;next\n";
    const [first, second] = recorded(log).told;
    assert.equal(first?.kind === "kernel-record" && first.device, "0000:01:00.1");
    assert.equal(second !== undefined && "device" in second, false);
  });

  test("has no device where the dictionary names one that is not PCI", () => {
    const [first] = recorded("4,0,1,-;usb\n SUBSYSTEM=usb\n DEVICE=c189:1\n").told;
    assert.equal(first !== undefined && "device" in first, false);
  });

  test("may bear fields that no kernel has yet", () => {
    assert.deepEqual(texts("6,0,1,-,caller=T12,future=x;one\n6,1,1,-,new;two\n"), ["one", "two"]);
  });

  test("of a program is never told, yet counts in the sequence", () => {
    const log = "6,0,1,-;kernel\n12,1,2,-;vfio-pci 0000:01:00.0: forged\n6,2,3,-;kernel again\n";
    assert.deepEqual(texts(log), ["kernel", "kernel again"]);
    assert.equal(recorded(log).records, 3);
  });

  test("that continues a line is told with the line", () => {
    assert.deepEqual(texts("6,0,1,-;AMD-Vi: Extended features\n6,1,1,c; (0x246577efa2254afa)\n"), [
      "AMD-Vi: Extended features",
      "AMD-Vi: Extended features (0x246577efa2254afa)",
    ]);
  });

  test("that continues another caller's line is told alone", () => {
    assert.deepEqual(texts("6,0,1,-,caller=T1;begin\n6,1,1,c,caller=C0; end\n"), ["begin", " end"]);
  });

  test("of 100 KB is cut, and the next one is whole", () => {
    const log = `6,0,1,-;${"x".repeat(100_000)}\n DEVICE=+pci:0000:01:00.0\n6,1,2,-;next\n`;
    const [long, next] = recorded(log).told;
    assert.equal(long?.kind === "kernel-record" && long.text.length, TEXT_LIMIT + 1);
    assert.equal(long?.kind === "kernel-record" && long.text.endsWith("x…"), true);
    assert.equal(next?.kind === "kernel-record" && next.text, "next");
  });
});

describe("what is no record", () => {
  test("is counted and skipped", () => {
    const lines = [
      "no header",
      "6,x,1,-;text",
      "6,1;text",
      "6,1,1,-",
      ",1,1,-;text",
      "6,12345678901234567890,1,-;text",
      "\u0000\u0001\u0002",
    ];
    assert.deepEqual(recorded(`${lines.join("\n")}\n6,0,1,-;good\n`).skipped, lines.length);
    assert.deepEqual(texts(`${lines.join("\n")}\n6,0,1,-;good\n`), ["good"]);
  });

  test("never throws and never grows the memory, whatever the bytes and wherever they are cut", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.uint8Array({ maxLength: 200 }),
            fc.constantFrom("6,1,1,-;a\n", " DEVICE=\n", "\n", ";", ",").map((s) => Buffer.from(s)),
            fc.constantFrom(40_000, 140_000).map((n) => Buffer.alloc(n, "z")),
          ),
          { maxLength: 12 },
        ),
        (chunks) => {
          const parser = createKmsgParser({
            told: (record) => assert.ok(textOf(record).length <= TEXT_LIMIT + 1),
            unreadable: () => {},
          });
          for (const chunk of chunks) parser.push(Buffer.from(chunk));
          parser.flush();
        },
      ),
    );
  });
});

describe("the text", () => {
  test("survives the kernel's escaping, whatever it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        const wellFormed = text.toWellFormed();
        assert.equal(unescapeKernelText(escapeAsKernel(wellFormed)), wellFormed);
        const log = `6,0,1,-;${escapeAsKernel(wellFormed)}\n`;
        assert.deepEqual(texts(log), [wellFormed]);
      }),
    );
  });

  test("keeps what only looks like an escape", () => {
    assert.deepEqual(texts("6,0,1,-;a\\xzz \\x4 \\y \\\n"), ["a\\xzz \\x4 \\y \\"]);
  });

  test("keeps UTF-8 that a recording holds unescaped", () => {
    assert.deepEqual(texts("6,0,1,-;Gerät µ\n6,1,1,-;\\xc2\\xb5\n"), ["Gerät µ", "µ"]);
  });
});

describe("a stream of records", () => {
  const log = readFileSync(join(import.meta.dirname, "../fixtures/recordings/rmrr-intel/kmsg.txt"));

  const parseChunks = (cuts: readonly number[]) => {
    const records: unknown[] = [];
    let unreadable = 0;
    const parser = createKmsgParser({
      told(record) {
        const { priority, sequence, monotonicUs, fragment, caller } = record;
        const [text, device] = [textOf(record), deviceOf(record)];
        records.push({ priority, sequence, monotonicUs, fragment, caller, text, device });
      },
      unreadable: () => {
        unreadable += 1;
      },
    });
    let from = 0;
    for (const cut of [...cuts].sort((a, b) => a - b)) {
      parser.push(log.subarray(from, cut));
      from = cut;
    }
    parser.push(log.subarray(from));
    parser.flush();
    return { records, unreadable };
  };

  test("gives the same records wherever it is cut", () => {
    const whole = parseChunks([]);
    assert.equal(whole.unreadable, 0);
    fc.assert(
      fc.property(fc.array(fc.nat(log.length), { maxLength: 40 }), (cuts) => {
        assert.deepEqual(parseChunks(cuts), whole);
      }),
      { numRuns: 30 },
    );
  });

  test("gives a record on at once where the reader knows that it is complete", () => {
    const told: string[] = [];
    const parser = createKmsgParser({ told: (record) => told.push(textOf(record)), unreadable: () => {} });
    parser.push(Buffer.from("6,0,1,-;waits\n"));
    assert.deepEqual(told, []);
    parser.push(Buffer.from("6,1,1,-;comes\n DEVICE=+pci:0000:01:00.0\n"), true);
    assert.deepEqual(told, ["waits", "comes"]);
  });
});

describe("ordinary lines, which are passed over as bytes", () => {
  const WORDS = ["vfio: reset", "remapping", "AER: "];
  const scanner = createLiteralScanner(WORDS);

  /** What is told of a log that comes in pieces, and where it was left. */
  function read(
    log: Buffer,
    cuts: readonly number[],
    resume: KernelLogPosition | undefined,
    onBytes: boolean,
  ) {
    const told: (KernelRecord | Gap)[] = [];
    let [unreadable, asked] = [0, 0];
    const teller = createRecordTeller({
      bootId: BOOT,
      position: resume,
      timeOf: (monotonicUs) => ({ at: monotonicUs, exactTime: true }),
      tell: (observation) => told.push(observation),
      worthTelling(text) {
        asked += 1;
        return WORDS.some((word) => text.includes(word));
      },
      isOrdinary: onBytes ? (bytes, from, to) => !scanner.standsIn(bytes, from, to) : undefined,
    });
    const parser = createKmsgParser({
      told: teller.take,
      leaving: teller.leave,
      unreadable: () => {
        unreadable += 1;
      },
    });
    const ends = [...new Set(cuts.map((cut) => cut % (log.length + 1)))].sort((a, b) => a - b);
    let from = 0;
    for (const end of [...ends, log.length]) {
      // The reader uses its memory again.
      const lent = Buffer.from(log.subarray(from, end));
      parser.push(lent);
      lent.fill("?");
      from = end;
    }
    parser.flush();
    return { outcome: { told, unreadable, position: teller.position(), taken: teller.taken() }, asked };
  }

  const text = fc
    .array(
      fc.constantFrom(
        ...WORDS,
        ...[
          "vfio: ",
          "reset",
          "re",
          "mapping",
          "AER:",
          " ",
          "ordinary",
          "\\x5c",
          "\\x76fio: reset",
          "\\",
          "\r",
        ],
        ...["é", ",", ";", "x".repeat(TEXT_LIMIT - 4)],
      ),
      { maxLength: 4 },
    )
    .map((parts) => parts.join(""));
  const record = fc.record({
    priority: fc.constantFrom(0, 4, 6, 7, 8, 12, 30),
    skipped: fc.constantFrom(0, 0, 0, 0, 1, 3),
    flag: fc.constantFrom("-", "-", "c", "c", "+", "-,caller=T1", "c,caller=T1", "c,caller=C0"),
    text,
    dictionary: fc.constantFrom(
      "",
      "",
      "",
      " SUBSYSTEM=pci\n DEVICE=+pci:0000:01:00.0\n",
      " AER: =remapping\n",
    ),
    before: fc.constantFrom("", "", "", "no record\n", "\n"),
  });
  const log = fc.array(record, { maxLength: 12 }).map((records) => {
    let sequence = 0;
    return Buffer.from(
      records
        .map(({ priority, skipped, flag, text: said, dictionary, before }) => {
          sequence += 1 + skipped;
          return `${before}${priority},${sequence},${sequence * 10},${flag};${said}\n${dictionary}`;
        })
        .join(""),
    );
  });
  const resume = fc.constantFrom<KernelLogPosition | undefined>(
    undefined,
    { bootId: BOOT, sequence: 2, monotonicUs: 20 },
    { bootId: BOOT, monotonicUs: 40 },
  );

  test("leave the same told, counted and remembered as when each text is asked about", () => {
    fc.assert(
      fc.property(log, fc.array(fc.nat(), { maxLength: 8 }), resume, (bytes, cuts, left) => {
        assert.deepEqual(read(bytes, cuts, left, true).outcome, read(bytes, [], left, false).outcome);
      }),
      { numRuns: 600 },
    );
  });

  test("are not asked about", () => {
    const lines = Array.from({ length: 100 }, (_, index) => `6,${index},${index},-;ordinary line ${index}\n`);
    const { asked, outcome } = read(Buffer.from(lines.join("")), [], undefined, true);
    assert.deepEqual({ asked, taken: outcome.taken }, { asked: 0, taken: 100 });
  });

  test("are known to what continues them, also in the next piece and past a program's record", () => {
    const begin = "6,0,1,-;Interrupt re\n12,1,2,-;vfio: reset\n";
    const bytes = Buffer.from(`${begin}6,2,3,c;mapping enabled\n`);
    for (const cuts of [[], [begin.length], [10, begin.length + 3]])
      assert.deepEqual(
        read(bytes, cuts, undefined, true).outcome.told.map((o) => o.kind === "kernel-record" && o.text),
        ["Interrupt remapping enabled"],
      );
  });

  test("are judged by the service as by its catalogue", () => {
    const { catalogue } = loadCatalogue({ shippedDirectory: SHIPPED });
    const { worthTelling, isOrdinary } = createKernelTextFilter(createMatcher(catalogue));
    assert.ok(isOrdinary, "the shipped catalogue has words to look for");
    let known = 0;
    for (const { layer, examples } of catalogue.signatures)
      for (const example of layer === "kernel" ? examples : []) {
        const bytes = Buffer.from(`<${example}>`, "latin1");
        assert.equal(isOrdinary(bytes, 1, bytes.length - 1), false, example);
        known += 1;
      }
    assert.ok(known > 50);
    for (const file of globSync("**/kmsg.txt", { cwd: RECORDINGS }))
      for (const line of readFileSync(join(RECORDINGS, file), "latin1").split("\n"))
        if (isOrdinary(Buffer.from(line, "latin1"), 0, line.length))
          assert.equal(worthTelling(line), false, line);
  });
});

describe("a recording", () => {
  const root = RECORDINGS;
  const files = globSync("**/kmsg.txt", { cwd: root });

  test("of every scenario is read whole, without repeat, and with a gap only where records were left out of it", () => {
    assert.ok(files.length >= 20, "the recordings are there");
    for (const file of files) {
      const bytes = readFileSync(join(root, file));
      const lines = bytes.toString("latin1").split("\n");
      const headers = lines.filter((line) => /^\d+,/.test(line));
      const numbers = headers.map((line) => Number(line.split(",")[1]));
      const holes = numbers.filter((number, at) => number !== (numbers[at - 1] ?? -1) + 1);
      const { told: all, records, skipped } = recorded(bytes);
      const told = all.filter(({ kind }) => kind !== "gap");
      assert.equal(skipped, 0, file);
      assert.equal(records, headers.length, file);
      assert.equal(all.length - told.length, holes.length, file);
      assert.equal(told.length, headers.filter((line) => /^[0-7],/.test(line)).length, file);
      assert.equal(new Set(told.map((o) => o.identity)).size, told.length, file);
      const devices = told.filter((o) => o.kind === "kernel-record" && o.device !== undefined);
      assert.equal(devices.length, lines.filter((line) => line.startsWith(" DEVICE=+pci:")).length, file);
    }
  });

  test("that begins late or has holes tells how many records are missing", () => {
    const log = "6,5,10,-;a\n6,6,20,-;b\n14,9,30,-;program\n6,11,40,-;c\n";
    const gaps = recorded(log).told.filter((o) => o.kind === "gap");
    assert.deepEqual(
      gaps.map(({ identity, lost, resume }) => ({
        identity,
        lost,
        sequence: JSON.parse(resume?.value ?? "").sequence,
      })),
      [
        { identity: `${BOOT}:gap:0`, lost: 5, sequence: 4 },
        { identity: `${BOOT}:gap:7`, lost: 2, sequence: 8 },
        { identity: `${BOOT}:gap:10`, lost: 1, sequence: 10 },
      ],
    );
  });

  test("that repeats records tells each once", () => {
    const log = "6,0,10,-;a\n6,1,20,-;b\n6,0,10,-;a\n6,1,20,-;b\n6,2,30,-;c\n";
    assert.deepEqual(texts(log), ["a", "b", "c"]);
  });

  test("tells only what is worth it, judged by the whole text", () => {
    const judged: string[] = [];
    const told = [
      ...readRecordedKernelLog(Buffer.from("6,0,1,-;one \\xc2\\xb5\n6,1,1,-;two\n12,2,1,-;three\n"), {
        bootId: BOOT,
        bootWallMs: BOOT_WALL,
        worthTelling(text) {
          judged.push(text);
          return text === "two";
        },
      }),
    ];
    assert.deepEqual(judged, ["one µ", "two"]);
    assert.deepEqual(
      told.map((o) => o.identity),
      [`${BOOT}:1`],
    );
  });
});

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadCatalogue } from "../../../src/diagnosis/catalogue.ts";
import { createExplainer } from "../../../src/diagnosis/explain/explain.ts";
import { LONGEST_LINE, LONGEST_PASTE } from "../../../src/diagnosis/explain/long-text.ts";

const { catalogue } = loadCatalogue({
  shippedDirectory: join(import.meta.dirname, "../../../config/signatures"),
});
const explain = createExplainer(catalogue);
const VIABLE = "qemu-system-x86_64: -device vfio-pci,host=03:00.0: vfio 0000:03:00.0: group 17 is not viable";
const DAY = "[  754.219816] usb 1-1: new high-speed USB device number 5 using xhci_hcd\n".repeat(60_000);

describe("a log of many megabytes", () => {
  test("is searched to its end", () => {
    assert.ok(DAY.length > 2 * LONGEST_PASTE);
    const { causes, devices, unread } = explain(`${DAY}${VIABLE}\n${DAY}`);
    assert.equal(causes[0]?.class, "group-not-viable");
    assert.deepEqual(devices, ["0000:03:00.0"]);
    assert.equal(unread, 0);
  });

  test("shows what stands beside a known line, and messages that were wrapped", () => {
    const wrapped = VIABLE.replace(": vfio", ":\nvfio").replace("group 17", "group\n17");
    const { causes, groups } = explain(`${DAY}Error starting domain:\n${wrapped}\n${DAY}`);
    assert.equal(causes[0]?.class, "group-not-viable");
    assert.deepEqual(groups, [17]);
  });

  test("that is full of known messages is read at both ends, and says how much was not", () => {
    const flood = "pcieport 0000:00:01.1: PCIe Bus Error: severity=Corrected, type=Physical Layer\n".repeat(
      50_000,
    );
    const { causes, unread } = explain(`${flood}${VIABLE}\n`);
    assert.deepEqual(
      causes.map((cause) => cause.class),
      ["group-not-viable", "pcie-error"],
    );
    assert.equal(unread > flood.length - LONGEST_PASTE - 1_000, true);
  });

  test("is read though a hole of NULs is in it", () => {
    const { causes, unread } = explain(`${"\0".repeat(3 * LONGEST_PASTE)}${VIABLE}`);
    assert.equal(causes[0]?.class, "group-not-viable");
    assert.equal(unread, 0);
  });
});

describe("hostile text", () => {
  const hostile: Readonly<Record<string, string>> = {
    backslashes: "\\".repeat(500_000),
    "commands without an end": `${"virsh -".repeat(1_100)}\n`.repeat(100),
    entities: "&amp;".repeat(100_000),
    "list marks": `${"- ".repeat(3_900)}\n`.repeat(50),
  };
  for (const [what, text] of Object.entries(hostile)) {
    test(`of ${what} does not hide what comes after it`, () => {
      assert.equal(explain(`${text}\n${VIABLE}`).causes[0]?.class, "group-not-viable");
    });
  }

  test("in one endless line is counted as not read", () => {
    assert.equal(explain("x".repeat(LONGEST_LINE + 77)).unread, 77);
  });
});

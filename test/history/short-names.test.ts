import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { labelOfKey, shortDeviceName, shortVersions } from "../../src/history/short-names.ts";

describe("names as people say them", () => {
  it("shortens versions by what they share, never in the middle of a number or a word", () => {
    const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
      [
        ["E7E49AMSI.1A63", "E7E49AMSI.1A95"],
        ["A63", "A95"],
      ],
      [
        ["E7E49AMSI.1A63", "E7E49AMSI.1B10"],
        ["A63", "B10"],
      ],
      [
        ["F31", "F32a"],
        ["F31", "F32a"],
      ],
      [
        ["6.12.54-Unraid", "6.12.55-Unraid"],
        ["6.12.54-Unraid", "6.12.55-Unraid"],
      ],
      [
        ["Version 0.93.SR02", "Version 0.94"],
        ["0.93.SR02", "0.94"],
      ],
      [["1403"], ["1403"]],
      [
        ["1403", "1502"],
        ["1403", "1502"],
      ],
    ];
    for (const [versions, short] of cases) assert.deepEqual([...shortVersions(versions).values()], short);
  });

  it("names a fact by its label, a device by what it is, a relation by its address", () => {
    const names = new Map([["10de:2805/1462:5174", "NVIDIA Corporation AD106 [GeForce RTX 4060 Ti]"]]);
    assert.deepEqual(
      ["software.qemu", "pci.10de:2805/1462:5174.driver", "at 0000:01:00.0"].map((key) =>
        labelOfKey(key, names),
      ),
      ["QEMU", "Driver of NVIDIA GeForce RTX 4060 Ti", "what stands at 0000:01:00.0"],
    );
  });

  it("shortens devices to maker and product", () => {
    assert.equal(
      shortDeviceName("NVIDIA Corporation AD106 [GeForce RTX 4060 Ti 16GB]"),
      "NVIDIA GeForce RTX 4060 Ti 16GB",
    );
    assert.equal(
      shortDeviceName("Advanced Micro Devices, Inc. [AMD/ATI] Navi 31 [Radeon RX 7900 XTX]"),
      "AMD Radeon RX 7900 XTX",
    );
    assert.equal(
      shortDeviceName("Intel Corporation Ethernet Controller I225-V"),
      "Intel Ethernet Controller I225-V",
    );
  });
});

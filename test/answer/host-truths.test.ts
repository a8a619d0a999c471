import assert from "node:assert/strict";
import { test } from "node:test";
import { indexFacts, truthsOf } from "../../src/answer/host-truths.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { fact, snapshot } from "../store/samples.ts";

test("whose board it is, is known from the board, or from the system where the board does not say", () => {
  const vendorOf = (...facts: readonly [key: string, value: string][]) =>
    truthsOf(
      indexFacts(
        snapshot(
          "facts",
          facts.map(([key, value]) => fact(key, value)),
        ),
      ),
      vmName("Windows 11"),
      [],
    ).boardVendor;
  const system = ["firmware.system.vendor", "LENOVO"] as const;
  assert.equal(
    vendorOf(["firmware.board.vendor", "Gigabyte Technology Co., Ltd."], [...system]),
    "Gigabyte Technology Co., Ltd.",
  );
  assert.equal(vendorOf([...system]), "LENOVO");
  assert.equal(vendorOf(), undefined);
});

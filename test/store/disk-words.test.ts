import assert from "node:assert/strict";
import { test } from "node:test";
import { explainDiskTrouble } from "../../src/store/troubles.ts";

const readOnly = Object.assign(new Error("attempt to write a readonly database"), {
  code: "SQLITE_READONLY",
});

test("a flash drive that is read-only is called so, and nobody is told to mount anything", () => {
  const told = explainDiskTrouble(readOnly, "/boot/config/plugins/vfio-watch/history.db");
  assert.equal(told?.kind, "read-only");
  assert.match(
    told?.why ?? "",
    /^The flash drive is read-only: \/boot\/config\/plugins\/vfio-watch\/history\.db/,
  );
  assert.match(told?.remedy ?? "", /have another computer check the flash drive/);
  assert.doesNotMatch(told?.remedy ?? "", /root|mount/);
});

test("elsewhere it is a file system", () => {
  const told = explainDiskTrouble(readOnly, "/var/lib/vfio-watch/history.db");
  assert.match(told?.remedy ?? "", /mount the file system for writing/);
});

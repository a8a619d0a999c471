import assert from "node:assert/strict";
import { test } from "node:test";
import { createIdentities } from "../../src/attempts/identities.ts";

test("what two starts have is known until both are forgotten", () => {
  const identities = createIdentities();
  for (const one of ["a", "a", "b"]) identities.add(one);
  identities.remove("a");
  identities.remove("b");
  identities.remove("never added");
  assert.deepEqual(["a", "b", "never added"].map(identities.has), [true, false, false]);
  identities.remove("a");
  assert.equal(identities.has("a"), false);
});

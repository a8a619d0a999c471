import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import * as modules from "node:module";
import { fileURLToPath } from "node:url";

// Node strips the types of every source anew in every process, which takes most of the start of one; the tests start a
// thousand. Imported before a program this gives it what `test.ts` has kept, letter by letter what Node makes itself.

const directory = new URL(`../node_modules/.cache/stripped-types/${process.version}/`, import.meta.url);

/** Where the source without its types is kept, by what it says and by Node's version. */
export function placeOf(source) {
  return fileURLToPath(new URL(`${createHash("sha1").update(source).digest("hex")}.mjs`, directory));
}

function readStripped(url) {
  try {
    return readFileSync(placeOf(readFileSync(fileURLToPath(url), "utf8")), "utf8");
  } catch {
    return undefined;
  }
}

// An older Node, which tests start to see what it is told, has no such hooks.
modules.registerHooks?.({
  load(url, context, nextLoad) {
    const source = url.startsWith("file:") && url.endsWith(".ts") ? readStripped(url) : undefined;
    return source === undefined ? nextLoad(url, context) : { format: "module", source, shortCircuit: true };
  },
});

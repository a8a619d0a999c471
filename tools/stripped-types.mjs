import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import * as modules from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// Node strips the types of every source anew in every process, which takes most of the start of one; the tests start a
// thousand. Imported before a program this gives it what `fillStripped` has kept, letter by letter what Node makes itself.

const project = dirname(dirname(fileURLToPath(import.meta.url)));
const kept = join(project, "node_modules", ".cache", "stripped-types", process.version);

/** @param {string} source */
function placeOf(source) {
  return join(kept, `${createHash("sha1").update(source).digest("hex")}.mjs`);
}

/** Keeps every source without its types; what has not changed is kept already. */
export function fillStripped() {
  mkdirSync(kept, { recursive: true });
  for (const path of globSync(["src/**/*.ts", "test/**/*.ts", "tools/**/*.ts"], { cwd: project })) {
    const source = readFileSync(join(project, path), "utf8");
    const place = placeOf(source);
    if (existsSync(place)) continue;
    const unfinished = `${place}.${process.pid}`;
    writeFileSync(unfinished, modules.stripTypeScriptTypes(source));
    renameSync(unfinished, place);
  }
}

/** @param {string} url */
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

import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { placeOf } from "./stripped-types.mjs";

/** Keeps every source without its types; what has not changed is kept already. */
export function keepStripped(): void {
  for (const path of globSync(["src/**/*.ts", "test/**/*.ts", "tools/**/*.ts"])) {
    const source = readFileSync(path, "utf8");
    const place = placeOf(source);
    if (existsSync(place)) continue;
    mkdirSync(dirname(place), { recursive: true });
    const unfinished = `${place}.${process.pid}`;
    writeFileSync(unfinished, stripTypeScriptTypes(source));
    renameSync(unfinished, place);
  }
}

/** The environment in which tests run: one time zone, and every process is given the kept sources. */
export function withStrippedTypes(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const hook = fileURLToPath(new URL("stripped-types.mjs", import.meta.url));
  const given = environment.NODE_OPTIONS;
  return {
    ...environment,
    TZ: "UTC",
    NODE_OPTIONS: `${given === undefined ? "" : `${given} `}--import="${hook}"`,
  };
}

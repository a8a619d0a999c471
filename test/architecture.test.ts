import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const SOURCES = fileURLToPath(new URL("../src", import.meta.url));

type Graph = ReadonlyMap<string, ReadonlySet<string>>;

/** Which file names which other one, for its values or for its types alone. */
function importsOfFiles(): Graph {
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  return new Map(
    files.map((file) => {
      const text = readFileSync(join(SOURCES, file), "utf8");
      const named = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.{1,2}\/[^"\n]+\.ts)"/g)];
      return [
        file,
        new Set(named.map(([, path = ""]) => relative(SOURCES, join(SOURCES, dirname(file), path)))),
      ];
    }),
  );
}

/** The rooms are the directories of `src/`; a file that stands in none is a room of its own. */
function importsOfRooms(files: Graph): Graph {
  const room = (file: string) => file.split("/")[0] ?? file;
  const rooms = new Map<string, Set<string>>();
  for (const [file, named] of files) {
    const own = rooms.get(room(file)) ?? new Set();
    rooms.set(room(file), own);
    for (const other of named) if (room(other) !== room(file)) own.add(room(other));
  }
  return rooms;
}

/** One circle, from a name back to it; undefined where there is none. */
function circleIn(graph: Graph): readonly string[] | undefined {
  const done = new Set<string>();
  const walk = (name: string, way: readonly string[]): readonly string[] | undefined => {
    if (way.includes(name)) return [...way.slice(way.indexOf(name)), name];
    if (done.has(name)) return undefined;
    done.add(name);
    for (const next of graph.get(name) ?? []) {
      const circle = walk(next, [...way, name]);
      if (circle !== undefined) return circle;
    }
    return undefined;
  };
  for (const name of graph.keys()) {
    const circle = walk(name, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

test("imports are read, and circles in them are found", () => {
  const files = importsOfFiles();
  assert.ok(files.get("daemon/sources.ts")?.has("sources/kinds/all.ts"));
  assert.ok(files.get("sources/kinds/proxmox.ts")?.has("sources/proxmox.ts"), "also what is loaded late");
  const graph = new Map(Object.entries({ a: new Set(["b"]), b: new Set(["c"]), c: new Set(["d", "b"]) }));
  assert.deepEqual(circleIn(graph), ["b", "c", "b"]);
});

test("no file imports itself by way of others", () => {
  assert.equal(circleIn(importsOfFiles()), undefined);
});

test("no room imports itself by way of others", () => {
  assert.equal(circleIn(importsOfRooms(importsOfFiles())), undefined);
});

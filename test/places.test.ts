import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, test } from "node:test";
import { configPaths, loadConfig } from "../src/config.ts";
import { createHostPaths } from "../src/host-paths.ts";
import { askedDatabase, databaseFile } from "../src/places.ts";
import { temporaryDirectory } from "./helpers/recorded-tree.ts";

const paths = createHostPaths("/nonexistent-root");
const load = (environment: Record<string, string>) =>
  loadConfig({ paths: configPaths(paths, undefined, environment), environment });

test("a history that is named is used, also where its name is that of the usual place", () => {
  const named = { VFIO_WATCH_DATABASE: "/var/lib/vfio-watch/history.db" };
  assert.equal(
    databaseFile(load(named), paths, false, { ...named, STATE_DIRECTORY: "/elsewhere" }),
    "/var/lib/vfio-watch/history.db",
  );
});

test("without a name systemd's state directory is the place, then one of the user's own", () => {
  assert.equal(databaseFile(load({}), paths, false, { STATE_DIRECTORY: "/state" }), "/state/history.db");
  const isRoot = process.getuid?.() === 0;
  assert.equal(
    databaseFile(load({}), paths, false, { HOME: "/home/someone" }),
    isRoot
      ? "/nonexistent-root/var/lib/vfio-watch/history.db"
      : "/home/someone/.local/state/vfio-watch/history.db",
  );
});

test("a command of a user without a history asks root's, where there is one, unless another is named", () => {
  const { path, remove } = temporaryDirectory();
  after(remove);
  const withRoots = createHostPaths(path);
  mkdirSync(withRoots.at("/var/lib/vfio-watch"), { recursive: true });
  const of = (environment: Record<string, string>) =>
    askedDatabase(load(environment), withRoots, false, { HOME: `${path}/someone`, ...environment });
  assert.equal(of({}), `${path}/var/lib/vfio-watch/history.db`);
  assert.equal(of({ VFIO_WATCH_DATABASE: "/elsewhere/own.db" }), "/elsewhere/own.db");
  assert.equal(of({ STATE_DIRECTORY: "/state" }), "/state/history.db");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { configPaths, loadConfig } from "../src/config.ts";
import { createHostPaths } from "../src/host-paths.ts";
import { databaseFile } from "../src/places.ts";

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

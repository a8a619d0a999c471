import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, test } from "node:test";
import { createHostPaths } from "../../src/host-paths.ts";
import { createSystemdService, type SystemdServiceOptions } from "../../src/service/systemd-service.ts";
import { unitFor, unitWord } from "../../src/service/unit-file.ts";
import { runProgram } from "../helpers/command-io.ts";
import { needsPrograms } from "../helpers/needs.ts";

const shippedUnit = readFileSync(new URL("../../systemd/vfio-watch.service", import.meta.url), "utf8");
const OWN = "etc/systemd/system/vfio-watch.service";
const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

function hostWith(...files: readonly (readonly [path: string, text: string])[]): string {
  const root = mkdtempSync(join(tmpdir(), "vfio-watch-service-"));
  roots.push(root);
  for (const [path, text] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const BOOTED = ["run/systemd/system/.keep", ""] as const;

function serviceOn(root: string, changes: Partial<SystemdServiceOptions> = {}) {
  const calls: string[] = [];
  const service = createSystemdService({
    paths: createHostPaths(root),
    user: 0,
    command: ["/usr/bin/node", "/usr/lib/node_modules/vfio-watch/vfio-watch.mjs", "run"],
    shippedUnit,
    database: "/var/lib/vfio-watch/history.db",
    systemctl: (...args) => {
      calls.push(args.join(" "));
      return { code: 0, said: args[0] === "is-active" ? "active\n" : "enabled\n" };
    },
    ...changes,
  });
  return { service, calls };
}

test("install writes the unit for this Node and program, and starts it; uninstall takes it back", () => {
  const root = hostWith(BOOTED);
  const { service, calls } = serviceOn(root);
  assert.equal(service.install().done, true);
  const unit = readFileSync(join(root, OWN), "utf8");
  assert.match(
    unit,
    /^ExecStart="\/usr\/bin\/node" "\/usr\/lib\/node_modules\/vfio-watch\/vfio-watch.mjs" "run"$/m,
  );
  assert.deepEqual(calls, ["daemon-reload", "enable vfio-watch.service", "restart vfio-watch.service"]);
  assert.match(service.status().text, /is active and starts with the machine/);
  const { done, text } = service.uninstall();
  assert.equal(done, true);
  assert.match(text, /stays in \/var\/lib\/vfio-watch\/history\.db/);
  assert.equal(existsSync(join(root, OWN)), false);
  assert.match(service.status().text, /not installed/);
});

test("a package's unit is used and never removed", () => {
  const packaged = "usr/lib/systemd/system/vfio-watch.service";
  const root = hostWith(BOOTED, [packaged, shippedUnit]);
  const { service } = serviceOn(root);
  assert.equal(service.install().done, true);
  assert.equal(existsSync(join(root, OWN)), false);
  assert.match(service.uninstall().text, /belongs to a package/);
  assert.ok(existsSync(join(root, packaged)));
});

test("what it must not do it says, with what to do instead", () => {
  const root = hostWith(BOOTED);
  assert.match(serviceOn(hostWith()).service.install().text, /not started by systemd.*vfio-watch run/);
  assert.match(serviceOn(root, { user: 1000 }).service.install().text, /sudo/);
  const atHome = ["/home/me/.nvm/versions/node/v24/bin/node", "/usr/lib/vfio-watch.mjs", "run"];
  assert.match(
    serviceOn(root, { command: atHome }).service.install().text,
    /could not see \/home\/me\/.*whole machine/,
  );
  assert.match(serviceOn(root, { shippedUnit: undefined }).service.install().text, /anew/);
  assert.equal(existsSync(join(root, OWN)), false);
});

test("somebody else's unit is left alone", () => {
  const root = hostWith(BOOTED, [OWN, "[Service]\nExecStart=/opt/mine\n"]);
  const { service, calls } = serviceOn(root);
  assert.equal(service.install().done, false);
  assert.equal(service.uninstall().done, false);
  assert.equal(readFileSync(join(root, OWN), "utf8"), "[Service]\nExecStart=/opt/mine\n");
  assert.deepEqual(calls, []);
});

test("a start that fails is reported with what systemctl said", () => {
  const systemctl = (...args: readonly string[]) =>
    args[0] === "restart" ? { code: 1, said: "Job for vfio-watch.service failed.\n" } : { code: 0, said: "" };
  const { done, text } = serviceOn(hostWith(BOOTED), { systemctl }).service.install();
  assert.equal(done, false);
  assert.match(text, /Job for vfio-watch\.service failed\.\n'systemctl status/);
});

test("a path of a unit is quoted as systemd wants it", () => {
  assert.equal(unitWord('/opt/a b/100%/$x/"q"\\z'), '"/opt/a b/100%%/$$x/\\"q\\"\\\\z"');
});

test("systemd reads the paths of a unit as they are", { skip: needsPrograms("systemd-analyze") }, () => {
  const root = hostWith(["my programs/no%de", "#!/bin/sh\n"]);
  spawnSync("chmod", ["755", join(root, "my programs/no%de")]);
  const unit = join(root, "vfio-watch.service");
  writeFileSync(unit, unitFor(shippedUnit, [join(root, "my programs/no%de"), "run"]));
  const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", unit], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
});

test("on Unraid the command points to the plugin", async () => {
  const root = hostWith(["etc/unraid-version", 'version="7.2.3"\n']);
  const { code, err } = await runProgram(["service", "install"], { VFIO_WATCH_ROOT: root });
  assert.equal(code, 1);
  assert.match(err, /On Unraid the plugin brings the service/);
  assert.equal((await runProgram(["service"], { VFIO_WATCH_ROOT: root })).code, 2);
});

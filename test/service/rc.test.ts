import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { isAlive, until } from "../helpers/processes.ts";
import { buildPlugins, releasesOf, temporaryDirectory } from "../package/packages.ts";
import { createUnraidTree, type UnraidTree, withDescendants } from "../package/unraid-tree.ts";

const skip = process.getuid?.() !== 0 && "the service script wants to be root";
const packages = temporaryDirectory();
let definition = "";
before(async () => {
  if (!skip) [definition = ""] = await buildPlugins(packages.path, ["0.1.0"]);
});
after(packages.remove);

let tree: UnraidTree | undefined;
afterEach(() => tree?.remove());

function installed(): UnraidTree {
  tree = createUnraidTree("7.2.3");
  tree.installPlugin(definition, releasesOf(definition));
  return tree;
}

test("start, status, stop and reload answer as the LSB wants", { skip }, () => {
  const unraid = installed();
  const codes = (...verbs: string[]) => verbs.map((verb) => unraid.control(verb).code);
  assert.deepEqual(codes("status", "start", "reload", "restart", "status"), [0, 0, 0, 0, 0]);
  assert.deepEqual(codes("stop", "status", "stop", "reload"), [0, 3, 0, 7]);
  assert.deepEqual(codes("start", "status"), [0, 0]);
  assert.equal(unraid.control("nonsense").code, 2);
});

test("the codes are the same with Unraid's own log function, which fails where there is no terminal", {
  skip,
}, () => {
  const unraid = installed();
  writeFileSync(
    unraid.at("/etc/rc.d/rc.runlog"),
    'log() {\n  logger -t rc -- "$1"\n  [[ -t 1 && -n $1 ]] && echo "rc: $1"\n}\n',
  );
  const codes = (...verbs: string[]) => verbs.map((verb) => unraid.control(verb).code);
  assert.deepEqual(codes("restart", "status", "reload", "stop", "stop"), [0, 0, 0, 0, 0]);
  assert.deepEqual(codes("reload", "start", "start", "status"), [7, 0, 0, 0]);
});

test("stop leaves no process and no pid file", { skip }, () => {
  const unraid = installed();
  const all = withDescendants(unraid.supervisorPid());
  assert.ok(all.length >= 3);
  assert.match(unraid.control("stop").said, /Stopped/);
  assert.deepEqual(all.filter(isAlive), []);
  assert.equal(existsSync(unraid.at("/var/run/vfio-watch.pid")), false);
  assert.match(unraid.log(), /stopped$/m);
});

test("a daemon that hangs is killed, so that the array's stop does not wait", { skip }, () => {
  const unraid = installed();
  const pid = unraid.pid();
  process.kill(pid, "SIGSTOP");
  assert.equal(unraid.control("stop").code, 0);
  assert.equal(isAlive(pid), false);
});

test("a daemon that dies is started again, and the log says so", { skip }, async () => {
  const unraid = installed();
  const before = unraid.pid();
  process.kill(before, "SIGKILL");
  await until("another daemon", () => unraid.pid() !== before && unraid.control("status").code === 0);
  assert.match(unraid.log(), /ended with 137 without being asked; it is started again in 1 s/);
});

test("a daemon that dies again and again is started later each time", { skip }, async () => {
  const unraid = installed();
  const killed = new Set<number>();
  await until("the third delay", () => {
    const pid = unraid.pid();
    if (pid > 0 && !killed.has(pid) && isAlive(pid)) {
      killed.add(pid);
      process.kill(pid, "SIGKILL");
    }
    return unraid.log().includes("started again in 4 s");
  });
  const delays = [...unraid.log().matchAll(/again in (\d+) s/g)].map(([, seconds]) => seconds);
  assert.deepEqual(delays, ["1", "2", "4"]);
  // While it waits, it says so, and a stop does not have to wait for the delay.
  assert.equal(unraid.control("status").code, 1);
  assert.equal(unraid.control("stop").code, 0);
  assert.equal(unraid.control("status").code, 3);
});

test("a daemon whose supervisor was killed is replaced by one that is looked after", { skip }, () => {
  const unraid = installed();
  const [supervisor, orphan] = [unraid.supervisorPid(), unraid.pid()];
  process.kill(supervisor, "SIGKILL");
  assert.match(unraid.control("status").said, /Nobody would start it again/);
  assert.equal(unraid.control("start").code, 0);
  assert.equal(isAlive(orphan), false);
  assert.notEqual(unraid.pid(), orphan);
});

test("pid files that a power cut left behind harm nobody", { skip }, () => {
  const unraid = installed();
  unraid.control("stop");
  const stranger = spawn("sleep", ["60"]);
  try {
    for (const path of ["/var/run/vfio-watch.pid", "/run/vfio-watch/supervisor.pid"])
      writeFileSync(unraid.at(path), `${stranger.pid}\n`);
    assert.equal(unraid.control("status").code, 1);
    assert.equal(unraid.control("stop").code, 0);
    assert.ok(isAlive(stranger.pid ?? 0));
    for (const nonsense of ["", "-1\n", "0\n", "x y\n", "99999999999999999999\n"]) {
      writeFileSync(unraid.at("/var/run/vfio-watch.pid"), nonsense);
      assert.equal(unraid.control("stop").code, 0);
    }
    assert.equal(unraid.control("start").code, 0);
  } finally {
    stranger.kill("SIGKILL");
  }
});

test("two that start it at once start one", { skip }, async () => {
  const unraid = installed();
  unraid.control("stop");
  const env = unraid.environment;
  const script = unraid.at("/etc/rc.d/rc.vfio-watch");
  const starts = Array.from({ length: 4 }, () => spawn(script, ["start"], { env, stdio: "ignore" }));
  const codes = await Promise.all(
    starts.map((child) => new Promise((resolve) => child.on("exit", (code) => resolve(code)))),
  );
  assert.deepEqual(codes, [0, 0, 0, 0]);
  const begun = () => (unraid.log().match(/is watching/g) ?? []).length;
  await until("its first words", () => begun() >= 2);
  assert.equal(begun(), 2, "once at installation, once now");
});

test("a second instance is refused with the pid of the first", { skip }, () => {
  const unraid = installed();
  const { code, said } = unraid.run(unraid.at("/usr/local/vfio-watch/bin/vfio-watch"), "run");
  assert.equal(code, 1);
  assert.match(said, new RegExp(`pid ${unraid.pid()}\\b`));
  assert.equal(unraid.control("status").code, 0);
});

test("without its binding it says which Node it wants", { skip }, () => {
  const unraid = installed();
  unraid.control("stop");
  writeFileSync(unraid.at("/usr/local/vfio-watch/sqlite/linux-x64.node"), "not a library");
  const { code, said } = unraid.run(unraid.at("/usr/local/vfio-watch/bin/vfio-watch"), "--version");
  assert.equal(code, 0);
  assert.match(
    said,
    /SQLite not usable: the SQLite binding .* does not load under Node .* it wants Node 22\.18/s,
  );
});

test("an old Node is turned away before anything is loaded", { skip }, (context) => {
  const old = ["/usr/bin/node", "/usr/local/bin/node"].find((path) => {
    const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
    return /^v(?:1\d|2[01])\./.test(stdout ?? "");
  });
  if (old === undefined) return context.skip("this machine has no Node older than 22");
  const unraid = installed();
  const { code, said } = unraid.run(old, unraid.at("/usr/local/vfio-watch/vfio-watch.mjs"), "run");
  assert.equal(code, 1);
  assert.match(said, /^vfio-watch: this is Node \d+\S+ it needs Node 22\.18 or newer\./);
});

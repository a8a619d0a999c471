import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { openStore } from "../../src/store/open.ts";
import { isAlive, until } from "../helpers/processes.ts";
import { buildPlugins, releasesOf, temporaryDirectory } from "./packages.ts";
import { createUnraidTree, pathsHeldBy, type UnraidTree, withDescendants } from "./unraid-tree.ts";

const skip = process.getuid?.() !== 0 && "the service script wants to be root";
const FLASH = "/boot/config/plugins/vfio-watch";
const EVENTS = "/usr/local/emhttp/plugins/vfio-watch/event";

const packages = temporaryDirectory();
let first = "";
let second = "";
before(async () => {
  if (!skip) [first = "", second = ""] = await buildPlugins(packages.path, ["0.1.0", "0.2.0"]);
});
after(packages.remove);

let tree: UnraidTree | undefined;
afterEach(() => tree?.remove());

function installed(version = "7.2.3"): UnraidTree {
  tree = createUnraidTree(version);
  tree.installPlugin(first, releasesOf(first));
  return tree;
}

function boots(of: UnraidTree) {
  const opened = openStore({
    path: of.at(`${FLASH}/history.db`),
    readOnly: true,
    clock: { now: Date.now },
  });
  assert.equal(opened.state, "open");
  if (opened.state !== "open") return [];
  const list = opened.store.boots.list();
  opened.store.close();
  return list;
}

test("the plugin's installation starts the service, detached from whoever reads its output", {
  skip,
}, async () => {
  const unraid = installed();
  assert.equal(unraid.control("status").code, 0);
  const pid = unraid.pid();
  assert.equal(readFileSync(`/proc/${pid}/comm`, "utf8"), "vfio-watch\n");
  // Its session is the supervisor's and nobody else's.
  const session = (of: number) => readFileSync(`/proc/${of}/stat`, "latin1").split(") ")[1]?.split(" ")[3];
  assert.equal(session(pid), String(unraid.supervisorPid()));
  assert.deepEqual(
    readdirSync(unraid.at(FLASH))
      .filter((name) => !name.startsWith("history.db"))
      .sort(),
    [".gitignore", "vfio-watch-0.1.0-x86_64-1.txz"],
  );
  assert.equal(readFileSync(unraid.at(`${FLASH}/.gitignore`), "utf8"), "*\n");
  // The service answers before the system's log daemon has its line.
  await until("the line that says where the history is", () =>
    /is watching; the history is .*\/boot\/config\/plugins\/vfio-watch\/history\.db/.test(unraid.log()),
  );
});

test("nothing of the array and of libvirt's image is held open, mapped or the working directory", {
  skip,
}, () => {
  const unraid = installed();
  const processes = withDescendants(unraid.supervisorPid());
  assert.ok(processes.includes(unraid.pid()));
  const held = processes.flatMap((pid) => pathsHeldBy(pid));
  assert.ok(held.includes(unraid.at(`${FLASH}/history.db`)), "the history is seen open, so others would be");
  for (const forbidden of [unraid.at("/mnt"), unraid.at("/etc/libvirt"), "/mnt", "/etc/libvirt"]) {
    assert.deepEqual(
      held.filter((path) => path === forbidden || path.startsWith(`${forbidden}/`)),
      [],
    );
  }
});

test("event scripts return at once, say nothing, and start what does not run", { skip }, async () => {
  const unraid = installed();
  for (const event of readdirSync(unraid.at(EVENTS))) {
    assert.deepEqual(unraid.run(unraid.at(`${EVENTS}/${event}`)), { code: 0, said: "" }, event);
  }
  const pid = unraid.pid();
  assert.ok(isAlive(pid), "the array's stop leaves it running: it has nothing there");
  unraid.control("stop");
  assert.deepEqual(unraid.run(unraid.at(`${EVENTS}/started`)), { code: 0, said: "" });
  await until("the service", () => unraid.control("status").code === 0);
});

test("a history on the array is closed before the disks are unmounted, and waits for them", {
  skip,
}, async () => {
  const unraid = installed();
  writeFileSync(unraid.at(`${FLASH}/vfio-watch.cfg`), 'DATABASE="/mnt/disk1/vfio/history.db"\r\n');
  unraid.run(unraid.at(`${EVENTS}/stopping_svcs`));
  assert.equal(unraid.control("status").code, 3);
  const { code, said } = unraid.control("start");
  assert.equal(code, 6);
  assert.match(said, /waits for the array: its history is in \/mnt\/disk1\/vfio/);
});

test("an upgrade replaces the files under a running service and brings the new one up", { skip }, () => {
  const unraid = installed();
  const before = unraid.pid();
  unraid.installPlugin(second, releasesOf(second));
  assert.notEqual(unraid.pid(), before);
  assert.equal(isAlive(before), false);
  assert.equal(unraid.control("status").code, 0);
  assert.deepEqual(
    readdirSync(unraid.at(FLASH)).filter((name) => name.endsWith(".txz")),
    ["vfio-watch-0.2.0-x86_64-1.txz"],
  );
  assert.equal(boots(unraid).length, 1, "the same boot goes on");
});

test("after a power cut it comes back from the flash stick alone, with its history", { skip }, () => {
  const unraid = installed();
  unraid.powerCut();
  assert.equal(existsSync(unraid.at("/etc/rc.d/rc.vfio-watch")), false);
  unraid.installPlugin(unraid.at("/boot/config/plugins/vfio-watch.plg"), "/nonexistent");
  assert.equal(unraid.control("status").code, 0);
  assert.deepEqual(
    boots(unraid).map(({ end }) => end),
    ["unclean", "unknown"],
  );
});

test("a shutdown in order is known as one after the next boot", { skip }, () => {
  const unraid = installed();
  assert.equal(unraid.control("stop").code, 0);
  unraid.powerCut();
  unraid.installPlugin(unraid.at("/boot/config/plugins/vfio-watch.plg"), "/nonexistent");
  assert.deepEqual(
    boots(unraid).map(({ end }) => end),
    ["clean", "unknown"],
  );
});

test("removal leaves the history, says where it is, and nothing else", { skip }, () => {
  const unraid = installed();
  const pid = unraid.pid();
  writeFileSync(unraid.at(`${FLASH}/vfio-watch.cfg`), 'NTFY_TOKEN="secret"\n');
  const said = unraid.removePlugin();
  assert.match(said, /stays in \/boot\/config\/plugins\/vfio-watch/);
  assert.equal(isAlive(pid), false);
  assert.deepEqual(readdirSync(unraid.at(FLASH)).sort(), [".gitignore", "history.db"]);
  const left = readdirSync(unraid.root, { recursive: true, encoding: "utf8" });
  assert.deepEqual(
    left.filter((path) => path.includes("vfio-watch") && !path.startsWith("boot/")),
    [],
  );
});

// The launcher looks where Unraid has its Node; a test cannot hide that of its own machine.
const systemNode = spawnSync(
  "sh",
  ["-c", "/usr/local/bin/node --version; /usr/bin/node --version; node --version"],
  {
    encoding: "utf8",
  },
).stdout;
const hasRecentNode =
  /v(?:22\.(?:1[89]|[2-9]\d)|2[3-9]|[3-9]\d)/.test(systemNode) && "this machine has a Node of its own";

test("Unraid 7.1 gets a Node of the plugin's own", { skip: skip || hasRecentNode }, () => {
  tree = createUnraidTree("7.1.4", "");
  tree.installPlugin(first, releasesOf(first));
  assert.equal(tree.control("status").code, 0);
  assert.ok(existsSync(tree.at("/usr/local/vfio-watch/node/bin/node")));
  const kept = `${FLASH}/vfio-watch-node-22.18.0-x86_64-1.txz`;
  assert.ok(existsSync(tree.at(kept)));
  tree.powerCut();
  tree.installPlugin(tree.at("/boot/config/plugins/vfio-watch.plg"), "/nonexistent");
  assert.equal(tree.control("status").code, 0);
  const said = tree.removePlugin();
  assert.match(said, /is removed/);
  assert.equal(existsSync(tree.at("/usr/local/vfio-watch")), false);
});

test("where a Node is there, whoever brought it, the 28 MB of another are not fetched, and no boot needs the network", {
  skip,
}, () => {
  const unraid = installed("7.1.4");
  assert.equal(unraid.control("status").code, 0);
  assert.equal(existsSync(unraid.at("/usr/local/vfio-watch/node")), false);
  assert.deepEqual(
    readdirSync(unraid.at(FLASH)).filter((name) => name.includes("node")),
    [],
  );
  const kept = unraid.at("/boot/config/plugins/vfio-watch.plg");
  unraid.installPlugin(kept, releasesOf(first));
  unraid.powerCut();
  assert.match(unraid.installPlugin(kept, "/nonexistent"), /is installed/);
  assert.equal(unraid.control("status").code, 0);
});

for (const [what, lay] of [
  ["makes rc0.d where nobody has", undefined],
  ["uses an rc0.d that is there", (unraid: UnraidTree) => mkdirSync(unraid.at("/etc/rc.d/rc0.d"))],
] as const) {
  test(`a power-off ends the service in order as a reboot does: the plugin ${what}`, { skip }, () => {
    tree = createUnraidTree("7.1.4");
    lay?.(tree);
    tree.installPlugin(first, releasesOf(first));
    tree.installPlugin(first, releasesOf(first));
    assert.equal(readFileSync(tree.at("/etc/rc.d/rc0.d/K10vfio-watch"), "utf8"), shutdownScript());
    tree.removePlugin();
    assert.deepEqual(lay === undefined ? [] : readdirSync(tree.at("/etc/rc.d/rc0.d")), []);
  });
}

const shutdownScript = () =>
  readFileSync(new URL("../../unraid/install/K10vfio-watch", import.meta.url), "utf8");

test("on an internal boot device, which keeps modes, only root may look at history and settings", {
  skip,
}, () => {
  tree = createUnraidTree("7.3.3");
  mkdirSync(tree.at(FLASH), { recursive: true, mode: 0o755 });
  tree.installPlugin(first, releasesOf(first));
  assert.equal(statSync(tree.at(FLASH)).mode & 0o777, 0o700);
});

test("from 7.2 on a Node package that 7.1 had needed is removed from the flash stick", { skip }, () => {
  tree = createUnraidTree("7.2.3");
  mkdirSync(tree.at(FLASH), { recursive: true });
  writeFileSync(tree.at(`${FLASH}/vfio-watch-node-22.18.0-x86_64-1.txz`), "");
  tree.installPlugin(first, releasesOf(first));
  assert.deepEqual(
    readdirSync(tree.at(FLASH)).filter((name) => name.includes("node")),
    [],
  );
});

test("a Node that cannot be fetched, or is not the one that was meant, is said and not used", {
  skip: skip || hasRecentNode,
}, () => {
  tree = createUnraidTree("7.1.4", "");
  const elsewhere = tree.at("/mirror");
  mkdirSync(elsewhere);
  cpSync(releasesOf(first), elsewhere, { recursive: true });
  writeFileSync(`${elsewhere}/vfio-watch-node-22.18.0-x86_64-1.txz`, "something else");
  assert.match(tree.installPlugin(first, elsewhere), /Node\.js is needed and could not be downloaded/);
  assert.deepEqual(
    readdirSync(tree.at(FLASH)).filter((name) => name.includes("node")),
    [],
  );
});

test("an installation whose package did not unpack says so, and is none where a person waits for it", {
  skip,
}, () => {
  tree = createUnraidTree("7.2.3");
  tree.breakUnpacking();
  // At a boot a failure would take the plugin away for good.
  assert.match(tree.installPlugin(first, releasesOf(first)), /is NOT installed: .* Make room/);
  mkdirSync(tree.at("/var/local/emhttp"), { recursive: true });
  writeFileSync(tree.at("/var/local/emhttp/var.ini"), "");
  assert.throws(
    () => tree?.installPlugin(first, releasesOf(first)),
    /could not be unpacked[\s\S]*is NOT installed/,
  );
});

test("without any Node the installation succeeds all the same and says what is missing", {
  skip: skip || hasRecentNode,
}, () => {
  tree = createUnraidTree("7.2.3", "");
  const said = tree.installPlugin(first, releasesOf(first));
  assert.match(said, /no Node 22\.18 or newer/);
  assert.equal(tree.control("start").code, 5);
  assert.equal(tree.control("status").code, 3);
});

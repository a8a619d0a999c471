import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createUnraidChannel, notificationDirectory } from "../../src/alerts/channels/unraid.ts";
import { createVirtualClock } from "../../src/clock.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { failureOf, HOSTILE, messageOf, settle } from "./examples.ts";

const SCRIPT = "/usr/local/emhttp/webGui/scripts/notify";
const roots: string[] = [];
const pipes: number[] = [];
after(() => {
  for (const pipe of pipes) closeSync(pipe);
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

/**
 * Behaves as Unraid's notifier is known to: cleans the event for a file name and adds the second, does nothing at all
 * when that file is in the archive, runs the agents after it has stored the file, and always ends with 0. Each run is
 * in a second of its own, unless `second` says which one it is.
 */
const STAND_IN = `#!/bin/bash
here="$(dirname "$0")"
{ printf '%s\\0' "$@"; } >>"$here/arguments"
while getopts "l:e:s:d:i:m:r:xtb" option; do
  case "$option" in
    e) event="$OPTARG" ;; s) subject="$OPTARG" ;; d) description="$OPTARG" ;; i) importance="$OPTARG" ;; m) message="$OPTARG" ;;
  esac
done
runs="$(tr -cd '\\0' <"$here/arguments" | wc -c)"
second="$(cat "$here/second" 2>/dev/null || echo $((1763900000 + runs)))"
name="$(printf '%s' "$event-$second.notify" | tr -cd '0-9A-Za-z %+.@^_-' | tr ' -' '__')"
file="$(cat "$here/path")/archive/$name"
[ -e "$file" ] && exit 0
[ -e "$here/stores-nothing" ] || printf 'timestamp=%s\\nevent=%s\\nsubject=%s\\ndescription=%s\\nimportance=%s\\nmessage=%s\\n' \\
  "$second" "$event" "$subject" "$description" "$importance" "$message" >"$file"
[ -p "$here/agents" ] && { echo $$ >"$here/pid"; read -r _ <"$here/agents"; echo done >"$here/finished"; }
exit 0
`;

function createRig(timeLimitMs = 90_000) {
  const root = mkdtempSync(join(tmpdir(), "vfio-watch-unraid-"));
  roots.push(root);
  const host = createHostPaths(root);
  const scripts = join(root, SCRIPT, "..");
  const archive = join(root, "tmp/notifications/archive");
  for (const directory of [scripts, archive]) mkdirSync(directory, { recursive: true });
  writeFileSync(host.at(SCRIPT), STAND_IN, { mode: 0o755 });
  writeFileSync(join(scripts, "path"), join(root, "tmp/notifications"));
  const clock = createVirtualClock(Date.UTC(2026, 10, 23, 14));
  const make = () =>
    createUnraidChannel({ script: SCRIPT, link: "/Settings/vfio-watch", timeLimitMs, host, clock });
  const stored = () => readdirSync(archive).map((name) => readFileSync(join(archive, name), "utf8"));
  const runs = () => {
    const file = join(scripts, "arguments");
    const all = existsSync(file) ? readFileSync(file, "utf8").split("\0").slice(0, -1) : [];
    return Array.from({ length: all.length / 12 }, (_, index) => all.slice(index * 12, index * 12 + 12));
  };
  return { channel: make(), make, host, root, scripts, archive, clock, stored, runs };
}

const never = new AbortController().signal;

test("a notification is stored with event, subject, description, importance and link", async () => {
  const { channel, archive, runs, stored } = createRig();
  assert.deepEqual(await channel.send(messageOf(failureOf()), never), { delivered: true });
  const [argv = []] = runs();
  assert.deepEqual(
    argv.filter((_, index) => index % 2 === 0),
    ["-e", "-s", "-d", "-i", "-m", "-l"],
  );
  assert.deepEqual(
    [argv[1], argv[3], argv[7], argv[11]],
    ["VFIO Watch", "'Windows 11' did not start", "alert", "/Settings/vfio-watch"],
  );
  assert.match(readdirSync(archive)[0] ?? "", /^VFIO_Watch_\d+\.notify$/);
  assert.match(stored()[0] ?? "", /BIOS version: E7E49AMSI\.1A63 → E7E49AMSI\.1A95/);
});

test("a hostile VM name reaches the notifier as text, and no shell sees it", async () => {
  const { channel, root, stored } = createRig();
  const content = failureOf(
    `${HOSTILE} $(touch ${root}/owned) \`touch ${root}/owned\` ; touch ${root}/owned`,
  );
  assert.deepEqual(await channel.send(messageOf(content), never), { delivered: true });
  assert.equal(existsSync(join(root, "owned")), false);
  assert.match(stored()[0] ?? "", /^subject='∗∗<\u200bimg src꞊x onerror꞊alert\(1\)>∗∗ \$\(id\)/m);
});

test("how the name is written follows from the Unraid that runs", async () => {
  const { channel, root, clock, runs } = createRig();
  mkdirSync(join(root, "etc"));
  for (const version of ["7.1.4", "7.3.3"]) {
    writeFileSync(join(root, "etc/unraid-version"), `version="${version}"\n`);
    const sent = channel.send(messageOf(failureOf(HOSTILE), runs().length), never);
    clock.moveTo(clock.now() + 1_100);
    assert.deepEqual(await sent, { delivered: true });
  }
  assert.deepEqual(
    runs().map((argv) => argv[3]),
    ["'∗∗<\u200bimg src꞊x onerror꞊alert(1)>∗∗ $(id)' did not start", `'${HOSTILE}' did not start`],
  );
});

test("exit code 0 is no proof: a notifier that stores nothing is a failed try", async () => {
  const { channel, scripts, runs } = createRig();
  writeFileSync(join(scripts, "stores-nothing"), "");
  const result = await channel.send(messageOf(failureOf()), never);
  assert.equal(result.delivered, false);
  assert.match("error" in result ? result.error : "", /ran and stored nothing in .*archive/);
  assert.equal(runs().length, 1);
});

test("an alert that meets the name of another one is not taken for told, and the next try stores it", async () => {
  const { channel, clock, scripts, stored } = createRig();
  writeFileSync(join(scripts, "second"), "1763900000");
  assert.equal((await channel.send(messageOf(failureOf(), 7), never)).delivered, true);
  for (const delivered of [false, true]) {
    const second = channel.send(messageOf(failureOf(), 77), never);
    clock.moveTo(clock.now() + 1_100);
    assert.equal((await second).delivered, delivered);
    rmSync(join(scripts, "second"), { force: true });
  }
  assert.equal(stored().length, 2);
});

test("two notifications are kept more than a second apart", async () => {
  const { channel, clock, runs } = createRig();
  await channel.send(messageOf(failureOf(), 7), never);
  const second = channel.send(messageOf(failureOf(), 8), never);
  clock.moveTo(clock.now() + 1_000);
  await settle(() => false);
  assert.equal(runs().length, 1);
  clock.moveTo(clock.now() + 100);
  assert.equal((await second).delivered, true);
  assert.equal(runs().length, 2);
});

test("a try that had succeeded before a crash is recognised and not repeated", async () => {
  const { channel, make, runs } = createRig();
  await channel.send(messageOf(failureOf()), never);
  assert.deepEqual(await make().send(messageOf(failureOf()), never), { delivered: true });
  assert.equal(runs().length, 1);
});

test("agents that take longer than the limit do not make a stored notification a failure, and are ended", async () => {
  const { channel, clock, scripts, stored } = createRig(20_000);
  execFileSync("mkfifo", [join(scripts, "agents")]);
  const result = channel.send(messageOf(failureOf()), never);
  await untilThere(join(scripts, "pid"));
  assert.equal(stored().length, 1);
  clock.moveTo(clock.now() + 20_000);
  assert.deepEqual(await result, { delivered: true });
  const pid = Number(readFileSync(join(scripts, "pid"), "utf8"));
  await untilGone(pid);
});

test("agents that are slow but within the limit are waited for", async () => {
  const { channel, scripts } = createRig();
  execFileSync("mkfifo", [join(scripts, "agents")]);
  let ended = false;
  const result = channel.send(messageOf(failureOf()), never).finally(() => {
    ended = true;
  });
  await untilThere(join(scripts, "pid"));
  assert.equal(ended, false);
  letAgentsGoOn(scripts);
  assert.deepEqual(await result, { delivered: true });
});

test("a service that ends leaves the running notifier alone and knows what it has stored", async () => {
  const { channel, scripts } = createRig();
  execFileSync("mkfifo", [join(scripts, "agents")]);
  const abort = new AbortController();
  const result = channel.send(messageOf(failureOf()), abort.signal);
  await untilThere(join(scripts, "pid"));
  abort.abort();
  assert.deepEqual(await result, { delivered: true });
  const pid = Number(readFileSync(join(scripts, "pid"), "utf8"));
  letAgentsGoOn(scripts);
  await untilGone(pid);
  assert.equal(existsSync(join(scripts, "finished")), true);
});

test("a missing notifier is said by name", async () => {
  const { channel, host } = createRig();
  rmSync(host.at(SCRIPT));
  const result = await channel.send(messageOf(failureOf()), never);
  assert.match("error" in result ? result.error : "", /notify could not be run \(ENOENT\)/);
});

test("notifications are looked for where Unraid's settings put them", () => {
  const { root, host } = createRig();
  assert.equal(notificationDirectory(host), "/tmp/notifications");
  const defaults = join(root, "usr/local/emhttp/plugins/dynamix");
  const own = join(root, "boot/config/plugins/dynamix");
  for (const directory of [defaults, own]) mkdirSync(directory, { recursive: true });
  writeFileSync(
    join(defaults, "default.cfg"),
    '[display]\npath="/wrong"\n[notify]\nentity="1"\npath="/tmp/n"\n',
  );
  assert.equal(notificationDirectory(host), "/tmp/n");
  writeFileSync(
    join(own, "dynamix.cfg"),
    '[display]\r\ndate="c"\r\n[notify]\r\npath="/boot/n"\r\n[parity]\r\npath="/wrong"\r\n',
  );
  assert.equal(notificationDirectory(host), "/boot/n");
});

function letAgentsGoOn(scripts: string): void {
  // Opened for both ways, so that it does not block where nobody is left to read.
  const pipe = openSync(join(scripts, "agents"), "r+");
  writeSync(pipe, "go on\n");
  pipes.push(pipe);
}

/** Waits for another process by asking again and again, not for a time. */
async function untilThere(file: string): Promise<void> {
  await settleSlowly(() => existsSync(file) && readFileSync(file, "utf8").endsWith("\n"));
}

async function untilGone(pid: number): Promise<void> {
  await settleSlowly(() => {
    try {
      return !process.kill(pid, 0);
    } catch {
      return true;
    }
  });
}

async function settleSlowly(until: () => boolean): Promise<void> {
  while (!until()) await new Promise((resolve) => setTimeout(resolve, 5));
}

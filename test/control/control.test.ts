import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { systemClock } from "../../src/clock.ts";
import { askService, beginTalk } from "../../src/control/client.ts";
import { controlSocket, ownDirectory } from "../../src/control/place.ts";
import { parseRequest, REQUEST_LIMIT } from "../../src/control/requests.ts";
import { type ControlHandlers, createControlServer } from "../../src/control/server.ts";
import { vmName } from "../../src/model/identifiers.ts";

const HISTORY = "/var/lib/vfio-watch/history.db";
const status = { ask: "status", history: HISTORY } as const;

/** A service's end of the socket, in a directory of its own. */
async function createRig(context: TestContext, changed: Partial<ControlHandlers> = {}) {
  const directory = mkdtempSync(join(tmpdir(), "control-"));
  const faults: string[] = [];
  const unasked = () => ({ reason: "failed", why: "not asked in this test", remedy: "" }) as const;
  const server = createControlServer({
    directory,
    clock: systemClock,
    isOurs: (history) => history === HISTORY,
    onFault: (doing, error) => faults.push(`${doing}: ${error}`),
    handlers: {
      status: () => ({ answer: { version: "1.2.3", pid: 7, startedAt: 5 } }),
      ...{
        "test-channel": unasked,
        acknowledge: unasked,
        silence: unasked,
        import: unasked,
        start: unasked,
        watch: unasked,
      },
      ...changed,
    },
  });
  context.after(async () => {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  const problem = await server.start();
  /** Sends bytes as they are, ends, and gives all that comes back. */
  const send = (bytes: string | Uint8Array) =>
    new Promise<string>((resolve) => {
      let answer = "";
      const socket = connect({ path: controlSocket(directory), allowHalfOpen: true });
      socket.on("data", (chunk) => {
        answer += chunk;
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(answer));
      socket.on("end", () => socket.end());
      socket.end(bytes);
    });
  return { directory, server, faults, problem, send, path: controlSocket(directory) };
}

test("the socket and its directory are for their owner alone, and go with the service", async (context) => {
  const { directory, path, problem, server } = await createRig(context);
  assert.equal(problem, undefined);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  await server.stop();
  assert.equal(existsSync(path), false);
  assert.deepEqual(await askService(directory, status, 5_000), { state: "no-service" });
});

test("a directory that others may look into is closed to them", async (context) => {
  const { directory, server } = await createRig(context);
  await server.stop();
  chmodSync(directory, 0o755);
  assert.equal(await server.start(), undefined);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
});

test("a directory that others may write to, or that is a link, is not used, nor believed", async (context) => {
  const { directory, server } = await createRig(context);
  await server.stop();
  chmodSync(directory, 0o777);
  assert.match((await server.start()) ?? "", /others may write to .*chmod go-w/);
  assert.equal(statSync(directory).mode & 0o777, 0o777, "it is somebody's, and stays as it is");
  assert.deepEqual(await askService(directory, status, 5_000), { state: "no-service" });
  chmodSync(directory, 0o700);
  const link = `${directory}-link`;
  symlinkSync(directory, link);
  context.after(() => rmSync(link));
  assert.match(ownDirectory(link) ?? "", /is not a directory/);
});

test("a directory that holds other things stays open to those who use them", async (context) => {
  const { directory, server } = await createRig(context);
  await server.stop();
  writeFileSync(join(directory, "other.pid"), "1");
  chmodSync(directory, 0o755);
  assert.equal(await server.start(), undefined);
  assert.equal(statSync(directory).mode & 0o777, 0o755);
});

test("a request is answered in one line, to several clients at once", async (context) => {
  const { directory, send } = await createRig(context);
  assert.equal(
    await send(`${JSON.stringify(status)}\n`),
    '{"kind":"done","answer":{"version":"1.2.3","pid":7,"startedAt":5}}\n',
  );
  const answers = await Promise.all(Array.from({ length: 10 }, () => askService(directory, status, 5_000)));
  for (const asked of answers)
    assert.deepEqual(asked, { state: "answered", answer: { version: "1.2.3", pid: 7, startedAt: 5 } });
});

test("more clients than there is room for are turned away, and the others served", async (context) => {
  const { directory, path } = await createRig(context);
  const idle = Array.from({ length: 16 }, () => connect(path));
  await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
  const asked = await askService(directory, status, 5_000);
  assert.ok(asked.state === "refused" && /16 others/.test(asked.why), JSON.stringify(asked));
  for (const socket of idle) socket.destroy();
  await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
  let last = await askService(directory, status, 5_000);
  for (let tries = 0; tries < 50 && last.state !== "answered"; tries += 1)
    last = await askService(directory, status, 5_000);
  assert.equal(last.state, "answered");
});

test("a service of another history is none", async (context) => {
  const { directory } = await createRig(context);
  const asked = await askService(directory, { ask: "status", history: "/elsewhere.db" }, 5_000);
  assert.deepEqual(asked, { state: "no-service" });
});

test("what a killed service left behind answers nobody and is replaced; a living one is not", async (context) => {
  const { directory, path, server } = await createRig(context);
  const second = createControlServer({
    ...{ directory, clock: systemClock, isOurs: () => true, onFault: assert.fail },
    handlers: {} as ControlHandlers,
  });
  assert.match((await second.start()) ?? "", /another service listens/);
  await second.stop();
  assert.equal((await askService(directory, status, 5_000)).state, "answered");
  await server.stop();
  writeFileSync(path, "");
  assert.deepEqual(await askService(directory, status, 5_000), { state: "no-service" });
  assert.equal(await server.start(), undefined);
  assert.equal((await askService(directory, status, 5_000)).state, "answered");
});

test("a directory that is none, or a link to one, is not used; a path too long for a socket is said to be", async (context) => {
  const { directory } = await createRig(context);
  const make = (path: string) =>
    createControlServer({
      ...{ directory: path, clock: systemClock, isOurs: () => true, onFault: assert.fail },
      handlers: {} as ControlHandlers,
    }).start();
  const file = join(directory, "file");
  writeFileSync(file, "");
  assert.match((await make(file)) ?? "", /is not a directory/);
  mkdirSync(join(directory, "target"));
  symlinkSync(join(directory, "target"), join(directory, "link"));
  assert.match((await make(join(directory, "link"))) ?? "", /is not a directory/);
  assert.match((await make(join(directory, "x".repeat(120)))) ?? "", /a socket's address 107 at most/);
});

test("what lasts is begun, told of, and ended by either side", async (context) => {
  const ends: string[] = [];
  const { directory, path, server } = await createRig(context, {
    async import(_request, { progress, ended }) {
      progress("You may begin.");
      if (!ended.aborted) await new Promise((resolve) => ended.addEventListener("abort", resolve));
      ends.push("ended");
      return { answer: { tookMs: 3 } };
    },
  });
  const request = { ask: "import", history: HISTORY } as const;
  const talk = await beginTalk(directory, request, 5_000);
  assert.ok("finish" in talk);
  assert.deepEqual(ends, []);
  assert.deepEqual(await talk.finish(), { state: "answered", answer: { tookMs: 3 } });
  assert.deepEqual(ends, ["ended"]);
  // Killed in the middle of it: the connection goes without a word.
  const gone = connect(path);
  gone.write(`${JSON.stringify(request)}\n`);
  await new Promise((resolve) => gone.once("data", resolve));
  gone.destroy();
  for (let tries = 0; tries < 500 && ends.length < 2; tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(ends.length, 2);
  const last = await beginTalk(directory, request, 5_000);
  assert.ok("finish" in last);
  await server.stop();
  assert.equal((await last.finish()).state, "refused");
  assert.equal(ends.length, 3);
});

test("a handler that throws is a fault that is told, and the next request is answered", async (context) => {
  const { directory, faults } = await createRig(context, {
    start: () => {
      throw new Error("a bug");
    },
  });
  const request = { ask: "start", history: HISTORY, vm: vmName("x"), since: 0, waitMs: 0 } as const;
  const asked = await askService(directory, request, 5_000);
  assert.ok(asked.state === "refused" && /its log says why/.test(asked.why));
  assert.deepEqual(faults, ["answering 'start': Error: a bug"]);
  assert.equal((await askService(directory, status, 5_000)).state, "answered");
});

test("whatever is sent, one refusal comes back, and the next request is answered", async (context) => {
  const { directory, faults, send } = await createRig(context);
  const request = fc.record(
    {
      ask: fc.oneof(
        fc.constantFrom("status", "silence", "start", "import", "__proto__", "toString"),
        fc.string(),
      ),
      history: fc.oneof(fc.constant("/elsewhere"), fc.string(), fc.anything()),
      ...{ incident: fc.anything(), forMs: fc.anything(), vm: fc.anything(), since: fc.anything() },
    },
    { requiredKeys: [] },
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.json().map((text) => `${text}\n`),
    request.map((value) => `${JSON.stringify(value)}\n`),
    fc.constant("\n"),
    fc.constant("x".repeat(REQUEST_LIMIT + 1)),
    fc.constant(`${JSON.stringify({ ...status, padding: "y".repeat(REQUEST_LIMIT) })}\n`),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (sent) => {
      const answer = await send(sent);
      assert.match(answer, /^\{[^\n]*\}\n$/);
      assert.equal(JSON.parse(answer).kind, "refused");
    }),
    { numRuns: 300 },
  );
  assert.equal((await askService(directory, status, 5_000)).state, "answered");
  assert.deepEqual(faults, []);
});

test("a request is understood within its bounds, and passed over fields change nothing", () => {
  const base = { history: HISTORY };
  const good = [
    { ...base, ask: "test-channel", channel: "ntfy" },
    { ...base, ask: "acknowledge", incident: "3f9a" },
    { ...base, ask: "silence", incident: "3f9a", forMs: 60_000 },
    { ...base, ask: "start", vm: "Windows 11", since: 0, waitMs: 2_000 },
  ];
  for (const request of good)
    assert.deepEqual(parseRequest(JSON.stringify({ ...request, more: [1] })), request);
  const bad = [
    { ...base, ask: "test-channel", channel: "pigeon" },
    { ...base, ask: "silence", incident: "3f9a", forMs: -1 },
    { ...base, ask: "silence", incident: "", forMs: 1 },
    { ...base, ask: "start", vm: "x", since: 0, waitMs: 3_600_000 },
    { ...base, ask: "start", vm: "x\u0000", since: 0, waitMs: 0 },
    { ask: "status" },
    { ...base, ask: "constructor" },
  ];
  for (const request of bad) assert.equal(typeof parseRequest(JSON.stringify(request)), "string");
});

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import type { LibvirtClient } from "../../src/libvirt/client.ts";
import { openLibvirtClient } from "../../src/libvirt/client.ts";
import type { LibvirtEvent } from "../../src/libvirt/events.ts";
import { vmName } from "../../src/model/identifiers.ts";
import type { FakeLibvirtd } from "./fake-libvirtd.ts";
import { fakeVm, startFakeLibvirtd } from "./fake-libvirtd.ts";

const clock = createVirtualClock(0);
let directory: string;
let daemon: FakeLibvirtd;
let client: LibvirtClient | undefined;
let events: LibvirtEvent[];
let lost: Promise<string>;

async function open() {
  events = [];
  const ending = Promise.withResolvers<string>();
  lost = ending.promise;
  const result = await openLibvirtClient({
    socketPath: join(directory, "sock"),
    clock,
    timeLimit: 5000,
    keepalive: { interval: 10_000, unanswered: 2 },
    onEvent: (event) => events.push(event),
    onLost: ending.resolve,
  });
  client = result.ok ? result.client : undefined;
  return result;
}

async function opened(): Promise<LibvirtClient> {
  const result = await open();
  return result.ok ? result.client : assert.fail(result.error.why);
}

async function whyNotOpened(): Promise<string> {
  const result = await open();
  return result.ok ? assert.fail("was opened") : `${result.error.code}: ${result.error.why}`;
}

describe("libvirt client", () => {
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "vw-"));
    daemon = await startFakeLibvirtd(join(directory, "sock"));
    daemon.vms.set("Windows 11", fakeVm("Windows 11", 1));
  });
  afterEach(async () => {
    await client?.close();
    await daemon.stop();
    rmSync(directory, { recursive: true });
  });

  it("opens read-only, registers for its events and tells the version", async () => {
    const connectOpen: string[] = [];
    const registered: number[] = [];
    daemon.answers.set(1, (payload) => {
      connectOpen.push(payload.toString("latin1"));
      return Buffer.alloc(0);
    });
    daemon.answers.set(316, (payload) => {
      registered.push(payload.readInt32BE(0));
      return Buffer.alloc(4);
    });
    assert.equal((await opened()).version, "11.3.0");
    assert.deepEqual(connectOpen, ["\0\0\0\x01\0\0\0\x0eqemu:///system\0\0\0\0\0\x01"]);
    assert.deepEqual(registered, [0, 1, 7, 15, 19, 22]);
  });

  it("lists VMs and asks for their definition and state", async () => {
    const connected = await opened();
    const list = await connected.listDomains();
    const domain = list.ok ? list.value[0] : undefined;
    assert.ok(domain);
    assert.equal(domain.name, "Windows 11");
    daemon.vms.set("Windows 11", { ...fakeVm("Windows 11", 1), state: [5, 6], autostart: true });
    assert.deepEqual(await connected.domainState(domain), {
      ok: true,
      value: { state: "shutoff", reason: "failed" },
    });
    assert.deepEqual(await connected.autostart(domain), { ok: true, value: true });
    const xml = await connected.domainXml(domain, "running");
    assert.match(xml.ok ? xml.value : "", /<name>Windows 11/);
  });

  it("says that a VM is not there with libvirt's own code", async () => {
    const answer = await (await opened()).findDomain(vmName("nobody"));
    assert.deepEqual(answer, { ok: false, error: { kind: "refused", code: 42, why: "error number 42" } });
  });

  it("hands on events as words", async () => {
    const connected = await opened();
    daemon.lifecycle("Windows 11", 2, 0);
    daemon.lifecycle("Windows 11", 5, 5);
    daemon.lifecycle("Windows 11", 77, 0);
    const domain = (out: {
      string(text: string): { fixedOpaque(uuid: Buffer): { int(id: number): unknown } };
    }) => out.string("Windows 11").fixedOpaque(Buffer.alloc(16, 1)).int(-1);
    daemon.event(325, domain);
    daemon.event(319, domain);
    daemon.event(333, (out) => {
      domain(out);
      out.string("hostdev0");
    });
    daemon.event(999, (out) => out.string("of a later libvirt"));
    await connected.listDomains();
    assert.deepEqual(
      events.map((event) => [
        event.kind,
        "domain" in event && event.domain.name,
        "detail" in event && event.detail,
        "alias" in event && event.alias,
      ]),
      [
        ["lifecycle", "Windows 11", "booted", false],
        ["lifecycle", "Windows 11", "failed", false],
        ["control-error", "Windows 11", false, false],
        ["reboot", "Windows 11", false, false],
        ["device-removed", "Windows 11", false, "hostdev0"],
      ],
    );
  });

  it("answers a ping", async () => {
    await opened();
    daemon.ping();
    await daemon.until(() => daemon.keepalives.includes(2));
  });

  it("pings a silent libvirt and gives it up when that stays unanswered", async () => {
    await opened();
    daemon.answersPings = false;
    clock.moveTo(clock.now() + 10_000);
    clock.moveTo(clock.now() + 10_000);
    await daemon.until(() => daemon.keepalives.length === 1);
    clock.moveTo(clock.now() + 10_000);
    await daemon.until(() => daemon.keepalives.length === 2);
    clock.moveTo(clock.now() + 10_000);
    assert.match(await lost, /keepalive/);
  });

  it("stays connected to a libvirt that answers pings", async () => {
    const connected = await opened();
    for (let round = 0; round < 10; round += 1) {
      clock.moveTo(clock.now() + 10_000);
      // An answer to this call comes after the answer to the ping.
      assert.equal((await connected.listDomains()).ok, true);
    }
    assert.equal(daemon.connections(), 1);
  });

  it("ends a call that takes too long and passes its late answer over", async () => {
    const connected = await opened();
    daemon.answers.set(273, () => "silence");
    const call = connected.listDomains();
    await daemon.until(() => daemon.calls.includes(273));
    clock.moveTo(clock.now() + 5000);
    assert.deepEqual(await call, {
      ok: false,
      error: { kind: "unanswered", why: "no answer within 5 seconds" },
    });
    daemon.answers.clear();
    assert.equal((await connected.listDomains()).ok, true);
  });

  it("never has more calls open than libvirt reads", async () => {
    const connected = await opened();
    const before = daemon.calls.length;
    daemon.answers.set(23, () => "silence");
    const calls = Array.from({ length: 9 }, (_, n) => connected.findDomain(vmName(`vm ${n}`)));
    await daemon.until(() => daemon.calls.length - before === 4);
    clock.moveTo(clock.now() + 5000);
    assert.ok((await Promise.all(calls)).every((answer) => !answer.ok));
    assert.equal(daemon.calls.length - before, 4);
  });

  it("hears at once when libvirt hangs up, and so do the calls under way", async () => {
    const connected = await opened();
    daemon.answers.set(273, () => "hang up");
    const call = await connected.listDomains();
    assert.equal(!call.ok && call.error.kind, "closed");
    assert.match(await lost, /closed|broke/);
    assert.equal((await connected.listDomains()).ok, false);
  });

  for (const [what, bytes] of [
    ["a frame of 4 GB", Buffer.from("ffffffff", "hex")],
    ["a frame shorter than its head", Buffer.from("0000000800000000", "hex")],
    ["text", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
    [
      "an event cut short",
      Buffer.from(
        `00000020200080860000000100000${(318).toString(16)}000000020000000000000000000000ff`,
        "hex",
      ),
    ],
  ] as const) {
    it(`closes the connection, and nothing else, on ${what}`, async () => {
      await opened();
      daemon.raw(bytes);
      assert.match(await lost, /not its protocol/);
      assert.equal((await opened()).version, "11.3.0");
    });
  }

  it("closes the connection on a result that cannot be decoded", async () => {
    const connected = await opened();
    daemon.answers.set(273, () => Buffer.from("0000ffff", "hex"));
    const answer = await connected.listDomains();
    assert.match(answer.ok ? "" : answer.error.why, /not its protocol/);
    assert.match(await lost, /not its protocol/);
  });

  it("treats the loss of the daemon behind the proxy as its own", async () => {
    await opened();
    daemon.event(362, () => {});
    assert.match(await lost, /QEMU driver/);
  });

  it("says why it could not be opened", async () => {
    daemon.answers.set(66, () => Buffer.from("0000000100000001", "hex"));
    assert.match(await whyNotOpened(), /EAUTH: .*SASL/);
    daemon.answers.set(66, () => Buffer.from("0000000100000002", "hex"));
    daemon.answers.set(70, () => ({ error: 45 }));
    assert.match(await whyNotOpened(), /EAUTH: error number 45/);
    daemon.answers.clear();
    daemon.answers.set(1, () => ({ error: 38 }));
    assert.match(await whyNotOpened(), /libvirt 38: opening qemu:\/\/\/system/);
    daemon.answers.set(1, () => "hang up");
    assert.match(await whyNotOpened(), /closed: opening/);
    await daemon.stop();
    assert.match(await whyNotOpened(), /ENOENT/);
    daemon = await startFakeLibvirtd(join(directory, "sock"));
  });

  for (const [step, procedure] of [
    ["asking how to authenticate", 66],
    ["opening", 1],
    ["registering for events", 316],
  ] as const)
    it(`gives up at once when it is stopped while ${step}`, async () => {
      const stop = new AbortController();
      daemon.answers.set(procedure, () => {
        stop.abort();
        return "silence";
      });
      const result = await openLibvirtClient({
        ...{ socketPath: join(directory, "sock"), clock, timeLimit: 5000, signal: stop.signal },
        keepalive: { interval: 10_000, unanswered: 2 },
        ...{ onEvent: () => {}, onLost: () => assert.fail("was never open") },
      });
      assert.equal(result.ok, false);
      await daemon.until(() => daemon.connections() === 0);
    });

  it("takes polkit's yes for an answer", async () => {
    daemon.answers.set(66, () => Buffer.from("0000000100000002", "hex"));
    daemon.answers.set(70, () => Buffer.from("00000001", "hex"));
    await opened();
  });

  it("takes leave of libvirt, so that libvirt logs no error", async () => {
    const connected = await opened();
    await connected.close();
    assert.equal(daemon.calls.at(-1), 2);
    await daemon.until(() => daemon.connections() === 0);
  });
});

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createHostPaths } from "../../src/host-paths.ts";
import { createDrainLoop } from "../../src/sources/drain-loop.ts";
import {
  journalBootId,
  journalFields,
  journalNumber,
  journalText,
} from "../../src/sources/journal-fields.ts";
import { libvirtSocketPaths } from "../../src/sources/libvirt-sockets.ts";
import { isNothingThere, isWorthAnotherSocket, troubleOf } from "../../src/sources/libvirt-trouble.ts";
import { readLibvirtTime, readQemuTime } from "../../src/sources/log-time.ts";
import { temporaryDirectory } from "./observed.ts";

describe("time stamps", () => {
  it("of libvirt are read in any zone, with where the text begins", () => {
    for (const [zone, at] of [
      ["+0000", "08:50:21.028Z"],
      ["+0130", "07:20:21.028Z"],
      ["-0130", "10:20:21.028Z"],
    ] as const) {
      const stamp = readLibvirtTime(`2026-11-23 08:50:21.028${zone}: starting up`);
      assert.deepEqual(stamp, { at: Date.parse(`2026-11-23T${at}`), length: 30 });
    }
  });

  it("of QEMU are read with any fraction", () => {
    for (const fraction of ["962", "962606", "962606123"])
      assert.equal(
        readQemuTime(`2026-11-23T08:50:20.${fraction}Z qemu`)?.at,
        Date.UTC(2026, 10, 23, 8, 50, 20, 962),
      );
    assert.equal(readQemuTime("at 2026-11-23T08:50:20.962Z qemu"), undefined);
    assert.equal(readLibvirtTime("at 2026-11-23 08:50:21.028+0000: x"), undefined);
  });

  it("that cannot be are none, up to the last second of a year with a leap second", () => {
    const isTime = (text: string) => readQemuTime(`2026-${text}.000Z `) !== undefined;
    for (const text of ["01-01T00:00:00", "12-31T23:59:60"]) assert.ok(isTime(text), text);
    for (const text of [
      "00-10T10:10:10",
      "13-10T10:10:10",
      "10-00T10:10:10",
      "10-32T10:10:10",
      "10-10T24:10:10",
      "10-10T10:60:10",
      "10-10T10:10:61",
    ])
      assert.ok(!isTime(text), text);
  });
});

describe("fields of the journal", () => {
  it("are those of an object, and nothing else", () => {
    assert.deepEqual(journalFields('{"MESSAGE":"x"}'), { MESSAGE: "x" });
    for (const line of ["", "7", "null", '"x"', "{"]) assert.equal(journalFields(line), undefined, line);
  });

  it("have text as text, as bytes, or several times", () => {
    assert.equal(journalText("x"), "x");
    assert.equal(journalText([0xc3, 0xa4]), "ä");
    assert.equal(journalText([0, 255])?.length, 2);
    assert.equal(journalText(["first", "second"]), "first");
    assert.equal(journalText([[120, 121], "second"]), "xy");
    for (const none of [[], [256], [-1], [1.5], 7, null, undefined])
      assert.equal(journalText(none), undefined);
  });

  it("have numbers and boot ids as texts", () => {
    assert.deepEqual(["12", "1234567890123456", "12345678901234567", "x1", "1x", "", 12].map(journalNumber), [
      12,
      1_234_567_890_123_456,
      ...Array.from({ length: 5 }, () => undefined),
    ]);
    const id = "0123456789abcdef0123456789abcdef";
    assert.equal(journalBootId(id), "01234567-89ab-cdef-0123-456789abcdef");
    for (const none of [`${id}0`, `0${id}`, id.slice(1), 7]) assert.equal(journalBootId(none), undefined);
  });
});

describe("work that is done one piece at a time", () => {
  it("is done once more when it was asked for meanwhile, however often", async () => {
    const waiting: (() => void)[] = [];
    let begun = 0;
    const loop = createDrainLoop(() => {
      begun += 1;
      return new Promise((resolve) => waiting.push(resolve));
    });
    const turn = async () => {
      waiting.shift()?.();
      for (let tick = 0; tick < 10; tick++) await undefined;
    };
    loop.wake();
    await turn();
    assert.equal(begun, 1);
    loop.wake();
    const covered = loop.run();
    await turn();
    assert.equal(begun, 2);
    await turn();
    await covered;
    await loop.idle();
    assert.equal(begun, 2);
    void loop.run();
    await turn();
    assert.equal(begun, 3);
    waiting.shift()?.();
    await loop.idle();
  });
});

describe("libvirt's sockets", () => {
  it("are looked for in each place once, the daemon's own before the read-only one", (context) => {
    const root = temporaryDirectory(context);
    const paths = createHostPaths(root);
    const names = (directory: string) =>
      libvirtSocketPaths(paths).filter((path) => path.startsWith(join(root, directory))).length;
    assert.deepEqual([names("run"), names("var")], [4, 4]);
    mkdirSync(join(root, "run/libvirt"), { recursive: true });
    mkdirSync(join(root, "var"));
    symlinkSync("../run", join(root, "var/run"));
    assert.deepEqual(
      libvirtSocketPaths(paths),
      ["libvirt-sock", "virtqemud-sock", "libvirt-sock-ro", "virtqemud-sock-ro"].map((name) =>
        join(root, "run/libvirt", name),
      ),
    );
  });

  it("that fail say what it takes, and whether another may do", () => {
    for (const [code, another, nothing, why, remedy] of [
      ["ENOENT", true, true, /cannot be used/, /tried again/],
      ["ENOTDIR", true, true, /cannot be used/, /tried again/],
      ["EACCES", true, false, /no permission/, /root/],
      ["EPERM", true, false, /no permission/, /root/],
      ["EAUTH", true, false, /who asks on S: so it says/, /auth_unix_rw/],
      ["ECONNREFUSED", true, false, /nobody listens/, /start libvirtd/],
      ["unanswered", false, false, /has not answered/, /wait/],
      ["libvirt 38", false, false, /cannot be used: so it says/, /tried again/],
    ] as const) {
      const error = { code, why: "so it says" };
      assert.deepEqual([isWorthAnotherSocket(error), isNothingThere(error)], [another, nothing], code);
      const said = troubleOf("S", error);
      assert.match(said.why, why);
      assert.match(said.remedy, remedy);
    }
  });
});

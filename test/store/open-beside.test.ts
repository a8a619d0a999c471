import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import type { Incident } from "../../src/model/alert.ts";
import { openBeside } from "../../src/store/open-beside.ts";
import { handClock, opened, START, withDirectory } from "./samples.ts";

const incident: Incident = {
  id: "0123abcdef",
  key: "start-failed Windows 11",
  openedAt: START,
  lastAt: START,
  count: 1,
  closedAt: undefined,
  acknowledgedAt: undefined,
  silencedUntil: undefined,
  lastToldAt: START,
  reminders: 0,
  bootId: undefined,
  attemptId: undefined,
  content: {
    kind: "start-failed",
    importance: "alert",
    devices: [],
    subject: "'Windows 11' did not start",
    changes: [],
  },
};

function guestAt(path: string) {
  const guest = openBeside({ path, clock: handClock() });
  if (guest.state === "refused") throw new Error(guest.why);
  return guest.store;
}

test("a guest and the service change one incident at the same time, and neither loses the other's change", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "history.sqlite");
    const first = opened(path);
    first.alerts.saveIncident(incident);
    first.close();
    const script = fileURLToPath(new URL("./count-beside.ts", import.meta.url));
    const service = spawn(process.execPath, [script, path, incident.id, "200"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(service, "exit");
    await once(service.stdout, "data");
    const guest = guestAt(path);
    for (let until = 1; until <= 200; until++) {
      const written = guest.durable(() => {
        const current = guest.alerts.incident(incident.id);
        assert.ok(current !== undefined);
        guest.alerts.saveIncident({ ...current, silencedUntil: START + until });
      });
      assert.equal(written.state, "written");
    }
    assert.deepEqual(await ended, [0, null]);
    const after = guest.alerts.incident(incident.id);
    assert.deepEqual([after?.count, after?.silencedUntil], [201, START + 200]);
    guest.close();
  }));

test("a service that runs sees what a guest wrote, and its own list of troubles stays", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.sqlite");
    const service = opened(path);
    service.alerts.saveIncident(incident);
    service.meta.set("troubles", "[]");
    const guest = guestAt(path);
    guest.durable(() => guest.alerts.saveIncident({ ...incident, acknowledgedAt: START + 7 }));
    guest.close();
    assert.equal(service.alerts.openIncident(incident.key)?.acknowledgedAt, START + 7);
    assert.equal(service.meta.get("troubles"), "[]");
    service.close();
  }));

test("a guest makes no database, migrates none, and says whose turn it is", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.sqlite");
    const missing = openBeside({ path, clock: handClock() });
    assert.ok(missing.state === "refused" && missing.reason === "missing");
    const newer = new Database(path);
    newer.exec("CREATE TABLE later (x); PRAGMA user_version = 99");
    newer.close();
    const refused = openBeside({ path, clock: handClock() });
    assert.ok(refused.state === "refused" && refused.reason === "newer");
    const plain = new Database(path, { readonly: true });
    assert.equal(plain.pragma("user_version", { simple: true }), 99);
    plain.close();
  }));

test("a writer that does not end is told as a trouble, not as a crash", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.sqlite");
    opened(path).close();
    const guest = guestAt(path);
    const blocker = new Database(path);
    blocker.exec("BEGIN IMMEDIATE");
    const written = guest.durable(() => guest.alerts.saveIncident(incident));
    assert.ok(written.state === "refused" && written.trouble.kind === "busy");
    blocker.exec("ROLLBACK");
    blocker.close();
    guest.close();
  }));

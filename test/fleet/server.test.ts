import assert from "node:assert/strict";
import { test } from "node:test";
import { effectiveSettings } from "../../src/config/describe.ts";
import { loadConfigText } from "../../src/config.ts";
import { parsePostgresAddress } from "../../src/fleet/postgres-address.ts";
import { parseServer, serverName } from "../../src/fleet/server.ts";

function parsed(text: string, password?: string) {
  const address = parsePostgresAddress(text);
  assert.ok("value" in address && address.value !== undefined, text);
  return parseServer(address.value, password);
}

test("TLS is verified everywhere but on this machine, whatever the address says", () => {
  const tlsOf = (text: string) => {
    const result = parsed(text);
    return "server" in result ? result.server.tls.kind : result.problem;
  };
  assert.equal(tlsOf("postgresql://u@db.lan/fleet"), "verified");
  assert.equal(tlsOf("postgres://u@db.lan:5433/fleet?sslmode=require"), "verified");
  assert.equal(tlsOf("postgresql://u@127.0.0.1/fleet"), "none");
  assert.equal(tlsOf("postgresql://u@localhost/fleet?sslmode=verify-full"), "verified");
  assert.equal(tlsOf("postgresql://u@localhost/fleet?host=/run/postgresql"), "none");
  for (const mode of ["disable", "prefer", "allow", "no-verify"])
    assert.match(tlsOf(`postgresql://u@db.lan/fleet?sslmode=${mode}`), /sslmode/);
  assert.match(tlsOf("postgresql://u@db.lan/fleet?options=-c%20x"), /parameter options/);
});

test("an address is taken apart as it was written, and shown without user and password", () => {
  const result = parsed("postgresql://me%40x:p%2Fw@db.lan:5433/my%20fleet?sslrootcert=/etc/ca.pem");
  assert.ok("server" in result);
  assert.deepEqual(result.server, {
    ...{ host: "db.lan", port: 5433, database: "my fleet", user: "me@x", password: "p/w" },
    tls: { kind: "verified", rootCertificate: "/etc/ca.pem" },
  });
  assert.equal(serverName(result.server), "db.lan:5433/my fleet");
  const other = parsed("postgresql://me:old@db.lan/fleet", "from the file");
  assert.ok("server" in other && other.server.password === "from the file");
});

test("what is no address is refused without being repeated, and settings show neither user nor password", () => {
  for (const text of [
    "mysql://u:secret@x/y",
    "secret",
    "postgresql://db.lan/fleet",
    "postgresql://u:secret@db.lan",
  ]) {
    const result = parsePostgresAddress(text);
    assert.ok("problem" in result, text);
    assert.doesNotMatch(result.problem, /secret/);
  }
  const loaded = loadConfigText('FLEET_URL="postgresql://me:secret@db.lan/fleet"\nFLEET_PASSWORD=hidden\n', {
    where: "test",
    unraid: false,
  });
  const shown = effectiveSettings(loaded).filter(({ key }) => key.startsWith("FLEET_"));
  assert.equal(shown.find(({ key }) => key === "FLEET_URL")?.value, "postgresql://db.lan/…");
  assert.doesNotMatch(JSON.stringify(shown), /me:|secret|hidden/);
});

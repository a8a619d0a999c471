import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { withFleet } from "../../src/fleet/connect.ts";
import { prepareFleet } from "../../src/fleet/owner.ts";
import type { FleetServer } from "../../src/fleet/server.ts";
import { runProgram } from "../helpers/command-io.ts";
import { bad, good, hostFacts } from "../helpers/made-history.ts";
import { asked, exportFrom, newFleet, serverOf, withHistory } from "./fleet-hosts.ts";
import { noPostgres, type OwnPostgres, startOwnPostgres } from "./own-postgres.ts";

const skip = noPostgres;
const certificates = mkdtempSync(join(tmpdir(), "vfio-watch-certs-"));
let postgres: OwnPostgres;

before(async () => {
  if (skip !== false) return;
  const make = (name: string) =>
    execFileSync(
      "openssl",
      [
        ...[
          "req",
          "-x509",
          "-newkey",
          "ec",
          "-pkeyopt",
          "ec_paramgen_curve:prime256v1",
          "-nodes",
          "-days",
          "2",
        ],
        ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        ...["-keyout", join(certificates, `${name}.key`), "-out", join(certificates, `${name}.crt`)],
      ],
      { stdio: "pipe" },
    );
  make("server");
  make("other");
  postgres = await startOwnPostgres({
    settings: ["ssl = on", "ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'"],
    prepare(data, own) {
      for (const file of ["server.crt", "server.key"]) {
        execFileSync("cp", [join(certificates, file), join(data, file)]);
        chmodSync(join(data, file), 0o600);
        own(join(data, file));
      }
    },
  });
});
after(async () => {
  await postgres?.remove();
  rmSync(certificates, { recursive: true, force: true });
});

async function refusal(server: FleetServer, sql: string): Promise<string> {
  const done = await withFleet(server, (fleet) => fleet.rows(sql));
  if (done.state === "failed") return done.error;
  return `${done.value.length} rows`;
}

test("preparing a database twice changes nothing, and an empty one is told by what to do", {
  skip,
}, async () => {
  const server = serverOf(await postgres.newDatabase());
  const unprepared = await withFleet(server, (fleet) => fleet.rows("SELECT * FROM vfio_watch.verdict"));
  assert.ok(unprepared.state === "failed" && unprepared.needsPerson && /fleet init/.test(unprepared.error));
  assert.deepEqual(await asked(server, prepareFleet), { from: 0, to: 1 });
  assert.deepEqual(await asked(server, prepareFleet), { from: 1, to: 1 });
});

test("a host's role adds its own rows and reads its own cursor and the verdicts, nothing else", {
  skip,
}, async () => {
  const fleet = await newFleet(postgres);
  const [one, two] = [await fleet.add("one"), await fleet.add("two")];
  await withHistory([{ facts: hostFacts(), starts: [good(3), bad(2)] }], async (store) => {
    await exportFrom(one, store);
    await exportFrom(two, store);
  });
  const [other] = await fleet.rows<{ host: number; history: number }>(
    "SELECT host, id AS history FROM history ORDER BY id LIMIT 1",
  );
  assert.ok(other);
  for (const table of [
    "host",
    "start",
    "tally",
    "boot",
    "environment",
    "device",
    "word",
    "evidence",
    "result",
  ]) {
    assert.match(await refusal(two, `SELECT * FROM vfio_watch.${table}`), /no right/, table);
  }
  assert.equal(await refusal(two, "SELECT * FROM vfio_watch.history"), "1 rows");
  assert.equal(await refusal(two, "SELECT * FROM vfio_watch.verdict"), "0 rows");
  const columns = "(at, host, history, number, environment, device, class, signature, outcome)";
  for (const table of ["start", "boot", "history", "evidence"]) {
    assert.match(await refusal(two, `DELETE FROM vfio_watch.${table}`), /no right/, table);
  }
  assert.match(await refusal(two, "UPDATE vfio_watch.start SET outcome = 'failed'"), /no right/);
  // Neither under the other's name, nor into the other's history under its own.
  const [own] = await fleet.rows<{ host: number }>("SELECT max(host) AS host FROM history");
  for (const host of [other.host, own?.host]) {
    const values = `(now(), ${host}, ${other.history}, 99, 0, 0, 0, 0, 'started')`;
    assert.match(
      await refusal(two, `INSERT INTO vfio_watch.start ${columns} VALUES ${values}`),
      /row-level security/,
    );
  }
  const changed = await asked(two, (fleet) =>
    fleet.affected("UPDATE vfio_watch.history SET start_number = 0 WHERE id = $1", [other.history]),
  );
  assert.equal(changed, 0, "the other's cursor is not there for it");
  const counts = await fleet.rows("SELECT count(*)::integer AS starts FROM start GROUP BY host");
  assert.deepEqual(counts, [{ starts: 5 }, { starts: 5 }]);
});

test("verdicts are shown from five hosts on, and no condition of a question sees what is below", {
  skip,
}, async () => {
  const fleet = await newFleet(postgres);
  const hosts = await Promise.all(["a", "b", "c", "d", "e"].map((label) => fleet.add(label)));
  const last = hosts.at(-1);
  assert.ok(last);
  await withHistory([{ facts: hostFacts(), starts: [bad(2)] }], async (store) => {
    for (const host of hosts.slice(0, 4)) await exportFrom(host, store);
    assert.equal(await refusal(last, "SELECT * FROM vfio_watch.verdict"), "0 rows");
    const spy = `CREATE FUNCTION pg_temp.spy(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
      $$ BEGIN RAISE EXCEPTION 'saw %', $1; END $$; SELECT * FROM vfio_watch.verdict WHERE pg_temp.spy(bios)`;
    const spied = await withFleet(last, (connection) => connection.run(spy));
    assert.deepEqual(spied, { state: "done", value: undefined });
    await exportFrom(last, store);
    const [verdict] = await asked(last, (connection) =>
      connection.rows<{ bios: string; hosts: number; failing: number; class: string }>(
        "SELECT bios, hosts, failing, class FROM vfio_watch.verdict WHERE board_key = '7E49'",
      ),
    );
    assert.deepEqual(verdict, {
      bios: "E7E49AMSI.1A63",
      hosts: 5,
      failing: 5,
      class: "iommu-direct-mapping-required",
    });
  });
});

test("names of roles say nothing of hosts, and the server's log never sees a password", {
  skip,
}, async () => {
  const fleet = await newFleet(postgres);
  const host = await fleet.add("secret-lab-7");
  const roles = await fleet.rows<{ rolname: string }>("SELECT rolname FROM pg_roles");
  assert.ok(!roles.some(({ rolname }) => rolname.includes("lab")));
  const [kept] = await fleet.rows<{ secret: string }>(
    "SELECT rolpassword AS secret FROM pg_authid WHERE rolname = $1",
    [host.user],
  );
  assert.match(kept?.secret ?? "", /^SCRAM-SHA-256\$4096:/);
});

test("TLS is verified: the right certificate is taken, another and a wrong name are refused", {
  skip,
}, async () => {
  const fleet = await newFleet(postgres);
  const at = (host: string, certificate?: string): FleetServer => ({
    ...fleet.owner,
    host,
    tls: {
      kind: "verified",
      ...(certificate !== undefined && { rootCertificate: join(certificates, certificate) }),
    },
  });
  assert.equal(await refusal(at("localhost", "server.crt"), "SELECT 1"), "1 rows");
  for (const server of [at("localhost"), at("localhost", "other.crt"), at("127.0.0.1", "server.crt")]) {
    const done = await withFleet(server, (connection) => connection.rows("SELECT 1"));
    assert.ok(done.state === "failed" && done.needsPerson, JSON.stringify(done));
    assert.doesNotMatch(done.error, /owner's password/);
  }
});

test("the command prepares, adds, forgets and prunes, and an error never shows the password", {
  skip,
}, async () => {
  const url = await postgres.newDatabase();
  const fleet = (...words: string[]) => runProgram(["fleet", ...words, "--url", url]);
  assert.match((await runProgram(["fleet", "init", url])).out, /prepared/);
  const added = await fleet("add", "tower one", "--json");
  const { url: own, kind } = JSON.parse(added.out) as { url: string; kind: string };
  assert.equal(kind, "host");
  assert.equal((await fleet("add", "tower one")).code, 1, "a label is one host's");
  await withHistory([{ facts: hostFacts(), starts: [good(3), bad(2)] }], (store) =>
    exportFrom(serverOf(own), store),
  );
  assert.deepEqual(JSON.parse((await fleet("prune", "--keep", "1y", "--json")).out).removed, 5);
  assert.deepEqual(JSON.parse((await fleet("forget", "tower one", "--json")).out), {
    version: 1,
    forgotten: "tower one",
    starts: 0,
    role: "removed",
  });
  assert.match(await refusal(serverOf(own), "SELECT 1"), /refuses the user/);
  const wrong = await runProgram(["fleet", "add", "x", "--url", url.replace("owner:", "owner:not-")]);
  assert.equal(wrong.code, 1);
  assert.doesNotMatch(wrong.err + wrong.out, /password@|not-owner/);
});

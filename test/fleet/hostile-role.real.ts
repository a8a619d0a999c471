import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type FleetConnection, withFleet } from "../../src/fleet/connect.ts";
import { addRole, forgetHost, prepareFleet } from "../../src/fleet/owner.ts";
import { beginQuestions, readHosts } from "../../src/fleet/questions.ts";
import type { FleetServer } from "../../src/fleet/server.ts";
import { bad, good, hostFacts } from "../helpers/made-history.ts";
import { asked, exportFrom, serverOf, withHistory } from "./fleet-hosts.ts";
import { noPostgres, type OwnPostgres, startOwnPostgres } from "./own-postgres.ts";

// Everything here is asked by SQL of a host's own role, which any host can do with the address that it has.

const skip = noPostgres;
let postgres: OwnPostgres;
/** May make roles and owns its database, and is otherwise nobody. */
let plainOwner: FleetServer;

before(async () => {
  if (skip !== false) return;
  postgres = await startOwnPostgres();
  plainOwner = { ...serverOf(await postgres.newDatabase()), user: "plain", password: "plain" };
  await asked({ ...plainOwner, user: "owner", password: "owner's password" }, (server) =>
    server.run("CREATE ROLE plain LOGIN CREATEROLE PASSWORD 'plain'"),
  );
});
after(() => postgres?.remove());

let databases = 0;
async function newFleet(): Promise<FleetServer> {
  databases += 1;
  const database = `plain${databases}`;
  const superuser = { ...plainOwner, user: "owner", password: "owner's password" };
  await asked(superuser, (server) => server.run(`CREATE DATABASE ${database} OWNER plain`));
  const owner = { ...plainOwner, database };
  await asked(owner, prepareFleet);
  return owner;
}

async function add(owner: FleetServer, label: string, kind: "host" | "reader" = "host") {
  const { role, password } = await asked(owner, (fleet) => addRole(fleet, label, kind));
  return { ...owner, user: role, password };
}

/** Why it is refused, or how many rows come. */
async function attempt(server: FleetServer, sql: string): Promise<string> {
  const done = await withFleet(server, async (fleet) => {
    await fleet.run("SET search_path = vfio_watch");
    return fleet.rows(sql);
  });
  return done.state === "failed" ? done.error : `${done.value.length} rows`;
}

test("hosts and readers of another fleet on the same server see nothing of this one", { skip }, async () => {
  const [ours, theirs] = [await newFleet(), await newFleet()];
  const own = await add(ours, "own");
  await withHistory([{ facts: hostFacts(), starts: [good(2)] }], (store) => exportFrom(own, store));
  for (const kind of ["host", "reader"] as const) {
    const other = { ...(await add(theirs, `other ${kind}`, kind)), database: ours.database };
    for (const table of ["host", "history", "start", "verdict", "result", "version"])
      assert.match(await attempt(other, `SELECT * FROM vfio_watch.${table}`), /no right/, `${kind} ${table}`);
  }
  assert.equal(
    await attempt(await add(ours, "questions", "reader"), "SELECT * FROM vfio_watch.start"),
    "2 rows",
  );
});

test("how the server answers tells no more than the answer, and nobody adds to what he does not have", {
  skip,
}, async () => {
  const owner = await newFleet();
  const hosts = await Promise.all(["a", "b", "c", "d"].map((label) => add(owner, label)));
  const spy = await add(owner, "spy");
  await withHistory([{ facts: hostFacts(), starts: [bad(2)] }], async (store) => {
    for (const host of hosts) await exportFrom(host, store);
  });
  const plan = await asked(spy, (fleet) =>
    fleet.rows<Record<string, string>>(
      "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM vfio_watch.verdict WHERE board_key = '7E49'",
    ),
  );
  const text = JSON.stringify(plan);
  assert.match(text, /Function Scan/);
  assert.doesNotMatch(text, /tally|environment|Aggregate/, "neither tables nor how many rows they had");
  // Verdicts need five hosts, and the spy is the fifth as soon as it has the environment: it would have to know all of it.
  const numbers = await asked(owner, (fleet) =>
    fleet.rows<{ id: string }>("SELECT id FROM vfio_watch.environment WHERE id <> 0"),
  );
  assert.ok(
    numbers.every(({ id }) => /^-?\d{12,}$/.test(id)),
    JSON.stringify(numbers),
  );
});

test("what a host sends has bounds that a reader can rely on", { skip }, async () => {
  const owner = await newFleet();
  const host = await add(owner, "one");
  await withHistory([{ facts: hostFacts(), starts: [good()] }], (store) => exportFrom(host, store));
  const own = "own_host(), (SELECT min(id) FROM history)";
  const start = (at: string, number: number) =>
    `INSERT INTO start (at, host, history, number, environment, device, class, signature, outcome)
     SELECT ${at}, ${own}, ${number}, 0, 0, 0, 0, 'failed'`;
  assert.equal(await attempt(host, start("now()", 99)), "0 rows");
  for (const at of ["'infinity'", "'-infinity'", "'100000-01-01'"])
    assert.match(await attempt(host, start(at, 100)), /moment/, at);
  for (const texts of ["'m', 'v', repeat('x', 501), '{}'", "'m', 'v', 's', array_fill('x'::text, '{21}')"])
    assert.match(await attempt(host, `INSERT INTO evidence SELECT ${own}, 99, ${texts}`), /evidence_/, texts);
  for (const word of ["two words", "<b>", "a".repeat(121), "Zeile\nzwei"])
    assert.match(await attempt(host, `SELECT word_number('${word}')`), /word_word/, word);
  assert.match(await attempt(host, "SELECT device_number('my card')"), /device_identity/);
  assert.match(await attempt(host, "SELECT environment_number('[1]')"), /environment_facts/);
  assert.match(
    await attempt(host, "SELECT environment_number(jsonb_build_object('a', repeat('x', 20000)))"),
    /environment_facts/,
  );
});

test("objects of a host's own do not stand in for the fleet's", { skip }, async () => {
  const owner = await newFleet();
  const [victim, host] = [await add(owner, "victim"), await add(owner, "host")];
  await withHistory([{ facts: hostFacts(), starts: [good()] }], (store) => exportFrom(victim, store));
  const posing = async (fleet: FleetConnection) => {
    await fleet.run(`CREATE TEMP TABLE host (id integer, role name); INSERT INTO host VALUES (1, session_user);
      CREATE TEMP TABLE history (id integer, host integer); SET search_path = pg_temp, vfio_watch`);
    return fleet.rows<{ own: number }>("SELECT vfio_watch.own_host() AS own");
  };
  const [answer] = await asked(host, posing);
  assert.equal(answer?.own, 2, "it is who it logged in as");
  assert.match(
    await attempt(host, "INSERT INTO vfio_watch.history (host, name) VALUES (1, 'not mine')"),
    /row-level security/,
  );
});

test("a host that holds its own rows in an open transaction is forgotten, and its session ended", {
  skip,
}, async () => {
  const owner = await newFleet();
  const host = await add(owner, "holds");
  await withHistory([{ facts: hostFacts(), starts: [good()] }], (store) => exportFrom(host, store));
  let forgotten = "";
  const session = await withFleet(host, async (fleet) => {
    await fleet.run("BEGIN; SELECT * FROM vfio_watch.history FOR UPDATE");
    forgotten = (await asked(owner, (own) => forgetHost(own, "holds"))).role;
    return fleet.rows("SELECT 1");
  });
  assert.deepEqual([forgotten, session.state], ["removed", "failed"]);
});

test("a host that keeps things of its own is forgotten all the same", { skip }, async () => {
  const [owner, elsewhere] = [await newFleet(), await newFleet()];
  const [here, there] = [await add(owner, "here"), await add(owner, "there")];
  await asked(here, (fleet) => fleet.rows("SELECT lo_create(0)"));
  await asked({ ...there, database: elsewhere.database }, (fleet) => fleet.rows("SELECT lo_create(0)"));
  assert.equal((await asked(owner, (fleet) => forgetHost(fleet, "here"))).role, "removed");
  assert.equal((await asked(owner, (fleet) => forgetHost(fleet, "there"))).role, "locked");
  for (const gone of [here, there]) assert.match(await attempt(gone, "SELECT 1"), /refuses the user/);
  const left = await asked(owner, async (fleet) => {
    await beginQuestions(fleet);
    return readHosts(fleet);
  });
  assert.deepEqual(left, []);
});

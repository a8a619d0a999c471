import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { createWatchedHost, until } from "../helpers/watched-host.ts";

const OLD_BIOS = ["bios-update", "boot1-good-start-amd", "snap-before"];
const NEW_BIOS = ["bios-update", "boot2-ivmd-amd", "snap-before"];
const VM = "Windows 11";

async function ntfyServer(context: TestContext) {
  const titles: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => {
      titles.push((JSON.parse(body) as { readonly title: string }).title);
      response.end(JSON.stringify({ id: `message-${titles.length}` }));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  return { titles, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/topic` };
}

test("a start that fails after a BIOS update is told once, with cause and change, and its recovery too", async (context) => {
  const ntfy = await ntfyServer(context);
  const host = createWatchedHost(context, `NOTIFY_NTFY="yes"\nNTFY_URL="${ntfy.url}"`);
  const { clock, told } = host;
  const kinds = () => told().map(({ kind }) => kind);

  const before = host.boot(OLD_BIOS);
  const first = await host.start(before);
  before.starts(VM);
  await host.hurryUntil(() => host.read((store) => store.attempts.list({}).length) === 1);
  before.shutsDown(VM);
  await first.stop();
  assert.deepEqual(kinds(), []);

  clock.skip(60_000);
  const after = host.boot(NEW_BIOS);
  const second = await host.start(after);
  await until(() => told().length === 1);
  assert.deepEqual(kinds(), ["facts-changed"]);
  assert.match(told()[0]?.text ?? "", /BIOS version: E7E49AMSI\.1A63 → E7E49AMSI\.1A95/);

  after.failsToStart(VM);
  await until(() => told().length === 2);
  const alert = told()[1];
  assert.deepEqual([alert?.kind, alert?.vm], ["start-failed", VM]);
  assert.equal(alert?.causeClass, "iommu-direct-mapping-required");
  assert.ok(alert?.changes.includes("BIOS version: E7E49AMSI.1A63 → E7E49AMSI.1A95"), alert?.text);
  assert.match(alert?.lastGood ?? "", /^Last good start: .* on BIOS E7E49AMSI\.1A63\.$/);
  assert.match(alert?.remedy ?? "", /\w/);
  assert.match(alert?.command ?? "", /^vfio-watch show \d+$/);
  await host.allDelivered();
  assert.equal(ntfy.titles.length, 2);

  await second.stop();
  const third = await host.start(after);
  clock.skip(3_600_000);
  after.failsToStart(VM);
  await until(
    () => host.read((store) => store.alerts.incidents({ openOnly: true })[0]?.count) === 2,
    "the second failure was not counted",
  );
  await host.allDelivered();
  assert.equal(told().length, 2);

  clock.skip(3_600_000);
  after.starts(VM);
  await host.hurryUntil(() => told().length === 3);
  assert.deepEqual(kinds(), ["facts-changed", "start-failed", "recovered"]);
  assert.match(told()[2]?.cause ?? "", /^It had failed 2 times since/);
  assert.deepEqual(
    host.read((store) => store.alerts.incidents({ openOnly: true })),
    [],
  );
  await host.allDelivered();
  assert.equal(ntfy.titles.length, 3);
  assert.match(ntfy.titles[1] ?? "", /'Windows 11' did not start/);
  await third.stop();
});

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { buildForumHost } from "../helpers/forum-host.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";

const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));
const VM = "Windows 11";
const directory = temporaryDirectory();
after(() => directory.remove());

// Plain JavaScript, which no type holds to the modules that it calls.
const { openProduct } = await import(new URL("../../tools/blame-sim/product.mjs", import.meta.url).href);

test("a simulated life is kept, asked about, told and pruned through the adapter", async () => {
  const product = await openProduct(CHECKOUT);
  const path = join(directory.path, "history.db");
  const history = product.openHistory(path);
  let root = "";
  const boot = (day: number, bios: string, demand: boolean) => {
    const at = Date.UTC(2025, 2, day);
    const id = `00000000-0000-4000-8000-${String(day).padStart(12, "0")}`;
    ({ root } = buildForumHost(join(directory.path, `host-${day}`), { bios, demand }));
    history.beginBoot({ id, at });
    const snapshot = history.readFacts({
      root,
      versions: { libvirt: "11.7.0", qemu: "9.2.3" },
      hardware: { memory: [] },
      lines: ["Linux version 6.12.54-Unraid"],
    });
    history.storeFacts({ bootId: id, at, reason: "service start", snapshot });
    const start = { vm: VM, bootId: id, at: at + 60_000, devices: ["0000:01:00.0"], groups: [14] };
    return { ...start, snapshotId: snapshot.id };
  };
  const first = boot(1, "E7E49AMSI.1A63", false);
  // More of them than retention keeps of every VM.
  for (let start = 0; start < 120; start += 1)
    history.recordStart({ ...first, at: first.at + start * 60_000, outcome: "started" });
  history.recordStart({ ...boot(2, "E7E49AMSI.1A63", false), outcome: "started" });
  const failed = boot(9, "E7E49AMSI.1A95", true);
  const cause = "iommu-direct-mapping-required";
  const stored = history.recordStart({ ...failed, outcome: "failed", cause });

  const { shown, keys } = history.alertOf(stored, failed.snapshotId);
  assert.match(shown[0], /^BIOS .*1A63.* → .*1A95/);
  assert.match(keys[0], /^firmware\.bios\./);

  const answer = await history.ask({ vm: VM });
  assert.equal(answer.certainty, "likely");
  assert.deepEqual(answer.suspects[0].families, ["BIOS"]);

  const { out } = await product.command(["check", "--database", path, "--json"], { VFIO_WATCH_ROOT: root });
  assert.ok(Array.isArray(JSON.parse(out).vms));

  history.prune(failed.at + 86_400_000, 2 * 86_400_000);

  const { good, bad } = await history.ask({ vm: VM });
  assert.ok(good < 121 && bad === 1, `${good} good starts are left`);
  history.close();
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { runProgram } from "../helpers/command-io.ts";
import { createWatchedHost, fakeLibvirt } from "../helpers/watched-host.ts";
import { fakeVm } from "../libvirt/fake-libvirtd.ts";

/*
 * The forum's case as it was recorded in the rig: SMBIOS 1.A63 with AGESA 1.2.0.3e in a structure of type 40, then 1.A95
 * with 1.2.7.0 and a demand in IVRS. On the machine the service told of it at 156 s, and libvirt was up at 273 s.
 */
test("a BIOS update is judged before it, and told with its AGESA before libvirt is up", async (context) => {
  const host = createWatchedHost(context);
  const before = host.boot(["agesa-update", "boot1-good-start", "snap-before"]);
  const libvirt = await fakeLibvirt(context, before.paths);
  libvirt.vms.set("Windows 11", fakeVm("Windows 11", 1));
  const first = await host.start(before);
  before.starts("Windows 11");
  await host.hurryUntil(() => host.read((store) => store.attempts.list({ startedOnly: true }).length) === 1);

  const ask = (...words: string[]) =>
    runProgram([...words, "--database", host.database], { VFIO_WATCH_ROOT: before.paths.root });
  const advice = await ask("advise", "--bios", "E7E49AMSI.1A95");
  assert.equal(advice.code, 3);
  assert.match(advice.out, /^Better not 1\.A95: others had trouble with it\./);
  assert.match(advice.out, /In use is BIOS 1\.A63, a proven good one: 1 good start, none failed/);
  assert.match(
    advice.out,
    /This board with 1\.A95: one other owner could not start VMs on it \(1:1 demand\); 1\.A63 worked for\s+two\./,
  );
  const stay = await ask("advise");
  assert.deepEqual([stay.code, stay.out.split(":")[0]], [0, "No"]);
  before.shutsDown("Windows 11");
  await first.stop();

  // In this boot libvirt never comes up.
  const after = host.boot(["agesa-update", "boot2-demand", "snap-before"]);
  await host.start(after);
  await host.hurryUntil(() => host.told().some(({ kind }) => kind === "will-not-start"));
  const [update, warning] = host.told();
  assert.equal(update?.subject, "New BIOS 1.A95 stops 'Windows 11'");
  assert.deepEqual(update?.changes.slice(0, 2), [
    "BIOS 1.A63 (2026-02-10) → 1.A95 (2026-06-18)",
    "AGESA: ComboAm5PI 1.2.0.3e → ComboAm5PI 1.2.7.0",
  ]);
  assert.match(update?.changes[2] ?? "", /^Its tables demand 1:1 mappings: IVMD type 22h/);
  assert.match(warning?.remedy ?? "", /^Go back to BIOS 1\.A63, with which it last worked on/);
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { vmName } from "../../src/model/identifiers.ts";
import type { VmStateSeen } from "../../src/model/observation.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import {
  type Bench,
  bench,
  definition,
  libvirtd,
  lifecycle,
  logEnd,
  logStart,
  stateFailed,
  T0,
} from "./bench.ts";

const PROGRAM = "/usr/bin/qemu-system-x86_64";
const MISSING = `Cannot check QEMU binary ${PROGRAM}: No such file or directory`;
const with_ = (name: string, emulator: string): VmDefinition => ({ ...definition(name, []), emulator });

function starts({ outcomes }: Bench) {
  return outcomes().map(({ vm, outcome }) => [vm, outcome]);
}

describe("a start of which only libvirt's own log tells", () => {
  it("is of the VM whose program is missing, or of one of several", () => {
    for (const [others, vm] of [
      [[with_("a", PROGRAM), with_("b", `${PROGRAM}-other`)], "a"],
      [[with_("a", PROGRAM), with_("b", PROGRAM)], "one of 'a', 'b'"],
    ] as const) {
      const one = bench({ others });
      one.feed(libvirtd(60_000, MISSING));
      one.feed(libvirtd(60_020, MISSING));
      one.clock.moveTo(T0 + 100_000);
      assert.deepEqual(starts(one), [[vm, "failed"]]);
    }
  });

  it("is none when libvirt looks for programs because it begins to run, or because a VM is defined", () => {
    const others = [with_("a", PROGRAM)];
    const one = bench({ others });
    one.feed({ ...libvirtd(60_000, "libvirt version: 11.3.0, package: x"), level: "info" });
    one.feed(libvirtd(60_900, MISSING));
    one.feed(libvirtd(90_000, MISSING));
    one.feed({ ...lifecycle("a", 90_010, "defined", "updated"), definition: with_("a", PROGRAM) });
    one.clock.moveTo(T0 + 120_000);
    assert.deepEqual(starts(one), []);
  });

  it("is of the VM that the hook's command line names, once, whether or not its log ends", () => {
    const text =
      "internal error: Child process (LC_ALL=C /etc/libvirt/hooks/qemu plain prepare begin -) unexpected exit status 1";
    const refused = (at: number) => ({ ...libvirtd(at, text), vm: vmName("plain") });
    for (const hasLog of [true, false]) {
      const one = bench();
      one.feed(refused(60_000));
      one.feed(refused(60_010));
      if (hasLog) one.feed(logEnd("plain", 60_020, "failed"));
      one.clock.moveTo(T0 + 100_000);
      assert.deepEqual(starts(one), [["plain", "failed"]]);
    }
  });

  it("is none for an error that only names a VM, or comes when a program was named a second before", () => {
    const one = bench({ others: [with_("a", PROGRAM)] });
    one.feed({ ...libvirtd(60_000, "Cannot set the balloon of domain plain"), vm: vmName("plain") });
    one.clock.moveTo(T0 + 64_000);
    assert.deepEqual([one.asked(), starts(one)], [1, []]);
    for (const at of [70_000, 71_000, 71_001]) one.feed(libvirtd(at, `${MISSING} (${at})`));
    one.clock.moveTo(T0 + 100_000);
    assert.deepEqual(starts(one), [
      ["a", "failed"],
      ["a", "failed"],
    ]);
  });

  it("shows in the VM's state, which is asked for", () => {
    const one = bench();
    const off: VmStateSeen = {
      ...stateFailed("plain", 1000),
      kind: "vm-state",
      vm: vmName("plain"),
      state: { state: "shutoff", reason: "destroyed" },
    };
    one.feed(off);
    one.feed(libvirtd(60_000, "something went wrong"));
    one.clock.moveTo(T0 + 64_000);
    assert.equal(one.asked(), 1);
    one.feed(stateFailed("plain", 64_100));
    one.clock.moveTo(T0 + 100_000);
    assert.deepEqual(starts(one), [["plain", "failed"]]);
    one.feed(stateFailed("plain", 100_100));
    one.clock.moveTo(T0 + 200_000);
    assert.equal(starts(one).length, 1);
  });

  it("is not asked for when a start explains the error", () => {
    const one = bench();
    one.feed(logStart("plain", 59_000, []));
    one.feed(libvirtd(60_000, "something went wrong"));
    one.feed(logEnd("plain", 60_100, "failed"));
    one.clock.moveTo(T0 + 100_000);
    assert.deepEqual([one.asked(), starts(one)], [0, [["plain", "failed"]]]);
  });
});

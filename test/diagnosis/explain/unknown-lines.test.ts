import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { loadCatalogue } from "../../../src/diagnosis/catalogue.ts";
import { createExplainer } from "../../../src/diagnosis/explain/explain.ts";
import { createLazyFinder } from "../../../src/diagnosis/generated/unknown-causes.ts";
import { loadMessages } from "../../../src/knowledge/load-messages.ts";

const config = join(import.meta.dirname, "../../../config");
const shipped = loadCatalogue({ shippedDirectory: join(config, "signatures") }).catalogue;
/** Signatures come to know more and more; here they know only that something failed, and one cause. */
const catalogue = {
  ...shipped,
  signatures: shipped.signatures.filter(
    ({ class: ownClass }) => ownClass === "start-failure-wrapper" || ownClass === "group-not-viable",
  ),
};
const withSources = createExplainer(
  catalogue,
  createLazyFinder(() => loadMessages(config)),
);

function firstOf(text: string): readonly [string, string] | undefined {
  const [first] = withSources(text).causes;
  return first === undefined ? undefined : [first.class, first.signature];
}

test("what QEMU refuses in words that no signature knows is named by where it comes from", () => {
  const text = `error: Failed to start domain 'w3'
error: internal error: QEMU unexpectedly closed the monitor (vm='w3'): 2026-02-10T19:22:48.974831Z qemu-system-x86_64: -tpmdev emulator,id=t0,chardev=c0: tpm-emulator: Setting the stateblob (type 1) failed with a TPM error 0x21 decryption error`;
  const { causes, vmStartFailure, summary } = withSources(text);
  assert.equal(vmStartFailure, true);
  assert.equal(causes[0]?.class, "host-resource-missing");
  assert.equal(causes[0]?.certainty, "possible");
  assert.match(summary, /^QEMU \(the VM's TPM\) refuses: "tpm-emulator: Setting the stateblob .*"\.$/);
  // Without the sources the same text has no reason.
  assert.equal(createExplainer(catalogue)(text).causes[0]?.class, "unknown");
});

test("a message that was wrapped at the width of a terminal is found all the same", () => {
  const text = `$ virsh start w3
error: Failed to start domain 'w3'
error: internal error: process exited while connecting to monitor: qemu-system-
x86_64: -device vfio-pci,host=0000:6a:00.0: vfio 0000:6a:00.0: failed to get M
SI-X irq info: Invalid argument`;
  assert.deepEqual(firstOf(text), ["irq-setup-failed", "generated.qemu"]);
});

test("a line of the kernel that somebody asks about is answered; the same line in a boot's log is not", () => {
  const line = "[    5.205001] pci 0000:0c:02.0: No bus number available for hot-added bridge";
  assert.deepEqual(firstOf(line), ["device-config-invalid", "generated.kernel"]);
  const boot = Array.from(
    { length: 60 },
    (_, index) =>
      `[    0.4${index + 10}] pci 0000:00:${(index % 32).toString(16).padStart(2, "0")}.0: enabling Extended Tags`,
  );
  assert.equal(firstOf([...boot, line, ...boot].join("\n")), undefined);
});

test("what a signature knows is never answered from the sources", () => {
  const text = `kvm: -device vfio-pci,host=0000:2e:00.0: vfio 0000:2e:00.0: group 21 is not viable
start failed: QEMU exited with code 1`;
  assert.deepEqual(firstOf(text)?.[0], "group-not-viable");
  assert.doesNotMatch(firstOf(text)?.[1] ?? "", /^generated/);
  assert.equal(
    withSources(text).causes.some(({ signature }) => signature.startsWith("generated")),
    false,
  );
});

test("another program's words are nobody else's", () => {
  assert.equal(
    firstOf("Feb 02 11:36:31 desk9 photo-store[2246]: '/dev/fdset/4' is not a TPM device."),
    undefined,
  );
});

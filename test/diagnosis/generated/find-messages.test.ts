import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { findMessages } from "../../../src/diagnosis/generated/find-messages.ts";
import { messageAnswer } from "../../../src/diagnosis/generated/message-answer.ts";
import { loadMessages } from "../../../src/knowledge/load-messages.ts";
import type { Speaker } from "../../../src/model/speaker.ts";

const shipped = loadMessages(join(import.meta.dirname, "../../../config"));

const KERNEL: Speaker = { kind: "kernel" };
const QEMU: Speaker = { kind: "qemu" };

const bytesOf = (text: string) => new TextEncoder().encode(text);
const SMALL = bytesOf(`= kernel 6.1.0 6.12.0
@ drivers/pci/a.c
: pci_a
E the bridge %d lost its window
W2 the bridge %d lost its window over %s
= qemu 9.0.0
@ hw/vfio/
:${" "}
E bad group of %s: %m
`);

function answerTo(speaker: Speaker, text: string) {
  const [found] = findMessages(shipped, [{ speaker, text }]);
  return found === undefined ? undefined : messageAnswer(found, text);
}

test("of the messages that fit a line, the one that says most is found, with who says it and since when", () => {
  const [found, other] = findMessages(SMALL, [
    { speaker: KERNEL, text: "pci 0000:00:01.0: the bridge 3 lost its window over nothing" },
    { speaker: KERNEL, text: "the bridge 3 lost its window" },
  ]);
  assert.equal(found?.known.format, "the bridge %d lost its window over %s");
  assert.deepEqual(found?.known.versions, ["6.12.0"]);
  assert.equal(other?.known.function, "pci_a");
  assert.deepEqual(other?.known.versions, ["6.1.0", "6.12.0"]);
});

test("only who can say a message is heard saying it", () => {
  const texts = [
    { speaker: QEMU, text: "the bridge 3 lost its window" },
    { speaker: KERNEL, text: "bad group of a device: Invalid argument" },
    {
      speaker: { kind: "program", name: "snap-store" } as const,
      text: "bad group of a photo: Invalid argument",
    },
    { speaker: { kind: "unknown" } as const, text: "bad group of a device: Invalid argument" },
  ];
  assert.deepEqual(
    findMessages(SMALL, texts).map((found) => found?.known.program),
    [undefined, undefined, undefined, "qemu"],
  );
});

test("text that is no data is nothing", () => {
  assert.deepEqual(findMessages(bytesOf(""), [{ speaker: KERNEL, text: "the bridge 3 lost its window" }]), [
    undefined,
  ]);
  assert.deepEqual(
    findMessages(bytesOf("\0\n=\n@\nE\nEx\n"), [{ speaker: KERNEL, text: "anything at all" }]),
    [undefined],
  );
});

test("the answer says which part of which program refuses, the error in words, and the class by rule", () => {
  const answer = answerTo(
    QEMU,
    "-device vfio-pci,host=01:00.0: vfio 0000:01:00.0: failed to open /dev/vfio/9: Permission denied",
  );
  assert.equal(answer?.class, "access-denied");
  assert.match(answer?.sentence ?? "", /^QEMU.*failed to open \/dev\/vfio\/9: Permission denied.*EACCES/);
  const tpm = answerTo(
    QEMU,
    "-tpmdev passthrough,id=t0,path=/dev/fdset/0: '/dev/fdset/0' is not a TPM device.",
  );
  assert.equal(tpm?.class, "host-resource-missing");
  assert.match(
    tpm?.sentence ?? "",
    /^QEMU \(the VM's TPM\) refuses: "'\/dev\/fdset\/0' is not a TPM device"/,
  );
});

test("the same words mean another class with another object or error", () => {
  const said = (object: string, error: string) => answerTo(QEMU, `failed to open ${object}: ${error}`)?.class;
  assert.equal(said("/dev/vfio/9", "No such file or directory"), "driver-binding");
  assert.equal(said("/dev/vfio/9", "Device or resource busy"), "device-busy");
  assert.equal(said("/dev/vfio/vfio", "No such file or directory"), "iommu-not-enabled");
  assert.equal(said("/dev/kvm", "No such file or directory"), "kvm-unavailable");
  assert.equal(said("/srv/disk.img", "No such file or directory"), "host-resource-missing");
});

test("good news is no answer, however loud a driver says it", () => {
  assert.equal(answerTo(KERNEL, "pci 0000:00:1c.0: Adding to iommu group 28"), undefined);
  assert.equal(answerTo(KERNEL, "iommu: Default domain type: Translated"), undefined);
  assert.equal(answerTo(KERNEL, "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  535.104.05"), undefined);
});

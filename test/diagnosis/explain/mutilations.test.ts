import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadCatalogue } from "../../../src/diagnosis/catalogue.ts";
import { createExplainer } from "../../../src/diagnosis/explain/explain.ts";

/*
 * Every example of every signature through what the way to another person's screen does to a text: the first cause
 * and the devices must stay what they were. This is what generalises; single samples do not.
 */

const { catalogue } = loadCatalogue({
  shippedDirectory: join(import.meta.dirname, "../../../config/signatures"),
});
const explain = createExplainer(catalogue);

const linewise = (change: (line: string, index: number) => string) => (text: string) =>
  text.split("\n").map(change).join("\n");
/** Breaks at blanks, as mail programs do. */
const atBlanks = (width: number) => (text: string) =>
  text.replace(new RegExp(`(.{1,${width}})(?: |$)`, "g"), "$1\n").trim();
/** Breaks wherever the width ends, as terminals do. */
const anywhere = (width: number) => (text: string) => text.replace(new RegExp(`(.{${width}})`, "g"), "$1\n");
const entities = (text: string) =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;")
    .replaceAll("/", "&#x2F;");

const MUTILATIONS: Readonly<Record<string, (text: string) => string>> = {
  "a mail's width": atBlanks(72),
  "a narrow mail's width": atBlanks(60),
  "a quoted mail's width": (text) => atBlanks(66)(text).replace(/^/gm, "> > "),
  "a terminal's width": anywhere(80),
  "a narrow terminal's width": anywhere(57),
  "a wide terminal's width": anywhere(120),
  "a page's entities": (text) => `<p>${entities(text)}</p>`,
  "a page's entities twice": (text) => entities(entities(text)),
  "a log in JSON": (text) => JSON.stringify({ component: "virt-launcher", level: "error", msg: text }),
  "JSON in JSON": (text) => JSON.stringify(JSON.stringify({ msg: text })),
  "a log in key=value form": (text) => `time="2026-03-02" level=error msg=${JSON.stringify(text)} pid=4`,
  "Python's bytes": (text) => `b'${text.replaceAll("'", "\\'")}\\n'`,
  capitals: (text) => text.toUpperCase(),
  "small letters": (text) => text.toLowerCase(),
  "domains of five digits": (text) => text.replace(/\b0000:(?=[0-9a-f]{2}:[0-9a-f]{2}\.)/g, "00000:"),
  "dmesg's time": linewise((line) => `[  754.219816] ${line}`),
  "dmesg's time and caller": linewise((line) => `[  754.219816] [   T1234] ${line}`),
  "dmesg -x -T": linewise((line) => `kern  :warn  : [Mon Mar  2 18:11:40 2026] ${line}`),
  "the console's level": linewise((line) => `<3>[  754.219816] ${line}`),
  "the journal's time": (text) => `2026-03-02T18:11:40.123456+01:00 tower kernel: ${text}`,
  "libvirt's own prefix": (text) => `2026-03-02 18:11:40.123+0000: 4711: error : virFunction:123 : ${text}`,
  "quoted-printable": (text) => text.replaceAll("=", "=3D").replace(/(.{74})/g, "$1=\n"),
  "terminal colours": (text) => `\u001b[31m${text}\u001b[0m`,
  "colours that lost their first character": (text) => `[0;31m${text}[0m`,
  "line numbers": linewise((line, index) => `  ${index + 1}. ${line}`),
  "a table": linewise((line) => `| ${line} | |`),
  "a forum's tags": (text) => `[QUOTE=someone][CODE]${text}[/CODE][/QUOTE]`,
  "a list in bold": (text) => `- **${text}**`,
  "curly quotes": (text) => text.replaceAll("'", "\u2019").replaceAll('"', "\u201d"),
  "blanks that do not break": (text) => text.replaceAll(" ", "\u00a0"),
  "blanks without width": (text) => text.replace(/(.{40})/g, "$1\u200b"),
  "carriage returns": (text) => `${text.replaceAll("\n", "\r\n")}\r\n`,
  "tabs in front": linewise((line) => `\t\t${line}`),
  "said twice": (text) => `${text}\n${text}`,
  "something before and after": (text) =>
    `[    1.1] usb 1-1: new device\n${text}\n[    1.3] usb 1-2: new device`,
};

/** Stamps of the kernel's log; what stands behind them is the kernel's, unless it speaks of VMs. */
const STAMPS = [
  "dmesg's time",
  "dmesg's time and caller",
  "dmesg -x -T",
  "the console's level",
  "the journal's time",
];

/** And of libvirt's: what is ambiguous by itself means something from its mouth, so only what is known is compared. */
const STAMP_OF_LIBVIRT = "libvirt's own prefix";

/** It counts only at the beginning of a line: other programs have tasks, too. */
const ONLY_AT_LINE_START = ["proxmox.task-failed"];

const signatures = catalogue.signatures.filter(({ id }) => !ONLY_AT_LINE_START.includes(id));
const examples = signatures.flatMap((signature) => signature.examples);
const ofKernel = signatures.filter(({ layer }) => layer === "kernel").flatMap(({ examples: own }) => own);
const ofOthers = examples.filter(
  (example) => !ofKernel.includes(example) && explain(example).causes.length > 0,
);
const saidSo = (manner: string) =>
  STAMPS.includes(manner) ? ofKernel : manner === STAMP_OF_LIBVIRT ? ofOthers : examples;

describe("every known message keeps its cause and its devices through", () => {
  const answer = (text: string) => {
    const { causes, devices } = explain(text);
    return { cause: causes[0]?.class, devices: [...devices].sort() };
  };
  for (const [manner, mutilate] of Object.entries(MUTILATIONS)) {
    test(manner, () => {
      for (const example of saidSo(manner)) {
        const mutilated = mutilate(example);
        assert.deepEqual(answer(mutilated), answer(example), mutilated);
      }
    });
  }
});

test("every message of QEMU's and libvirt's names its device without the domain, too", () => {
  for (const example of examples) {
    // Paths in /sys always have it.
    if (!/(?:vfio |host=|device '?)0000:/.test(example) || /\/sys\//.test(example)) continue;
    const short = example.replace(/(?<=(?:vfio |host=|device '?))0000:/g, "");
    assert.deepEqual([...explain(short).devices].sort(), [...explain(example).devices].sort(), short);
  }
});

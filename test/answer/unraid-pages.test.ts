import assert from "node:assert/strict";
import { test } from "node:test";
import { adviceForUnraid } from "../../src/answer/unraid-pages.ts";

const ADVICE = "Add intel_iommu=on to the kernel parameters.";

test("advice on kernel parameters names the page of the Unraid that runs", () => {
  for (const [systemVersion, page] of [
    ["7.2.8", "Main > Flash > Syslinux Configuration"],
    ["6.12.15", "Main > Flash > Syslinux Configuration"],
    ["7.3.0", "Settings > Boot Parameters"],
    ["7.4.0-beta.0.3", "Settings > Boot Parameters"],
    ["8.0.0", "Settings > Boot Parameters"],
    [undefined, "Settings > Boot Parameters, before 7.3 under Main > Flash > Syslinux Configuration"],
  ] as const)
    assert.equal(
      adviceForUnraid(ADVICE, { system: "unraid", systemVersion }),
      `${ADVICE} Unraid has them under ${page}.`,
    );
  const undo = "Set the kernel parameter iommu back to pt, with which it last worked on 2026-01-21.";
  assert.match(adviceForUnraid(undo, { system: "unraid", systemVersion: "7.3.3" }), /Boot Parameters\.$/);
});

test("nothing is added elsewhere, to other advice, where a page is named, or where its page has no say", () => {
  const kept = (advice: string, truths: Parameters<typeof adviceForUnraid>[1]) =>
    assert.equal(adviceForUnraid(advice, truths), advice);
  kept(ADVICE, { system: "other" });
  kept(ADVICE, {});
  kept("Go back to BIOS A63.", { system: "unraid" });
  kept("The kernel parameter pcie_acs_override (Unraid: Settings, VM Manager).", { system: "unraid" });
  kept(ADVICE, { system: "unraid", loader: "an unregistered loader" });
  kept(ADVICE, { system: "unraid", loader: "Limine" });
});

test("what is typed into a shell elsewhere is done on a page", () => {
  const report = "Ask the board's vendor; `vfio-watch report` words the question.";
  assert.equal(
    adviceForUnraid(report, { system: "unraid" }),
    "Ask the board's vendor; the report under Tools > VFIO Watch words the question.",
  );
  assert.equal(adviceForUnraid(report, { system: "other" }), report);
});

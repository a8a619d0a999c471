import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Catalogue, loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";

const project = fileURLToPath(new URL("../..", import.meta.url));
/** A function that no VM of the bench owns, so that a line about it is evidence of no start. */
const NOBODYS = "0000:07:00.0";

export function shippedCatalogue(): Catalogue {
  return loadCatalogue({ shippedDirectory: join(project, "config", "signatures") }).catalogue;
}

/** What real kernels said (the recordings), lines that no signature knows. */
export function ordinaryTexts(catalogue: Catalogue): readonly string[] {
  const recordings = join(project, "test", "fixtures", "recordings");
  const files = readdirSync(recordings, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith("kmsg.txt"),
  );
  const matcher = createMatcher(catalogue);
  const texts = new Set<string>();
  for (const file of files) {
    for (const line of readFileSync(join(recordings, file), "latin1").split("\n")) {
      const text = /^\d+,\d+,\d+,[^;]*;(.*)$/.exec(line)?.[1];
      if (text === undefined || /remapping|x2apic/i.test(text)) continue;
      if (matcher.match("kernel", text).length === 0) texts.add(text);
    }
  }
  return [...texts];
}

/** One text for every kernel signature whose sightings are stored: what the catalogue gives as its example. */
export function knownTexts(catalogue: Catalogue): readonly string[] {
  return catalogue.signatures.flatMap(({ layer, role, severity, examples }) => {
    const [example] = examples;
    const isStored = role !== "noise" && !(role === "context" && severity === "info");
    if (layer !== "kernel" || !isStored || example === undefined || example.includes("\n")) return [];
    return [example.replaceAll(/\b[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b/g, NOBODYS)];
  });
}

/** `count` texts, every fiftieth of them known (2 %), the same for the same count. */
export function* mixedTexts(catalogue: Catalogue, count: number): Generator<string> {
  const ordinary = ordinaryTexts(catalogue);
  const known = knownTexts(catalogue);
  for (let index = 0; index < count; index++) {
    const [texts, at] = index % 50 === 49 ? [known, Math.floor(index / 50)] : [ordinary, index];
    yield texts[at % texts.length] ?? "";
  }
}

import type { FactValue } from "../model/fact.ts";
import { listOf, textOf } from "./fact-value.ts";
import type { FactView } from "./presence.ts";
import { knownKey, labelOf } from "./vocabulary.ts";

const SHOWN = 240;

/** The sentence for one changed fact; `view` is the newer snapshot, `older` the one before it. */
export function sentenceOf(
  key: string,
  before: FactValue,
  after: FactValue,
  view: FactView,
  older: FactView,
): string {
  const device = (identity: string) =>
    deviceLabel(identity, view) ?? deviceLabel(identity, older) ?? identity;
  const name = (identity: string) => deviceName(identity, view) ?? deviceName(identity, older) ?? identity;
  const known = knownKey(key);
  if (known === undefined) return `${key}: ${show(before)} → ${show(after)}`;
  const said = known.form.say?.({ parts: known.parts, before, after, device, name });
  if (said !== undefined) return cut(said, 2 * SHOWN);
  const label = labelOf(known, device);
  if (known.form.type === "list" && before.state === "value" && after.state === "value") {
    const difference = listDifference(listOf(before), listOf(after), device);
    if (difference !== "") return `${label}: ${difference}`;
  }
  return `${label}: ${show(before)} → ${show(after)}`;
}

/** `gained a, b; lost c`; empty where the lists hold the same. */
function listDifference(
  before: readonly string[],
  after: readonly string[],
  device: (identity: string) => string,
): string {
  const say = (verb: string, items: readonly string[]) =>
    items.length === 0 ? [] : [`${verb} ${cut(items.map(device).join(", "))}`];
  const gained = after.filter((item) => !before.includes(item));
  const lost = before.filter((item) => !after.includes(item));
  return [...say("gained", gained), ...say("lost", lost)].join("; ");
}

function show(value: FactValue): string {
  return cut(textOf(value) ?? "none");
}

function cut(text: string, limit = SHOWN): string {
  return text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
}

/** `NVIDIA … (0000:01:00.0)`; undefined where the snapshot does not know the device. */
export function deviceLabel(identity: string, view: FactView): string | undefined {
  const address = textOf(view.facts.get(`pci.${identity}.address`)?.value);
  return address === undefined ? undefined : `${deviceName(identity, view) ?? identity} (${address})`;
}

function deviceName(identity: string, view: FactView): string | undefined {
  const name = textOf(view.facts.get(`pci.${identity}.name`)?.value);
  if (name !== undefined) return cut(name);
  // The class fact is `030000 VGA controller`.
  const kind = textOf(view.facts.get(`pci.${identity}.class`)?.value)?.replace(/^[0-9a-f]{6} /, "");
  return kind === undefined ? undefined : `${kind} ${identity.split("/")[0] ?? identity}`;
}

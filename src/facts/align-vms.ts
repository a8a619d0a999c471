import type { Fact } from "../model/fact.ts";
import { listOf, textOf } from "./fact-value.ts";
import { keyPart, nameOfKeyPart } from "./key-parts.ts";

const KEY = /^vm\.(?<vm>[^.]+)\.(?<rest>.+)$/;

/**
 * A renamed VM is the same one: gives the facts of the older of two snapshots with the names that their VMs have in the
 * newer. A VM that is gone, and whose name another one has, makes room for it.
 */
export function alignVms(before: readonly Fact[], after: readonly Fact[]): (fact: Fact) => Fact {
  const [older, newer] = [identitiesOf(before), identitiesOf(after)];
  const nameNow = new Map([...newer].map(([vm, identity]) => [identity, vm]));
  const renamed = new Map<string, string>();
  for (const [vm, identity] of older) {
    const now = nameNow.get(identity);
    if (now !== undefined && now !== vm) renamed.set(vm, now);
  }
  if (renamed.size === 0) return (fact) => fact;
  for (const taken of [...renamed.values()])
    if (!renamed.has(taken)) renamed.set(taken, keyPart(`${nameOfKeyPart(taken)} (before)`));
  const name = (part: string) => renamed.get(part) ?? part;
  return (fact) => {
    const { vm, rest } = KEY.exec(fact.key)?.groups ?? {};
    if (vm === undefined || rest === undefined) return fact;
    const moved = { ...fact, key: `vm.${name(vm)}.${rest}` };
    if (rest !== "shares-with" || fact.value.state !== "value") return moved;
    const others = listOf(fact.value).map((other) => nameOfKeyPart(name(keyPart(other))));
    return { ...moved, value: { state: "value", value: others.sort() } };
  };
}

/** Which VM is which, by the part of the key that is its name. */
function identitiesOf(facts: readonly Fact[]): ReadonlyMap<string, string> {
  const identities = new Map<string, string>();
  for (const { key, value } of facts) {
    const { vm, rest } = key.endsWith(".identity") ? (KEY.exec(key)?.groups ?? {}) : {};
    const identity = textOf(value);
    if (vm !== undefined && rest === "identity" && identity !== undefined) identities.set(vm, identity);
  }
  return identities;
}

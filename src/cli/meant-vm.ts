import { type VmName, vmName } from "../model/identifiers.ts";
import type { Store } from "../store/store.ts";
import { Refusal } from "./command.ts";
import { folded, nearest } from "./nearest.ts";

const MOST_LISTED = 5;

/**
 * The VM of `known` that a person means: by its name, without regard to case, or by a beginning that it alone has.
 * Proxmox's VMs are called `101 (win11)`, and there everybody says the number or the name alone. Throws `Refusal`
 * where there is no such VM or more than one; `where` says what was looked at (`on this host`).
 */
export function meantVm(text: string, known: readonly VmName[], where: string): VmName {
  const said = vmName(text);
  if (known.includes(said)) return said;
  const isNumber = /^\d{1,9}$/.test(text);
  if (isNumber) {
    // Of several VMs with one number the first is meant, which is the one that still exists.
    const numbered = known.find((name) => name.startsWith(`${text} (`));
    if (numbered !== undefined) return numbered;
  }
  const wanted = folded(text);
  for (const isMeant of [
    (name: string) => name === wanted,
    // 10 is not the beginning of 101.
    (name: string) =>
      wanted !== "" && name.startsWith(wanted) && !(isNumber && /^\d/.test(name.slice(wanted.length))),
  ]) {
    const [first, ...others] = known.filter((name) => waysToSay(name).some(isMeant));
    if (first === undefined) continue;
    if (others.length === 0) return first;
    throw new Refusal(`'${text}' can be any of ${listed([first, ...others])}; say more of its name.`);
  }
  throw new Refusal(`there is no VM '${text}' ${where}; ${whatThereIs(text, known)}`);
}

/**
 * The same for what is asked of the history, by what that calls the VM: a renamed one is meant by its former names too,
 * and of several VMs with one number the one that still exists.
 */
export function withMeantVm<T extends { readonly vm?: VmName }>(question: T, store: Pick<Store, "vms">): T {
  const { vm } = question;
  return vm === undefined ? question : { ...question, vm: vmOnRecord(vm, store) };
}

/** The VM that a person means, by what the history calls it. Throws `Refusal` where it knows none. */
export function vmOnRecord(text: string, store: Pick<Store, "vms">): VmName {
  const known = vmsOnRecord(store);
  const said = vmName(text);
  const { name } = store.vms.past(said);
  if (!known.includes(said) && known.includes(name)) return name;
  return meantVm(text, known, "in the history");
}

/** The VMs that the history knows, those that exist first. */
export function vmsOnRecord(store: Pick<Store, "vms">): readonly VmName[] {
  const defined = store.vms.list().toSorted((a, b) => (b.goneAt ?? Infinity) - (a.goneAt ?? Infinity) || 0);
  // Of those that only logs told of there is no definition.
  return [...new Set([...defined.map(({ definition }) => definition.name), ...store.vms.everyName()])];
}

function waysToSay(name: VmName): readonly string[] {
  const [, ownName] = /^\d+ \((.+)\)$/s.exec(name) ?? [];
  return ownName === undefined ? [folded(name)] : [folded(name), folded(ownName)];
}

function whatThereIs(text: string, known: readonly VmName[]): string {
  if (known.length === 0) return "there is none at all.";
  const near = nearest(text, known);
  return near.length > 0 ? `did you mean ${listed(near, "or")}?` : `there is ${listed(known)}.`;
}

function listed(names: readonly string[], word = "and"): string {
  const shown = names.slice(0, MOST_LISTED).map((name) => `'${name}'`);
  const more = names.length - shown.length;
  if (more > 0) shown.push(`${more} more`);
  const last = shown.pop() ?? "";
  return shown.length === 0 ? last : `${shown.join(", ")} ${word} ${last}`;
}

import { type VmName, vmName } from "../model/identifiers.ts";
import type { Store } from "../store/store.ts";

/**
 * The VM that a person means. Proxmox's VMs are called `101 (win11)`, and there everybody says the number alone; a VM
 * that has just that name is meant first.
 */
export function meantVm(text: string, known: readonly VmName[]): VmName {
  const said = vmName(text);
  if (known.includes(said) || !/^\d{1,9}$/.test(text)) return said;
  return known.find((name) => name.startsWith(`${text} (`)) ?? said;
}

/**
 * The same for what is asked of the history, by what that calls the VM: a renamed one is meant by its former names too,
 * and of several VMs with one number the one that still exists.
 */
export function withMeantVm<T extends { readonly vm?: VmName }>(question: T, store: Pick<Store, "vms">): T {
  const { vm } = question;
  return vm === undefined
    ? question
    : { ...question, vm: store.vms.past(meantVm(vm, vmsOnRecord(store))).name };
}

/** The VMs that the history knows, those that exist first. */
export function vmsOnRecord(store: Pick<Store, "vms">): readonly VmName[] {
  const all = store.vms.list().toSorted((a, b) => (b.goneAt ?? Infinity) - (a.goneAt ?? Infinity) || 0);
  return all.map(({ definition }) => definition.name);
}

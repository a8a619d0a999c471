/** Keeps every source without its types; what has not changed is kept already. */
export function fillStripped(): void;

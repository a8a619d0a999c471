/*
 * What the bundled rooms ask of Node's `v8`. A browser has no engine to change to, and none is needed: only the shipped
 * patterns run here, and that they need no other is tested where they are read.
 */
export function setFlagsFromString(_flags: string): void {}

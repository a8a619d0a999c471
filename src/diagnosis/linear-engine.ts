import { setFlagsFromString } from "node:v8";

/**
 * Lets V8 change to its linear engine when an expression has backtracked too often, and lets the flag `l` ask
 * whether it could. A user's rule like `(a+)+$` would otherwise keep the daemon busy for longer than the
 * universe lasts. To be called before a rule is compiled for the first time: V8 caches compiled expressions by
 * their source, and one from before keeps backtracking.
 */
export function allowLinearEngine(): void {
  setFlagsFromString("--enable-experimental-regexp-engine");
  setFlagsFromString("--enable-experimental-regexp-engine-on-excessive-backtracks");
}

import type { Store } from "../store/store.ts";

/**
 * Looks whether the history can still be used as it was opened; calls `startAnew` once where only opening it again
 * helps: its file was removed or replaced, or SQLite found it damaged while in use.
 */
export function createHistoryWatch(options: {
  readonly store: Pick<Store, "path" | "isDisplaced" | "troubles">;
  /** The file has gone, and with it what was written since; told before the new start. */
  readonly onLost: (why: string, remedy: string) => void;
  readonly startAnew: (why: string) => void;
}): { look(): void } {
  const { store } = options;
  let isAsked = false;

  function startAnew(why: string): void {
    isAsked = true;
    options.startAnew(why);
  }

  return {
    look() {
      if (isAsked) return;
      if (store.isDisplaced()) {
        options.onLost(
          `The history ${store.path} was removed, moved or replaced while it was in use.`,
          "The service goes on with what is there now. Stop it first when you want to move or replace its history.",
        );
        startAnew("the history is no longer the file that was opened");
      } else if (store.troubles().some(({ kind, until }) => kind === "damaged" && until === undefined)) {
        startAnew("the history was found damaged while in use");
      }
    },
  };
}

import type { AnswerView } from "./view.ts";

/** What the page hands to its worker, one at a time. */
export type Question =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "file"; readonly name: string; readonly bytes: ArrayBuffer };

/** What comes back: progress any number of times, then one of the others. */
export type Reply =
  | { readonly kind: "progress"; readonly doing: string; readonly done: number }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "answer"; readonly view: AnswerView };

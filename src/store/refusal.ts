/** What came of a write. */
export type Written<T> =
  | { readonly state: "written"; readonly value: T }
  | { readonly state: "refused"; readonly trouble: StoreTrouble };

export type StoreTroubleKind =
  | "quarantined"
  | "beside"
  | "disk-full"
  | "read-only"
  | "input-output"
  | "damaged"
  | "busy"
  | "no-write-ahead-log";

export interface StoreTrouble {
  readonly kind: StoreTroubleKind;
  readonly since: number;
  /** Undefined while it lasts. */
  readonly until: number | undefined;
  /** What and where, one sentence. */
  readonly why: string;
  readonly remedy: string;
  /** How many writes it refused. */
  readonly times: number;
}

/** Thrown by a write that the disk refuses; the transaction has been rolled back. */
export class StoreRefusal extends Error {
  readonly trouble: StoreTrouble;
  constructor(trouble: StoreTrouble) {
    super(trouble.why);
    this.name = "StoreRefusal";
    this.trouble = trouble;
  }
}

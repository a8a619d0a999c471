/** What a source can print, before it is brought into one form. */
export interface PrintedFormat {
  /** As the source writes it: C's conversions, Perl's variables or Rust's braces. */
  readonly text: string;
  /** The function it stands in; empty where that was not found. */
  readonly function: string;
  readonly severity: "error" | "warning" | "info";
  /** The name of what prints it: `error_setg_errno`. */
  readonly printer: string;
}

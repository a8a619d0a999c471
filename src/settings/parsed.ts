/** What a text in the file means, or why it means nothing. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

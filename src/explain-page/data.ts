import type { ClassAdvice, Signature, SignatureClass } from "../model/catalogue.ts";

/*
 * The catalogue and the messages, which have no files to be read from in a page: the build puts them in the place of
 * this file (`tools/explain-page.ts`).
 */
export const signatures: readonly Signature[] = [];
export const advice: readonly (readonly [SignatureClass, ClassAdvice])[] = [];
/** `config/messages/messages.txt.gz`. */
export const packedMessages: Uint8Array = new Uint8Array();
/** A text that shows what the page does. */
export const example: string = "";
export const version: string = "";

import type { FactContent } from "../model/fact.ts";
import { knownKey } from "./vocabulary.ts";

/**
 * What one text says, by the type that its key's kind declares. Releases before this one kept every value as a text, and
 * lists with a separator of their own between the items.
 */
export function typedContent(key: string, text: string): FactContent {
  const form = knownKey(key)?.form;
  switch (form?.type) {
    case "number":
      return /^\d{1,15}$/.test(text) ? Number(text) : text;
    case "flag":
      return text === "yes" ? true : text === "no" ? false : text;
    case "list": {
      const items = text.split(form.separator ?? ", ");
      return form.ordered === true ? items : items.sort();
    }
    case "texts": {
      const items = text.split(form.separator ?? ", ");
      return items.length === 1 ? text : items;
    }
    default:
      return text;
  }
}

import type { Change, Fact, FactValue } from "../../model/fact.ts";

/** One thing that is so. */
export function factJson({ group, key, value }: Fact): object {
  return { group, key, value: valueJson(value) };
}

/** One thing that is otherwise than before. */
export function changeJson({ group, key, before, after, sentence, also = [] }: Change): object {
  return {
    ...{ group, key, before: valueJson(before), after: valueJson(after), sentence },
    also: also.map(changeJson),
  };
}

/** What is so, or why nobody knows. */
export function valueJson(value: FactValue): object {
  switch (value.state) {
    case "value":
      return { state: "value", value: value.value };
    case "absent":
      return { state: "absent" };
    case "unknown":
      return { state: "unknown", why: value.why };
  }
}

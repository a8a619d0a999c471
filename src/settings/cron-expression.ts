interface Field {
  readonly name: string;
  readonly minimum: number;
  readonly maximum: number;
  readonly names?: readonly string[];
}

const FIELDS: readonly Field[] = [
  { name: "minute", minimum: 0, maximum: 59 },
  { name: "hour", minimum: 0, maximum: 23 },
  { name: "day of the month", minimum: 1, maximum: 31 },
  {
    name: "month",
    minimum: 1,
    maximum: 12,
    names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
  },
  {
    name: "day of the week",
    minimum: 0,
    maximum: 7,
    names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
  },
];

/**
 * Says what is wrong with a cron schedule of five fields, or undefined. It asks no scheduler, so that reading the
 * settings does not load one (node-cron brings 10 MB of time zone data along).
 */
export function cronProblem(schedule: string): string | undefined {
  const parts = schedule.trim().split(/\s+/);
  if (parts.length !== FIELDS.length) return "is not a cron schedule of five fields";
  for (const [index, field] of FIELDS.entries()) {
    const part = parts[index] ?? "";
    if (!part.split(",").every((item) => fits(item, field))) {
      return `has "${part.slice(0, 40)}" for the ${field.name}`;
    }
  }
  return undefined;
}

function fits(item: string, field: Field): boolean {
  const [range = "", step, ...more] = item.split("/");
  if (more.length > 0) return false;
  if (step !== undefined && !(/^\d{1,2}$/.test(step) && Number(step) >= 1 && Number(step) <= field.maximum)) {
    return false;
  }
  if (range === "*") return true;
  const ends = range.split("-").map((end) => numberOf(end, field));
  const [first, last = first] = ends;
  if (ends.length > 2 || first === undefined || last === undefined) return false;
  return first <= last && (step === undefined || ends.length === 2);
}

function numberOf(word: string, field: Field): number | undefined {
  const named = field.names?.indexOf(word.toLowerCase()) ?? -1;
  if (named >= 0) return named + (field.minimum === 1 ? 1 : 0);
  if (!/^\d{1,2}$/.test(word)) return undefined;
  const number = Number(word);
  return number >= field.minimum && number <= field.maximum ? number : undefined;
}

/** What stands in lines of logs, commands and settings, and seldom in what somebody tells. */
const LOG_FORM =
  /\d:\d\d|[0-9a-f]{2}:[01][0-9a-f]\.\d|0x[0-9a-f]|[=<>{}[\]|\\$#]|\w_\w|\/\w+\/|\w\(\)|(?:^|\s)--?\w|^[\w ./'-]{1,60}: /i;
/** Somebody speaks of themselves; `I/O` is no person. */
const FIRST_PERSON = /\bI\b(?![/.:])/;
/** Or of their things, to others, or greets. */
const OF_A_PERSON = /\b(?:my|me|we|our|anyone|anybody|somebody|someone|thanks|thank you|hi|hello|hey)\b/i;
const QUESTION =
  /^(?:how|why|what|when|where|which|who|does|do|did|is|are|was|can|could|should|has|have|any)\b.*\?$/i;
const JOINING =
  /\b(?:the|is|was|and|but|when|after|since|because|with|that|this|not|so|then|now|it|still)\b/gi;
const FEWEST_WORDS = 4;
const FEWEST_JOINING = 4;

/**
 * Whether a line is what somebody tells in own words: a sentence without any form of a log. In doubt it is not, for a
 * program's messages are sentences, too.
 */
export function isProse(line: string): boolean {
  const text = line.trim();
  // A message that somebody quotes in a sentence is not the sentence.
  const own = text.replaceAll(/[“"”«»'`][^“"”«»'`\n]{8,}[“"”«»'`]/g, " ");
  const words = own.match(/(?<![\w.-])[\p{L}’']+(?=[\s,.!?;:)]|$)/gu) ?? [];
  if (words.length < FEWEST_WORDS || LOG_FORM.test(own)) return false;
  if (QUESTION.test(text)) return true;
  if (FIRST_PERSON.test(own) || OF_A_PERSON.test(own)) return true;
  return /[.!?]$/.test(text) && (own.match(JOINING) ?? []).length >= FEWEST_JOINING;
}

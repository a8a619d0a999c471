import { Buffer } from "buffer";
import { createExplainer } from "../diagnosis/explain/explain.ts";
import { createLazyFinder } from "../diagnosis/generated/unknown-causes.ts";
import { textOfGiven } from "../import/given-text.ts";
import { advice, packedMessages, signatures } from "./data.ts";
import { gunzipSync } from "./node/zlib.ts";
import type { Question, Reply } from "./protocol.ts";
import { viewOf } from "./view.ts";

/** As the command: more than a host says in months. */
const LONGEST_TEXT = 64 * 1024 * 1024;

const explain = createExplainer(
  { signatures, advice: new Map(advice) },
  createLazyFinder(() => gunzipSync(packedMessages)),
);

function reply(answer: Reply): void {
  self.postMessage(answer);
}

async function answer(question: Question): Promise<void> {
  const given =
    question.kind === "text"
      ? ({ state: "text", text: question.text, files: [], notes: [] } as const)
      : await textOfGiven(Buffer.from(question.bytes), question.name, LONGEST_TEXT);
  if (given.state === "refused") return reply({ kind: "refused", why: `The file ${given.why}` });
  if (given.text.length > LONGEST_TEXT)
    return reply({
      kind: "refused",
      why: "The text is longer than 64 MB: cut out the part around the failure.",
    });
  if (given.text.trim() === "") return reply({ kind: "refused", why: "There is no text in it." });
  reply({ kind: "progress", doing: "Reading the log", done: 0 });
  const explanation = explain(given.text, (done) =>
    reply({ kind: "progress", doing: "Reading the log", done }),
  );
  reply({ kind: "progress", doing: "Marking the evidence", done: 1 });
  reply({ kind: "answer", view: viewOf(given.text, explanation, given) });
}

self.addEventListener("message", ({ data }: MessageEvent<Question>) => {
  answer(data).catch((error: unknown) => {
    const why = error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error);
    reply({
      kind: "refused",
      why: `Something went wrong in this page, which is a bug: ${why.slice(0, 600)}`,
    });
  });
});

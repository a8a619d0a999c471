import { example, version } from "./data.ts";
import type { Question, Reply } from "./protocol.ts";
import { renderAnswer } from "./render.ts";
import type { AnswerView } from "./view.ts";
import { workerSource } from "./worker-source.ts";

/** A longer text in a text field makes the browser itself slow; it goes to the worker without being shown. */
const LONGEST_SHOWN = 400_000;

function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${id}`);
  return found;
}

const form = byId("ask", HTMLFormElement);
const log = byId("log", HTMLTextAreaElement);
const pasted = byId("pasted", HTMLParagraphElement);
const file = byId("file", HTMLInputElement);
const status = byId("status", HTMLDivElement);
const progress = byId("progress", HTMLProgressElement);
const answer = byId("answer", HTMLElement);
const answerTitle = byId("answer-title", HTMLHeadingElement);
const answerBody = byId("answer-body", HTMLDivElement);
const drop = byId("drop", HTMLDivElement);

/** Given instead of the text field: too long for it, or a file. */
let held: Question | undefined;
/** One that has answered is asked again: making one takes as long as an answer. */
let worker: Worker | undefined;
let isBusy = false;

byId("about", HTMLParagraphElement).textContent =
  `vfio-watch ${version}. The same answer as the command 'vfio-watch explain' gives; on a host where vfio-watch runs it also knows the history: which BIOS version or other change broke it.`;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(held ?? { kind: "text", text: log.value });
});
log.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
log.addEventListener("input", () => hold(undefined));
log.addEventListener("paste", (event) => {
  const text = event.clipboardData?.getData("text/plain") ?? "";
  const dropped = event.clipboardData?.files[0];
  if (text === "" && dropped !== undefined) {
    event.preventDefault();
    void take(dropped);
  } else if (text.length > LONGEST_SHOWN) {
    event.preventDefault();
    log.value = "";
    hold(
      { kind: "text", text },
      `A text of ${sizeOf(text.length)} was pasted; it is too long to be shown here.`,
    );
    form.requestSubmit();
  } else if (log.value === "") setTimeout(() => form.requestSubmit());
});
file.addEventListener("change", () => {
  const [chosen] = file.files ?? [];
  if (chosen !== undefined) void take(chosen);
});
byId("example", HTMLButtonElement).addEventListener("click", () => {
  hold(undefined);
  log.value = example;
  form.requestSubmit();
});
byId("clear", HTMLButtonElement).addEventListener("click", () => {
  stop();
  hold(undefined);
  log.value = "";
  file.value = "";
  say("");
  answer.hidden = true;
  log.focus();
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.hidden = false;
});
addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) drop.hidden = true;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.hidden = true;
  const dropped = event.dataTransfer?.files[0];
  const text = event.dataTransfer?.getData("text/plain") ?? "";
  if (dropped !== undefined) void take(dropped);
  else if (text !== "") {
    log.value = text.length > LONGEST_SHOWN ? "" : text;
    ask({ kind: "text", text });
  }
});

async function take(given: File): Promise<void> {
  log.value = "";
  say(`Opening ${given.name}…`);
  try {
    const bytes = await given.arrayBuffer();
    // Handed over for good: what is kept is the file, which can be read again.
    hold(undefined, `${given.name}, ${sizeOf(given.size)}`);
    ask({ kind: "file", name: given.name, bytes });
  } catch {
    say(`${given.name} cannot be read: is it a folder?`, true);
  }
}

function hold(question: Question | undefined, note = ""): void {
  held = question;
  pasted.textContent = note;
  pasted.hidden = note === "";
}

/** A worker cannot be told to leave off; another one takes the next question. */
function stop(): void {
  if (isBusy) {
    worker?.terminate();
    worker = undefined;
  }
  rest();
}

function rest(): void {
  isBusy = false;
  progress.hidden = true;
}

function readyWorker(): Worker {
  if (worker !== undefined) return worker;
  const url = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
  const made = new Worker(url);
  worker = made;
  made.addEventListener("message", ({ data }: MessageEvent<Reply>) => {
    if (made === worker) hear(data);
  });
  made.addEventListener("error", () => {
    if (made !== worker) return;
    stop();
    say(
      "The browser could not run the part of this page that reads the log: it is too old, or has no memory left.",
      true,
    );
  });
  return made;
}

function ask(question: Question): void {
  if (question.kind === "text" && question.text.trim() === "") {
    say("There is no text yet: paste a log, or choose a file.", true);
    log.focus();
    return;
  }
  stop();
  answer.hidden = true;
  say("Looking…");
  progress.removeAttribute("value");
  progress.hidden = false;
  const asked = readyWorker();
  isBusy = true;
  asked.postMessage(question, question.kind === "file" ? [question.bytes] : []);
}

function hear(reply: Reply): void {
  if (reply.kind === "progress") {
    progress.value = reply.done;
    say(`${reply.doing}: ${Math.round(reply.done * 100)} %`);
    return;
  }
  rest();
  if (reply.kind === "refused") say(reply.why, true);
  else show(reply.view);
}

function show(view: AnswerView): void {
  say("Answered.");
  answerBody.replaceChildren(...renderAnswer(view));
  answer.hidden = false;
  answerTitle.focus();
  answer.scrollIntoView({ block: "start" });
  // For whoever embeds the page or tests it: the answer as the command prints it.
  document.dispatchEvent(new CustomEvent("answered", { detail: view.json }));
}

function say(text: string, bad = false): void {
  status.textContent = text;
  status.classList.toggle("bad", bad);
}

function sizeOf(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} KB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

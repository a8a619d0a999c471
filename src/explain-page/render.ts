import { visible } from "../report/escape.ts";
import type { AnswerView, Excerpt } from "./view.ts";

type Child = Node | string | undefined;

/** Makes an element; texts are set as text, never as markup, for a log is hostile. */
function element(
  name: string,
  properties: Readonly<Record<string, string>>,
  ...children: readonly Child[]
): HTMLElement {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

const CERTAINTIES: Readonly<Record<string, string>> = {
  certain: "Certain",
  likely: "Likely",
  possible: "Possible",
};

/** The answer as elements. */
export function renderAnswer(view: AnswerView): readonly Node[] {
  const { explanation } = view;
  const [first, ...others] = explanation.causes;
  const tone = first === undefined ? "" : first.class === "unknown" ? "unsure" : "bad";
  const word =
    first === undefined
      ? explanation.vmStartFailure
        ? "A start failed"
        : "Nothing found"
      : `${explanation.vmStartFailure ? "The VM did not start" : "Trouble"} · ${CERTAINTIES[first.certainty] ?? ""}`;
  return [
    element(
      "div",
      { class: `verdict ${tone}` },
      element("span", { class: "word" }, word),
      element("p", { class: "sentence" }, visible(explanation.summary)),
    ),
    facts(view),
    ...(first === undefined || first.remedies.length === 0
      ? []
      : [element("h3", {}, "What to do"), list("ol", first.remedies)]),
    ...evidence(view),
    ...(others.length === 0
      ? []
      : [
          element("h3", {}, "Also found"),
          list(
            "ul",
            others.map((cause) => `${CERTAINTIES[cause.certainty] ?? ""}: ${cause.sentence}`),
          ),
        ]),
    ...(explanation.others.length === 0
      ? []
      : [
          element("h3", {}, "Earlier starts that failed"),
          list(
            "ul",
            explanation.others.map(
              ({ when, sentence }) => `${when === undefined ? "" : `${when}: `}${sentence}`,
            ),
          ),
        ]),
    ...(explanation.noEffect.length === 0
      ? []
      : [
          element("h3", {}, "What has no effect here, whatever people say"),
          list("ul", explanation.noEffect),
        ]),
    ...forum(view),
  ];
}

function facts({ explanation, lineCount, files, notes }: AnswerView): HTMLElement {
  const { vms, devices, groups, unread, causes } = explanation;
  const [first] = causes;
  const rows: readonly (readonly [string, string])[] = [
    ["VM", vms.join(", ")],
    // A boot names all devices of the host; where nothing is wrong none of them is meant.
    ["Device", first === undefined ? "" : devices.slice(0, 12).join(", ")],
    ["IOMMU group", groups.join(", ")],
    ["Class", first === undefined ? "" : `${first.class} (signature ${first.signature})`],
    [
      "Looked at",
      `${lineCount.toLocaleString("en")} lines${files.length > 0 ? ` of ${files.join(", ")}` : ""}`,
    ],
    ["Not looked at", unread > 0 ? `${unread.toLocaleString("en")} characters` : ""],
    ["Note", notes.join(" ")],
  ];
  return element(
    "dl",
    {},
    ...rows
      .filter(([, value]) => value !== "")
      .flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, visible(value))]),
  );
}

/** What stands between backticks in the project's own sentences is code. */
function withCode(text: string): readonly Node[] {
  return visible(text)
    .split(/`([^`]{1,200})`/)
    .map((part, index) => (index % 2 === 1 ? element("code", {}, part) : document.createTextNode(part)));
}

function list(name: "ol" | "ul", items: readonly string[]): HTMLElement {
  return element(name, {}, ...items.map((item) => element("li", {}, ...withCode(item))));
}

function evidence({ excerpts, explanation, lineCount }: AnswerView): readonly HTMLElement[] {
  if (explanation.causes.length === 0) return [];
  const title = element("h3", {}, "Where the text says so");
  if (excerpts.length === 0)
    return [title, list("ul", explanation.causes.flatMap((cause) => cause.evidence).slice(0, 8))];
  return [title, ...excerpts.map((excerpt) => renderExcerpt(excerpt, lineCount))];
}

function renderExcerpt({ firstLine, lines }: Excerpt, lineCount: number): HTMLElement {
  const last = firstLine + lines.length - 1;
  return element(
    "pre",
    {
      class: "excerpt",
      tabindex: "0",
      role: "region",
      "aria-label": `Lines ${firstLine} to ${last} of ${lineCount}; the evidence is marked`,
    },
    ...lines.map(({ text, marked }, index) =>
      element(
        "span",
        { class: marked ? "row marked" : "row", "data-line": String(firstLine + index) },
        marked ? element("mark", {}, visible(text)) : visible(text),
        "\n",
      ),
    ),
  );
}

function forum({ forum: texts }: AnswerView): readonly Node[] {
  const preview = element("textarea", {
    class: "forum",
    readonly: "",
    rows: "10",
    "aria-label": "What is copied",
  });
  if (!(preview instanceof HTMLTextAreaElement)) return [];
  preview.hidden = true;
  const told = element("p", { role: "status" });
  const button = (label: string, text: string) => {
    const made = element("button", { type: "button" }, label);
    made.addEventListener("click", () => {
      preview.hidden = false;
      preview.value = text;
      preview.select();
      copy(text, preview).then((done) => {
        told.textContent = done
          ? "Copied. Addresses, serial numbers and names of hosts and people are masked; look through it before you post it."
          : "The browser did not let it be copied: it is selected, press Ctrl+C.";
      });
    });
    return made;
  };
  return [
    element("h3", {}, "Copy for the forum"),
    element(
      "div",
      { class: "buttons" },
      button("Copy as BBCode (Unraid, Proxmox forums)", texts.bbcode),
      button("Copy as Markdown (Reddit, GitHub)", texts.markdown),
    ),
    told,
    preview,
  ];
}

async function copy(text: string, preview: HTMLTextAreaElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages from a disk have no clipboard of their own in some browsers.
    preview.select();
    return document.execCommand("copy");
  }
}

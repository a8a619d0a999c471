import { ROOT_CLASS } from "./html-style.ts";

/** Class of the element around the whole page. */
export const PAGE_CLASS = "vfio-watch-page";

/**
 * What the page has beyond a report's style sheet. Text takes size and family of the page around it, and the few
 * colours of Unraid's themes that are used have a fallback for versions before 7.2, which have no variables.
 */
const RULES: readonly (readonly [selector: string, declarations: string])[] = [
  [`.${ROOT_CLASS}`, "font:inherit;line-height:1.55;--vfw-paper:var(--background-color,#fff)"],
  [`.${ROOT_CLASS}+.${ROOT_CLASS}`, "margin-top:2.5em"],
  [".vfw-banner", "display:flex;flex-wrap:wrap;gap:.3em 1em;align-items:baseline;margin:0 0 1em"],
  [".vfw-banner .vfw-mark,.vfw-card .vfw-mark", "font-size:.8em"],
  [
    ".vfw-warn",
    "margin:0 0 .6em;padding:.5em .9em;border-left:4px solid var(--vfw-warning);background:var(--vfw-tint)",
  ],
  [".vfw-warn.vfw-bad", "border-left-color:var(--vfw-bad)"],
  [
    ".vfw-cards",
    "display:grid;grid-template-columns:repeat(auto-fill,minmax(min(26em,100%),1fr));gap:1em;margin:.8em 0",
  ],
  [
    ".vfw-card",
    "border:1px solid var(--vfw-line);border-left-width:4px;border-radius:6px;padding:.7em 1em;min-width:0;font-weight:400",
  ],
  [".vfw-card.vfw-good", "border-left-color:var(--vfw-good)"],
  [".vfw-card.vfw-bad", "border-left-color:var(--vfw-bad)"],
  [".vfw-card.vfw-warning", "border-left-color:var(--vfw-warning)"],
  [".vfw-card p", "margin:.4em 0 0;text-align:left"],
  [".vfw-card .vfw-name", "font-weight:700;margin-right:.6em"],
  [".vfw-todo", "padding:.5em .8em;background:var(--vfw-tint);border-radius:4px"],
  [".vfw-healed .vfw-mark", "font-size:.8em"],
  [".vfw-fold", "margin:.8em 0;border-top:1px solid var(--vfw-line);padding-top:.6em"],
  [".vfw-fold>summary", "cursor:pointer;font-weight:600;padding:.3em 0"],
  [".vfw-card .vfw-fold", "border:0;padding:0;margin:.3em 0 0"],
  [".vfw-first", "border:1px solid var(--vfw-line);border-radius:6px;padding:.2em 1em 1em"],
  [".vfw-alerts", "list-style:none;padding:0;margin:.4em 0"],
  [
    ".vfw-alerts li",
    "display:flex;flex-wrap:wrap;gap:.3em 1.2em;align-items:center;justify-content:space-between;padding:.4em 0",
  ],
  ["button.vfw-action", "margin:0 .6em 0 0;text-transform:none"],
  [".vfw-said", "font-size:.9em"],
  [".vfw-changes .vfw-with", "font-size:.8em;opacity:.75"],
  [".vfw-small", "font-size:.87em;opacity:.85"],
  [".vfw-now", "margin:1em 0 0"],
  [".vfw-card ol", "margin:.4em 0 0"],
  ["p", "text-align:left"],
  ["table td", "white-space:normal;height:auto;line-height:inherit"],
  ["table th", "height:auto;line-height:inherit"],
  ["a", "color:inherit;text-decoration:underline"],
  [".vfw-facts dt", "text-align:left"],
  ["tr.vfw-chosen td", "background:var(--vfw-tint)"],
  [".vfw-actions", "display:flex;flex-wrap:wrap;gap:.4em 1.2em;margin:.8em 0"],
  [".vfw-actions a", "font-weight:600"],
];

/** The rules, each inside {@link PAGE_CLASS}. */
export function pageStyle(): string {
  return RULES.map(([selectors, declarations]) => {
    const all = selectors.split(",").map((selector) => `.${PAGE_CLASS} ${selector}`);
    return `${all.join(",")}{${declarations}}`;
  }).join("\n");
}

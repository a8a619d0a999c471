/** Class of the element around a report; every rule below is inside it, so that nothing leaks into a page around it. */
export const ROOT_CLASS = "vfio-watch-report";

const RULES: readonly (readonly [selector: string, declarations: string])[] = [
  [
    "",
    "--vfw-good:#1a7f37;--vfw-bad:#c62f25;--vfw-warning:#9a5b00;--vfw-quiet:#6e7781;--vfw-tint:rgba(128,128,128,.13);--vfw-line:rgba(128,128,128,.35);--vfw-mono:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;color:inherit;font:15px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;text-align:left;overflow-wrap:anywhere",
  ],
  ["*", "box-sizing:border-box;max-width:100%"],
  [
    ".vfw-title",
    "font-size:1.7em;line-height:1.25;margin:0 0 .5em;font-weight:700;color:inherit;background:none;border:0;padding:0",
  ],
  [
    ".vfw-section>:first-child",
    "font-size:1.2em;line-height:1.3;margin:0 0 .7em;padding:0 0 .3em;border:0;border-bottom:1px solid var(--vfw-line);font-weight:650;color:inherit;background:none",
  ],
  [".vfw-section", "margin:2.2em 0 0;break-inside:auto"],
  ["p", "margin:.6em 0"],
  [
    ".vfw-heading",
    "font-size:1em;line-height:1.4;margin:1.2em 0 .3em;font-weight:650;color:inherit;background:none;border:0;padding:0",
  ],
  [
    ".vfw-mark",
    "display:inline-block;font-size:.55em;font-weight:700;letter-spacing:.02em;line-height:1.4;padding:.15em .7em;border-radius:1em;vertical-align:middle;background:var(--vfw-quiet);color:#fff;print-color-adjust:exact;-webkit-print-color-adjust:exact",
  ],
  [".vfw-mark.vfw-good", "background:var(--vfw-good)"],
  [".vfw-mark.vfw-bad", "background:var(--vfw-bad)"],
  [".vfw-mark.vfw-warning", "background:var(--vfw-warning)"],
  [
    ".vfw-answer",
    "margin:0 0 1.2em;padding:.9em 1.1em;border-left:4px solid var(--vfw-quiet);border-radius:0 8px 8px 0;background:var(--vfw-tint);font-size:1.05em",
  ],
  [".vfw-answer.vfw-bad", "border-left-color:var(--vfw-bad)"],
  [".vfw-answer.vfw-good", "border-left-color:var(--vfw-good)"],
  [".vfw-answer.vfw-warning", "border-left-color:var(--vfw-warning)"],
  [".vfw-answer p", "margin:0"],
  [".vfw-answer p+p", "margin-top:.7em"],
  [".vfw-facts", "display:grid;grid-template-columns:minmax(8em,15em) minmax(0,1fr);gap:0;margin:.8em 0"],
  [".vfw-facts>div", "display:contents"],
  [
    ".vfw-facts dt",
    "margin:0;padding:.35em 1.2em .35em 0;font-weight:400;opacity:.85;border-bottom:1px solid var(--vfw-line)",
  ],
  [".vfw-facts dd", "margin:0;padding:.35em 0;border-bottom:1px solid var(--vfw-line);min-width:0"],
  [".vfw-facts>div:last-child>*", "border-bottom:0"],
  [
    "code",
    "font-family:var(--vfw-mono);font-size:.88em;background:none;color:inherit;padding:0;border:0;white-space:pre-wrap;overflow-wrap:anywhere",
  ],
  [".vfw-unknown", "font-style:italic;opacity:.85"],
  ["ol,vfw-root ul", "margin:.6em 0;padding:0 0 0 1.6em"],
  // Text that may break anywhere has no least width of its own.
  ["td", "min-width:6.2em"],
  [".vfw-short", "white-space:nowrap"],
  ["td ul", "margin:0;padding:0 0 0 1.1em"],
  ["li", "margin:.35em 0;padding:0"],
  ["table", "border-collapse:collapse;width:100%;margin:.6em 0;font-size:.93em;background:none;border:0"],
  ["caption", "text-align:left;font-weight:600;padding:.4em 0;caption-side:top"],
  [
    "th",
    "text-align:left;font-weight:600;padding:.4em .8em .4em 0;border:0;border-bottom:2px solid var(--vfw-line);vertical-align:bottom;white-space:nowrap;color:inherit;background:none",
  ],
  [
    "td",
    "text-align:left;padding:.4em .8em .4em 0;border:0;border-bottom:1px solid var(--vfw-line);vertical-align:top;color:inherit;background:none",
  ],
  ["tr", "break-inside:avoid;background:none"],
  [".vfw-tone", "font-weight:650;white-space:nowrap"],
  [
    ".vfw-tone::before",
    "content:'';display:inline-block;width:.62em;height:.62em;margin-right:.45em;border-radius:50%;background:var(--vfw-quiet);print-color-adjust:exact;-webkit-print-color-adjust:exact",
  ],
  [".vfw-tone.vfw-good::before", "background:var(--vfw-good)"],
  [".vfw-tone.vfw-bad::before", "background:var(--vfw-bad);border-radius:1px;transform:rotate(45deg)"],
  [".vfw-tone.vfw-warning::before", "background:var(--vfw-warning);border-radius:1px"],
  [
    ".vfw-lines",
    "list-style:none;margin:.6em 0;padding:0;border:1px solid var(--vfw-line);border-radius:8px;overflow:hidden",
  ],
  [
    ".vfw-lines li",
    "margin:0;padding:.5em .8em;border-bottom:1px solid var(--vfw-line);border-left:4px solid transparent",
  ],
  [".vfw-lines li:last-child", "border-bottom:0"],
  [".vfw-lines li.vfw-decisive", "border-left-color:var(--vfw-bad);background:var(--vfw-tint)"],
  [".vfw-lines .vfw-lead", "display:block;font-size:.8em;opacity:.85;margin:0 0 .1em"],
  [".vfw-lines .vfw-lead b", "font-weight:700"],
  [".vfw-changes", "list-style:none;margin:.6em 0;padding:0"],
  [".vfw-changes>li", "margin:0 0 .8em;padding:0"],
  [".vfw-changes .vfw-diff", "margin:.2em 0 0;border-left:3px solid var(--vfw-line)"],
  [
    ".vfw-changes del,vfw-root .vfw-changes ins",
    "display:block;padding:.1em .7em;text-decoration:none;font-family:var(--vfw-mono);font-size:.88em;color:inherit;white-space:pre-wrap",
  ],
  [".vfw-changes del", "background:rgba(209,56,46,.14)"],
  [".vfw-changes ins", "background:rgba(35,134,62,.16)"],
  [".vfw-changes del::before", "content:'− '"],
  [".vfw-changes ins::before", "content:'+ '"],
  [".vfw-picture", "margin:1em 0;padding:0"],
  [".vfw-picture figcaption", "font-size:.85em;opacity:.85;margin-top:.4em"],
  [
    "details",
    "margin:.8em 0;border:1px solid var(--vfw-line);border-radius:8px;padding:.1em .9em;background:none",
  ],
  ["summary", "cursor:pointer;padding:.5em 0;font-weight:600"],
  [
    ".vfw-notes",
    "margin-top:2.4em;padding-top:1em;border-top:1px solid var(--vfw-line);font-size:.87em;opacity:.9",
  ],
];

/** On a phone: labels above values, and rows of a table as cards. */
const NARROW: readonly (readonly [selector: string, declarations: string])[] = [
  [".vfw-title", "font-size:1.4em"],
  [".vfw-facts", "display:block"],
  [".vfw-facts>div", "display:block;padding:.4em 0;border-bottom:1px solid var(--vfw-line)"],
  [".vfw-facts>div:last-child", "border-bottom:0"],
  [".vfw-facts dt,vfw-root .vfw-facts dd", "padding:0;border:0"],
  [".vfw-facts dt", "font-size:.85em"],
  ["table,vfw-root tbody,vfw-root tr,vfw-root td,vfw-root caption", "display:block;width:100%"],
  ["thead", "display:none"],
  ["tr", "padding:.5em 0;border-bottom:1px solid var(--vfw-line)"],
  ["td", "display:flex;gap:.8em;padding:.1em 0;border:0"],
  ["td:empty", "display:none"],
  [".vfw-short", "white-space:normal"],
  ["td::before", "content:attr(data-label);flex:0 0 7em;font-size:.87em;opacity:.85"],
  ["td>span,vfw-root td>code", "min-width:0"],
];

/** The style sheet of a report, each rule inside {@link ROOT_CLASS}. */
export function reportStyle(): string {
  const rule = ([selector, declarations]: readonly [string, string]) => {
    const [first = "", ...others] = selector.split(",vfw-root ");
    const all = [first, ...others].map((part) => (part === "" ? `.${ROOT_CLASS}` : `.${ROOT_CLASS} ${part}`));
    return `${all.join(",")}{${declarations}}`;
  };
  return `${RULES.map(rule).join("\n")}\n@media (max-width:640px){\n${NARROW.map(rule).join("\n")}\n}`;
}

/** The page around a report that stands alone: paper and ink, in light and in the dark, and in print. */
export const PAGE_STYLE = `:root{color-scheme:light dark}
body{margin:0;background:#fff;color:#1f2328;--vfw-halo:#efefef}
body>.${ROOT_CLASS}{max-width:60rem;margin:0 auto;padding:2rem 1.25rem 3rem}
@media (prefers-color-scheme:dark){
body{background:#14171c;color:#e6e8eb;--vfw-halo:#22252a}
body>.${ROOT_CLASS}{--vfw-good:#27803f;--vfw-bad:#cf3b31;--vfw-warning:#9c6208;--vfw-quiet:#737c86}
}
@media print{
body{background:#fff;color:#000;--vfw-halo:#efefef}
body>.${ROOT_CLASS}{max-width:none;padding:0;font-size:11px}
details{border:0!important;padding:0!important}
details::details-content{content-visibility:visible!important;block-size:auto!important;opacity:1!important}
h2{break-after:avoid}
}`;

import type { Reading } from "../model/reading.ts";
import { read, unreadable } from "../model/reading.ts";

/** An element of a parsed document: attributes, text and children, all still text. */
export interface XmlElement {
  /** Value of an attribute with its character references resolved; undefined where it has none. */
  attribute(name: string): string | undefined;
  /** Text directly inside, trimmed, references resolved; empty where there is none. */
  text(): string;
  /** First child of that name. */
  child(name: string): XmlElement | undefined;
  /** All children of that name, in the order of the document. */
  children(name: string): readonly XmlElement[];
}

/** The wire allows 4 MiB (REMOTE_STRING_MAX), a VM with hundreds of devices needs a tenth of one. */
const LARGEST_DOCUMENT = 1024 * 1024;
/** libvirt's own go down about ten levels. */
const DEEPEST = 100;

const NAMED_REFERENCES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

/** What is written down while a document is gone through; whatever somebody asks for is made of it then. */
interface Node {
  readonly name: string;
  /** All attributes as they stand. */
  readonly attributes: string;
  readonly inside: Node[];
  text: string;
}

const NAME = "[A-Za-z_:\\x80-\\uffff][-.\\w:\\x80-\\uffff]*";
/**
 * Data; the name of an element that ends; the name, attributes and `/` of one that begins. Each part can end in one way
 * only, so that no text makes it try again and again.
 */
const MARKUP = new RegExp(
  [
    "<(?:!--[^]*?-->",
    "!\\[CDATA\\[([^]*?)\\]\\]>",
    "\\?[^]*?\\?>",
    `/(${NAME})\\s*>`,
    `(${NAME})((?:\\s+${NAME}\\s*=\\s*(?:"[^"<]*"|'[^'<]*'))*)\\s*(/?)>)`,
  ].join("|"),
  "y",
);
const ATTRIBUTE = new RegExp(`(${NAME})\\s*=\\s*(?:"([^"]*)"|'([^']*)')`, "g");

/**
 * Parses an XML document whose root is `rootName`, in one pass: a host may have thousands of VMs. A document type is
 * refused as a whole (libvirt writes none, and it is the only way to declare entities), so nothing can expand. Never
 * throws: what cannot be parsed is `unreadable` with the reason.
 */
export function parseXml(text: string, rootName: string): Reading<XmlElement> {
  if (text.length > LARGEST_DOCUMENT) {
    return unreadable(`XML of ${text.length} characters; more than ${LARGEST_DOCUMENT} are not read`);
  }
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) return unreadable("XML with a document type is refused");
  const top: Node = { name: "", attributes: "", inside: [], text: "" };
  const problem = fill(top, text);
  if (problem !== undefined) return unreadable(`not well-formed XML: ${problem}`);
  const [root, ...others] = top.inside;
  if (root === undefined || root.name !== rootName || others.length > 0 || top.text.trim() !== "")
    return unreadable(`XML without one <${rootName}> at its top`);
  return read(elementOf(root));
}

/** Puts everything in the text into `top`; what is wrong with it, or undefined. */
function fill(top: Node, text: string): string | undefined {
  const open = [top];
  let inner = top;
  let at = 0;
  for (;;) {
    const markup = text.indexOf("<", at);
    const said = text.slice(at, markup < 0 ? undefined : markup);
    // Between elements there are only line ends and blanks as a rule.
    if (said !== "" && /\S/.test(said)) inner.text += said;
    if (markup < 0) break;
    MARKUP.lastIndex = markup;
    const found = MARKUP.exec(text);
    if (found === null) return `what stands at character ${markup} is no markup`;
    at = MARKUP.lastIndex;
    const [data, end, start] = [found[1], found[2], found[3]];
    if (start !== undefined) {
      const node: Node = { name: start, attributes: found[4] ?? "", inside: [], text: "" };
      inner.inside.push(node);
      if (found[5] === "/") continue;
      if (open.length > DEEPEST) return `more than ${DEEPEST} elements one inside the other`;
      open.push(node);
      inner = node;
    } else if (end !== undefined) {
      if (open.length === 1 || end !== inner.name) return `</${end.slice(0, 100)}> ends nothing`;
      open.pop();
      inner = open.at(-1) ?? top;
      // Data is no markup, and a reference in it none.
    } else if (data !== undefined) inner.text += data.replaceAll("&", "&amp;");
  }
  return open.length === 1 ? undefined : `<${inner.name.slice(0, 100)}> has no end`;
}

function elementOf(node: Node): XmlElement {
  const children = (name: string) => node.inside.filter((inner) => inner.name === name).map(elementOf);
  return {
    attribute(name) {
      if (!node.attributes.includes(name)) return undefined;
      ATTRIBUTE.lastIndex = 0;
      for (;;) {
        const found = ATTRIBUTE.exec(node.attributes);
        if (found === null) return undefined;
        if (found[1] === name) return resolveReferences(found[2] ?? found[3] ?? "");
      }
    },
    text: () => resolveReferences(node.text.trim()),
    child(name) {
      const found = node.inside.find((inner) => inner.name === name);
      return found && elementOf(found);
    },
    children,
  };
}

/** Resolves the five named and all numeric character references; an unknown one stays as it stands. */
function resolveReferences(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(
    /&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|(amp|lt|gt|quot|apos));/gi,
    (whole: string, hex?: string, decimal?: string, name?: string) => {
      if (name !== undefined) return NAMED_REFERENCES[name] ?? whole;
      const code = hex === undefined ? Number.parseInt(decimal ?? "", 10) : Number.parseInt(hex, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}

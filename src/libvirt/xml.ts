import { XMLParser, XMLValidator } from "fast-xml-parser";
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

/**
 * The wire allows 4 MiB (REMOTE_STRING_MAX), a VM with hundreds of devices needs a tenth of one. Parsing takes time
 * in proportion, and hostile text takes most: up to a second for what is still read.
 */
const LARGEST_DOCUMENT = 1024 * 1024;

const NAMED_REFERENCES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

/**
 * Parses an XML document whose root is `rootName`. A document type is refused as a whole (libvirt writes none,
 * and it is the only way to declare entities), so nothing can expand. Never throws: what cannot be parsed is
 * `unreadable` with the reason.
 */
export function parseXml(text: string, rootName: string): Reading<XmlElement> {
  if (text.length > LARGEST_DOCUMENT) {
    return unreadable(`XML of ${text.length} characters; more than ${LARGEST_DOCUMENT} are not read`);
  }
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) return unreadable("XML with a document type is refused");
  try {
    const verdict = XMLValidator.validate(text);
    if (verdict !== true) return unreadable(`not well-formed XML: ${verdict.err.msg.slice(0, 200)}`);
    const root: unknown = newParser().parse(text)[rootName];
    if (root === undefined || Array.isArray(root))
      return unreadable(`XML without one <${rootName}> at its top`);
    return read(elementOf(root));
  } catch (error) {
    return unreadable(
      `not readable as XML: ${error instanceof Error ? error.message.slice(0, 200) : "unknown"}`,
    );
  }
}

/** References stay as they are here: the parser knows only the named ones, libvirt writes numeric ones too. */
function newParser(): XMLParser {
  return new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: "@",
    textNodeName: "#text",
    parseTagValue: false,
    parseAttributeValue: false,
    trimValues: false,
    processEntities: false,
    ignoreDeclaration: true,
    ignorePiTags: true,
    jPath: false,
  });
}

/** An element without attributes and children arrives as a bare string. */
function elementOf(node: unknown): XmlElement {
  const own = (key: string): unknown => {
    if (typeof node !== "object" || node === null || !Object.hasOwn(node, key)) return undefined;
    return (node as Readonly<Record<string, unknown>>)[key];
  };
  const children = (name: string): readonly XmlElement[] => {
    const found = own(name);
    if (found === undefined) return [];
    return (Array.isArray(found) ? found : [found]).map(elementOf);
  };
  return {
    attribute(name) {
      const value = own(`@${name}`);
      return typeof value === "string" ? resolveReferences(value) : undefined;
    },
    text() {
      const value = typeof node === "string" ? node : own("#text");
      return typeof value === "string" ? resolveReferences(value.trim()) : "";
    },
    child: (name) => children(name)[0],
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

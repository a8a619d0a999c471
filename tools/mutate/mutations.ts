import { stripTypeScriptTypes } from "node:module";
import { type AnyNode, type Node, parse } from "acorn";

/** One small fault: what stands at a place of a file is replaced by something else. */
export interface Mutation {
  /** Offset in the file. */
  readonly at: number;
  readonly from: string;
  readonly to: string;
  /** What kind of fault it is, for the table. */
  readonly kind: string;
}

const OPERATORS: Readonly<Record<string, readonly [kind: string, to: string]>> = {
  "===": ["equality", "!=="],
  "!==": ["equality", "==="],
  "<": ["boundary", "<="],
  "<=": ["boundary", "<"],
  ">": ["boundary", ">="],
  ">=": ["boundary", ">"],
  "&&": ["logic", "||"],
  "||": ["logic", "&&"],
  "+": ["arithmetic", "-"],
  "-": ["arithmetic", "+"],
  "*": ["arithmetic", "/"],
  "/": ["arithmetic", "*"],
  "%": ["arithmetic", "*"],
  "+=": ["arithmetic", "-="],
  "-=": ["arithmetic", "+="],
  "++": ["arithmetic", "--"],
  "--": ["arithmetic", "++"],
};
const METHODS: Readonly<Record<string, string>> = {
  some: "every",
  every: "some",
  find: "findLast",
  findLast: "find",
  findIndex: "findLastIndex",
  indexOf: "lastIndexOf",
  lastIndexOf: "indexOf",
  min: "max",
  max: "min",
  floor: "ceil",
  ceil: "floor",
  startsWith: "endsWith",
  endsWith: "startsWith",
  push: "unshift",
  unshift: "push",
  shift: "pop",
  pop: "shift",
};
/** Words of SQL, and what a slip makes of them. */
const SQL_SLIPS: readonly (readonly [pattern: RegExp, slip: (found: string) => string])[] = [
  [/ (?:<=?|>=?) /g, (found) => (found.includes("=") ? found.replace("=", "") : `${found.trimEnd()}= `)],
  [/ (?:!=|=) /g, (found) => (found === " = " ? " != " : " = ")],
  [/\b(?:and|AND)\b/g, () => "or"],
  [/\b(?:or|OR)\b(?! (?:ignore|replace|IGNORE|REPLACE))/g, () => "and"],
  [/ (?:desc|DESC)\b/g, () => ""],
  [/\border by [\w.]+(?! (?:desc|collate))\b/gi, (found) => `${found} desc`],
  [/\b(?:max|min)\(/gi, (found) => (found.toLowerCase() === "max(" ? "min(" : "max(")],
  [/\bis not null\b/gi, () => "is null"],
  [/\bis null\b/gi, () => "is not null"],
  [/\bnot (?=exists|in\b)/gi, () => ""],
];
/** A larger number is a span of time or of bytes, of which one more is no fault that anyone could see. */
const LARGEST_COUNT = 100;

/**
 * All small faults that can be put into this source (TypeScript), in order of place: operators, conditions, branches,
 * numbers and words that are compared, statements and jumps left out, awaits dropped, slips in SQL.
 */
export function mutationsOf(source: string): readonly Mutation[] {
  // Node's own stripping leaves every offset as it was.
  const code = stripTypeScriptTypes(source);
  const found: Mutation[] = [];
  walk(parse(code, { ecmaVersion: "latest", sourceType: "module" }), (node, parent) => {
    for (const [kind, { start, end }, to] of slipsAt(node as AnyNode, parent as AnyNode | undefined, source))
      found.push({ at: start, from: source.slice(start, end), to, kind });
  });
  return found.sort((a, b) => a.at - b.at);
}

/** The source with the fault in it. */
export function withMutation(source: string, { at, from, to }: Mutation): string {
  return source.slice(0, at) + to + source.slice(at + from.length);
}

type Slip = readonly [kind: string, place: { readonly start: number; readonly end: number }, to: string];

function slipsAt(node: AnyNode, parent: AnyNode | undefined, source: string): readonly Slip[] {
  const text = (part: Node) => source.slice(part.start, part.end);
  switch (node.type) {
    case "BinaryExpression":
    case "LogicalExpression":
    case "AssignmentExpression": {
      // What is left without its fallback is what the type checker notices.
      if (node.operator === "??") return [["fallback", node, text(node.right)]];
      return operatorSlip(node.operator, source, node.left.end, node.right.start);
    }
    case "UpdateExpression":
      return operatorSlip(
        node.operator,
        source,
        node.prefix ? node.start : node.argument.end,
        node.prefix ? node.argument.start : node.end,
      );
    case "UnaryExpression":
      return node.operator === "!" ? [["negation", node, text(node.argument)]] : [];
    case "IfStatement":
      return [
        ["condition", node.test, `!(${text(node.test)})`],
        ["condition", node.test, "false"],
        ["condition", node.test, "true"],
      ];
    case "ConditionalExpression":
      return [
        ["branches", node, text(node.consequent)],
        ["branches", node, text(node.alternate)],
      ];
    case "ArrowFunctionExpression":
      // What a filter or a search asks.
      return parent?.type === "CallExpression" && /^(?:filter|some|every|find\w*)$/.test(called(parent))
        ? node.body.type === "BlockStatement"
          ? []
          : [["condition", node.body, `!(${text(node.body)})`]]
        : [];
    case "Literal":
      return literalSlips(node.value, node, parent, source);
    case "TemplateElement":
      return /\b(?:select|insert|update|delete|where|order by)\b/i.test(text(node))
        ? SQL_SLIPS.flatMap(([pattern, slip]) =>
            [...text(node).matchAll(pattern)].map(
              ({ 0: found, index }): Slip => [
                "sql",
                { start: node.start + index, end: node.start + index + found.length },
                slip(found),
              ],
            ),
          )
        : [];
    case "CallExpression": {
      const to = METHODS[called(node)];
      if (to === undefined || node.callee.type !== "MemberExpression") return [];
      return [["method", node.callee.property, to]];
    }
    case "ExpressionStatement":
      return "directive" in node ? [] : [["statement", node, ";"]];
    case "ContinueStatement":
    case "BreakStatement":
      return parent?.type === "SwitchCase" ? [] : [["jump", node, ";"]];
    case "ReturnStatement":
      return node.argument == null ? [["jump", node, ";"]] : [];
    case "AwaitExpression":
      return [["await", node, text(node.argument)]];
    default:
      return [];
  }
}

function operatorSlip(operator: string, source: string, after: number, before: number): readonly Slip[] {
  const slip = OPERATORS[operator];
  const at = source.indexOf(operator, after);
  return slip === undefined || at < 0 || at >= before
    ? []
    : [[slip[0], { start: at, end: at + operator.length }, slip[1]]];
}

function literalSlips(
  value: unknown,
  node: Node & { regex?: unknown },
  parent: AnyNode | undefined,
  source: string,
): readonly Slip[] {
  const from = source.slice(node.start, node.end);
  if (typeof value === "boolean") return [["truth", node, String(!value)]];
  if (typeof value === "number")
    return (
      value > LARGEST_COUNT
        ? [value * 2, Math.trunc(value / 2)]
        : value > 0
          ? [value + 1, value - 1]
          : [value + 1]
    ).map((to): Slip => ["number", node, String(to)]);
  if (node.regex !== undefined)
    return [
      ...(from.startsWith("/^") ? [["pattern", node, `/${from.slice(2)}`] as const] : []),
      ...(/(?<!\\)\$\/\w*$/.test(from) ? [["pattern", node, from.replace(/\$(?=\/\w*$)/, "")] as const] : []),
    ];
  const compared =
    (parent?.type === "BinaryExpression" && parent.right === node) ||
    parent?.type === "SwitchCase" ||
    (parent?.type === "CallExpression" && /^(?:includes|has|startsWith|endsWith)$/.test(called(parent)));
  return typeof value === "string" && compared ? [["word", node, `"${value}~"`]] : [];
}

/** The name of the method or function that is called. */
function called(node: AnyNode): string {
  if (node.type !== "CallExpression") return "";
  const { callee } = node;
  if (callee.type === "Identifier") return callee.name;
  return callee.type === "MemberExpression" && callee.property.type === "Identifier"
    ? callee.property.name
    : "";
}

function walk(node: Node, visit: (node: Node, parent: Node | undefined) => void, parent?: Node): void {
  visit(node, parent);
  for (const part of Object.values(node).flat())
    if (
      typeof part === "object" &&
      part !== null &&
      "type" in part &&
      !("regex" in part && "pattern" in part)
    )
      walk(part as Node, visit, node);
}

/** Whether this is a program at all: what does not even load is noticed by every test. */
export function isCode(source: string): boolean {
  try {
    parse(stripTypeScriptTypes(source), { ecmaVersion: "latest", sourceType: "module" });
    return true;
  } catch {
    return false;
  }
}

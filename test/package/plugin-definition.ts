/** One FILE of a plugin definition. */
export interface PluginFile {
  readonly name: string | undefined;
  readonly run: string | undefined;
  readonly min: string | undefined;
  readonly max: string | undefined;
  readonly methods: readonly string[];
  readonly url: string | undefined;
  readonly sha256: string | undefined;
  readonly inline: string | undefined;
}

/**
 * Reads a .plg as far as this project's own needs it: entities of the document type, then FILE after FILE. Throws for
 * a reference to an entity that is not declared, as an XML parser would.
 */
export function readPluginDefinition(text: string): readonly PluginFile[] {
  const entities = new Map([
    ["lt", "<"],
    ["gt", ">"],
    ["amp", "&"],
    ["quot", '"'],
    ["apos", "'"],
  ]);
  for (const [, name = "", value = ""] of text.matchAll(/<!ENTITY\s+(\w+)\s+"([^"]*)">/g))
    entities.set(name, value);
  const resolve = (value: string, depth = 0): string =>
    value.replace(/&(\w+);/g, (mark, name: string) => {
      const content = entities.get(name);
      if (content === undefined || depth > 5) throw new Error(`${mark} is not declared`);
      return content.length === 1 ? content : resolve(content, depth + 1);
    });
  const body = text.slice(text.indexOf("<PLUGIN")).replace(/<!--[\s\S]*?-->/g, "");
  return [...body.matchAll(/<FILE\b([^>]*)>([\s\S]*?)<\/FILE>/g)].map(([, head = "", content = ""]) => {
    const attribute = (name: string) => {
      const value = new RegExp(`\\b${name}="([^"]*)"`).exec(head)?.[1];
      return value === undefined ? undefined : resolve(value);
    };
    const child = (name: string) => {
      const value = new RegExp(`<${name}>([\\s\\S]*?)</${name}>`).exec(content)?.[1];
      return value === undefined ? undefined : resolve(value);
    };
    return {
      name: attribute("Name"),
      run: attribute("Run"),
      min: attribute("Min"),
      max: attribute("Max"),
      methods: (attribute("Method") ?? "install").split(" "),
      url: child("URL")?.trim(),
      sha256: child("SHA256")?.trim(),
      inline: child("INLINE"),
    };
  });
}

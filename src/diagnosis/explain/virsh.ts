/** One call of virsh that a text shows. */
export interface VirshCall {
  readonly command: string;
  /** What stands behind it, in most cases a VM's name; without quotes. */
  readonly argument?: string;
}

/**
 * The calls of virsh in a text. Taken apart by hand: an expression that steps over any number of options would try
 * every way to do so on a text that is full of them.
 */
export function virshCalls(text: string): readonly VirshCall[] {
  return [...text.matchAll(/\bvirsh ([^\n]{1,300})/g)].flatMap(([, rest = ""]) => {
    const words = rest.match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
    let next = 0;
    while (words[next]?.startsWith("-") === true) {
      // `-c URI`, `--connect URI`; other options have no argument or join it with `=`.
      next += /^(?:-c|--connect)$/.test(words[next] ?? "") ? 2 : 1;
    }
    const [command, argument] = words.slice(next);
    if (command === undefined || !/^[a-z][a-z-]+$/.test(command)) return [];
    return [
      { command, ...(argument !== undefined && { argument: argument.replaceAll(/^["']|["']$/g, "") }) },
    ];
  });
}

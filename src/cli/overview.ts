import { table, wrap } from "../text-columns.ts";
import { COMMAND_SUMMARIES } from "./commands.ts";

/** What `--help` prints: every command with its one line. */
export function overview(columns: number): string {
  const fit = (text: string) => wrap(text, columns, "  ");
  return `${wrap("vfio-watch notices VM starts that fail on VFIO or the IOMMU, says why, and what changed since the last good one.", columns)}

Usage: vfio-watch COMMAND [options]
       vfio-watch COMMAND --help

${table(
  Object.entries(COMMAND_SUMMARIES).map(([name, summary]) => [`  ${name}`, summary]),
  columns,
)}

${fit("Example: 'vfio-watch explain error.txt' explains a log that somebody pasted.")}
${fit("Exit codes: 0 done, 1 could not be done, 2 wrong arguments, 3 done and found something to act on.")}
`;
}

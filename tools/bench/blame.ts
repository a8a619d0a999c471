import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { askBlame } from "../../src/history/ask-blame.ts";
import { describeBlame } from "../../src/history/describe-blame.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { buildHistory } from "./store-ten-years.ts";

// How long `blame` takes over ten years: 4 000 boots, 50 000 starts. Usage: blame.ts [DATABASE]
// A database that does not exist is made and kept; without an argument it is temporary.

/** One question that was asked several times, in milliseconds. */
export interface BlameTimes {
  readonly question: readonly string[];
  readonly headline: string;
  readonly queries: readonly number[];
  readonly commands: readonly number[];
}

const QUERIES = 7;
const COMMANDS = 5;

/** Opens a history, or throws why it cannot be. */
export function openHistory(path: string, readOnly: boolean): Store {
  const opened = openStore({ path, readOnly, clock: { now: Date.now } });
  if (opened.state === "refused") throw new Error(`${opened.why} ${opened.remedy}`);
  return opened.store;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function timed(work: () => unknown): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}

/** Builds ten years of history at `path` unless they are there. Returns the seconds it took. */
export function buildTenYears(path: string): number {
  if (existsSync(path)) return 0;
  const store = openHistory(path, false);
  const took = timed(() => buildHistory(store)) / 1000;
  store.close();
  return took;
}

/** Asks the history at `path` in this process, and by the command of `program` (a `.ts` or a bundle). */
export function measureQuestions(path: string, program: string): readonly BlameTimes[] {
  return [[], ["--vm", "Windows 11"], ["--device", "0000:01:00.0"], ["--device", "10de:2805"]].map(
    (question) => {
      const [option, value = ""] = question;
      const asked =
        option === "--vm" ? { vm: value as never } : option === "--device" ? { device: value } : {};
      let headline = "";
      const queries = Array.from({ length: QUERIES }, () => {
        // Opened anew each time, as the command does.
        const store = openHistory(path, true);
        const took = timed(() => {
          headline = describeBlame(askBlame(store, asked)).headline;
        });
        store.close();
        return took;
      });
      const commands = Array.from({ length: COMMANDS }, () =>
        timed(() => {
          try {
            execFileSync(process.execPath, [program, "blame", "--database", path, ...question], {
              stdio: "ignore",
            });
          } catch (error) {
            // Exit code 3: the newest start failed, which is an answer.
            if ((error as { status?: number }).status !== 3) throw error;
          }
        }),
      );
      return { question, headline, queries, commands };
    },
  );
}

function main(given: string | undefined): void {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-bench-"));
  const path = given ?? join(directory, "history.db");
  try {
    const built = buildTenYears(path);
    if (built > 0) console.log(`building ten years: ${Math.round(built)} s`);
    const program = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
    for (const { question, headline, queries, commands } of measureQuestions(path, program)) {
      console.log(
        `blame ${question.join(" ")}: query first ${(queries[0] ?? 0).toFixed(0)} ms, median ${median(queries).toFixed(0)} ms (budget 100); command ${median(commands).toFixed(0)} ms (budget 250)`,
      );
      console.log(`  ${headline}`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv[2]);

import { type CommandOutcome, runProgram } from "./command-io.ts";

// Run by itself as another user: the commands of its argument (JSON, a list of arguments each) one after another, and
// prints what came of them as JSON.
const runs = JSON.parse(process.argv[2] ?? "[]") as readonly (readonly string[])[];
const outcomes: CommandOutcome[] = [];
for (const args of runs) outcomes.push(await runProgram(args, process.env));
process.stdout.write(JSON.stringify(outcomes));

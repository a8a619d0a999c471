#!/usr/bin/env node
// Plain JavaScript, and `main.ts` a link to it: an older Node refuses a file by the name of TypeScript before any line of
// it runs, with a stack trace. It looks at the name that the link leads to.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
/** Without it neither TypeScript nor better-sqlite3 runs, so older ones are turned away before anything else is loaded. */
const isRecentEnough = major > 22 || (major === 22 && minor >= 18);

if (isRecentEnough) {
  const [command] = process.argv.slice(2);
  // Before anything else is loaded: what V8 has compiled once stays in memory.
  if (command === "run") (await import("./daemon/engine-thrift.ts")).makeEngineThrifty();
  const { needsChild, runInChild } = await import("./cli/bounded-child.ts");
  if (needsChild(process.argv.slice(2), process.env, process.stdin.isTTY === true)) {
    process.exitCode = await runInChild(process.argv[1] ?? "", process.argv.slice(2));
  } else {
    const { main } = await import("./cli/main.ts");
    process.exitCode = await main(process.argv.slice(2));
  }
} else {
  process.stderr.write(
    `vfio-watch: this is Node ${process.versions.node}; it needs Node 22.18 or newer. ` +
      "Unraid 7.2 and newer have it at /usr/local/bin/node; elsewhere install it from nodejs.org or your distribution.\n",
  );
  process.exitCode = 1;
}

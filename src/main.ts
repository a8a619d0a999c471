#!/usr/bin/env node
const WANTED = [22, 18] as const;

/** better-sqlite3 crashes under older Nodes, so they are turned away before anything else is loaded. */
function isNodeRecentEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > WANTED[0] || (major === WANTED[0] && minor >= WANTED[1]);
}

if (isNodeRecentEnough(process.versions.node)) {
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
    `vfio-watch: this is Node ${process.versions.node}; it needs Node ${WANTED.join(".")} or newer. ` +
      "Unraid 7.2 and newer have it at /usr/local/bin/node; elsewhere install it from nodejs.org or your distribution.\n",
  );
  process.exitCode = 1;
}

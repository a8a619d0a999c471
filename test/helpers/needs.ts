import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/**
 * Why a test that runs these programs cannot run here; false where all of them are there. A name with a slash is a
 * file that has to exist. On a machine of one's own the test is skipped with the reason. In CI, which installs them
 * all (`.ci/run`), a missing one is an error: a test that vanishes there unnoticed protects nobody.
 */
export function needsPrograms(...names: readonly string[]): string | false {
  const missing = names.filter((name) => (name.includes("/") ? !existsSync(name) : !isProgram(name)));
  if (missing.length === 0) return false;
  const reason = `needs ${missing.join(", ")}`;
  if (process.env.CI === "true") throw new Error(`${reason}, which .ci/run installs: add the package there`);
  return reason;
}

function isProgram(name: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$1"', "sh", name], { stdio: "ignore" }).status === 0;
}

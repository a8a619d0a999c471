import { chmodSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory } from "../make-directory.ts";

/** The kernel keeps an address of a UNIX socket in 108 bytes, the last one a zero (unix(7)). */
const LONGEST_ADDRESS = 107;

/** Path of the control socket in a run-time directory. */
export function controlSocket(directory: string): string {
  return join(directory, "control");
}

/** Why a socket cannot have this path; undefined where it can. */
export function addressProblem(path: string): string | undefined {
  const bytes = Buffer.byteLength(path);
  return bytes <= LONGEST_ADDRESS
    ? undefined
    : `${path} has ${bytes} bytes, and a socket's address ${LONGEST_ADDRESS} at most`;
}

/** What the service keeps in its run-time directory. */
const OURS: ReadonlySet<string> = new Set(
  ["control", "state.json", "overview.json", "heard.json"].flatMap((name) => [name, `${name}.new`]),
);

/**
 * Makes the run-time directory, for its owner alone. Returns why it may not be used where it is no directory (a link is
 * none), somebody else's, or one that others may write to: in a shared place such as `/tmp` anybody may have made one
 * of this name first.
 */
export function ownDirectory(directory: string): string | undefined {
  try {
    makeDirectory(directory, 0o700);
    const problem = ownershipProblem(directory);
    if (problem !== undefined) return problem;
    // An earlier version, or a script, may have made it for everybody to look into; but a directory that holds other
    // things (somebody named `/run`) must stay as it is.
    if ((lstatSync(directory).mode & 0o077) !== 0 && readdirSync(directory).every((name) => OURS.has(name)))
      chmodSync(directory, 0o700);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Why what lies in this directory is not to be trusted; undefined where it is ours. Throws where there is none. */
export function ownershipProblem(directory: string): string | undefined {
  const status = lstatSync(directory);
  if (!status.isDirectory()) return `${directory} is not a directory`;
  // Root's is anybody's to trust.
  if (status.uid !== process.getuid?.() && status.uid !== 0)
    return `${directory} belongs to another user (${status.uid})`;
  if ((status.mode & 0o022) !== 0)
    return `others may write to ${directory}; remove it, or take that right away with 'chmod go-w ${directory}'`;
  return undefined;
}

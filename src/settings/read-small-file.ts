import { readFileSync, statSync } from "node:fs";

/** Reads a plain file up to a size; a problem completes the sentence "The file …". */
export function readSmallFile(
  file: string,
  longest: number,
): { readonly value: string } | { readonly problem: string; readonly absent: boolean } {
  try {
    const status = statSync(file);
    // A pipe or a device in its place would hold the service up for ever.
    if (!status.isFile()) return { problem: "is not a plain file", absent: false };
    if (status.size > longest) return { problem: `is larger than ${longest} bytes`, absent: false };
    return { value: readFileSync(file, "utf8") };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    const absent = code === "ENOENT";
    return { problem: absent ? "does not exist" : `cannot be read (${code})`, absent };
  }
}

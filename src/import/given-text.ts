import { gunzipSync } from "node:zlib";
import { decodeText } from "./decode-text.ts";
import { isGzip, isZip, packedWith } from "./packed.ts";
import { syslogAge } from "./syslog-age.ts";
import { type FileBundle, zipBundle } from "./zip-bundle.ts";

/** What somebody gives to be explained, as text. */
export type GivenText =
  | {
      readonly state: "text";
      readonly text: string;
      /** Of an archive, the files whose text it is; and what of it could not be read, in sentences. */
      readonly files: readonly string[];
      readonly notes: readonly string[];
    }
  /** Goes on after the name of what was given: `is packed with xz …`. */
  | { readonly state: "refused"; readonly why: string };

/** Of Unraid's diagnostics, what was said: the kernel's boots in their order, libvirt, the VMs. */
const OF_DIAGNOSTICS: readonly RegExp[] = [
  /^logs\/syslog-previous.*\.txt$/,
  /^logs\/syslog(?!-previous).*\.txt$/,
  /^logs\/libvirt(?:\.last200)?\.txt$/,
  /^qemu\/.+\.txt$/,
];
/** Of any other archive, what may be a log. */
const OF_ANY = /(?:^|\/)[^/]*(?:\.(?:txt|log|out|err|dmesg|journal|md)(?:\.\d+)?|dmesg|syslog|messages)$/i;

/**
 * Makes text of a file's bytes: plain text in the encodings that people have, also packed with gzip, or the logs of a
 * ZIP archive (Unraid's diagnostics, or a folder of logs) one behind the other. `limit` bounds the unpacked bytes.
 */
export async function textOfGiven(bytes: Buffer, name: string, limit: number): Promise<GivenText> {
  const packed = packedWith(bytes);
  if (packed !== undefined) return { state: "refused", why: `is packed with ${packed}.` };
  if (isZip(bytes)) return textOfZip(bytes, name, limit);
  try {
    const plain = isGzip(bytes) ? gunzipSync(bytes, { maxOutputLength: limit }) : bytes;
    return { state: "text", text: decodeText(plain), files: [], notes: [] };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    return {
      state: "refused",
      why:
        code === "ERR_BUFFER_TOO_LARGE"
          ? "is too large when it is unpacked; cut out the part around the failure."
          : "is packed with gzip and damaged.",
    };
  }
}

async function textOfZip(bytes: Buffer, name: string, limit: number): Promise<GivenText> {
  const opened = zipBundle(bytes, { name, modifiedAt: 0 });
  if (opened.state === "refused")
    return { state: "refused", why: `is a ZIP archive that is not read: ${opened.why}` };
  const { bundle } = opened;
  const wanted = logsIn(bundle);
  if (wanted.length === 0)
    return {
      state: "refused",
      why: "is a ZIP archive without any log: neither Unraid's diagnostics nor *.txt or *.log.",
    };
  const files: string[] = [];
  const texts: string[] = [];
  const notes: string[] = [];
  let length = 0;
  for (const path of wanted) {
    const content = await bundle.read(path, limit - length + 1);
    if (content === undefined) continue;
    if (length + content.length > limit) {
      notes.push(`${path} and what comes after it were not read: all together they are too large.`);
      break;
    }
    length += content.length;
    files.push(path);
    // An empty line keeps the last line of one file from going on in the next.
    texts.push(decodeText(content), "");
  }
  return { state: "text", text: texts.join("\n"), files, notes: [...bundle.notes.list(), ...notes] };
}

/** The logs of an archive, in the order in which they are read. */
export function logsIn({ paths }: FileBundle): readonly string[] {
  const ofDiagnostics = OF_DIAGNOSTICS.flatMap((wanted) =>
    paths.filter((path) => wanted.test(path)).sort((a, b) => syslogAge(b) - syslogAge(a) || (a < b ? -1 : 1)),
  );
  return ofDiagnostics.length > 0 ? ofDiagnostics : paths.filter((path) => OF_ANY.test(path)).sort();
}

import type { VmName } from "../model/identifiers.ts";
import { createDomainLogParser, type DomainLogObservation, vmOfLogFile } from "./domain-logs-parser.ts";
import { readLibvirtTime, readQemuTime } from "./log-time.ts";

/**
 * Reads a whole domain log that was recorded or copied from another machine. `vm` overrides the name that the
 * file name gives. Lines before the first time stamp take that stamp's time; where the file has none at all,
 * `withoutTime` (UTC epoch milliseconds).
 */
export function readRecordedDomainLog(
  bytes: Uint8Array,
  options: { readonly fileName: string; readonly vm?: VmName; readonly withoutTime?: number },
): DomainLogObservation[] {
  const parser = createDomainLogParser({ vm: options.vm ?? vmOfLogFile(options.fileName) });
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let arrivedAt: number | undefined;
  const observations: DomainLogObservation[] = [];
  const lines = recordedLines(buffer);
  for (const { text } of lines) {
    arrivedAt = (readLibvirtTime(text) ?? readQemuTime(text))?.at;
    if (arrivedAt !== undefined) break;
  }
  for (const { text, offset } of recordedLines(buffer)) {
    observations.push(...parser.line(text, offset, arrivedAt ?? options.withoutTime ?? 0));
  }
  observations.push(...parser.end());
  return observations;
}

/** The lines of a text, each with the byte at which it begins; tolerates the CRLF of Unraid's diagnostics. */
function* recordedLines(buffer: Buffer): Generator<{ readonly text: string; readonly offset: number }> {
  for (let offset = 0; offset < buffer.length; ) {
    const newline = buffer.indexOf(10, offset);
    const next = newline < 0 ? buffer.length : newline + 1;
    let end = newline < 0 ? buffer.length : newline;
    if (end > offset && buffer[end - 1] === 13) end -= 1;
    yield { text: buffer.toString("utf8", offset, end), offset };
    offset = next;
  }
}

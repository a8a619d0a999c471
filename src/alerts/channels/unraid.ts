import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../clock.ts";
import { readNames, readText } from "../../host/read-file.ts";
import type { HostPaths } from "../../host-paths.ts";
import { parseFlatFile } from "../../settings/flat-file.ts";
import { choice, minimumImportance, path, whole } from "../../settings/value-kinds.ts";
import type { Channel, SendResult } from "../channel.ts";
import { renderUnraid, UNRAID_EVENT, unraidReference } from "../render.ts";
import { type ProgramEnd, runProgram } from "../run-program.ts";
import { unraidReader } from "../unraid-text.ts";
import { channelKind } from "./kind.ts";

export const unraid = channelKind({
  name: "unraid",
  title: "Unraid notifications",
  settings: {
    NOTIFY_UNRAID: choice(
      "auto",
      ["auto", "yes", "no"],
      "Use Unraid's own notifications (browser, mail and agents as set there). auto: on Unraid.",
    ),
    UNRAID_MINIMUM_IMPORTANCE: minimumImportance("becomes an Unraid notification"),
    UNRAID_NOTIFY_SCRIPT: path("/usr/local/emhttp/webGui/scripts/notify", "Unraid's notifier."),
    UNRAID_LINK: path(
      "/Tools/vfio-watch",
      "The page of Unraid's web interface that a notification leads to.",
    ),
    UNRAID_TIMEOUT_SECONDS: whole(
      90,
      { minimum: 5, maximum: 600, unit: "seconds" },
      "The notifier runs every agent before it returns; longer than this it is not waited for.",
    ),
  },
  labels: {
    NOTIFY_UNRAID: "Use them",
    UNRAID_MINIMUM_IMPORTANCE: "From which importance",
    UNRAID_LINK: "Page behind a notification",
    UNRAID_NOTIFY_SCRIPT: "Notifier",
    UNRAID_TIMEOUT_SECONDS: "Time limit",
  },
  needs: "Unraid",
  isOn: ({ NOTIFY_UNRAID }, place) => NOTIFY_UNRAID === "yes" || (NOTIFY_UNRAID === "auto" && place.unraid),
  minimum: (settings) => settings.UNRAID_MINIMUM_IMPORTANCE,
  create: (settings, { host, clock }) =>
    createUnraidChannel({
      script: settings.UNRAID_NOTIFY_SCRIPT,
      link: settings.UNRAID_LINK,
      timeLimitMs: settings.UNRAID_TIMEOUT_SECONDS * 1000,
      host,
      clock,
    }),
});

/** Unraid names notifications by the second; a little more than one keeps two of them apart. */
const SPACING = 1_100;

/**
 * Uses Unraid's own notifier. Its exit code is 0 whatever happens and an equal file name is a silent no-op, so the
 * proof of delivery is the notification's file in the archive; that is written before mail and agents run, which may
 * take long. Its text carries the delivery, so a try after a crash finds out that it had succeeded before.
 */
export function createUnraidChannel(options: {
  /** The notifier, a host path. */
  readonly script: string;
  /** The page that the notification leads to. */
  readonly link: string;
  readonly timeLimitMs: number;
  readonly host: HostPaths;
  readonly clock: Clock;
}): Channel {
  const { script, link, timeLimitMs, host, clock } = options;
  let lastRunAt = Number.NEGATIVE_INFINITY;
  return {
    name: "unraid",
    timeLimitMs: timeLimitMs + SPACING,
    async send(message, signal): Promise<SendResult> {
      const fields = renderUnraid(message, unraidReader(host));
      const reference = unraidReference(message);
      const archive = host.at(join(notificationDirectory(host), "archive"));
      if (isArchived(archive, reference)) return { delivered: true };
      await untilApart(lastRunAt, clock);
      if (signal.aborted)
        return { delivered: false, error: "the notifier was not run, the service was ending" };
      lastRunAt = clock.now();
      const ended = await runProgram({
        program: host.at(script),
        arguments: [
          ...["-e", fields.event, "-s", fields.subject, "-d", fields.description],
          ...["-i", fields.importance, "-m", fields.message, "-l", link],
        ],
        timeLimitMs,
        clock,
        signal,
        onAbort: "leave-it",
      });
      if (isArchived(archive, reference)) return { delivered: true };
      return { delivered: false, error: explain(ended, script, archive, timeLimitMs) };
    },
  };
}

/**
 * The directory of Unraid's notifications: `path` in the `[notify]` section of the owner's settings, else of the
 * defaults, else in memory. A host path.
 */
export function notificationDirectory(host: HostPaths): string {
  const files = ["/boot/config/plugins/dynamix/dynamix.cfg", "/usr/local/emhttp/plugins/dynamix/default.cfg"];
  for (const file of files) {
    const path = notifyPath(host.at(file));
    if (path?.startsWith("/") === true) return path;
  }
  return "/tmp/notifications";
}

function notifyPath(file: string): string | undefined {
  try {
    const section =
      /^\s*\[notify\]\s*$([\s\S]*?)(?=^\s*\[|(?![\s\S]))/m.exec(readFileSync(file, "utf8"))?.[1] ?? "";
    return parseFlatFile(section).assignments.find(({ key }) => key === "path")?.value;
  } catch {
    return undefined;
  }
}

/** So many files are looked into; older ones are of alerts that are long settled. */
const MOST_READ = 200;

/** The notifier makes `VFIO_Watch_<seconds>.notify` (6.12 to 7.4), in which the text for mail stands, too. */
function isArchived(archive: string, reference: string): boolean {
  const stem = `${UNRAID_EVENT.replaceAll(" ", "_")}_`;
  const isOfDelivery = new RegExp(`${reference}(?!\\d)`);
  return readNewest(archive, stem).some((text) => isOfDelivery.test(text));
}

function readNewest(archive: string, stem: string): readonly string[] {
  const names = readNames(archive);
  if (names.state !== "read") return [];
  const newest = names.value
    .filter((name) => name.startsWith(stem))
    .toSorted()
    .slice(-MOST_READ);
  return newest.flatMap((name) => {
    const text = readText(join(archive, name));
    return text.state === "read" ? text.value : [];
  });
}

function untilApart(lastRunAt: number, clock: Clock): Promise<void> {
  const wait = lastRunAt + SPACING - clock.now();
  // A clock that was set back must not hold notifications up.
  if (wait <= 0 || wait > SPACING) return Promise.resolve();
  return new Promise((resolve) => clock.after(wait, resolve));
}

function explain(ended: ProgramEnd, script: string, archive: string, timeLimitMs: number): string {
  switch (ended.end) {
    case "exited":
      return `Unraid's notifier ran and stored nothing in ${archive}`;
    case "killed":
      return `Unraid's notifier was ended by ${ended.by}`;
    case "too-long":
      return `Unraid's notifier stored nothing within ${timeLimitMs / 1000} s`;
    case "aborted":
      return "Unraid's notifier was not waited for";
    case "not-started":
      return `Unraid's notifier ${script} could not be run (${ended.code})`;
  }
}

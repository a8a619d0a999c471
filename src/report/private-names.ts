import { textOf } from "../facts/fact-value.ts";
import { readNames, readText, readValue } from "../host/read-file.ts";
import type { HostPaths } from "../host-paths.ts";
import { findHostIdentifiers } from "./host-identifiers.ts";
import type { ReportInput } from "./input.ts";
import type { RedactionNames } from "./redaction.ts";

/** Facts whose values are versions and products, however they look. */
const PUBLIC_FACTS =
  /^(?:firmware\.(?:bios|board|system|microcode)|kernel\.(?:release|build)|software\.|pci\.[^.]+\.name|hardware\.)/;

/** Finds the names of this host and of its people, and what must be kept of the report in spite of its looks. */
export function findPrivateNames(
  paths: HostPaths,
  env: NodeJS.ProcessEnv,
  { facts, answer, tried, timeLine }: Pick<ReportInput, "facts" | "answer" | "tried" | "timeLine">,
): RedactionNames {
  const changes = answer?.changes?.flatMap((line) => line.changes) ?? [];
  const values = [
    ...facts.filter(({ key }) => PUBLIC_FACTS.test(key)).map(({ value }) => value),
    ...changes.filter(({ key }) => PUBLIC_FACTS.test(key)).flatMap(({ before, after }) => [before, after]),
  ];
  return {
    hosts: hostNames(paths),
    users: userNames(paths, env),
    identifiers: findHostIdentifiers(paths),
    keep: [
      ...values.flatMap((value) => textOf(value) ?? []),
      ...tried.flatMap(({ bios }) => bios ?? []),
      ...(timeLine?.runs.map(({ bios }) => bios) ?? []),
      ...[answer?.lastGood, answer?.here, answer?.failing?.since].flatMap((moment) => moment?.bios ?? []),
      ...[answer?.lastGood, answer?.here, answer?.failing?.since].flatMap((moment) => moment?.kernel ?? []),
      ...(answer?.goBack.flatMap(({ to }) => to ?? []) ?? []),
    ],
  };
}

function hostNames(paths: HostPaths): readonly string[] {
  const files = ["/proc/sys/kernel/hostname", "/etc/hostname"].flatMap((path) => {
    const name = readValue(paths.at(path));
    return name.state === "read" ? [name.value] : [];
  });
  // Unraid keeps its name on the flash stick.
  const identity = readText(paths.at("/boot/config/ident.cfg"), 64 * 1024);
  const [, name] = identity.state === "read" ? (/^NAME="([^"\n]{1,64})"/m.exec(identity.value) ?? []) : [];
  return name === undefined ? files : [...files, name];
}

function userNames(paths: HostPaths, env: NodeJS.ProcessEnv): readonly string[] {
  const homes = readNames(paths.at("/home"));
  return [
    ...(homes.state === "read" ? homes.value : []),
    ...(paths.root === "/" ? [env.SUDO_USER ?? "", env.LOGNAME ?? ""] : []),
  ];
}

import type { Command } from "./command.ts";

/**
 * Every command and its one line, in the order of the overview. They are loaded one at a time, so that `--help`
 * and `explain` start without the database.
 */
export const COMMAND_SUMMARIES = {
  run: "watch this host (the service)",
  status: "is it watching, what does it see, what is missing",
  doctor: "how it stands, and what is missing to see or tell more",
  watch: "what happens, live, until Ctrl-C",
  starts: "list VM starts",
  show: "everything about one start: evidence, diagnosis, what to do",
  check: "what will stop a VM from starting, before it fails",
  advise: "what is known of a BIOS version before you flash it",
  blame: "which BIOS version or other change broke passthrough",
  history: "boots, changes, starts and alerts in order",
  boots: "list boots with BIOS, kernel and how starts went",
  diff: "what changed between two boots, starts, or the last good start and now",
  facts: "what is known of this host",
  report: "a report to hand in: forum, board's vendor",
  import: "take in the history from before installation",
  alerts: "what people were told; acknowledge, silence, send a test",
  config: "the settings in force, and what is wrong in them",
  explain: "say what a pasted log means, offline",
  fleet: "many hosts in one PostgreSQL",
  replay: "run a recorded host through the same pipeline",
  signatures: "list the messages that are known",
  service: "install or remove the service that starts with the machine",
  page: "what the pages of Unraid's web interface show",
} as const;

export type CommandName = keyof typeof COMMAND_SUMMARIES;

export const COMMAND_LOADERS: Readonly<Record<CommandName, () => Promise<Command>>> = {
  run: async () => (await import("./commands/run.ts")).runCommand,
  status: async () => (await import("./commands/status.ts")).statusCommand,
  doctor: async () => (await import("./commands/doctor.ts")).doctorCommand,
  watch: async () => (await import("./commands/watch.ts")).watchCommand,
  starts: async () => (await import("./commands/starts.ts")).startsCommand,
  show: async () => (await import("./commands/show.ts")).showCommand,
  check: async () => (await import("./commands/check.ts")).checkCommand,
  advise: async () => (await import("./commands/advise.ts")).adviseCommand,
  blame: async () => (await import("./commands/blame.ts")).blameCommand,
  history: async () => (await import("./commands/history.ts")).historyCommand,
  boots: async () => (await import("./commands/boots.ts")).bootsCommand,
  diff: async () => (await import("./commands/diff.ts")).diffCommand,
  facts: async () => (await import("./commands/facts.ts")).factsCommand,
  report: async () => (await import("./commands/report.ts")).reportCommand,
  import: async () => (await import("./commands/import.ts")).importCommand,
  alerts: async () => (await import("./commands/alerts.ts")).alertsCommand,
  config: async () => (await import("./commands/config.ts")).configCommand,
  explain: async () => (await import("./commands/explain.ts")).explainCommand,
  fleet: async () => (await import("./commands/fleet.ts")).fleetCommand,
  replay: async () => (await import("./commands/replay.ts")).replayCommand,
  signatures: async () => (await import("./commands/signatures.ts")).signaturesCommand,
  service: async () => (await import("./commands/service.ts")).serviceCommand,
  page: async () => (await import("./commands/page.ts")).pageCommand,
};

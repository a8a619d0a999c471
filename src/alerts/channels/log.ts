import { minimumImportance } from "../../settings/value-kinds.ts";
import type { AlertLog, Channel } from "../channel.ts";
import { alertText, plainLines } from "../message.ts";
import { channelKind } from "./kind.ts";

export const log = channelKind({
  name: "log",
  title: "The service's own log",
  settings: {
    LOG_MINIMUM_IMPORTANCE: minimumImportance("is written into the service's own log"),
  },
  labels: {},
  needs: "nothing",
  isOn: () => true,
  minimum: (settings) => settings.LOG_MINIMUM_IMPORTANCE,
  create: (_settings, surroundings) => createLogChannel(surroundings.log),
});

/** Writes alerts into the service's own log: one line, whatever the alert's text holds. */
export function createLogChannel(log: AlertLog): Channel {
  return {
    name: "log",
    timeLimitMs: 1_000,
    send: async (message) => {
      const text = alertText(message);
      const line = [text.title, ...plainLines(text)].join(" | ");
      const { incidentId, content } = message;
      const fields = {
        incident: incidentId,
        kind: content.kind,
        importance: content.importance,
        vm: content.vm,
      };
      if (content.importance === "normal") log.info(line, fields);
      else log.warn(line, fields);
      return { delivered: true };
    },
  };
}

import type { TimeLineEntry } from "../../history/time-line.ts";
import type { StoredHotPlug } from "../../store/record-stores.ts";
import { timeJson } from "./document.ts";
import { changeJson } from "./facts.ts";
import { incidentJson } from "./incidents.ts";
import { startJson } from "./starts.ts";

/** An entry of the time line; what it is of stands under its kind. */
export function entryJson(entry: TimeLineEntry): object {
  const base = { kind: entry.kind, at: timeJson(entry.at), boot: entry.bootOrdinal ?? null };
  switch (entry.kind) {
    case "boot": {
      const { id, end, origin } = entry.boot;
      return { ...base, bootId: id, end, origin, bios: entry.bios ?? null, kernel: entry.kernel ?? null };
    }
    case "change": {
      const { fromBoot = null, reason, changes } = entry;
      return { ...base, fromBoot, reason, changes: changes.map(changeJson) };
    }
    case "start":
      return { ...base, start: startJson(entry.start) };
    case "hot-plug":
      return { ...base, hotPlug: hotPlugJson(entry.hotPlug) };
    case "alert":
      return { ...base, incident: incidentJson(entry.incident) };
  }
}

function hotPlugJson({ id, vms, action, outcome, devices, summary, lines }: StoredHotPlug): object {
  return {
    ...{ id, vms, action, outcome, devices, summary },
    lines: lines.map(({ source, at, text }) => ({ source, at: timeJson(at), text })),
  };
}

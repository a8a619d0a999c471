/** `2026-01-21` in UTC. */
export function formatDay(epochMs: number): string {
  return Number.isFinite(epochMs) ? new Date(epochMs).toISOString().slice(0, 10) : "-";
}

/** `2026-01-21 11:02 UTC` */
export function formatMinute(epochMs: number): string {
  if (!Number.isFinite(epochMs)) return "-";
  return `${new Date(epochMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** Larger is older: `syslog.2.txt`, `syslog.1.txt`, `syslog.txt`, and at last the tail of the newest. */
export function syslogAge(name: string): number {
  if (name.includes(".last200.")) return -1;
  return Number(/\.(\d{1,4})(?:\.txt)?$/.exec(name)?.[1] ?? 0);
}

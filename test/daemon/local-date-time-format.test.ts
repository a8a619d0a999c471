import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ours = fileURLToPath(new URL("../../src/daemon/local-date-time-format.ts", import.meta.url));

/** A zone can only be set before a process looks at it. */
function compareIn(zone: string): string {
  const script = `
    const { LocalDateTimeFormat } = await import(${JSON.stringify(ours)});
    const wanted = [
      { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
        weekday: "short", hour12: false },
      { timeZone: undefined, timeZoneName: "shortOffset" },
    ];
    let compared = 0;
    for (let at = Date.UTC(2026, 0, 1, 0, 29, 59); at < Date.UTC(2027, 0, 1); at += 1_799_000) {
      for (const [kind, options] of wanted.entries()) {
        const parts = (format) => Object.fromEntries(new format("en-US", options).formatToParts(new Date(at))
          .filter(({ type }) => kind === 0 ? type !== "literal" : type === "timeZoneName")
          // node-cron takes both for midnight, and the runtime's ICU decides what it calls an offset of nothing.
          .map(({ type, value }) => [type, type === "hour" && value === "24" ? "00" : value === "GMT+0" ? "GMT" : value])
          .sort());
        const [theirs, own] = [parts(Intl.DateTimeFormat), parts(LocalDateTimeFormat)].map((value) => JSON.stringify(value));
        if (theirs !== own) throw new Error(theirs + " is not " + own);
        compared++;
      }
      at += 40_000_000 * (compared % 3 === 0 ? 1 : 0);
    }
    process.stdout.write(String(compared));`;
  return execFileSync(process.execPath, ["--input-type=module", "-e", script], {
    env: { ...process.env, TZ: zone },
    encoding: "utf8",
  });
}

for (const zone of ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe"]) {
  test(`local time reads as the real formatter has it, all the year round in ${zone}`, () => {
    assert.ok(Number(compareIn(zone)) > 500);
  });
}

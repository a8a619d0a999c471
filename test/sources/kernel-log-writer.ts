import { closeSync, openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Writes `count` numbered records `<marker> <number> <time in microseconds>` to /dev/kmsg, at full speed or
 * `perSecond` of them: `node kernel-log-writer.ts MARKER COUNT [PER_SECOND]`. The kernel lets ten records of one
 * open descriptor pass within five seconds, so each descriptor writes nine.
 */
const [marker = "test", count = "0", perSecond] = process.argv.slice(2);
const pause = perSecond === undefined ? 0 : 1000 / Number(perSecond);
let descriptor = -1;
for (let number = 0; number < Number(count); number++) {
  if (number % 9 === 0) {
    if (descriptor >= 0) closeSync(descriptor);
    descriptor = openSync("/dev/kmsg", "w");
  }
  const now = Math.round((performance.timeOrigin + performance.now()) * 1000);
  writeSync(descriptor, `<6>${marker} ${number} ${now}\n`);
  if (pause > 0) await sleep(pause);
}

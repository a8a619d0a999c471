import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { needsPrograms } from "../helpers/needs.ts";

const unit = fileURLToPath(new URL("../../systemd/vfio-watch.service", import.meta.url));
const analyze = spawnSync("systemd-analyze", ["--version"], { encoding: "utf8" });
// The offline check came with systemd 250.
const skip =
  needsPrograms("systemd-analyze") ||
  (Number(/systemd (\d+)/.exec(analyze.stdout ?? "")?.[1] ?? 0) < 250 &&
    "needs systemd-analyze 250 or newer");

test("the unit's exposure is at most 2.6", { skip }, () => {
  const command = ["security", "--offline=true", "--no-pager", "--threshold=26", unit];
  const { status, stdout, stderr } = spawnSync("systemd-analyze", command, { encoding: "utf8" });
  assert.match(stdout, /Overall exposure level for vfio-watch\.service: \d/, stderr);
  assert.equal(status, 0, stdout);
});

test("the unit keeps what the program cannot work without", () => {
  const text = readFileSync(unit, "utf8");
  const settings = new Set(text.split("\n"));
  // The kernel log is opened where dmesg is restricted, other people's logs are read, systemd-notify is a child.
  assert.ok(settings.has("CapabilityBoundingSet=CAP_SYSLOG CAP_DAC_READ_SEARCH"));
  assert.ok(settings.has("DeviceAllow=/dev/kmsg r"));
  assert.ok(settings.has("NotifyAccess=all"));
  for (const breaking of ["PrivateDevices", "ProtectKernelLogs", "MemoryDenyWriteExecute", "PrivateNetwork"])
    assert.doesNotMatch(text, new RegExp(`^${breaking}=yes`, "m"));
});

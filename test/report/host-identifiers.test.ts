import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { createHostPaths } from "../../src/host-paths.ts";
import { findHostIdentifiers } from "../../src/report/host-identifiers.ts";
import { createRedaction } from "../../src/report/redaction.ts";

/** A host that tells these files of itself. */
function hostOf(context: TestContext, files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), "vfio-watch-identifiers-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return createHostPaths(root);
}

test("what identifies this host is masked wherever a line repeats it, in any spelling", (context) => {
  const paths = hostOf(context, {
    "/sys/class/dmi/id/board_serial": "07E49_N1QK5\n",
    "/sys/class/dmi/id/product_serial": "To be filled by O.E.M.\n",
    "/sys/class/dmi/id/chassis_serial": "Default string\n",
    "/sys/class/dmi/id/product_uuid": "0a1b2c3d-1111-4222-8333-444455556666\n",
    "/etc/machine-id": "99887766554433221100aabbccddeeff\n",
    "/sys/class/net/eth0/address": "3c:7c:3f:12:34:56\n",
    "/sys/class/net/lo/address": "00:00:00:00:00:00\n",
    "/sys/class/nvme/nvme0/serial": "s64d-x0r-12   \n",
    "/sys/class/block/sda/device/wwid": "t10.ATA     WDC WD80EFAX-68LHPN0                 7SGabcde \n",
    "/sys/class/block/dm-0/dm/name": "moria2-root\n",
    "/sys/bus/usb/devices/1-2/serial": "aa_bb_12345\n",
    "/sys/bus/usb/devices/usb1/serial": "0000:00:14.0\n",
    "/dev/disk/by-uuid/1a2b-3c4d": "",
    "/etc/NetworkManager/system-connections/Shire.nmconnection": "",
  });
  const identifiers = findHostIdentifiers(paths);
  const { mask } = createRedaction({ hosts: [], users: [], keep: [], identifiers });
  for (const secret of [
    ...[
      "07E49_N1QK5",
      "07e49_n1qk5",
      "0A1B2C3D-1111-4222-8333-444455556666",
      "0a1b2c3d111142228333444455556666",
    ],
    ...[
      "99887766554433221100aabbccddeeff",
      "3c:7c:3f:12:34:56",
      "3C-7C-3F-12-34-56",
      "3c7c3f123456",
      "3c7c.3f12.3456",
    ],
    ...["s64d-x0r-12", "7SGabcde", "moria2-root", "aa_bb_12345", "1a2b-3c4d", "Shire"],
  ]) {
    const masked = mask(`odd: (${secret}) failed`);
    assert.match(masked, /^odd: \([A-Z]+-\d+\) failed$/, secret);
  }
  const open = "controller 0000:00:14.0 of board, To be filled by O.E.M. Default string 00:00 root";
  assert.equal(mask(open), open);
});

test("a host that says nothing of itself has nothing to mask", (context) => {
  assert.deepEqual(findHostIdentifiers(hostOf(context, { "/proc/version": "x" })), []);
});

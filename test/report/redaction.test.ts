import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createRedactor } from "../../src/report/redaction.ts";

const NOTHING = { hosts: [], users: [], keep: [] };
const KNOWN = {
  hosts: ["Gondor.example.net"],
  users: ["frodo"],
  keep: ["6.12.54.1-Unraid", "1.2.3.4", "F1.20.1.1"],
};

const hex = (digits: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: digits, maxLength: digits });
const octet = fc.integer({ min: 1, max: 254 });
const pairs = (count: number, separator: string) =>
  fc.array(hex(2), { minLength: count, maxLength: count }).map((all) => all.join(separator));

/** What must never be read in a redacted report. */
const secret = fc.oneof(
  pairs(6, ":"),
  pairs(6, "-"),
  fc.tuple(fc.constantFrom("10.0", "172.20", "192.168"), octet, octet).map((parts) => parts.join(".")),
  fc.array(hex(4), { minLength: 8, maxLength: 8 }).map((parts) => parts.join(":")),
  fc.tuple(hex(4), hex(4)).map(([a, b]) => `fe80::${a}:${b}`),
  fc.tuple(hex(8), hex(4), hex(4), hex(4), hex(12)).map((parts) => parts.join("-")),
  fc.constantFrom("gondor", "GONDOR", "gondor.example.net", "frodo"),
);

/** What must stand in it as it was. */
const open = fc.oneof(
  fc
    .tuple(hex(2), fc.integer({ min: 0, max: 31 }), fc.integer({ min: 0, max: 7 }))
    .map(([bus, slot, fn]) => `0000:${bus}:${slot.toString(16).padStart(2, "0")}.${fn}`),
  fc.tuple(hex(4), hex(4)).map((ids) => ids.join(":")),
  fc.tuple(hex(4), hex(4), hex(4), hex(4)).map(([a, b, c, d]) => `${a}:${b}/${c}:${d}`),
  hex(8).map((digits) => `0x${digits}`),
  fc.tuple(hex(8), hex(8)).map(([a, b]) => `0x${a}-0x${b}`),
  fc.tuple(octet, octet, octet).map((parts) => parts.join(".")),
  fc.constantFrom(
    "6.12.54-Unraid",
    "6.12.107+deb13-amd64",
    "E7E49AMSI.1A95",
    "pc-q35-9.2",
    "10de:2805,10de:22bd",
  ),
  fc.constantFrom(
    "6.12.54.1-Unraid",
    "1.2.3.4",
    "F1.20.1.1",
    "QEMU 8.2.2.1",
    "qemu-8.2.2.1",
    "version 5.15.0.1",
  ),
  fc.constantFrom(
    "/mnt/user/domains/vdisk1.img",
    "127.0.0.1",
    "0.0.0.0",
    "::1",
    "root@",
    "12:30:45.123456",
    "ttyS0",
  ),
  fc.constantFrom(
    "95.06.25.00.8F",
    "AGESA 1.2.0.3e",
    "2026-11-23 08:50:19",
    "vfio-pci.ids=10de:2805",
    "virtqemud@1.service",
  ),
);

describe("redaction", () => {
  it("takes out every secret and nothing else, wherever they stand in a line", () => {
    const piece = fc.oneof(
      secret.map((text) => ({ text, isSecret: true })),
      open.map((text) => ({ text, isSecret: false })),
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(piece, fc.constantFrom(" ", ", ", " (", ") ", "; ", "='", "' ", "\t")), {
          maxLength: 8,
        }),
        (parts) => {
          const line = parts.map(([{ text }, separator]) => text + separator).join("");
          // A path in quotation marks goes to the second of them, whatever is between, and what it names is masked whole.
          fc.pre(!/'\/[^']*\s[^']*'/.test(line));
          const redacted = createRedactor(KNOWN)(line);
          let rest = redacted;
          for (const [{ text, isSecret }] of parts) {
            if (isSecret) {
              assert.ok(
                !redacted.toLowerCase().includes(text.toLowerCase()),
                `${text} is left in ${redacted}`,
              );
              continue;
            }
            assert.ok(rest.includes(text), `${text} is gone from ${redacted}`);
            rest = rest.slice(rest.indexOf(text) + text.length);
          }
        },
      ),
      { numRuns: 1500 },
    );
  });

  it("gives the same thing the same placeholder in any spelling, and another thing another", () => {
    fc.assert(
      fc.property(pairs(6, ":"), pairs(6, ":"), (a, b) => {
        fc.pre(a !== b);
        const redact = createRedactor(NOTHING);
        assert.equal(redact(`from ${a} to ${b}`), "from MAC-1 to MAC-2");
        assert.equal(redact(`${b.toUpperCase()} ${a.toUpperCase()}`), "MAC-2 MAC-1");
      }),
      { numRuns: 200 },
    );
  });

  it("changes nothing in what it has redacted already", () => {
    const redact = createRedactor(KNOWN);
    fc.assert(
      fc.property(fc.array(fc.oneof(secret, open), { maxLength: 6 }), (parts) => {
        const once = redact(parts.join(" "));
        assert.equal(redact(once), once);
      }),
      { numRuns: 300 },
    );
  });

  for (const [name, text, expected] of [
    ["the login of a home directory", "'/home/alice/vm.img' denied", "'/home/USER-1/vm.img' denied"],
    ["a home directory in a URI", "file:///home/alice", "file:///home/USER-1"],
    ["no share of Unraid", "/mnt/user/isos/win.iso /mnt/cache/vm", "/mnt/user/isos/win.iso /mnt/cache/vm"],
    [
      "a disk's serial number, but not its partition",
      "/dev/disk/by-id/nvme-Sam_S64DNX0R1-part2,x",
      "/dev/disk/by-id/DISK-1-part2,x",
    ],
    [
      "the serial number of a USB device",
      "usb 1-2: SerialNumber: 0A1B2C3D",
      "usb 1-2: SerialNumber: SERIAL-1",
    ],
    [
      "a serial number in QEMU's JSON",
      '"serial":"S64DNX0R","id":"serial0"',
      '"serial":"SERIAL-1","id":"serial0"',
    ],
    [
      "no greeting of a serial port",
      "Serial: 8250/16550 driver, 4 ports",
      "Serial: 8250/16550 driver, 4 ports",
    ],
    [
      "a port or a sentence's end behind an address",
      "10.1.2.3:5900 [fe80::1]:22 fe80::2.",
      "IP-3:5900 [IP-1]:22 IP-2.",
    ],
    ["an address of the internet", "from 203.0.113.7 (8.8.8.8)", "from IP-1 (IP-2)"],
    ["the address in an interface's name", "enx525400a1b2c3: link up", "enxMAC-1: link up"],
    ["a login on another machine", "qemu+ssh://alice@nas.lan/system", "qemu+ssh://USER-1@HOST-1/system"],
    [
      "a machine behind a protocol",
      "nfs://nas/isos https://docs.kernel.org/",
      "nfs://HOST-1/isos https://docs.kernel.org/",
    ],
    [
      "the name of a machine in the house",
      "from tower2.fritz.box or /etc/rc.local",
      "from HOST-1 or /etc/rc.local",
    ],
    ["the id of a machine", "machine-id=0123456789abcdef0123456789abcdef", "machine-id=UUID-1"],
  ] as const) {
    it(`finds ${name}`, () => assert.equal(createRedactor(NOTHING)(text), expected));
  }

  it("leaves names alone that every new machine has", () => {
    const redact = createRedactor({ hosts: ["Tower", "localhost"], users: ["root", "user"], keep: [] });
    assert.equal(
      redact("Tower and root at localhost, the user of it"),
      "Tower and root at localhost, the user of it",
    );
  });
});

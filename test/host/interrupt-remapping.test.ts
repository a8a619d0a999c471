import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  readInterruptRemapping,
  remappingInInterrupts,
  remappingInKernelLog,
} from "../../src/host/interrupt-remapping.ts";
import { read } from "../../src/model/reading.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";

const directory = temporaryDirectory();
after(() => directory.remove());

const REMAPPED = `            CPU0       CPU1
   8:          0          1  IR-IO-APIC   8-edge      rtc0
  24:          0          0 DMAR-MSI   0-edge      dmar0
 120:          0          9 IR-PCI-MSIX-0000:04:00.0   0-edge      nvme0q0
`;
const PLAIN = `            CPU0       CPU1
   8:          0          1  IO-APIC   8-edge      rtc0
  24:          0          0 DMAR-MSI   0-edge      dmar0
 120:          0          9 PCI-MSIX-0000:04:00.0   0-edge      IR-lookalike
`;

test("the chips in /proc/interrupts say whether interrupts are remapped", () => {
  assert.equal(remappingInInterrupts(REMAPPED), true);
  assert.equal(remappingInInterrupts(PLAIN), false);
  assert.equal(remappingInInterrupts("   CPU0\n  24:  0 DMAR-MSI 0-edge dmar0\n"), undefined);
  assert.equal(remappingInInterrupts(""), undefined);
});

test("a kernel log that begins late or is not finished says nothing by its silence", () => {
  const boot = ["Linux version 6.12.54-Unraid", "iommu: Default domain type: Translated"];
  assert.equal(remappingInKernelLog(boot), undefined);
  assert.equal(remappingInKernelLog([...boot, "Run /init as init process"]), false);
  assert.equal(remappingInKernelLog([...boot.slice(1), "Run /init as init process"]), undefined);
  assert.equal(remappingInKernelLog([...boot, "AMD-Vi: Interrupt remapping enabled"]), true);
  assert.equal(remappingInKernelLog(["DMAR-IR: Enabled IRQ remapping in x2apic mode"]), true);
  assert.equal(remappingInKernelLog(["AMD-Vi: Disabling interrupt remapping"]), false);
});

test("the running machine's interrupts go before its log; neither is an unknown with a reason", () => {
  const paths = buildHostTree(`${directory.path}/plain`, { files: { "/proc/interrupts": PLAIN } });
  assert.deepEqual(readInterruptRemapping(paths, ["AMD-Vi: Interrupt remapping enabled"]), read(false));
  const nothing = buildHostTree(`${directory.path}/nothing`, {});
  assert.deepEqual(readInterruptRemapping(nothing, ["AMD-Vi: Interrupt remapping enabled"]), read(true));
  assert.deepEqual(readInterruptRemapping(nothing), {
    state: "unreadable",
    why: "/proc/interrupts does not show it",
  });
});

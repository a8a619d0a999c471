import assert from "node:assert/strict";
import { after, test } from "node:test";
import { MODULE_PARAMETERS } from "../../src/facts/kinds/modules.ts";
import { readVfioModules, readVfioNodes } from "../../src/host/vfio-modules.ts";
import { absent } from "../../src/model/reading.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { factsFrom } from "../helpers/facts.ts";
import { buildRecordedTree, temporaryDirectory } from "../helpers/recorded-tree.ts";

const directory = temporaryDirectory();
after(() => directory.remove());

test("loaded modules, and built-in ones that /sys/module does not show, are present", () => {
  const modules = readVfioModules(
    buildHostTree(`${directory.path}/built-in`, {
      modules: ["kvm", "kvm_amd", "unrelated"],
      parameters: new Map([
        ["kvm.ignore_msrs", "N"],
        ["unrelated.secret", "x"],
      ]),
      files: {
        "/proc/sys/kernel/osrelease": "6.12.54-Unraid\n",
        "/lib/modules/6.12.54-Unraid/modules.builtin":
          "kernel/drivers/vfio/pci/vfio-pci.ko\nkernel/drivers/vfio/vfio.ko\nkernel/fs/ext4/ext4.ko\n",
      },
    }),
  );
  assert.ok(modules.state === "read");
  assert.deepEqual([...modules.value.present].sort(), ["kvm", "kvm_amd", "vfio", "vfio_pci"]);
  assert.deepEqual([...modules.value.parameters], [["kvm.ignore_msrs", "N"]]);
});

test("a kernel release that is no plain name never becomes part of a path", () => {
  const modules = readVfioModules(
    buildHostTree(`${directory.path}/hostile`, {
      modules: [],
      files: {
        "/proc/sys/kernel/osrelease": "../../evil\n",
        "/evil/modules.builtin": "kernel/drivers/vfio/vfio.ko\n",
        "/lib/modules/x": "",
      },
    }),
  );
  assert.ok(modules.state === "read" && modules.value.present.size === 0);
});

test("loading a module is no change of the machine, a parameter of a loaded one is a fact", () => {
  const factsAt = (snapshot: string) =>
    factsFrom(
      { modules: readVfioModules(buildRecordedTree(`${directory.path}/${snapshot}`, "good-amd", snapshot)) },
      MODULE_PARAMETERS,
    );
  const before = factsAt("snap-before");
  const running = factsAt("snap-running");
  assert.deepEqual(before.find(({ key }) => key === "kernel.module.vfio_iommu_type1")?.value, {
    state: "unknown",
    why: "not loaded",
  });
  assert.deepEqual(
    running.find(({ key }) => key === "kernel.module.vfio_iommu_type1.allow_unsafe_interrupts")?.value,
    { state: "value", value: "N" },
  );
  assert.ok(before.every(({ value }) => value.state === "unknown"));
});

test("nodes below devices/ carry their directory; no /dev/vfio is absent", () => {
  const paths = buildHostTree(`${directory.path}/nodes`, { vfioNodes: ["vfio", "14", "devices/vfio0"] });
  const nodes = readVfioNodes(paths);
  assert.ok(nodes.state === "read");
  assert.deepEqual([...nodes.value].sort(), ["14", "devices/vfio0", "vfio"]);
  assert.deepEqual(readVfioNodes(buildHostTree(`${directory.path}/no-nodes`, {})), absent);
});

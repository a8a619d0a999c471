import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { createHostMemory } from "../../src/host/host-memory.ts";
import { readKernelOptions } from "../../src/host/kernel-options.ts";
import { createHostTree } from "../helpers/host-tree.ts";

const TEXT = `#
# Automatically generated file; DO NOT EDIT.
#
CONFIG_DRM_SIMPLEDRM=m
# CONFIG_VFIO_DEVICE_CDEV is not set
CONFIG_ACPI_TABLE_UPGRADE=y
CONFIG_ACPI_TABLE_UPGRADE_OTHER=y
CONFIG_DEFAULT_HOSTNAME="a secret"
`;
const EXPECTED = { DRM_SIMPLEDRM: "m", VFIO_DEVICE_CDEV: "n", ACPI_TABLE_UPGRADE: "y" };

test("options that matter are read of the kernel itself, else of its package", (context) => {
  const release = "6.12.54-Unraid";
  const own = createHostTree(context, { "/proc/config.gz": gzipSync(TEXT) });
  const packaged = createHostTree(context, {
    "/proc/sys/kernel/osrelease": `${release}\n`,
    [`/boot/config-${release}`]: TEXT,
    "/boot/config-6.1.0": "CONFIG_DRM_SIMPLEDRM=y\n",
  });
  for (const { paths } of [own, packaged]) {
    const found = readKernelOptions(paths, createHostMemory());
    assert.deepEqual(found.state === "read" && Object.fromEntries(found.value), EXPECTED);
  }
});

test("a kernel that says nothing of itself is no trouble, and what is broken says so", (context) => {
  assert.deepEqual(readKernelOptions(createHostTree(context).paths, createHostMemory()), { state: "absent" });
  const broken = createHostTree(context, { "/proc/config.gz": gzipSync(TEXT).subarray(0, 20) });
  assert.equal(readKernelOptions(broken.paths, createHostMemory()).state, "unreadable");
  const release = { "/proc/sys/kernel/osrelease": "../../etc\n" };
  assert.equal(readKernelOptions(createHostTree(context, release).paths, createHostMemory()).state, "absent");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  compareParameters,
  formatKernelParameter,
  parameterValues,
  parseKernelParameters,
  publicParameter,
} from "../../src/host/kernel-parameters.ts";

test("words, values and quotes are read as the kernel reads them", () => {
  assert.deepEqual(
    parseKernelParameters(
      'quiet iommu=pt  dyndbg="file a.c +p" "foo=bar baz" empty= vfio-pci.ids=10de:2805,10de:22bd\n',
    ),
    [
      { name: "quiet", value: undefined },
      { name: "iommu", value: "pt" },
      { name: "dyndbg", value: "file a.c +p" },
      { name: "foo", value: "bar baz" },
      { name: "empty", value: "" },
      { name: "vfio-pci.ids", value: "10de:2805,10de:22bd" },
    ],
  );
});

test("what follows a double dash is for init and not for the kernel", () => {
  assert.deepEqual(parseKernelParameters("ro -- single iommu=pt"), [{ name: "ro", value: undefined }]);
});

test("a repeated parameter keeps all its values, dash and underscore are the same", () => {
  const parameters = parseKernelParameters("vfio-pci.ids=1:2 vfio_pci.ids=3:4");
  assert.deepEqual(parameterValues(parameters, "vfio-pci.ids"), ["1:2", "3:4"]);
});

test("the order of parameters and what boot loaders add make no difference", () => {
  const claimed = parseKernelParameters("append initrd=/bzroot iommu=pt vfio-pci.ids=10de:2805");
  const running = parseKernelParameters(
    "BOOT_IMAGE=/bzimage vfio_pci.ids=10de:2805 initrd=/bzroot iommu=pt append",
  );
  assert.deepEqual(compareParameters(claimed, running), { missing: [], extra: [] });
});

test("claimed but not running, and running but not claimed, are told apart", () => {
  const difference = compareParameters(
    parseKernelParameters("iommu=pt amd_iommu=on"),
    parseKernelParameters("iommu=pt quiet"),
  );
  assert.deepEqual(difference, { missing: ["amd_iommu=on"], extra: ["quiet"] });
});

test("secrets and identifiers of the machine are not told", () => {
  const shown = parseKernelParameters(
    "rd.luks.key=abc root=UUID=0ac9d6a4-1111-2222-3333-0123456789ab unraiduuid=77aa iommu=pt",
  ).map((parameter) => formatKernelParameter(publicParameter(parameter)));
  assert.deepEqual(shown, [
    'rd.luks.key="(not recorded)"',
    "root=UUID=(id)",
    'unraiduuid="(not recorded)"',
    "iommu=pt",
  ]);
});

test("any parameters survive being written and read again", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9_.]{0,12}$/);
  const value = fc.option(fc.stringMatching(/^[A-Za-z0-9:,.=/ ]{0,20}$/), { nil: undefined });
  fc.assert(
    fc.property(
      fc.array(fc.record({ name, value }, { noNullPrototype: true }), { maxLength: 20 }),
      (parameters) => {
        const written = parameters.map(formatKernelParameter).join(" ");
        assert.deepEqual(parseKernelParameters(written), parameters);
      },
    ),
  );
});

test("any text is read without a throw, and in a bounded number of words", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 500, unit: "binary" }), (text) => {
      assert.ok(parseKernelParameters(text).length <= text.length);
    }),
  );
});

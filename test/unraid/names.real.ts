import assert from "node:assert/strict";
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";

/*
 * What the program reads of Unraid, and the pages that its advice names, are called so in Unraid's own source
 * (UNRAID_WEBGUI, a tag a directory). What is found in no source file there is a name that nobody writes.
 */
const PROJECT = join(import.meta.dirname, "../..");
const SOURCE = process.env.UNRAID_WEBGUI ?? "";
const versions = SOURCE !== "" && existsSync(SOURCE) ? readdirSync(SOURCE).toSorted() : [];
const newest = versions.at(-1);
const skip =
  newest === undefined
    ? "needs UNRAID_WEBGUI=DIRECTORY with the source of Unraid's web interface, a tag a directory"
    : false;

const OURS = globSync(
  ["src/**/*.ts", "rc.d/*", "unraid/plugin/**/*.{php,page}", "unraid/vfio-watch.plg", "config/signatures/*"],
  {
    cwd: PROJECT,
  },
).map((path) => readFileSync(join(PROJECT, path), "utf8"));
const named = (pattern: RegExp) =>
  [...new Set(OURS.flatMap((text) => [...text.matchAll(pattern)].map(([, name = ""]) => name)))].toSorted();

/** Text of every script and page of a version. */
function sourceOf(version: string): string {
  const files = globSync("{emhttp,etc,sbin,ungrub}/**/*", {
    cwd: join(SOURCE, version),
    withFileTypes: true,
  });
  return files
    .filter((file) => file.isFile() && !/\.(?:png|svg|css|js|woff2?|ttf|map|gz)$/.test(file.name))
    .map((file) => readFileSync(join(file.parentPath, file.name), "latin1"))
    .join("\n");
}

function titlesOf(version: string): readonly string[] {
  return globSync("emhttp/plugins/*/*.page", { cwd: join(SOURCE, version) }).flatMap((page) => {
    const text = readFileSync(join(SOURCE, version, page), "utf8");
    return /^Title="([^"]+)"/m.exec(text)?.[1] ?? [];
  });
}

test("every file of Unraid that is read is one that Unraid's own scripts know", { skip }, () => {
  const files = named(
    /(?<![\w-])(\/(?:boot\/(?:config|logs)|run\/libvirt|var\/log\/(?:vfio|sriov)|var\/local\/emhttp)[\w./-]*\w)/g,
  );
  // What is the plugin's own has its name.
  const theirs = files.filter(
    (file) => !file.includes("vfio-watch") && /\/[^/]*[._-][^/]*$|autostarted/.test(file),
  );
  assert.ok(theirs.length >= 10, theirs.join());
  const source = sourceOf(newest ?? "");
  assert.deepEqual(
    theirs.filter((file) => !source.includes(basename(file))),
    [],
  );
});

test("every page that is named has this title, in the versions for which it is named", { skip }, () => {
  const pages = named(
    /\b(?:Settings|Tools|Main)(?:,| >| →) ((?:[A-Z]\w+ > )?[A-Z]\w+(?: (?:and )?[A-Z]\w+)?)(?=[`'").,;:]|$| and | before )/gm,
  ).filter((page) => page !== "VFIO Watch");
  assert.ok(pages.includes("VM Manager") && pages.includes("System Devices"), pages.join());
  const known = new Map(versions.map((version) => [version, titlesOf(version)]));
  for (const page of pages) {
    const title = page.split(" > ").at(-1) ?? page;
    assert.ok(
      [...known.values()].some((titles) => titles.includes(title)),
      page,
    );
  }
  // 7.3 has a page for the kernel's parameters, the ones before have a file's.
  for (const [version, titles] of known) {
    const isNew = !/^(?:6|7\.[0-2])\./.test(version);
    assert.equal(titles.includes("Boot Parameters"), isNew, version);
    assert.equal(titles.includes("Syslinux Configuration"), !isNew, version);
  }
});

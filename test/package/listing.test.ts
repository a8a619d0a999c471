import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { newestChanges, pluginVersion } from "../../tools/package-unraid.ts";

const PROJECT = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(PROJECT, path), "utf8");
const template = read("unraid/community-applications.xml");
const definition = read("unraid/vfio-watch.plg");
const element = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(template)?.[1]?.trim() ?? "";

test("two releases of one day are two versions, and later ones compare as later", () => {
  const times = ["2026-12-01T09:05:00Z", "2026-12-01T15:30:00Z", "2026-12-02T00:00:00Z"].map((at) =>
    Date.parse(at),
  );
  const versions = times.map((at) => pluginVersion(at / 1000));
  assert.deepEqual(versions, ["2026.12.01.0905", "2026.12.01.1530", "2026.12.02.0000"]);
  assert.deepEqual(versions.toSorted(), versions);
});

test("what changed is the newest version's part of the change log, a line for each point", () => {
  const changes = newestChanges(
    "# Changes\n\n## 0.2.0\n\n- One\n  goes on.\n- Two & <b>\n\n## 0.1.0\n\n- Old\n",
    "0.2.0",
  );
  assert.equal(changes, "###0.2.0\n- One goes on.\n- Two & <b>");
});

test("the listing says the same as the plugin's definition", () => {
  const entity = (text: string): string =>
    text.replace(/&(\w+);/g, (_, name) =>
      entity(new RegExp(`<!ENTITY ${name} +"([^"]*)"`).exec(definition)?.[1] ?? ""),
    );
  const attribute = (name: string) => entity(new RegExp(`\\b${name}="([^"]*)"`).exec(definition)?.[1] ?? "?");
  assert.equal(element("PluginURL"), attribute("pluginURL"));
  assert.equal(element("Support"), attribute("support"));
  assert.equal(element("Project"), attribute("project"));
  assert.equal(element("MinVer"), attribute("min"));
  assert.equal(element("PluginAuthor"), attribute("author"));
  for (const needed of ["Category", "Name", "Description", "Icon"])
    assert.notEqual(element(needed), "", needed);
});

test("the profile that a submission needs is there, with the listing's own icon and address", () => {
  const profile = read("unraid/ca_profile.xml");
  assert.match(profile, /^<\?xml .*\n<CommunityApplications>\n\s*<Profile>\s*\w/);
  for (const [name, same] of [
    ["Icon", element("Icon")],
    ["WebPage", element("Project")],
  ])
    assert.ok(profile.includes(`<${name}>${same}</${name}>`), name);
});

test("the icon that both name is there, a PNG of the size that listings show", () => {
  assert.match(definition, / icon="vfio-watch\.png"/);
  const path = /main\/(.*)/.exec(element("Icon"))?.[1] ?? "";
  const png = readFileSync(join(PROJECT, path));
  assert.equal(png.subarray(1, 4).toString(), "PNG");
  assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [256, 256]);
});

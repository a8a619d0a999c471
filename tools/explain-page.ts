import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { loadCatalogue } from "../src/diagnosis/catalogue.ts";
import { thirdPartyLicenses } from "./third-party-licenses.ts";

const project = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(project, "src", "explain-page");

/** What browsers need to know: the newest feature is CSS's `color-mix` of 2023. */
const TARGET = ["chrome111", "firefox115", "safari16.4"];

/**
 * Builds `explain` as one HTML file that needs no network and no server: the rooms of the program as they are, with the
 * few parts of Node that they use replaced (`src/explain-page/node/`). Returns its size in bytes.
 */
export async function buildExplainPage(
  file = join(project, "dist", "explain.html"),
): Promise<{ readonly path: string; readonly bytes: number }> {
  const data = withData();
  const inside = await bundle("worker.ts", [nodeInBrowser, data]);
  const around = await bundle("page.ts", [nodeInBrowser, data, withWorker(inside.code)]);
  const page = around.code;
  const style = readFileSync(join(source, "page.css"), "utf8");
  // Only the very script and style that stand here run, and nothing can be asked for from anywhere.
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(page)}'`,
    `style-src '${hashOf(style)}'`,
    "worker-src blob:",
    "connect-src 'none'",
    "img-src 'none'",
    "form-action 'none'",
    "base-uri 'none'",
  ].join("; ");
  const parts: Readonly<Record<string, string>> = {
    "<!--POLICY-->": `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    "<!--STYLE-->": `<style>${style}</style>`,
    "<!--SCRIPT-->": `<script>${page}</script>`,
    "<!--LICENSES-->": `<!--\n${licenses([...inside.inputs, ...around.inputs])}\n-->`,
  };
  const html = readFileSync(join(source, "page.html"), "utf8").replace(
    /<!--[A-Z]+-->/g,
    (place) => parts[place] ?? place,
  );
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, html);
  return { path: file, bytes: Buffer.byteLength(html) };
}

async function bundle(
  entry: string,
  plugins: Plugin[],
): Promise<{ readonly code: string; readonly inputs: readonly string[] }> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: project,
    entryPoints: [join(source, entry)],
    write: false,
    metafile: true,
    bundle: true,
    format: "iife",
    platform: "browser",
    target: TARGET,
    minify: true,
    charset: "utf8",
    legalComments: "none",
    inject: [join(source, "node", "buffer.ts")],
    plugins,
    logLevel: "warning",
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error(`${entry}: esbuild made nothing`);
  // Inside a script element its end and a comment's beginning would end it.
  const code = output.text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
  return { code, inputs: Object.keys(metafile.inputs) };
}

/** The project's own licence and those of the packages inside, in a form that no comment ends in. */
function licenses(inputs: readonly string[]): string {
  const own = readFileSync(join(project, "LICENSE"), "utf8");
  return `${own}\n${thirdPartyLicenses(inputs)}`
    .replace(/-{2,}/g, (dashes) => "=".repeat(dashes.length))
    .replaceAll("->", "=>");
}

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

/** Modules of Node that the rooms use, as far as they use them. Any other is an error of the build. */
const nodeInBrowser: Plugin = {
  name: "node-in-browser",
  setup({ onResolve }) {
    onResolve({ filter: /^node:(?:v8|net|zlib)$/ }, ({ path }) => ({
      path: join(source, "node", `${path.slice("node:".length)}.ts`),
    }));
    // `buffer` is Node's own name, too; the package of that name is meant.
    onResolve({ filter: /^buffer$/ }, () => ({ path: join(project, "node_modules", "buffer", "index.js") }));
  },
};

function withData(): Plugin {
  const shippedDirectory = join(project, "config", "signatures");
  const { catalogue, problems } = loadCatalogue({ shippedDirectory });
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  const { version } = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
  const packed = join(project, "config", "messages", "messages.txt.gz");
  return {
    name: "with-data",
    setup({ onLoad }) {
      onLoad({ filter: /explain-page\/data\.ts$/ }, () => ({
        loader: "js",
        resolveDir: source,
        contents: [
          `export const signatures = /* @__PURE__ */ JSON.parse(${JSON.stringify(JSON.stringify(catalogue.signatures))});`,
          `export const advice = /* @__PURE__ */ JSON.parse(${JSON.stringify(JSON.stringify([...catalogue.advice]))});`,
          `export { default as packedMessages } from ${JSON.stringify(packed)};`,
          `export { default as example } from ${JSON.stringify(join(source, "example.txt"))};`,
          `export const version = ${JSON.stringify(version)};`,
        ].join("\n"),
      }));
      onLoad({ filter: /\.txt\.gz$/ }, ({ path }) => ({ loader: "binary", contents: readFileSync(path) }));
      onLoad({ filter: /example\.txt$/ }, ({ path }) => ({ loader: "text", contents: readFileSync(path) }));
    },
  };
}

function withWorker(worker: string): Plugin {
  return {
    name: "with-worker",
    setup({ onLoad }) {
      onLoad({ filter: /explain-page\/worker-source\.ts$/ }, () => ({
        loader: "js",
        contents: `export const workerSource = ${JSON.stringify(worker)};`,
      }));
    },
  };
}

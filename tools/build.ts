import { cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { buildExplainPage } from "./explain-page.ts";
import { thirdPartyLicenses } from "./third-party-licenses.ts";

const project = dirname(dirname(fileURLToPath(import.meta.url)));

/** Node's first version that the program runs under. */
const TARGET = "node22.18";
/** better-sqlite3's prebuilt bindings that a release carries; it picks the one of its machine. */
const BINDINGS = ["linux-x64", "linux-arm64", "linuxmusl-x64", "linuxmusl-arm64"] as const;

/**
 * Builds a release into `directory`: a program that runs with nothing but Node beside it. Returns the paths that
 * were written, with their sizes in bytes.
 */
export async function buildRelease(
  directory = join(project, "dist", "release"),
): Promise<readonly { readonly path: string; readonly bytes: number }[]> {
  const manifest = readManifest();
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(join(directory, "sqlite"), { recursive: true });
  const { metafile } = await build({
    absWorkingDir: project,
    entryPoints: { "vfio-watch": "src/main.ts" },
    outdir: directory,
    outExtension: { ".js": ".mjs" },
    chunkNames: "lib/[name]-[hash]",
    bundle: true,
    // What is imported when it is needed stays in files of its own, so that the service never loads the rest.
    splitting: true,
    format: "esm",
    platform: "node",
    target: TARGET,
    // Names stay as they are: a stack trace in a bug report has to mean something.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "none",
    define: { BUNDLED_VERSION: JSON.stringify(manifest.version) },
    // Without an import, so that an ancient Node comes as far as the sentence that turns it away.
    banner: {
      js: 'const require=process.getBuiltinModule?.("node:module").createRequire(import.meta.url);',
    },
    plugins: [nodeByRequire, noLogWorkers, sqliteBesideTheProgram, localTimeForCron],
    metafile: true,
    logLevel: "warning",
  });
  const bindings = join(
    dirname(createRequire(import.meta.url).resolve("better-sqlite3/package.json")),
    "prebuilds",
  );
  for (const name of BINDINGS)
    cpSync(join(bindings, `${name}.node`), join(directory, "sqlite", `${name}.node`));
  for (const path of ["config", "systemd", "rc.d", "LICENSE", "README.md"]) {
    if (statSync(join(project, path), { throwIfNoEntry: false }) !== undefined)
      cpSync(join(project, path), join(directory, path), { recursive: true });
  }
  writeFileSync(join(directory, "THIRD-PARTY-LICENSES"), thirdPartyLicenses(Object.keys(metafile.inputs)));
  writeFileSync(
    join(directory, "package.json"),
    `${JSON.stringify(releaseManifest(manifest), undefined, 2)}\n`,
  );
  return Object.entries(metafile.outputs).map(([path, { bytes }]) => ({ path, bytes }));
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
}

/** The project's package.json. */
export function readManifest(): Manifest {
  return JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as Manifest;
}

/** A release has no dependencies: all of them are inside. */
function releaseManifest({ name, version, description, license, engines }: Manifest): object {
  return {
    name,
    version,
    description,
    license,
    type: "module",
    engines,
    os: ["linux"],
    cpu: ["x64", "arm64"],
    bin: { [name]: "vfio-watch.mjs" },
  };
}

/**
 * better-sqlite3 looks for its binding beside its own files, which are gone in a bundle. Here it is taken from
 * `sqlite/` beside the program, and a binding that does not load says what it wants.
 */
const sqliteBesideTheProgram: Plugin = {
  name: "sqlite-beside-the-program",
  setup({ onLoad }) {
    onLoad({ filter: /better-sqlite3\/lib\/binding\.js$/ }, () => ({
      loader: "js",
      contents: `
        import { existsSync, readFileSync } from "node:fs";
        import { dirname, join } from "node:path";
        import { fileURLToPath } from "node:url";
        let binding;
        export function getBinding() {
          binding ??= load();
          return binding;
        }
        function load() {
          const machine = (usesMusl() ? "linuxmusl" : process.platform) + "-" + process.arch;
          const here = dirname(fileURLToPath(import.meta.url));
          const places = [join(here, "..", "sqlite"), join(here, "sqlite")];
          const file = places.map((place) => join(place, machine + ".node")).find((path) => existsSync(path));
          if (file === undefined)
            throw new Error("there is no SQLite binding for " + machine + " in " + places[0] +
              "; a complete release has those of Linux on x64 and arm64: install it anew");
          try {
            return require(file);
          } catch (error) {
            throw new Error("the SQLite binding " + file + " does not load under Node " + process.versions.node +
              " (" + error.message + "); it wants Node 22.18 or newer for " + machine, { cause: error });
          }
        }
        function usesMusl() {
          try {
            return /\\/ld-musl-[^/\\s]*\\.so/.test(readFileSync("/proc/self/maps", "latin1"));
          } catch {
            return false;
          }
        }`,
      resolveDir: project,
    }));
  },
};

/**
 * An `import` of one of Node's modules evaluates every lazy part of it (`node:crypto` all of WebCrypto, `node:util` a
 * MIME parser), which costs the service a megabyte; `require` evaluates what is used.
 */
const nodeByRequire: Plugin = {
  name: "node-by-require",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z_:/]+$/ }, ({ path, kind }) =>
      isBuiltin(path) && kind === "import-statement" ? { path, namespace: "node" } : undefined,
    );
    onLoad({ filter: /.*/, namespace: "node" }, ({ path }) => ({
      loader: "js",
      contents: `
        const module = require(${JSON.stringify(path)});
        const take = (name) => module[name];
        export default module;
        ${Object.keys(createRequire(import.meta.url)(path))
          .filter((name) => /^[A-Za-z_]\w*$/.test(name) && name !== "default")
          // What nobody imports is left out, and so is never evaluated.
          .map((name) => `const $${name} = /* @__PURE__ */ take("${name}"); export { $${name} as ${name} };`)
          .join("\n")}`,
    }));
  },
};

/** pino's transports run in worker threads of 11 MB each; the program has none and leaves their code out. */
const noLogWorkers: Plugin = {
  name: "no-log-workers",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^thread-stream$/ }, ({ path }) => ({ path, namespace: "left-out" }));
    onResolve({ filter: /^worker_threads$/ }, ({ path, importer }) =>
      importer.includes("/pino/") ? { path, namespace: "main-thread" } : undefined,
    );
    onLoad({ filter: /.*/, namespace: "main-thread" }, () => ({
      loader: "js",
      contents: "exports.isMainThread = true;",
    }));
    onLoad({ filter: /.*/, namespace: "left-out" }, ({ path }) => ({
      loader: "js",
      contents: `module.exports = class { constructor() { throw new Error("${path} is not part of this program"); } };`,
    }));
  },
};

/** Gives node-cron local time without ICU: see `LocalDateTimeFormat`. */
const localTimeForCron: Plugin = {
  name: "local-time-for-cron",
  setup({ onLoad }) {
    onLoad({ filter: /node-cron\/dist\/_shared\.js$/ }, ({ path }) => {
      const code = readFileSync(path, "utf8");
      const uses = code.split("new Intl.DateTimeFormat(").length - 1;
      if (uses !== 2 || code.split("Intl").length - 1 !== uses)
        throw new Error(
          `node-cron uses Intl in another way than before (${uses} formatters): look at ${path}`,
        );
      const ours = join(project, "src", "daemon", "local-date-time-format.ts");
      return {
        loader: "js",
        contents: `import { LocalDateTimeFormat } from ${JSON.stringify(ours)};\n${code.replaceAll("new Intl.DateTimeFormat(", "new LocalDateTimeFormat(")}`,
        resolveDir: dirname(path),
      };
    });
  },
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const written = await buildRelease();
  const kilobytes = written.reduce((sum, { bytes }) => sum + bytes, 0) / 1024;
  process.stdout.write(`dist/release: ${written.length} files of code, ${kilobytes.toFixed(0)} KB\n`);
  const page = await buildExplainPage();
  process.stdout.write(`dist/explain.html: ${(page.bytes / 1024).toFixed(0)} KB\n`);
}

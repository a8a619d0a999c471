import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import type { Ajv2020 } from "ajv/dist/2020.js";

const SCHEMAS = new URL("../../docs/json/", import.meta.url);
let validator: Ajv2020 | undefined;

/** Loaded by the tests that print documents alone: it takes a tenth of a second. */
async function loadValidator(): Promise<Ajv2020> {
  if (validator !== undefined) return validator;
  const { Ajv2020 } = await import("ajv/dist/2020.js");
  validator = new Ajv2020({ allErrors: false, strict: true, allowUnionTypes: true });
  for (const file of readdirSync(SCHEMAS).filter((name) => name.endsWith(".json")))
    validator.addSchema(JSON.parse(readFileSync(new URL(file, SCHEMAS), "utf8")));
  return validator;
}

/** Fails where what a command printed is not the one document that `docs/json` promises for it. */
export async function assertKeepsContract(command: string, printed: string): Promise<void> {
  const document: unknown = JSON.parse(printed);
  const isError = typeof document === "object" && document !== null && "error" in document;
  // What could not be done is told in one form by all; a test alert says its error beside what it did.
  const name = isError && !("delivered" in document) ? "error" : command;
  const validate = (await loadValidator()).getSchema(`${name}.schema.json`);
  assert.ok(validate !== undefined, `docs/json has no schema for '${name}'`);
  const [problem] = validate(document) ? [] : (validate.errors ?? []);
  if (problem === undefined) return;
  const { instancePath, message, params } = problem;
  assert.fail(`${name}${instancePath} ${message} ${JSON.stringify(params)}\n${printed.slice(0, 2_000)}`);
}

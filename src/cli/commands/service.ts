import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { shippedConfigDirectory } from "../../places.ts";
import { createSystemdService } from "../../service/systemd-service.ts";
import { type Command, EXIT, UsageError } from "../command.ts";
import { findSurroundings } from "../surroundings.ts";

const STEPS = ["install", "uninstall", "status"] as const;

/** The boot service. */
export const serviceCommand: Command = {
  name: "service",
  summary: "Installs, removes or shows the service that starts with the machine (systemd).",
  usage: "install|uninstall|status",
  help: `
  install      write the unit for this Node and this program, enable and start it
  uninstall    stop it and take the unit away; the history stays
  status       does it run, does it start with the machine

On Unraid the plugin does all that. A package's own unit is used where there is one.

Exit code: 0 when it was done, for status when the service runs; else 1.
Example: sudo vfio-watch service install`,
  options: {},
  async run(args, io) {
    const [step, ...others] = args.positionals;
    const wanted = STEPS.find((known) => known === step);
    if (wanted === undefined || others.length > 0)
      throw new UsageError(`one of ${STEPS.join(", ")} is needed`);
    const { paths, unraid, database } = findSurroundings(io.env);
    if (unraid) return onUnraid(wanted, paths.at("/etc/rc.d/rc.vfio-watch"), io.out, io.err);
    const service = createSystemdService({
      paths,
      user: process.geteuid?.() ?? -1,
      command: [process.execPath, realpathSync(process.argv[1] ?? ""), "run"],
      shippedUnit: readShippedUnit(),
      database,
    });
    const { done, text } = service[wanted]();
    (done || wanted === "status" ? io.out : io.err)(`${text}\n`);
    return done ? EXIT.ok : EXIT.failure;
  },
};

function onUnraid(
  step: (typeof STEPS)[number],
  script: string,
  out: (text: string) => void,
  err: (text: string) => void,
): number {
  if (step === "status" && existsSync(script)) {
    const { status, stdout, stderr } = spawnSync(script, ["status"], { encoding: "utf8", timeout: 10_000 });
    out(`${stdout}${stderr}`);
    return status === 0 ? EXIT.ok : EXIT.failure;
  }
  err(
    `On Unraid the plugin brings the service: Plugins, Install Plugin, and ${script} to start and stop it. ` +
      "Removing the plugin removes the service.\n",
  );
  return EXIT.failure;
}

function readShippedUnit(): string | undefined {
  const file = join(shippedConfigDirectory(), "..", "systemd", "vfio-watch.service");
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

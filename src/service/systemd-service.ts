import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { HostPaths } from "../host-paths.ts";
import { hiddenPaths, UNIT_MARK, unitFor } from "./unit-file.ts";

const NAME = "vfio-watch.service";
const OWN_UNIT = `/etc/systemd/system/${NAME}`;
/** Where a distribution's package puts its units. */
const PACKAGED = [`/usr/lib/systemd/system/${NAME}`, `/lib/systemd/system/${NAME}`];

/** What a step came to, in sentences for a person. */
export interface ServiceOutcome {
  readonly done: boolean;
  readonly text: string;
}

export interface SystemdServiceOptions {
  readonly paths: HostPaths;
  /** Effective user id. */
  readonly user: number;
  /** The program and its arguments that the unit is to start. */
  readonly command: readonly string[];
  /** The unit as it is shipped; undefined where it is not beside the program. */
  readonly shippedUnit: string | undefined;
  /** Where the history will be, for the last words of an uninstall. */
  readonly database: string;
  /** Runs systemctl; a test brings its own. */
  readonly systemctl?: (...args: readonly string[]) => { readonly code: number; readonly said: string };
}

/** The boot service on hosts with systemd. */
export interface SystemdService {
  install(): ServiceOutcome;
  uninstall(): ServiceOutcome;
  status(): ServiceOutcome;
}

/** Makes the handle of the boot service. Nothing throws but for a full disk and the like. */
export function createSystemdService(options: SystemdServiceOptions): SystemdService {
  const { paths, user, command, systemctl = runSystemctl } = options;
  const own = paths.at(OWN_UNIT);
  const packaged = () => PACKAGED.map((path) => paths.at(path)).find((path) => existsSync(path));
  const isOurs = () => existsSync(own) && readFileSync(own, "utf8").startsWith(UNIT_MARK);

  function obstacle(): ServiceOutcome | undefined {
    if (!existsSync(paths.at("/run/systemd/system"))) {
      return failed(
        "This host was not started by systemd. Let its own init run 'vfio-watch run' as root, and again when it ends.",
      );
    }
    if (user !== 0) return failed("Only root can do that: 'sudo vfio-watch service …'.");
    return undefined;
  }

  function install(): ServiceOutcome {
    const why = obstacle();
    if (why !== undefined) return why;
    const unit = packaged();
    if (unit === undefined) {
      const refused = writeOwn();
      if (refused !== undefined) return refused;
    }
    for (const step of [["daemon-reload"], ["enable", NAME], ["restart", NAME]]) {
      const { code, said } = systemctl(...step);
      if (code !== 0) {
        return failed(
          `'systemctl ${step.join(" ")}' failed: ${said.trim() || `exit code ${code}`}\n` +
            `'systemctl status ${NAME}' and 'journalctl -u ${NAME}' say more.`,
        );
      }
    }
    const where = unit === undefined ? `The unit is ${own}.` : `The unit is the package's, ${unit}.`;
    return done(
      `The service runs, and starts with the machine. ${where}\n'vfio-watch status' shows what it sees.`,
    );
  }

  function writeOwn(): ServiceOutcome | undefined {
    if (existsSync(own) && !isOurs())
      return failed(`${own} is there and somebody else's; move it away first.`);
    if (options.shippedUnit === undefined)
      return failed("The unit is not beside the program. Install vfio-watch anew.");
    const hidden = hiddenPaths(command);
    if (hidden.length > 0) {
      return failed(
        `The service is kept out of home and temporary directories and could not see ${hidden.join(" and ")}. ` +
          "Install Node and vfio-watch for the whole machine ('sudo npm install -g', or the .deb).",
      );
    }
    mkdirSync(dirname(own), { recursive: true });
    writeFileSync(`${own}.new`, unitFor(options.shippedUnit, command), { mode: 0o644 });
    renameSync(`${own}.new`, own);
    return undefined;
  }

  function uninstall(): ServiceOutcome {
    const why = obstacle();
    if (why !== undefined) return why;
    const kept = `What it has seen stays in ${options.database}.`;
    const unit = packaged();
    if (unit === undefined && !existsSync(own)) return done("There is no service to remove.");
    if (unit === undefined && !isOurs()) return failed(`${own} is somebody else's and is left alone.`);
    const { code, said } = systemctl("disable", "--now", NAME);
    if (code !== 0) return failed(`'systemctl disable --now ${NAME}' failed: ${said.trim()}`);
    if (isOurs()) {
      rmSync(own);
      systemctl("daemon-reload");
      return done(`The service is stopped and removed. ${kept}`);
    }
    return done(
      `The service is stopped and no longer starts with the machine; its unit belongs to a package. ${kept}`,
    );
  }

  function status(): ServiceOutcome {
    if (!existsSync(paths.at("/run/systemd/system"))) return failed("This host was not started by systemd.");
    const unit = existsSync(own) ? own : packaged();
    if (unit === undefined)
      return failed("The service is not installed; 'vfio-watch service install' does it.");
    const active = systemctl("is-active", NAME).said.trim() || "unknown";
    const enabled = systemctl("is-enabled", NAME).said.trim() || "unknown";
    const starts =
      enabled === "enabled" ? "starts with the machine" : `does not start with the machine (${enabled})`;
    return {
      done: active === "active",
      text: `The service is ${active} and ${starts}. Its unit is ${unit}.`,
    };
  }

  return { install, uninstall, status };
}

function done(text: string): ServiceOutcome {
  return { done: true, text };
}

function failed(text: string): ServiceOutcome {
  return { done: false, text };
}

function runSystemctl(...args: readonly string[]): { readonly code: number; readonly said: string } {
  // A start is waited for as long as the unit lets it.
  const { status, stdout, stderr, error } = spawnSync("systemctl", args, {
    encoding: "utf8",
    timeout: 180_000,
  });
  return { code: status ?? 1, said: error?.message ?? `${stdout}${stderr}` };
}

import { choice, password, path, text } from "../settings/value-kinds.ts";
import { postgresAddress } from "./postgres-address.ts";

/** The settings of a host that is one of a fleet. */
export const FLEET_SETTINGS = {
  FLEET_URL: postgresAddress(
    "The PostgreSQL database of your fleet, as 'vfio-watch fleet add' prints it. Empty: nothing leaves this machine.\nTLS is on and the certificate verified, but for a server on this machine; sslrootcert=/FILE names a CA of your own.",
  ),
  FLEET_URL_FILE: path("", "A file with that address, instead of FLEET_URL."),
  FLEET_PASSWORD: password("The password, where it is not in the address."),
  FLEET_PASSWORD_FILE: path("", "A file with the password, instead of FLEET_PASSWORD."),
  FLEET_HOST_LABEL: text("", "What the fleet calls this host. Empty: as it was added there."),
  FLEET_CLUSTER: text("", "A group of hosts that it belongs to, e.g. a rack or a cluster."),
  FLEET_SHARE: choice(
    "facts",
    ["facts", "facts+evidence"],
    "facts: board, BIOS, kernel and versions, and how starts of VMs with devices went; no name of a VM or of the host,\nno text. facts+evidence: of failed starts also the host's name, the VM's name and what was said, for a fleet of your own.",
  ),
} as const;

/** Settings whose value may stand in a file of its own. */
export const FLEET_SECRET_FILES = [
  { key: "FLEET_URL", file: "FLEET_URL_FILE" },
  { key: "FLEET_PASSWORD", file: "FLEET_PASSWORD_FILE" },
] as const;

/** Their names on a settings page. */
export const FLEET_LABELS = {
  FLEET_URL: "Database of the fleet",
  FLEET_URL_FILE: "File with its address",
  FLEET_PASSWORD: "Password",
  FLEET_PASSWORD_FILE: "File with the password",
  FLEET_HOST_LABEL: "This host's name there",
  FLEET_CLUSTER: "Group of hosts",
  FLEET_SHARE: "What leaves",
} as const;

import type { Clock } from "../../clock.ts";
import type { BootIdentity } from "../../host/boot-identity.ts";
import type { HostPaths } from "../../host-paths.ts";
import type { BootId } from "../../model/identifiers.ts";
import type { SourceName } from "../../model/observation.ts";
import type { Source } from "../../model/source.ts";
import type { SettingKeys, ValuesOf } from "../../settings/setting-keys.ts";
import type { OrdinaryFilter, TextFilter } from "../kernel-log/record-teller.ts";

/** What manages the VMs of a host: sources of the other kind would only ever wait there. */
export interface VmManagers {
  readonly proxmox: boolean;
  readonly libvirt: boolean;
}

/** What sources need besides their settings. */
export interface SourceSurroundings {
  readonly paths: HostPaths;
  readonly clock: Clock;
  readonly bootId: BootId;
  readonly bootIdentity: () => BootIdentity;
  /** When this boot began (UTC epoch milliseconds, less some slack): what is older is passed over. */
  readonly since?: number;
  /** Whether a kernel text is worth an observation. */
  readonly kernelTexts: { readonly worthTelling: TextFilter; readonly isOrdinary?: OrdinaryFilter };
}

/** Everything about one source: adding one is its file and a line in the list. */
export interface SourceKind<Name extends SourceName, Keys extends SettingKeys> {
  readonly name: Name;
  readonly settings: Keys;
  /** Names of the settings in a form, in its order. */
  readonly labels: { readonly [Key in keyof Keys]?: string };
  /** What is not known without it, for whoever thinks of leaving it out. */
  readonly importance: string;
  /** Who speaks in its lines, where that is a person's own word for it. */
  readonly speaker?: string;
  /** What helps where records of it are lost again and again. */
  readonly whenLost?: string;
  /** Whether such a host can have what it watches. */
  needs(managers: VmManagers): boolean;
  /** Makes it. What it is made of is loaded then and not before: commands read the declarations alone. */
  create(settings: ValuesOf<Keys>, surroundings: SourceSurroundings): Promise<Source>;
}

/** Declares a source; the types of its settings follow from their declaration. */
export function sourceKind<const Name extends SourceName, const Keys extends SettingKeys>(
  kind: SourceKind<Name, Keys>,
): SourceKind<Name, Keys> {
  return kind;
}

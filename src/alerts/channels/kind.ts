import type { Clock } from "../../clock.ts";
import type { HostPaths } from "../../host-paths.ts";
import type { Importance } from "../../model/alert.ts";
import type { SettingKeys, ValuesOf } from "../../settings/setting-keys.ts";
import type { AlertLog, Channel } from "../channel.ts";
import type { HttpSettings } from "../http.ts";

/** The kind of host, where it decides whether a channel is on by itself. */
export interface AlertPlace {
  readonly unraid: boolean;
  readonly proxmox: boolean;
}

/** What channels need besides their settings. */
export interface ChannelSurroundings {
  readonly host: HostPaths;
  readonly clock: Clock;
  readonly log: AlertLog;
  /** For those that speak HTTP. */
  readonly http: HttpSettings;
  /** The machine's name in alerts. */
  readonly hostName: string;
  /** What is wrong with each VM now, for channels that show states and not only events. */
  readonly vmProblems: () => readonly VmProblem[];
}

/** A VM with passed-through devices, and what is known to be wrong with it. */
export interface VmProblem {
  readonly vm: string;
  /** It is no longer there: what shows it should not. */
  readonly isGone?: boolean;
  /** Undefined while nothing is. */
  readonly problem:
    | { readonly subject: string; readonly cause: string | undefined; readonly since: number }
    | undefined;
}

/** Everything about one way to reach people: adding one is its file and a line in the list. */
export interface ChannelKind<Name extends string, Keys extends SettingKeys> {
  readonly name: Name;
  /** Heading of its settings in a form. */
  readonly title: string;
  readonly settings: Keys;
  /** Names of the settings in a form, in its order; what is not named is not shown. */
  readonly labels: { readonly [Key in keyof Keys]?: string };
  /** Settings whose value may stand in a file that another setting names. */
  readonly secretFiles?: readonly { readonly key: keyof Keys & string; readonly file: keyof Keys & string }[];
  /** What it cannot be made without, for a person. */
  readonly needs: string;
  isOn(settings: ValuesOf<Keys>, place: AlertPlace): boolean;
  /** The least important alert that it gets. */
  minimum(settings: ValuesOf<Keys>): Importance;
  /** Undefined where it lacks what it {@link needs}. */
  create(settings: ValuesOf<Keys>, surroundings: ChannelSurroundings): Channel | undefined;
}

/** Declares a channel; the types of its settings follow from their declaration. */
export function channelKind<const Name extends string, const Keys extends SettingKeys>(
  kind: ChannelKind<Name, Keys>,
): ChannelKind<Name, Keys> {
  return kind;
}

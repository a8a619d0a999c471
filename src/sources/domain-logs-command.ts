import { type Bdf, parseBdf } from "../model/identifiers.ts";

/** What the command block of a domain log tells about the VM. */
export interface QemuCommand {
  readonly vm?: string;
  readonly machine?: string;
  readonly devices: readonly Bdf[];
}

/** Takes a command block line by line; libvirt writes it shell-quoted, one option a line, ` \` at the line's end. */
export interface CommandBlock {
  /** True while the block goes on after this line. */
  line(text: string): boolean;
  /** The last line ended within a quoted argument. */
  quoted(): boolean;
  command(): QemuCommand;
}

const MAX_WORDS = 8_192;
const MAX_CHARACTERS = 1024 * 1024;

/** Reads a shell-quoted command over several lines; what is beyond a megabyte is passed over, not kept. */
export function createCommandBlock(): CommandBlock {
  const words: string[] = [];
  let word: string | undefined;
  let quoted = false;
  let characters = 0;

  function endWord(): void {
    if (word !== undefined && words.length < MAX_WORDS) words.push(word);
    word = undefined;
  }

  return {
    line(text) {
      let continued = false;
      characters += text.length;
      // Still followed for its end, but no longer kept.
      const keep = characters <= MAX_CHARACTERS;
      for (let index = 0; index < text.length; index += 1) {
        const character = text.charAt(index);
        if (quoted) {
          if (character === "'") quoted = false;
          else if (keep) word = (word ?? "") + character;
        } else if (character === "'") {
          quoted = true;
          word ??= "";
        } else if (character === "\\") {
          if (index === text.length - 1) continued = true;
          else {
            index += 1;
            if (keep) word = (word ?? "") + text.charAt(index);
          }
        } else if (character === " ") endWord();
        else if (keep) word = (word ?? "") + character;
      }
      if (quoted) {
        if (keep) word = `${word ?? ""}\n`;
        return true;
      }
      endWord();
      return continued;
    },
    quoted: () => quoted,
    command: () => readCommand(words),
  };
}

/** Picks the VM's name, the machine type and the passed-through devices out of QEMU's arguments. */
function readCommand(words: readonly string[]): QemuCommand {
  let vm: string | undefined;
  let machine: string | undefined;
  const devices: Bdf[] = [];
  for (const [index, option] of words.entries()) {
    const value = words[index + 1];
    if (value === undefined) break;
    if (option === "-name") vm = parameter(value, "guest");
    else if (option === "-machine" || option === "-M") machine = parameter(value, "type");
    else if (option === "-device" || option === "-blockdev") {
      const host = option === "-device" ? passedThroughHost(value) : nvmeDevice(value);
      const bdf = host === undefined ? undefined : parseBdf(host);
      if (bdf !== undefined && !devices.includes(bdf)) devices.push(bdf);
    }
  }
  return {
    ...(vm ? { vm } : {}),
    ...(machine ? { machine } : {}),
    devices,
  };
}

/** The host address of a `vfio-pci` device, written as JSON (libvirt ≥ 6.9) or as `vfio-pci,host=…`. */
function passedThroughHost(device: string): string | undefined {
  if (!device.includes("vfio-pci")) return undefined;
  if (!device.startsWith("{")) {
    return parameter(device, "driver")?.startsWith("vfio-pci") ? parameter(device, "host", false) : undefined;
  }
  try {
    const { driver, host } = JSON.parse(device) as { driver?: unknown; host?: unknown };
    return typeof driver === "string" && driver.startsWith("vfio-pci") && typeof host === "string"
      ? host
      : undefined;
  } catch {
    return undefined;
  }
}

/** `<disk type='nvme'>`: QEMU drives the device itself, through VFIO. */
function nvmeDevice(blockdev: string): string | undefined {
  if (!/nvme/.test(blockdev)) return undefined;
  if (!blockdev.startsWith("{")) {
    return parameter(blockdev, "driver") === "nvme" ? parameter(blockdev, "device", false) : undefined;
  }
  try {
    const { driver, device } = JSON.parse(blockdev) as { driver?: unknown; device?: unknown };
    return driver === "nvme" && typeof device === "string" ? device : undefined;
  } catch {
    return undefined;
  }
}

/** One value of `a=1,b=2`, where `,,` is a comma within a value; the first may stand without its key. */
function parameter(text: string, key: string, firstMayBeBare = true): string | undefined {
  const parts = text.replaceAll(",,", "\0").split(",");
  const found = parts.find((part) => part.startsWith(`${key}=`))?.slice(key.length + 1);
  const bare = firstMayBeBare && parts[0] !== undefined && !parts[0].includes("=") ? parts[0] : undefined;
  return (found ?? bare)?.replaceAll("\0", ",");
}

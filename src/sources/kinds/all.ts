import { configFiles } from "./config-files.ts";
import { domainLogs } from "./domain-logs.ts";
import { kernelLog } from "./kernel-log.ts";
import { libvirt } from "./libvirt.ts";
import { libvirtdLog } from "./libvirtd-log.ts";
import { proxmox } from "./proxmox.ts";
import { vfioNodes } from "./vfio-nodes.ts";

/** Every source, in the order in which they are shown. */
export const SOURCES = [
  kernelLog,
  vfioNodes,
  libvirt,
  domainLogs,
  libvirtdLog,
  proxmox,
  configFiles,
] as const;

export const SOURCE_NAMES = SOURCES.map(({ name }) => name);

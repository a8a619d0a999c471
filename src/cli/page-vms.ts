import type { Catalogue } from "../diagnosis/catalogue.ts";
import { read, unreadable } from "../model/reading.ts";
import type { PreflightView } from "../report/page-input.ts";
import type { Store } from "../store/store.ts";
import { type AskedHost, checkHost } from "./check-host.ts";
import type { LiveVms } from "./live-vms.ts";
import type { Surroundings } from "./surroundings.ts";

/** Each VM of the host with what would happen if somebody started it now. */
export function readPageVms(
  surroundings: Surroundings,
  host: AskedHost,
  catalogue: Catalogue,
  store: Store | undefined,
): Omit<PreflightView, "elsewhere"> {
  const { live } = host;
  const vms = live.vms.state === "read" ? live.vms.value : [];
  const preflight = checkHost(surroundings, host, catalogue, store);
  return {
    vms: vms.map(({ definition, state }) => {
      const own = preflight.vms.find(({ vm }) => vm === definition.name);
      return {
        definition,
        state: live.statesKnown ? read(state) : unreadable("libvirt does not answer"),
        findings: own?.findings.filter(({ matter }) => matter === "stops" || matter === "later") ?? [],
        answer: own?.answer,
        unknown: preflight.unchecked
          .filter((what) => DECISIVE.test(what))
          .map((what) => `Cannot be read: ${what}.`),
      };
    }),
    notes: live.statesKnown ? [] : [noteOn(live)],
  };
}

/** Without these nothing can be said of a VM's start. */
const DECISIVE = /^the (?:PCI devices|IOMMU groups|nodes in \/dev\/vfio): /;

function noteOn({ vms, from }: LiveVms): string {
  if (vms.state === "unreadable") return `The VMs of this host could not be read: ${vms.why}.`;
  return `The VMs are taken from ${from}. Which of them run, and have a device in use, is not known.`;
}

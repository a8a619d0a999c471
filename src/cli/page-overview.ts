import { lastUpdate } from "../history/last-update.ts";
import type { VmName } from "../model/identifiers.ts";
import { timeLineOf } from "../report/gather.ts";
import { makeOverview, type Overview } from "../report/overview.ts";
import type { PreflightVm } from "../report/page-input.ts";
import { verdictOf } from "../report/page-preflight.ts";
import type { Store } from "../store/store.ts";
import { thisHost } from "./check-host.ts";
import type { CommandIo } from "./command.ts";
import { withFailures } from "./page-view.ts";
import { readPageVms } from "./page-vms.ts";
import { findCatalogue, type Surroundings } from "./surroundings.ts";

/** Reads from host and history what stands at each VM and in the tile of a web interface. */
export async function readOverview(
  surroundings: Surroundings,
  store: Store | undefined,
  io: Pick<CommandIo, "err">,
): Promise<Overview> {
  const catalogue = findCatalogue(surroundings, io);
  const host = await thisHost(surroundings, store);
  const { vms } = withFailures(readPageVms(surroundings, host, catalogue, store), store, catalogue);
  const now = Date.now();
  if (store === undefined)
    return makeOverview({ now, vms, failure: undefined, update: undefined, timeLine: undefined });
  const [failed] = store.attempts.list({ failedOnly: true, limit: 1 });
  const shown = vmOfPicture(vms, failed?.vm) ?? store.attempts.list({ limit: 1 })[0]?.vm;
  return makeOverview({
    ...{ now, vms },
    failure: failed && { row: failed, isOver: store.attempts.hasStartedAfter(failed.vm, failed.number) },
    update: lastUpdate(store),
    timeLine: shown && timeLineOf(store, shown),
  });
}

/** The one picture is of the VM that will not start, else of the one that failed last. */
function vmOfPicture(vms: readonly PreflightVm[], failed: VmName | undefined): VmName | undefined {
  const stopped = vms.filter((vm) => verdictOf(vm).tone === "bad").map(({ definition }) => definition.name);
  return stopped.find((name) => name === failed) ?? stopped[0] ?? failed;
}

import { openStore } from "../../src/store/open.ts";

/** Stands for the service: counts an incident up in one transaction a time: `count-beside.ts DATABASE ID TIMES`. */
const [path = "", id = "", times = "0"] = process.argv.slice(2);
const opened = openStore({ path, clock: { now: () => Date.now() } });
if (opened.state === "refused") throw new Error(opened.why);
const { alerts } = opened.store;
for (let time = 0; time < Number(times); time++) {
  alerts.inTransaction(() => {
    const incident = alerts.incident(id);
    if (incident !== undefined) alerts.saveIncident({ ...incident, count: incident.count + 1 });
  });
  if (time === 0) process.stdout.write("counting\n");
}
opened.store.close();

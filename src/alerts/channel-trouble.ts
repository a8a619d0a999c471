import type { Clock } from "../clock.ts";
import type { Alerter } from "./alerter.ts";
import { composeTrouble } from "./compose.ts";
import { incidentKey } from "./incident-policy.ts";

/**
 * Tells people through the other channels that one keeps failing, and closes that when it works again. The result
 * fits the delivery's `onChannelHealth`, which looks at all channels again after calling it.
 */
export function alertOnChannelTrouble(
  alerter: Alerter,
  clock: Pick<Clock, "now">,
): (channel: string, error: string | undefined) => void {
  return (channel, error) => {
    const content = composeTrouble({
      subject: `Alerts do not leave through ${channel}`,
      why: error === undefined ? "" : `The last error: ${error}.`,
      remedy: `Correct the settings of ${channel}, then try it: vfio-watch alerts test ${channel}`,
    });
    const key = incidentKey(content, `channel ${channel}`);
    const now = clock.now();
    if (error === undefined) alerter.resolved(key, now);
    else alerter.raise({ key, content, at: now }, { exceptChannel: channel });
  };
}

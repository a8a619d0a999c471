import { type Clock, steadyNow } from "../clock.ts";
import type { AlertStore, Delivery } from "../model/alert.ts";
import { retryDelay } from "./back-off.ts";
import type { AlertLog, Channel, SendResult } from "./channel.ts";
import type { AlertMessage } from "./message.ts";

export interface DeliverySettings {
  /** An alert older than this that could not be delivered is given up (ms). */
  readonly giveUpAfterMs: number;
  /** The machine's name, as alerts show it. */
  readonly host: string;
  /** The earliest time at which an alert may leave (quiet hours); `at` itself where nothing holds it. */
  readonly notBefore: (channel: string, delivery: Delivery, at: number) => number;
}

export interface DeliveryLoop {
  /** Takes up what is pending, also from before a restart. */
  start(): void;
  /** Something was queued: look now. Cheap, and safe at any time. */
  nudge(): void;
  /** Other channels or settings from now on; what is pending for a channel that is gone is given up. */
  reconfigure(channels: readonly Channel[], settings: DeliverySettings): void;
  /** Ends the running tries and waits for them, at most two seconds. What was not delivered stays pending. */
  stop(): Promise<void>;
}

/** Told when a channel has failed this often in a row. */
const TROUBLE_AFTER = 3;
/** A clock that is put right after the boot makes an alert old at once; so many tries it gets in any case. */
const LEAST_TRIES = 5;
/** Beyond a channel's own limit it gets this long to end by itself (ms). */
const GRACE = 5_000;
/** After a failure the next alert of the channel waits this long at most, unless the other side asks for more (ms). */
const LONGEST_PAUSE = 60_000;
/** The longest sleep; a clock that is set back must not put deliveries off for long. */
const LONGEST_SLEEP = 600_000;
const STOP_WAITS = 2_000;
/** When the outbox cannot be read or written, it is tried again after this (ms). */
const STORE_PAUSE = 30_000;
const STEP = 1_000;

interface Lane {
  readonly channel: Channel;
  busy: Promise<void> | undefined;
  abort: AbortController | undefined;
  /** Nothing is tried before; set by a failure, and by the other side's Retry-After. */
  holdUntil: number;
  /** When that was set: a clock that is earlier now was set back, and nobody knows how long to wait. */
  heldAt: number;
  failuresInRow: number;
  /** Delivered, but the store would not note it: must not be sent again. */
  readonly unmarked: Map<number, number>;
}

/**
 * Brings queued alerts to their channels: at least once, one at a time and in order for each channel, each channel
 * for itself. It is nudged, not polled; in between it sleeps until the next delivery is due.
 */
export function createDelivery(options: {
  readonly store: AlertStore;
  readonly channels: readonly Channel[];
  readonly settings: DeliverySettings;
  readonly clock: Clock;
  readonly log: AlertLog;
  /** From 0 to 1, for the jitter. */
  readonly random: () => number;
  /** A channel keeps failing, or works again (`error` undefined). */
  readonly onChannelHealth?: (channel: string, error: string | undefined) => void;
}): DeliveryLoop {
  const { store, clock, log, random } = options;
  let settings = options.settings;
  let lanes = new Map<string, Lane>();
  let running = false;
  let cancelWake: (() => void) | undefined;
  /** How often the outbox could not be used since it last could, why, and when it was tried last. */
  let refusals = 0;
  let refusedFor: string | undefined;
  let refusedAt = 0;

  function pump(): void {
    cancelWake?.();
    cancelWake = undefined;
    if (!running) return;
    let next = clock.now() + LONGEST_SLEEP;
    for (const lane of lanes.values()) {
      if (lane.busy !== undefined) continue;
      next = Math.min(next, fromStore(() => pumpLane(lane), clock.now() + STORE_PAUSE) ?? next);
    }
    cancelWake = clock.after(Math.max(0, next - clock.now()), pump);
  }

  /** Begins the lane's next try; or says when there will be one to begin. */
  function pumpLane(lane: Lane): number | undefined {
    markLate(lane);
    const { name } = lane.channel;
    const now = clock.now();
    if (now < lane.holdUntil && now >= lane.heldAt) return lane.holdUntil;
    const [delivery] = pendingOf(name, 1);
    if (delivery === undefined) return undefined;
    // What was queued in the future was queued before the clock was set back; it is not waited for.
    if (delivery.dueAt > now && delivery.createdAt <= now) return delivery.dueAt;
    if (now - delivery.createdAt >= settings.giveUpAfterMs && delivery.tries >= LEAST_TRIES) {
      giveUp(delivery, delivery.lastError ?? "it could not be delivered");
      return now;
    }
    const free = settings.notBefore(name, delivery, now);
    if (free > now) {
      // Due before a restart, or before the settings changed; in the meantime the quiet hours have begun.
      store.markFailed(delivery.id, delivery.lastError ?? "waits for the end of the quiet hours", free);
      return now;
    }
    lane.busy = attempt(lane, delivery, messageOf(delivery)).finally(() => {
      lane.busy = undefined;
      pump();
    });
    return undefined;
  }

  async function attempt(lane: Lane, delivery: Delivery, message: AlertMessage): Promise<void> {
    const { channel } = lane;
    const abort = new AbortController();
    lane.abort = abort;
    const result = await withinLimit(channel, message, abort);
    lane.abort = undefined;
    if (!result.delivered && abort.signal.aborted && !running) return;
    fromStore(() => settle(lane, delivery, result), undefined);
  }

  function withinLimit(channel: Channel, message: AlertMessage, abort: AbortController): Promise<SendResult> {
    return new Promise((resolve) => {
      const cancel = clock.after(channel.timeLimitMs + GRACE, () => {
        abort.abort();
        resolve({ delivered: false, error: "it took too long" });
      });
      const end = (result: SendResult) => {
        cancel();
        resolve(result);
      };
      channel.send(message, abort.signal).then(end, (error: unknown) => {
        // A bug in a channel must not stop the others; its text may hold anything, so only its name is kept.
        end({ delivered: false, error: error instanceof Error ? error.name : "unknown error" });
      });
    });
  }

  function settle(lane: Lane, delivery: Delivery, result: SendResult): void {
    const now = clock.now();
    const { name } = lane.channel;
    if (result.delivered) {
      lane.unmarked.set(delivery.id, now);
      healthy(lane);
      markLate(lane);
      return;
    }
    lane.failuresInRow++;
    const delay = retryDelay(delivery.tries, random(), result);
    const due = settings.notBefore(name, delivery, now + delay);
    // A new alert must not wait for an old one's hour; only a request for patience holds the whole channel.
    lane.heldAt = now;
    lane.holdUntil = now + (result.retryAfterMs === undefined ? Math.min(delay, LONGEST_PAUSE) : delay);
    log.warn(`alert ${delivery.incidentId} did not leave through ${name}: ${result.error}`, {
      tries: delivery.tries + 1,
    });
    const isOld = now + delay - delivery.createdAt >= settings.giveUpAfterMs;
    if (isOld && delivery.tries + 1 >= LEAST_TRIES) giveUp(delivery, result.error);
    else store.markFailed(delivery.id, result.error, due);
    if (lane.failuresInRow === TROUBLE_AFTER) options.onChannelHealth?.(name, result.error);
  }

  function healthy(lane: Lane): void {
    const failed = lane.failuresInRow;
    lane.failuresInRow = 0;
    lane.holdUntil = 0;
    if (failed >= TROUBLE_AFTER) options.onChannelHealth?.(lane.channel.name, undefined);
  }

  function markLate(lane: Lane): void {
    for (const [id, at] of lane.unmarked) {
      store.markDelivered(id, at);
      lane.unmarked.delete(id);
    }
  }

  function giveUp(delivery: Delivery, error: string): void {
    store.markGivenUp(delivery.id, error, clock.now());
    log.error(`alert ${delivery.incidentId} was given up for ${delivery.channel}: ${error}`);
  }

  function messageOf(delivery: Delivery): AlertMessage {
    // A summary says what it sums up at the moment it leaves, not when it was queued.
    const newest =
      delivery.content.kind === "storm-summary" ? store.incident(delivery.incidentId) : undefined;
    return {
      incidentId: delivery.incidentId,
      deliveryId: delivery.id,
      host: settings.host,
      createdAt: delivery.createdAt,
      content: newest?.content ?? delivery.content,
    };
  }

  /** The outbox may be on a full or failing disk; the loop outlives that. */
  function fromStore<T>(work: () => T, otherwise: T): T {
    try {
      const result = work();
      usable();
      return result;
    } catch (error) {
      refused(error instanceof Error ? error.message : String(error));
      return otherwise;
    }
  }

  /** Each look into the outbox fails then, and everything that happens is one: the first says it all. */
  function refused(why: string): void {
    refusals += 1;
    refusedAt = steadyNow(clock);
    if (refusedFor === why) return;
    refusedFor = why;
    log.error(`the outbox cannot be used: ${why}`);
  }

  /** A disk that takes no writes may be read: only when no use was refused for a while it is over. */
  function usable(): void {
    if (refusals === 0 || steadyNow(clock) - refusedAt < 2 * STORE_PAUSE) return;
    log.info(`the outbox can be used again; it could not ${refusals} times`);
    refusals = 0;
    refusedFor = undefined;
  }

  /** What waits for a channel, the earliest due first. */
  function pendingOf(name: string, limit: number): readonly Delivery[] {
    return store.dueDeliveries(Number.MAX_SAFE_INTEGER, limit, name);
  }

  function forgetGone(): void {
    for (const { channel, pending } of store.channelStates()) {
      if (pending === 0 || lanes.has(channel)) continue;
      // In steps, because nobody knows how many have come together; but no more of them than were counted.
      for (let left = pending; left > 0; left -= STEP) {
        store.inTransaction(() => {
          for (const { id } of pendingOf(channel, STEP))
            store.markGivenUp(id, "the channel is switched off", clock.now());
        });
      }
      log.error(`${pending} alerts were given up for ${channel}: the channel is switched off`);
    }
  }

  function laneOf(channel: Channel): Lane {
    const before = lanes.get(channel.name);
    return {
      channel,
      busy: undefined,
      abort: undefined,
      holdUntil: 0,
      heldAt: 0,
      failuresInRow: before?.failuresInRow ?? 0,
      unmarked: before?.unmarked ?? new Map<number, number>(),
    };
  }

  function setUp(channels: readonly Channel[]): void {
    const before = lanes;
    lanes = new Map(channels.map((channel) => [channel.name, laneOf(channel)]));
    for (const [name, lane] of lanes) {
      const { busy } = before.get(name) ?? {};
      // A try of the old settings is under way: it settles its own delivery, and the new lane waits for it.
      if (busy !== undefined) lane.busy = busy.finally(() => release(lane));
    }
  }

  function release(lane: Lane): void {
    lane.busy = undefined;
    pump();
  }

  setUp(options.channels);
  return {
    start() {
      running = true;
      fromStore(forgetGone, undefined);
      pump();
    },
    nudge: pump,
    reconfigure(channels, changed) {
      settings = changed;
      setUp(channels);
      if (running) fromStore(forgetGone, undefined);
      pump();
    },
    async stop() {
      running = false;
      cancelWake?.();
      const tries = [...lanes.values()].map((lane) => lane.busy);
      for (const lane of lanes.values()) lane.abort?.abort();
      const patience = new Promise<void>((resolve) => clock.after(STOP_WAITS, resolve));
      await Promise.race([Promise.all(tries), patience]);
      for (const lane of lanes.values()) fromStore(() => markLate(lane), undefined);
    },
  };
}

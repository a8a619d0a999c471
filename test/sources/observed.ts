import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Observation } from "../../src/model/observation.ts";
import type { ResumePoints, Source } from "../../src/model/source.ts";

/** Waits for a state of affairs that real file system events bring about; fails after ten seconds. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 2_000; tries += 1) {
    if (holds()) return;
    await pause(5);
  }
  throw new Error(`waited in vain until ${what}`);
}

const endings = new WeakMap<TestContext, (() => unknown)[]>();

/** Runs `action` after the test; what was set up last ends first, unlike with `context.after`. */
export function atEnd(context: TestContext, action: () => unknown): void {
  const known = endings.get(context);
  if (known !== undefined) {
    known.push(action);
    return;
  }
  const actions = [action];
  endings.set(context, actions);
  context.after(async () => {
    for (const one of actions.reverse()) await one();
  });
}

/** A directory that goes with the test. */
export function temporaryDirectory(context: TestContext, ...inner: string[]): string {
  const root = mkdtempSync(join(tmpdir(), "vfio-watch-test-"));
  atEnd(context, () => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, ...inner), { recursive: true });
  return root;
}

export interface Observer {
  readonly observations: Observation[];
  /** What a store would have kept: the newest value by key. */
  readonly resume: Map<string, string>;
  until(holds: (observations: readonly Observation[]) => boolean, what: string): Promise<void>;
}

/** Starts `source`, keeps what it says, and stops it with the test. */
export async function observe(
  context: TestContext,
  source: Source,
  resume: ResumePoints = new Map(),
): Promise<Observer> {
  const observations: Observation[] = [];
  const points = new Map(resume);
  atEnd(context, () => source.stop());
  await source.start((observation) => {
    observations.push(observation);
    if (observation.resume !== undefined) points.set(observation.resume.key, observation.resume.value);
  }, resume);
  return {
    observations,
    resume: points,
    until: (holds, what) => until(() => holds(observations), what),
  };
}

/** The texts of lines, kinds of everything else: short enough to compare whole sequences. */
export function said(observations: readonly Observation[]): string[] {
  return observations.map((observation) =>
    "text" in observation
      ? observation.text
      : "reason" in observation
        ? `${observation.kind} ${observation.reason}`
        : observation.kind,
  );
}

/** Something that is kept as long as there is room for it. */
interface Kept {
  /** UTC epoch milliseconds. */
  readonly at: number;
  /** What it takes of the room. */
  readonly size: number;
}

/** Keeps the newest of what is added, whatever the order in which it comes. */
export interface Newest<Thing> {
  add(thing: Thing): void;
  /** What was kept, in the order in which it came, and how many were not. */
  finish(): { readonly kept: readonly Thing[]; readonly leftOut: number };
}

/** So much more than fits is collected before the oldest go, so that sorting is rare. */
const SLACK = 1.25;

/** Makes a place for at most `most` things that together take at most `room`. */
export function createNewest<Thing extends Kept>(options: {
  readonly most: number;
  readonly room: number;
}): Newest<Thing> {
  const { most, room } = options;
  let things: { readonly thing: Thing; readonly place: number }[] = [];
  let size = 0;
  let added = 0;

  /** What goes is older than all that fits, and would go with everything that comes later, too. */
  function trim(): void {
    if (things.length <= most && size <= room) return;
    things.sort((a, b) => b.thing.at - a.thing.at || b.place - a.place);
    let fits = 0;
    size = 0;
    for (const { thing } of things) {
      if (fits >= most || size + thing.size > room) break;
      size += thing.size;
      fits += 1;
    }
    things = things.slice(0, fits).sort((a, b) => a.place - b.place);
  }

  return {
    add(thing) {
      things.push({ thing, place: added });
      added += 1;
      size += thing.size;
      if (things.length > most * SLACK || size > room * SLACK) trim();
    },
    finish() {
      trim();
      return { kept: things.map(({ thing }) => thing), leftOut: added - things.length };
    },
  };
}

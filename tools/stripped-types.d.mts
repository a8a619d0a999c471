/** Where the source without its types is kept, by what it says and by Node's version. */
export function placeOf(source: string): string;

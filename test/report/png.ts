import { inflateSync } from "node:zlib";

/** The pixels of a screenshot. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Red, green and blue at a place. */
  at(x: number, y: number): readonly [number, number, number];
  /** Number of pixels in a rectangle for which `holds`. */
  count(box: Box, holds: (red: number, green: number, blue: number) => boolean): number;
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Decodes a PNG with eight bits a channel and without interlacing, as browsers write screenshots. */
export function decodePng(png: Buffer): Pixels {
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const [depth, kind] = [png[24], png[25]];
  if (depth !== 8 || (kind !== 2 && kind !== 6))
    throw new Error(`no screenshot: depth ${depth}, kind ${kind}`);
  const size = kind === 2 ? 3 : 4;
  const data: Buffer[] = [];
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") data.push(png.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const raw = inflateSync(Buffer.concat(data));
  const stride = width * size;
  const pixels = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y += 1) {
    const filter = raw[y * (stride + 1)];
    for (let x = 0; x < stride; x += 1) {
      const left = x >= size ? (pixels[y * stride + x - size] ?? 0) : 0;
      const up = y > 0 ? (pixels[(y - 1) * stride + x] ?? 0) : 0;
      const corner = x >= size && y > 0 ? (pixels[(y - 1) * stride + x - size] ?? 0) : 0;
      const predicted = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter ?? 0] ?? 0;
      pixels[y * stride + x] = ((raw[y * (stride + 1) + 1 + x] ?? 0) + predicted) & 0xff;
    }
  }
  const at = (x: number, y: number): readonly [number, number, number] => {
    const place = Math.round(y) * stride + Math.round(x) * size;
    return [pixels[place] ?? 0, pixels[place + 1] ?? 0, pixels[place + 2] ?? 0];
  };
  return {
    width,
    height,
    at,
    count(box, holds) {
      let found = 0;
      for (let y = Math.max(0, box.y); y < Math.min(height, box.y + box.height); y += 1) {
        for (let x = Math.max(0, box.x); x < Math.min(width, box.x + box.width); x += 1) {
          if (holds(...at(x, y))) found += 1;
        }
      }
      return found;
    },
  };
}

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner;
  const [a, b, c] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

// The frames of a film as tiles of one picture: what does not change from frame to frame is kept once.
export interface Reel {
  across: number; // tiles in a row of a frame
  down: number;
  /** Frame by frame, the number of the tile at every place, row by row. */
  frames: number[][];
}

/** What book/_ext/films.py wrote: "s5" five tiles as in the frame before, "n5" the next five new ones, "i5" tile number five. */
export function unreel(text: string, across: number, down: number): Reel {
  const frames: number[][] = [];
  let fresh = 0;
  for (const line of text.split(",")) {
    const before = frames[frames.length - 1] ?? [], frame: number[] = [];
    for (const [, kind, digits] of line.matchAll(/([sni])(\d+)/g)) {
      const n = Number(digits);
      if (kind === "i") frame.push(n);
      else for (let i = 0; i < n; i++) frame.push(kind === "s" ? before[frame.length] : fresh++);
    }
    if (frame.length !== across * down) throw new Error(`a frame has ${frame.length} tiles, expected ${across * down}.`);
    frames.push(frame);
  }
  return { across, down, frames };
}

/** Up to `count` frames, evenly spread, the first and the last among them. */
export function stops(frames: number, count = 5): number[] {
  const steps = Math.min(count, frames) - 1;
  return steps < 1 ? [0] : Array.from({ length: steps + 1 }, (_, i) => Math.round((i * (frames - 1)) / steps));
}

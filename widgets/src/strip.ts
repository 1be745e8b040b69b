// What ganlib/films.py wrote of an animation: shapes that a canvas draws again, in the colours and letters of the page.
import { FONT, type Color, type Palette } from "./style";

type Box = [x: number, y: number, width: number, height: number];
/** A colour of the page or one of its own, and its opacity; of a pen its width, whether its ends are round, its dashes. */
type Ink = [] | [color: string, opacity: number, width: number, round: number, dashes: number[]];
type Shape =
  | ["path", clip: [] | Box, pen: Ink, fill: Ink, lines: number[][]]
  | ["text", words: string, x: number, y: number, size: number, before: number, angle: number, color: Color]
  | ["image", top: number, wide: number, high: number, ...Box];
export interface Strip {
  size: [number, number];
  shapes: Shape[];
  /** Frame by frame, the numbers of its shapes. */
  frames: number[][];
  /** Images under one another, WebP in base64. */
  sheet?: string;
}

export async function unpack(text: string): Promise<Strip> {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
}

/** One frame, on a canvas that is `width` pixels wide. */
export function expose(pen: CanvasRenderingContext2D, strip: Strip, at: number, width: number, colors: Palette, sheet: HTMLImageElement): void {
  const ink = ([color, opacity]: Ink) => {
    pen.globalAlpha = opacity!;
    return colors[color as Color] ?? color;
  };
  pen.save();
  pen.scale(width / strip.size[0], width / strip.size[0]);
  pen.imageSmoothingEnabled = false;
  for (const number of strip.frames[at]) {
    const shape = strip.shapes[number];
    pen.save();
    if (shape[0] === "image") {
      const [, top, wide, high, ...box] = shape;
      if (sheet.naturalWidth) pen.drawImage(sheet, 0, top, wide, high, ...box);
    } else if (shape[0] === "text") {
      const [, words, x, y, size, before, angle, color] = shape, parts = words.split("$"); // every other one is a formula
      const high = Math.max(size, (11 * strip.size[0]) / width); // as in the still figures; larger ones would lie on one another
      const font = (i: number) => { pen.font = `${i % 2 ? "italic " : ""}${high}px ${FONT}`; };
      const long = parts.map((part, i) => {
        font(i);
        return pen.measureText(part).width;
      });
      pen.translate(x, y);
      pen.rotate((-angle * Math.PI) / 180);
      pen.fillStyle = colors[color];
      let left = -before * long.reduce((a, b) => a + b);
      parts.forEach((part, i) => {
        font(i);
        pen.fillText(part, left, 0);
        left += long[i];
      });
    } else {
      const [, clip, line, fill, lines] = shape, path = new Path2D();
      for (const points of lines) {
        let x = 0, y = 0;
        for (let i = 0; i < points.length; i += 2) path[i ? "lineTo" : "moveTo"]((x += points[i]), (y += points[i + 1]));
      }
      if (clip.length) {
        pen.beginPath();
        pen.rect(...clip);
        pen.clip();
      }
      if (fill.length) {
        pen.fillStyle = ink(fill as Ink);
        pen.fill(path);
      }
      if (line.length) {
        pen.strokeStyle = ink(line);
        pen.lineWidth = line[2];
        pen.lineJoin = "round";
        if (line[3]) pen.lineCap = "round";
        pen.setLineDash(line[4]);
        pen.stroke(path);
      }
    }
    pen.restore();
  }
  pen.restore();
}

/** Up to `count` frames, evenly spread, the first and the last among them. */
export function stops(frames: number, count = 5): number[] {
  const steps = Math.min(count, frames) - 1;
  return steps < 1 ? [0] : Array.from({ length: steps + 1 }, (_, i) => Math.round((i * (frames - 1)) / steps));
}

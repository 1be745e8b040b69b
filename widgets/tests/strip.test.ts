import { deflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { expose, stops, unpack, type Strip } from "../src/strip";
import type { Palette } from "../src/style";

const strip: Strip = {
  size: [400, 200],
  shapes: [
    ["path", [10, 10, 300, 100], ["g", 0.5, 8, 1, [12, 20]], [], [[40, 80, 4, -8, 0, 16]]],
    ["path", [], [], ["#cc79a7", 1, 0, 0, []], [[0, 0, 9, 0, 0, 9]]],
    ["text", "knob $d$", 100, 60, 80, 0.5, 90, "muted"],
    ["image", 28, 14, 28, 0, 0, 140, 280],
  ],
  frames: [[0, 2], [1, 2, 3]],
};
const colors = { g: "green", muted: "grey" } as Palette;

class Path {
  calls: [string, number, number][] = [];
  moveTo = (x: number, y: number) => void this.calls.push(["moveTo", x, y]);
  lineTo = (x: number, y: number) => void this.calls.push(["lineTo", x, y]);
}
Object.assign(globalThis, { Path2D: Path });

/** What is done with a canvas: calls, and the values that are set. */
function drawn(at: number, width = 100) {
  const done: unknown[][] = [];
  const pen = new Proxy({} as Record<string, unknown>, {
    get: (_, name: string) => (name === "measureText" ? (text: string) => ({ width: text.length }) : (...given: unknown[]) => void done.push([name, ...given])),
    set: (_, name: string, value) => done.push([name, value]) > 0,
  });
  expose(pen as unknown as CanvasRenderingContext2D, strip, at, width, colors, { naturalWidth: 14 } as HTMLImageElement);
  return done;
}

test("a film comes back as it was packed", async () => {
  const text = deflateSync(Buffer.from(JSON.stringify(strip))).toString("base64");
  expect(await unpack(text)).toEqual(strip);
  await expect(unpack("AAAA")).rejects.toThrow();
});

test("a line goes from point to point, in the page's colour, and is cut off", () => {
  const done = drawn(0), [, path] = done.find(([name]) => name === "stroke") as [string, Path];
  expect(path.calls).toEqual([["moveTo", 40, 80], ["lineTo", 44, 72], ["lineTo", 44, 88]]);
  for (const call of [["scale", 0.25, 0.25], ["rect", 10, 10, 300, 100], ["strokeStyle", "green"], ["globalAlpha", 0.5], ["lineWidth", 8], ["lineCap", "round"], ["setLineDash", [12, 20]]]) {
    expect(done).toContainEqual(call);
  }
  expect(done.some(([name]) => name === "fill")).toBe(false);
});

test("words stand around their place, formulas in italics, never under 11 pixels", () => {
  const done = drawn(0), at = done.filter(([name]) => name === "fillText");
  expect(at).toEqual([["fillText", "knob ", -3, 0], ["fillText", "d", 2, 0], ["fillText", "", 3, 0]]);
  expect(done).toContainEqual(["rotate", -Math.PI / 2]);
  const sizes = (width: number) => new Set(drawn(0, width).filter(([name]) => name === "font").map(([, font]) => String(font).match(/^(italic )?[\d.]+px/)![0]));
  expect(sizes(400)).toEqual(new Set(["80px", "italic 80px"]));
  expect(sizes(50)).toEqual(new Set(["88px", "italic 88px"]));
});

test("areas keep a colour of their own, images are taken out of the sheet", () => {
  const done = drawn(1);
  expect(done).toContainEqual(["fillStyle", "#cc79a7"]);
  expect(done.find(([name]) => name === "drawImage")!.slice(2)).toEqual([0, 28, 14, 28, 0, 0, 140, 280]);
});

test("stops begin and end with the film", () => {
  expect(stops(39)).toEqual([0, 10, 19, 29, 38]);
  expect(stops(3)).toEqual([0, 1, 2]);
  expect(stops(1)).toEqual([0]);
});

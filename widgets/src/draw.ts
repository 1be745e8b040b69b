// What the canvases have in common: a scale with axes, lines in the book's styles, words in its size.
import { num } from "./strings";
import { FONT, type Color, type Palette } from "./style";

export interface Axes {
  x: [number, number];
  y: [number, number];
  xTicks?: number[];
  yTicks?: number[];
  /** How a tick is written, where the axis is not one of plain numbers. */
  xText?: (x: number) => string;
  yText?: (y: number) => string;
  xLabel?: string;
  yLabel?: string;
  /** One unit is as long on one axis as on the other. */
  equal?: boolean;
}

export type Style = { color: Color; width?: number; dash?: number[]; alpha?: number; round?: boolean };
export const REAL: Style = { color: "real", width: 2.2, dash: [0.1, 5], round: true };
export const G: Style = { color: "g", width: 2.2 };
export const D: Style = { color: "d", width: 2.2, dash: [8, 5] };
export const OTHER: Style = { color: "o", width: 1.5 };

/** Round numbers for the ticks of an axis, about `count` of them. */
export function ticks(low: number, high: number, count = 4): number[] {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 4, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999)!;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(i * step);
  return found;
}

export class Plot {
  readonly canvas: HTMLCanvasElement;
  readonly pen: CanvasRenderingContext2D;
  colors!: Palette;
  width = 0;
  height = 0;
  private box = { left: 0, right: 0, top: 0, bottom: 0 };
  private axes!: Axes;

  constructor(canvas: HTMLCanvasElement, private readonly ratio: number) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d")!;
    canvas.style.aspectRatio = `1 / ${ratio}`;
  }

  /** Takes the size that the page gives it. Returns false while it has none. */
  fit(colors: Palette): boolean {
    this.colors = colors;
    this.width = this.canvas.clientWidth;
    this.height = Math.round(this.width * this.ratio);
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    const [w, h] = [Math.round(this.width * scale), Math.round(this.height * scale)];
    if (this.canvas.width !== w || this.canvas.height !== h) Object.assign(this.canvas, { width: w, height: h });
    this.pen.setTransform(scale, 0, 0, scale, 0, 0);
    this.pen.clearRect(0, 0, this.width, this.height);
    return this.width > 0;
  }

  begin(axes: Axes): void {
    this.axes = axes;
    const bare = !axes.xTicks && !axes.yTicks;
    this.box = bare
      ? { left: 0, right: this.width, top: 0, bottom: this.height }
      : { left: axes.yTicks?.length ? 38 : 4, right: this.width - 10, top: axes.yLabel ? 26 : 8, bottom: this.height - (axes.xLabel ? 44 : 22) };
    if (axes.equal) {
      const { left, right, top, bottom } = this.box;
      const unit = Math.min((right - left) / (axes.x[1] - axes.x[0]), (bottom - top) / (axes.y[1] - axes.y[0]));
      this.box.right = left + unit * (axes.x[1] - axes.x[0]);
      this.box.bottom = top + unit * (axes.y[1] - axes.y[0]);
      if (bare) {
        const dx = (right - this.box.right) / 2, dy = (bottom - this.box.bottom) / 2;
        this.box = { left: left + dx, right: this.box.right + dx, top: top + dy, bottom: this.box.bottom + dy };
      }
    }
    if (bare) return;
    const { left, right, top, bottom } = this.box, { pen } = this;
    this.stroke({ color: "control", width: 1 }, () => {
      if (axes.yTicks?.length) {
        pen.moveTo(left, top);
        pen.lineTo(left, bottom);
      }
      pen.moveTo(left, bottom);
      pen.lineTo(right, bottom);
      for (const x of axes.xTicks ?? []) {
        pen.moveTo(this.x(x), bottom);
        pen.lineTo(this.x(x), bottom + 4);
      }
      for (const y of axes.yTicks ?? []) {
        pen.moveTo(left - 4, this.y(y));
        pen.lineTo(left, this.y(y));
      }
    });
    const write = (values: number[]) => {
      const digits = values.some((v) => Math.abs(v - Math.round(v)) > 1e-9) ? (values.some((v) => Math.abs(10 * v - Math.round(10 * v)) > 1e-9) ? 2 : 1) : 0;
      return (v: number) => num(v, digits);
    };
    const [xText, yText] = [axes.xText ?? write(axes.xTicks ?? []), axes.yText ?? write(axes.yTicks ?? [])];
    for (const x of axes.xTicks ?? []) this.put(xText(x), this.x(x), bottom + 16, { align: "center", size: 13 });
    for (const y of axes.yTicks ?? []) this.put(yText(y), left - 8, this.y(y) + 4, { align: "right", size: 13 });
    if (axes.xLabel) this.put(axes.xLabel, (left + right) / 2, bottom + 36, { align: "center" });
    if (axes.yLabel) this.put(axes.yLabel, axes.equal ? left : 0, 13, {});
  }

  x = (value: number) => this.box.left + ((value - this.axes.x[0]) / (this.axes.x[1] - this.axes.x[0])) * (this.box.right - this.box.left);
  y = (value: number) => this.box.bottom - ((value - this.axes.y[0]) / (this.axes.y[1] - this.axes.y[0])) * (this.box.bottom - this.box.top);
  /** The point of the plot under a place on the canvas, in CSS pixels. */
  at(px: number, py: number): [number, number] {
    const { left, right, top, bottom } = this.box, { x, y } = this.axes;
    return [x[0] + ((px - left) / (right - left)) * (x[1] - x[0]), y[0] + ((bottom - py) / (bottom - top)) * (y[1] - y[0])];
  }
  get inner() {
    return this.box;
  }

  stroke(style: Style, path: () => void): void {
    const { pen } = this;
    pen.save();
    pen.strokeStyle = this.colors[style.color];
    pen.globalAlpha = style.alpha ?? 1;
    pen.lineWidth = style.width ?? 1.5;
    pen.lineJoin = "round";
    if (style.round) pen.lineCap = "round";
    if (style.dash) pen.setLineDash(style.dash);
    pen.beginPath();
    path();
    pen.stroke();
    pen.restore();
  }

  /** What lies outside the axes is cut off. */
  inside(draw: () => void): void {
    const { left, right, top, bottom } = this.box;
    this.pen.save();
    this.pen.beginPath();
    this.pen.rect(left, top - 6, right - left + 6, bottom - top + 6);
    this.pen.clip();
    draw();
    this.pen.restore();
  }

  line(points: ArrayLike<number>[], style: Style): void {
    if (points.length < 2) return;
    this.stroke(style, () => points.forEach((p, i) => (i ? this.pen.lineTo(this.x(p[0]), this.y(p[1])) : this.pen.moveTo(this.x(p[0]), this.y(p[1])))));
  }

  dot(x: number, y: number, color: Color, radius = 4, ring?: Color): void {
    const { pen } = this;
    pen.beginPath();
    pen.arc(this.x(x), this.y(y), radius, 0, 7);
    pen.fillStyle = this.colors[color];
    pen.fill();
    if (!ring) return;
    pen.lineWidth = 2;
    pen.strokeStyle = this.colors[ring];
    pen.stroke();
  }

  /** An arrow of a length in pixels, its middle at (x, y), pointing to (dx, dy) of the plot. */
  arrow(x: number, y: number, dx: number, dy: number, length: number, style: Style): void {
    const size = Math.hypot(dx, dy);
    if (!(size > 0)) return;
    const [ux, uy] = [(dx / size) * length, (-dy / size) * length], [cx, cy] = [this.x(x), this.y(y)];
    this.stroke(style, () => this.head(cx - ux / 2, cy - uy / 2, cx + ux / 2, cy + uy / 2));
  }

  /** Part of a path: a shaft with a head, in pixels. */
  head(x0: number, y0: number, x1: number, y1: number): void {
    const angle = Math.atan2(y1 - y0, x1 - x0), barb = 3.5;
    this.pen.moveTo(x0, y0);
    this.pen.lineTo(x1, y1);
    for (const side of [2.6, -2.6]) {
      this.pen.moveTo(x1, y1);
      this.pen.lineTo(x1 + barb * Math.cos(angle + side), y1 + barb * Math.sin(angle + side));
    }
  }

  private font(size = 13.5): void {
    this.pen.font = `400 ${size}px ${FONT}`;
  }

  /** A sentence in rows, none wider than the room. */
  rows(text: string, room: number): string[] {
    this.font();
    const rows: string[] = [];
    for (const word of text.split(" ")) {
      const row = rows.pop(), longer = row ? `${row} ${word}` : word;
      rows.push(...(row && this.pen.measureText(longer).width > room ? [row, word] : [longer]));
    }
    return rows;
  }

  /** Words at a place in pixels, moved inside where the canvas would cut them off; `over` what is drawn, with a rim. */
  put(text: string, x: number, y: number, { color = "muted" as Color, align = "left" as CanvasTextAlign, size = 13.5, over = false } = {}): void {
    this.font(size);
    this.pen.textAlign = align;
    this.pen.fillStyle = this.colors[color];
    const long = this.pen.measureText(text).width, before = { left: 0, center: long / 2, right: long }[align as "left" | "center" | "right"];
    const at = Math.max(before, Math.min(x, this.width - long + before));
    this.pen.strokeStyle = this.colors.page;
    this.pen.lineWidth = 4;
    if (over) this.pen.strokeText(text, at, y);
    this.pen.fillText(text, at, y);
  }
}

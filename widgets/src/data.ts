// Data in the plane, each an equal mixture of normals around places; a curve is a mixture of many.
import type { Random } from "./random";

export type Point = [number, number];
export interface Mixture {
  places: Point[];
  std: number;
  /** Few places apart from each other, that are counted one by one; otherwise they are stations of a curve. */
  modes: boolean;
}

const along = (n: number, f: (t: number) => Point): Point[] => Array.from({ length: n }, (_, i) => f(i / (n - 1)));
const { PI, cos, sin } = Math;
const ZIGZAG = along(20, (t) => [1.6 * t - 0.8, 0.8]).concat(along(26, (t) => [0.8 - 1.6 * t, 0.8 - 1.6 * t]), along(20, (t) => [1.6 * t - 0.8, -0.8]));

/** Points as they stand in an address: two digits of base 36 a coordinate, hundredths from -5 on. */
export const packed = (points: Point[]) => points.flat().map((x) => Math.round(100 * x + 500).toString(36).padStart(2, "0")).join("");
export const unpacked = (text: string): Point[] => {
  const numbers = (text.match(/[0-9a-z]{2}/g) ?? []).map((pair) => (parseInt(pair, 36) - 500) / 100);
  return along(Math.floor(numbers.length / 2) + 1, () => [0, 0]).slice(1).map((_, i) => [numbers[2 * i], numbers[2 * i + 1]]);
};

export function mixture(name: string, drawn: string): Mixture {
  switch (name) {
    case "ring":
      return { places: Array.from({ length: 8 }, (_, i) => [cos((i * PI) / 4), sin((i * PI) / 4)] as Point), std: 0.1, modes: true };
    case "grid":
      return { places: Array.from({ length: 25 }, (_, i) => [(Math.floor(i / 5) - 2) * 0.5, ((i % 5) - 2) * 0.5] as Point), std: 0.04, modes: true };
    case "two":
      return { places: [[-0.8, 0], [0.8, 0]], std: 0.15, modes: true };
    case "moons":
      return {
        places: along(40, (t) => [0.75 * cos(PI * t) - 0.4, 0.75 * sin(PI * t) - 0.2] as Point)
          .concat(along(40, (t) => [0.4 - 0.75 * cos(PI * t), 0.2 - 0.75 * sin(PI * t)] as Point)),
        std: 0.05, modes: false,
      };
    case "spiral":
      return { places: along(90, (t) => [(0.15 + t) * cos(3.5 * PI * t), (0.15 + t) * sin(3.5 * PI * t)] as Point), std: 0.04, modes: false };
    default: {
      const places = unpacked(drawn);
      return { places: places.length ? places : ZIGZAG, std: 0.04, modes: false };
    }
  }
}

export function draw({ places, std }: Mixture, n: number, random: Random): Float64Array {
  const v = new Float64Array(2 * n);
  for (let i = 0; i < n; i++) {
    const [x, y] = places[random.whole(places.length)];
    v[2 * i] = x + std * random.normal();
    v[2 * i + 1] = y + std * random.normal();
  }
  return v;
}

/** Places with a sample within three standard deviations, and the share of samples that near to a place: ganlib's
 * mode_coverage. */
export function coverage(samples: Float64Array, { places, std }: Mixture): { reached: number; share: number } {
  const seen = new Set<number>(), n = samples.length / 2;
  let near = 0;
  for (let i = 0; i < n; i++) {
    let best = Infinity, at = 0;
    places.forEach(([x, y], j) => {
      const d = (samples[2 * i] - x) ** 2 + (samples[2 * i + 1] - y) ** 2;
      if (d < best) [best, at] = [d, j];
      // stations of a curve lie close together: a sample reaches all that are near
      if (places.length > 25 && d <= 9 * std * std) seen.add(j);
    });
    if (best <= 9 * std * std) {
      near++;
      seen.add(at);
    }
  }
  return { reached: seen.size, share: near / n };
}

/** Numbers of a run, thinned to a few hundred by keeping every other when there are too many. */
export class History {
  rows: number[][] = [];
  private every = 1;

  push(round: number, ...values: number[]): void {
    if (round % this.every) return;
    this.rows.push([round, ...values]);
    if (this.rows.length > 600) {
      this.every *= 2;
      this.rows = this.rows.filter(([r]) => r % this.every === 0);
    }
  }
}

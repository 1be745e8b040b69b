// The game of chapter 3 on a line, without its picture: settings in, turns played, everything from one seed.
import { matrix, sig, type T } from "./engine";
import { games, penalties } from "./games";
import { Net, Pair, type Optimiser } from "./pair";
import { Random } from "./random";
import type { Settings } from "./state";

export const MEAN = 2, STD = 0.5, BATCH = 64, WIDTH = 32;
const LOW = -3, HIGH = 7, BINS = 200, WIDE = (HIGH - LOW) / BINS;
export const CENTRES = Float64Array.from({ length: BINS }, (_, i) => LOW + (i + 0.5) * WIDE);
export const REALS = CENTRES.map((x) => Math.exp(-(((x - MEAN) / STD) ** 2) / 2) / (STD * Math.sqrt(2 * Math.PI)));

/** The density in each bin of a mass that lies evenly between neighbours; what lies outside is put into the last bin. */
export function pushForward(ends: ArrayLike<number>): Float64Array {
  const density = new Float64Array(BINS), pieces = ends.length - 1;
  const place = (x: number) => Math.min(Math.max((x - LOW) / WIDE, 0), BINS - 1e-9);
  for (let i = 0; i < pieces; i++) {
    const [a, b] = [place(ends[i]), place(ends[i + 1])].sort((x, y) => x - y), long = b - a;
    for (let bin = Math.floor(a); bin <= Math.floor(b); bin++) {
      density[bin] += (long > 1e-9 ? (Math.min(b, bin + 1) - Math.max(a, bin)) / long : 1) / (pieces * WIDE);
    }
  }
  return density;
}

/** The Wasserstein-1 distance between two densities on these bins: the area between their distribution functions. */
export function wasserstein(p: Float64Array, q: Float64Array): number {
  let ahead = 0, area = 0;
  for (let i = 0; i < BINS; i++) {
    const before = ahead;
    ahead += (p[i] - q[i]) * WIDE;
    area += (Math.abs(before) + Math.abs(ahead)) * WIDE / 2;
  }
  return area;
}

const length = (gradients: T[]) => Math.hypot(...gradients.map((g) => Math.hypot(...g.v)));

export class Game1d {
  readonly pair: Pair;
  lossD = NaN;
  lossG = NaN;
  /** Lengths of what lies on G's weights: left there by D's turns, by G's own loss, and both together. */
  left = 0;
  own = 0;
  together = 0;
  private leaked?: T[];
  private readonly random: Random;

  constructor(readonly settings: Settings) {
    const seed = Number(settings.seed), start = new Random(seed + 7919), own = settings.pair && JSON.parse(String(settings.pair));
    const net = (player: string) => (own ? Net.of(own[player], own.activation) : Net.random([1, WIDTH, WIDTH, 1], "tanh", start));
    this.random = new Random(seed);
    this.pair = new Pair(net("G"), net("D"));
  }

  private get game() {
    return games[String(this.settings.game)];
  }
  private optimiser = (rate: string): Optimiser => ({ kind: "adam", lr: 10 ** Number(this.settings[rate]), betas: [0, 0.99] });
  private z = () => matrix(BATCH, 1, Float64Array.from({ length: BATCH }, () => 2 * this.random.uniform() - 1));

  turnD(): void {
    const reals = matrix(BATCH, 1, this.random.normals(BATCH).map((x) => MEAN + STD * x)), z = this.z();
    if (this.settings.leak) this.leaked = this.pair.leak(reals, z, this.game, this.leaked);
    this.left = this.leaked ? length(this.leaked) : 0;
    this.own = this.together = 0;
    this.lossD = this.pair.turnD(reals, z, this.game, penalties.none(0), [], this.optimiser("rateD"));
  }

  turnG(): void {
    const z = this.z(), { loss, own, all } = this.pair.turnG(z, z, this.game, this.optimiser("rateG"), this.leaked);
    this.lossG = loss;
    this.left = this.leaked ? length(this.leaked) : 0;
    [this.own, this.together] = [length(own), length(all)];
    this.leaked = undefined; // G clears its gradients after its step
  }

  fakes = (z: Float64Array) => this.pair.G.of(matrix(z.length, 1, z), true).v;
  answers = (x: Float64Array) => this.pair.D.of(matrix(x.length, 1, x), true).v.map(sig);
  /** G's density, from the images of evenly spaced z. */
  density = (pieces = 600) => pushForward(this.fakes(Float64Array.from({ length: pieces + 1 }, (_, i) => (2 * i) / pieces - 1)));
  distance = () => wasserstein(REALS, this.density());
}

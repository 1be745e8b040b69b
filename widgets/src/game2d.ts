// A GAN in the plane without its picture: settings in, rounds played, everything from one seed.
import { grad, matrix, sig, sum, variable } from "./engine";
import { coverage, draw, History, mixture, type Mixture } from "./data";
import { drawsOf, games, penalties } from "./games";
import { Net, Pair, type Optimiser } from "./pair";
import { Random } from "./random";
import type { Settings } from "./state";

export const BATCH = 64;
export const SEEN = 500; // fakes that a count rests on
const EVERY = 20; // rounds from one count to the next

export class Game2d {
  readonly data: Mixture;
  readonly pair: Pair;
  readonly losses = new History();
  readonly counts = new History();
  lossD = NaN;
  lossG = NaN;
  reached = 0;
  share = 0;
  round = 0;
  private readonly random: Random;
  private readonly seen: Float64Array;
  private last = matrix(0, 2, []);

  constructor(readonly settings: Settings) {
    const seed = Number(settings.seed), width = Number(settings.width);
    this.data = mixture(String(settings.data), String(settings.drawn));
    this.random = new Random(seed);
    const start = new Random(seed + 7919), layers = (from: number, to: number) => [from, width, width, to];
    this.pair = new Pair(Net.random(layers(this.zDim, 2), "relu", start), Net.random(layers(2, 1), "relu", start));
    this.seen = this.latents(SEEN, new Random(seed + 104729));
    this.count();
  }

  get zDim() {
    return this.settings.z === "normal1" ? 1 : 2;
  }
  get game() {
    return games[String(this.settings.game)];
  }
  /** D's logits are log-odds, so that log 4 and log 2 mean something. */
  get ofLogs() {
    return this.settings.game === "minimax" || this.settings.game === "nonsaturating";
  }

  latents(n: number, random = this.random): Float64Array {
    return this.settings.z === "uniform2" ? Float64Array.from({ length: 2 * n }, () => 2 * random.uniform() - 1) : random.normals(n * this.zDim);
  }
  private z = () => matrix(BATCH, this.zDim, this.latents(BATCH));
  private optimiser = (rate: string): Optimiser => ({
    kind: this.settings.optimiser as "adam" | "sgd", lr: 10 ** Number(this.settings[rate]), betas: [0, 0.99],
  });

  turnD(): void {
    const { settings } = this, name = String(settings.penalty);
    this.last = matrix(BATCH, 2, draw(this.data, BATCH, this.random));
    const z = this.z(), [n, kind] = drawsOf[name]?.(BATCH, 2) ?? [0, "normal"];
    const draws = Array.from({ length: n }, () => (kind === "normal" ? this.random.normal() : this.random.uniform()));
    this.lossD = this.pair.turnD(this.last, z, this.game, penalties[name](Number(settings.weight)), draws, this.optimiser("rateD"));
  }

  turnG(): void {
    if (!this.last.r) this.last = matrix(BATCH, 2, draw(this.data, BATCH, this.random));
    this.lossG = this.pair.turnG(this.last, this.z(), this.game, this.optimiser("rateG")).loss;
    this.round++;
    this.losses.push(this.round, this.lossD, this.lossG);
    if (this.round % EVERY === 0) this.count();
  }

  fakes(z: Float64Array = this.seen): Float64Array {
    return this.pair.G.of(matrix(z.length / this.zDim, this.zDim, z), true).v;
  }

  count(): void {
    ({ reached: this.reached, share: this.share } = coverage(this.fakes(), this.data));
    this.counts.push(this.round, this.reached / this.data.places.length, this.share);
  }

  logits(points: Float64Array): Float64Array {
    return this.pair.D.of(matrix(points.length / 2, 2, points), true).v;
  }

  /** Where D is undecided: logit 0, or for a critic without a zero the middle between the two means. */
  middle(): number {
    if (this.settings.game !== "wasserstein" && this.settings.game !== "relativistic") return this.settings.game === "least_squares" ? 0.5 : 0;
    const mean = (v: Float64Array) => v.reduce((a, b) => a + b, 0) / v.length;
    return (mean(this.logits(Float64Array.from(this.data.places.flat()))) + mean(this.logits(this.fakes()))) / 2;
  }
  /** From 0 to 1, 1/2 where D is undecided. */
  opinion = (points: Float64Array, middle = this.middle()) =>
    this.logits(points).map((logit) => sig((logit - middle) * (this.settings.game === "least_squares" ? 4 : 1)));

  /** Minus the gradient of G's loss by each of the points: where it would have them go. */
  wishes(points: Float64Array): Float64Array {
    const x = variable(points.length / 2, 2, points), f = this.pair.D.of(x, true);
    const r = this.game.needsReals ? this.pair.D.of(matrix(x.r, 2, draw(this.data, x.r, new Random(1))), true) : f;
    return grad(sum(this.game.g(r, f)), [x])[0].v.map((g) => -g);
  }
}

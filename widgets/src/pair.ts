// G and D as small networks, their optimisers, and the two turns of Algorithm 1 as ganlib.training plays them.
import { add, detach, grad, leaky, mean, product, sig, spread, tanh, variable, type T } from "./engine";
import type { Game, Penalty } from "./games";
import type { Random } from "./random";

export type Activation = "tanh" | "relu";

export class Net {
  /** Weight (in, out), bias (1, out), layer by layer. */
  constructor(readonly weights: T[], readonly activation: Activation) {}

  /** Weights as ganlib.export.export_pair writes them: rows, columns and numbers of each. */
  static of(weights: [number, number, number[]][], activation: Activation): Net {
    return new Net(weights.map((weight) => variable(...weight)), activation);
  }

  /** As torch.nn.Linear begins: uniform between -1/sqrt(in) and 1/sqrt(in). */
  static random(sizes: number[], activation: Activation, random: Random): Net {
    const weights = [];
    for (let i = 0; i + 1 < sizes.length; i++) {
      const bound = 1 / Math.sqrt(sizes[i]);
      for (const rows of [sizes[i], 1]) {
        weights.push(variable(rows, sizes[i + 1], Array.from({ length: rows * sizes[i + 1] }, () => bound * (2 * random.uniform() - 1))));
      }
    }
    return new Net(weights, activation);
  }

  /** x (batch, in) -> (batch, out). `frozen`: no gradient for the weights. */
  of(x: T, frozen = false): T {
    const w = frozen ? this.weights.map((weight) => detach(weight)) : this.weights;
    let h = x;
    for (let i = 0; i < w.length; i += 2) {
      h = product(h, w[i]);
      h = add(h, spread(w[i + 1], h.r, h.c));
      if (i + 2 < w.length) h = this.activation === "tanh" ? tanh(h) : leaky(h, 0);
    }
    return h;
  }
}

export interface Optimiser {
  kind: "adam" | "sgd";
  lr: number;
  betas: [number, number];
}

/** torch.optim.Adam or SGD without momentum, for one player's weights. */
export class Steps {
  private m: Float64Array[];
  private s: Float64Array[];
  private t = 0;

  constructor(private readonly weights: T[]) {
    this.m = weights.map((w) => new Float64Array(w.v.length));
    this.s = weights.map((w) => new Float64Array(w.v.length));
  }

  /** Nothing is moved if a gradient is not finite; returns whether it was. */
  step(gradients: ArrayLike<number>[], { kind, lr, betas: [b1, b2] }: Optimiser): boolean {
    if (!gradients.every((g) => Array.prototype.every.call(g, Number.isFinite))) return false;
    this.t++;
    const c1 = 1 - b1 ** this.t, c2 = Math.sqrt(1 - b2 ** this.t);
    this.weights.forEach(({ v }, i) => {
      const g = gradients[i], m = this.m[i], s = this.s[i];
      for (let j = 0; j < v.length; j++) {
        if (kind === "sgd") v[j] -= lr * g[j];
        else {
          m[j] = b1 * m[j] + (1 - b1) * g[j];
          s[j] = b2 * s[j] + (1 - b2) * g[j] * g[j];
          v[j] -= ((lr / c1) * m[j]) / (Math.sqrt(s[j]) / c2 + 1e-8);
        }
      }
    });
    return true;
  }
}

/** Both players and what they have seen last. D's turn returns its loss, G's its loss, its own gradients and those of its step. */
export class Pair {
  readonly stepsD: Steps;
  readonly stepsG: Steps;
  finite = true;
  probReal = 0.5;
  probFake = 0.5;

  constructor(readonly G: Net, readonly D: Net) {
    this.stepsD = new Steps(D.weights);
    this.stepsG = new Steps(G.weights);
  }

  turnD(reals: T, z: T, game: Game, penalty: Penalty, draws: number[], optimiser: Optimiser): number {
    const fakes = detach(this.G.of(z, true));
    const r = this.D.of(reals), f = this.D.of(fakes);
    const loss = add(mean(game.d(r, f)), penalty((x) => this.D.of(x), reals, fakes, draws));
    const average = (x: T) => x.v.reduce((total, logit) => total + sig(logit), 0) / x.v.length;
    [this.probReal, this.probFake] = [average(r), average(f)];
    this.finite = this.stepsD.step(grad(loss, this.D.weights).map((g) => g.v), optimiser) && this.finite;
    return loss.v[0];
  }

  /** What D's loss leaves on G's weights where the fakes are not detached, added to what lies there. */
  leak(reals: T, z: T, game: Game, left?: T[]): T[] {
    const loss = mean(game.d(this.D.of(reals, true), this.D.of(this.G.of(z), true)));
    return grad(loss, this.G.weights).map((g, i) => (left ? add(g, left[i]) : g));
  }

  /** `left`: gradients of G that an earlier backward pass has left behind; they are added to its own. */
  turnG(reals: T, z: T, game: Game, optimiser: Optimiser, left?: T[]): { loss: number; own: T[]; all: T[] } {
    const f = this.D.of(this.G.of(z), true), r = game.needsReals ? this.D.of(reals, true) : f;
    const loss = mean(game.g(r, f)), own = grad(loss, this.G.weights);
    const all = left ? own.map((g, i) => add(g, left[i])) : own;
    this.finite = this.stepsG.step(all.map((g) => g.v), optimiser) && this.finite;
    return { loss: loss.v[0], own, all };
  }
}

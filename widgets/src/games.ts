// The six games and the penalties of ganlib, written for the logits of pairs: r on reals, f on fakes, one a row.
import {
  add, column, detach, grad, matrix, mean, mul, relu, root, scale, softplus, spread, square, sub, sum, sumTo, type T,
} from "./engine";

export interface Game {
  /** D's and G's loss of each pair; what is minimised is the mean. */
  d: (r: T, f: T) => T;
  g: (r: T, f: T) => T;
  needsReals?: boolean;
}

const log2014 = (r: T, f: T) => add(softplus(scale(r, -1)), softplus(f)); // -log D(x) - log(1 - D(G(z)))
const lower = (_r: T, f: T) => scale(f, -1);

export const games: Record<string, Game> = {
  minimax: { d: log2014, g: (_r, f) => scale(softplus(f), -1) },
  nonsaturating: { d: log2014, g: (_r, f) => softplus(scale(f, -1)) },
  least_squares: {
    d: (r, f) => scale(add(square(scale(r, 1, -1)), square(f)), 0.5),
    g: (_r, f) => scale(square(scale(f, 1, -1)), 0.5),
  },
  hinge: { d: (r, f) => add(relu(scale(r, -1, 1)), relu(scale(f, 1, 1))), g: lower },
  wasserstein: { d: (r, f) => sub(f, r), g: lower },
  relativistic: { d: (r, f) => softplus(sub(f, r)), g: (r, f) => softplus(sub(r, f)), needsReals: true },
};

export type Network = (x: T) => T;
/** What D's loss is charged with; `draws` are the penalty's own random numbers, made by `random`. */
export type Penalty = (D: Network, reals: T, fakes: T, draws: number[]) => T;

const squaredSlope = (D: Network, x: T, at = detach(x, true)) => {
  const [slope] = grad(sum(D(at)), [at]);
  return sumTo(square(slope), x.r, 1);
};
const byDifference = (D: Network, x: T, gamma: number, v: number[], step = 0.01) => {
  const there = matrix(x.r, x.c, x.v.map((value, i) => value + step * v[i]));
  return scale(mean(square(scale(sub(D(there), D(detach(x))), 1 / step))), gamma / 2);
};

export const penalties: Record<string, (weight: number) => Penalty> = {
  none: () => () => column([0]),
  r1: (gamma) => (D, reals) => scale(mean(squaredSlope(D, reals)), gamma / 2),
  r2: (gamma) => (D, _reals, fakes) => scale(mean(squaredSlope(D, fakes)), gamma / 2),
  r1_by_difference: (gamma) => (D, reals, _fakes, draws) => byDifference(D, reals, gamma, draws),
  r2_by_difference: (gamma) => (D, _reals, fakes, draws) => byDifference(D, fakes, gamma, draws),
  gradient_penalty: (weight) => (D, reals, fakes, draws) => {
    const share = spread(column(draws), reals.r, reals.c);
    const between = add(detach(fakes), mul(share, sub(detach(reals), detach(fakes))));
    return scale(mean(square(scale(root(squaredSlope(D, between)), 1, -1))), weight);
  },
};
/** How many random numbers a penalty draws for a batch, and of which kind. */
export const drawsOf: Record<string, (rows: number, columns: number) => [number, "normal" | "uniform"]> = {
  r1_by_difference: (rows, columns) => [rows * columns, "normal"],
  r2_by_difference: (rows, columns) => [rows * columns, "normal"],
  gradient_penalty: (rows) => [rows, "uniform"],
};

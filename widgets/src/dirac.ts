// The Dirac-GAN: data are the point 0, G makes the point theta, D's logit at x is psi x.
import { add, column, grad, mul, product, scale, square, sum, variable, type T } from "./engine";
import { games } from "./games";

export type State = [theta: number, psi: number];
export type Matrix = [number, number, number, number];
export interface Rules {
  game: string;
  h: number;
  /** "both", "once" or "many". */
  order: string;
  k: number;
  gamma: number;
  noise: number;
}

// Gauss and Hermite's nodes for the mean over a standard normal.
const X = [-2.8569700139, -1.3556261800, 0, 1.3556261800, 2.8569700139];
const W = [0.0112574113, 0.2220759220, 0.5333333333, 0.2220759220, 0.0112574113];

/** Both losses at a state, exact without noise; with it, the mean over noise on reals and on fakes. */
function losses({ game, gamma, noise }: Rules, theta: T, psi: T): [T, T] {
  const one = noise === 0, ones = one ? [1] : X.flatMap(() => X.map(() => 1));
  const real = one ? [0] : X.flatMap((x) => X.map(() => noise * x)), fake = one ? [0] : X.flatMap(() => X.map((x) => noise * x));
  const weights = column(one ? [1] : W.flatMap((a) => W.map((b) => a * b)));
  const r = product(column(real), psi), f = product(add(product(column(ones), theta), column(fake)), psi);
  const { d, g } = games[game];
  return [add(sum(mul(weights, d(r, f))), scale(square(psi), gamma / 2)), sum(mul(weights, g(r, f)))];
}

/** Minus each player's own gradient, (-dL_G/dtheta, -dL_D/dpsi), and its Jacobian. */
export function field(rules: Rules, [theta, psi]: State): { move: State; jacobian: () => Matrix } {
  const at = [variable(1, 1, [theta]), variable(1, 1, [psi])];
  const [lossD, lossG] = losses(rules, at[0], at[1]);
  const [byTheta] = grad(lossG, [at[0]]), [byPsi] = grad(lossD, [at[1]]);
  return {
    move: [-byTheta.v[0], -byPsi.v[0]],
    jacobian: () => [byTheta, byPsi].flatMap((g) => grad(g, at).map((x) => -x.v[0])) as Matrix,
  };
}

export const turnD = (rules: Rules, [theta, psi]: State): State => [theta, psi + rules.h * field(rules, [theta, psi]).move[1]];
export const turnG = (rules: Rules, [theta, psi]: State): State => [theta + rules.h * field(rules, [theta, psi]).move[0], psi];
export const both = (rules: Rules, state: State): State => {
  const { move } = field(rules, state);
  return [state[0] + rules.h * move[0], state[1] + rules.h * move[1]];
};
export const turns = (rules: Rules) => (rules.order === "many" ? rules.k : 1);

const times = (a: Matrix, b: Matrix): Matrix =>
  [a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2], a[2] * b[1] + a[3] * b[3]];

/** What a round does to first order, at the solution. */
export function roundMatrix(rules: Rules): Matrix {
  const j = field(rules, [0, 0]).jacobian(), { h } = rules;
  if (rules.order === "both") return [1 + h * j[0], h * j[1], h * j[2], 1 + h * j[3]];
  let a: Matrix = [1, 0, 0, 1];
  for (let i = 0; i < turns(rules); i++) a = times([1, 0, h * j[2], 1 + h * j[3]], a);
  return times([1 + h * j[0], h * j[1], 0, 1], a);
}

/** The two eigenvalues, (real, imaginary) each. */
export function eigenvalues([a, b, c, d]: Matrix): [number, number][] {
  const middle = (a + d) / 2, under = middle * middle - (a * d - b * c), size = Math.sqrt(Math.abs(under));
  return under < 0 ? [[middle, size], [middle, -size]] : [[middle + size, 0], [middle - size, 0]];
}

/** t rounds to first order, t any number >= 0 where that has a meaning; otherwise it is rounded down. */
export function power(m: Matrix, t: number): Matrix {
  const [[x, y], [z]] = eigenvalues(m);
  const mix = (p: number, q: number): Matrix => [p * m[0] + q, p * m[1], p * m[2], p * m[3] + q];
  if (y > 1e-9) { // a turn and a stretch
    const size = Math.hypot(x, y), angle = Math.atan2(y, x), grown = size ** t;
    const p = (grown * Math.sin(angle * t)) / (size * Math.sin(angle));
    return mix(p, grown * Math.cos(angle * t) - p * x);
  }
  const n = x > 0 && z > 0 ? t : Math.floor(t);
  if (Math.abs(x - z) < 1e-7) return mix(n * x ** (n - 1), x ** n - n * x ** n);
  const p = (x ** n - z ** n) / (x - z);
  return mix(p, x ** n - p * x);
}

export const apply = (m: Matrix, [x, y]: State): State => [m[0] * x + m[1] * y, m[2] * x + m[3] * y];

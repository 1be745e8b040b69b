// What ganlib.theory computes, for the figures of chapters 2, 4, 5 and 7: prices, best answers, divergences, in nats.
export const LOG2 = Math.log(2), LOG4 = Math.log(4);
export const softplus = (t: number) => Math.max(t, 0) + Math.log1p(Math.exp(-Math.abs(t)));
export const sigmoid = (t: number) => (t < 0 ? Math.exp(t) / (1 + Math.exp(t)) : 1 / (1 + Math.exp(-t)));
export const logit = (p: number) => Math.log(p) - Math.log1p(-p);

/** What one real and one fake pay to D, by their logits, and the slopes in the two logits. */
export const price = (real: number, fake: number) =>
  ({ value: -softplus(-real) - softplus(fake), byReal: sigmoid(-real), byFake: -sigmoid(fake) });

const times = (mass: number, term: number) => (mass > 0 ? mass * term : 0); // 0 log 0 = 0

// --- outcomes

export const best = (p: number[], q: number[]) => p.map((a, i) => a / (a + q[i]));
export const valueAtBest = (p: number[], q: number[]) =>
  p.reduce((sum, a, i) => sum + times(a, Math.log(a) - Math.log(a + q[i])) + times(q[i], Math.log(q[i]) - Math.log(a + q[i])), 0);
export const jsd = (p: number[], q: number[]) => (valueAtBest(p, q) + LOG4) / 2;

/** A step of G against the best D: q_i exp(-h log(1 - D*_i)), normalised. */
export function descend(p: number[], q: number[], h: number): number[] {
  const to = q.map((b, i) => (b > 0 ? b * Math.exp(-h * (Math.log(b) - Math.log(p[i] + b))) : 0));
  const sum = to.reduce((a, b) => a + b);
  return to.map((b) => b / sum);
}

// --- a line

export type LogDensity = (x: number) => number;
export const normal = (mean: number, sd: number): LogDensity => (x) => -(((x - mean) / sd) ** 2) / 2 - Math.log(sd * Math.sqrt(2 * Math.PI));
export const logAdd = (a: number, b: number) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
/** Half of each. */
export const mixture = (a: LogDensity, b: LogDensity): LogDensity => (x) => logAdd(a(x), b(x)) - LOG2;

const EDGE = 20, STEP = 0.01;
/** The trapezoid rule, which for smooth densities that die out inside (-20, 20) is exact to rounding. */
export function integral(of: (x: number) => number): number {
  let sum = 0;
  for (let i = -EDGE / STEP; i <= EDGE / STEP; i++) sum += of(i * STEP);
  return sum * STEP;
}

export const valueOnLine = (p: LogDensity, q: LogDensity, answer: (x: number) => number) =>
  integral((x) => -Math.exp(p(x)) * softplus(-answer(x)) - Math.exp(q(x)) * softplus(answer(x)));
export const bestOnLine = (p: LogDensity, q: LogDensity) => valueOnLine(p, q, (x) => p(x) - q(x));

/** The nats that an answer loses at x, per unit of x: (p + q) KL(D*, D). */
export function lostAt(p: LogDensity, q: LogDensity, answer: number, x: number): number {
  const [a, b] = [Math.exp(p(x)), Math.exp(q(x))], right = p(x) - q(x);
  return a * (softplus(-answer) - softplus(-right)) + b * (softplus(answer) - softplus(right));
}

// --- who hears

/** Fakes N(distance, 1), data N(0, 1); D's logit is `sure` times the best one. Its mean and spread over the fakes: */
export const logits = (distance: number, sure: number): [mean: number, sd: number] => [(-sure * distance ** 2) / 2, sure * distance];

/** The slope of G's loss in a fake's logit, as a push upwards. */
export const push: Record<string, (f: number) => number> = {
  minimax: (f) => sigmoid(f),
  nonsaturating: (f) => sigmoid(-f),
  wasserstein: () => 1,
};

/** The length of the gradient of G's loss in its only weight, the distance. */
export function gradient(loss: string, distance: number, sure: number): number {
  const [mean, sd] = logits(distance, sure), density = normal(0, 1);
  let sum = 0;
  for (let z = -12; z <= 12; z += 0.02) sum += Math.exp(density(z)) * push[loss](mean - sd * z);
  return sum * 0.02 * sure * distance;
}

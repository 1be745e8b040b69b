// The reader as D: what the answers are worth.
import { softplus } from "./theory";

/** What one answer pays, in nats: log D(x) of a real, log(1 - D(x)) of a fake. */
export const pays = (real: boolean, logit: number) => -softplus(real ? -logit : logit);

export interface Estimate {
  value: number; // NaN until there are a real and a fake
  error: number; // its standard error; NaN until there are two of each
  reals: number;
  fakes: number;
}

/** V(D, G) from answers, as a batch estimates it: the mean over the reals plus the mean over the fakes. */
export function estimate(answers: { real: boolean; logit: number }[]): Estimate {
  const [a, b] = [true, false].map((real) => {
    const paid = answers.filter((answer) => answer.real === real).map(({ logit }) => pays(real, logit)), n = paid.length;
    const mean = paid.reduce((sum, x) => sum + x, 0) / n;
    return { n, mean, variance: paid.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1) / n };
  });
  return { value: a.mean + b.mean, error: Math.sqrt(a.variance + b.variance), reals: a.n, fakes: b.n };
}

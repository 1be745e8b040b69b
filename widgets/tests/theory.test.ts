import { expect, test } from "vitest";
import fixtures from "../theory.json";
import * as theory from "../src/theory";

const close = (found: number, wanted: number) => expect(Math.abs(found - wanted)).toBeLessThan(1e-9 * (1 + Math.abs(wanted)));

test.each(fixtures.prices)("the price of logits %d and %d", (real, fake, value, byReal, byFake) => {
  const found = theory.price(real, fake);
  close(found.value, value);
  close(found.byReal, byReal);
  close(found.byFake, byFake);
  close(theory.logit(theory.sigmoid(0.3 * Math.sign(real))), 0.3 * Math.sign(real));
});

test.each(fixtures.outcomes)("outcomes $p against $q", ({ p, q, best, C, JSD, h, descent }) => {
  theory.best(p, q).forEach((d, i) => close(d, best[i]));
  close(theory.valueAtBest(p, q), C);
  close(theory.jsd(p, q), JSD);
  let now = q;
  for (let i = 0; i < 5; i++) now = theory.descend(p, now, h);
  now.forEach((x, i) => close(x, descent[i]));
});

test.each(fixtures.lines)("densities $p against $q", ({ p, q, bumps, C, JSD, V, best }) => {
  const [b, a] = [theory.normal(q[0], q[1]), theory.normal(p[0], p[1])];
  const data = bumps ? theory.mixture(theory.normal(-p[0], p[1]), a) : a;
  close(theory.bestOnLine(data, b), C);
  close((theory.bestOnLine(data, b) + theory.LOG4) / 2, JSD);
  close(theory.valueOnLine(data, b, (x) => 0.4 - 0.7 * x), V);
  close(theory.integral((x) => theory.lostAt(data, b, 0.4 - 0.7 * x, x)), C - V);
  for (const [x, d] of best) close(theory.sigmoid(data(x) - b(x)), d);
});

test.each(fixtures.hears as [string, number, number, number][])("%s at distance %d, D sure by %d", (loss, distance, sure, length) =>
  close(theory.gradient(loss, distance, sure), length));

import { expect, test } from "vitest";
import { estimate, pays } from "../src/judge";
import { LOG4, logit } from "../src/theory";

test("an answer pays the logarithm of the probability of what is true", () => {
  expect(pays(true, logit(0.9))).toBeCloseTo(Math.log(0.9), 12);
  expect(pays(false, logit(0.9))).toBeCloseTo(Math.log(0.1), 12);
});

test("V is a mean over reals plus a mean over fakes, however many there are of each", () => {
  const half = [true, true, true, false].map((real) => ({ real, logit: 0 }));
  expect(estimate(half).value).toBeCloseTo(-LOG4, 12);
  const answers = [[true, 0.9], [true, 0.6], [false, 0.2], [false, 0.5]].map(([real, p]) => ({ real: Boolean(real), logit: logit(Number(p)) }));
  const { value, error, reals, fakes } = estimate(answers);
  expect([reals, fakes]).toEqual([2, 2]);
  expect(value).toBeCloseTo((Math.log(0.9) + Math.log(0.6) + Math.log(0.8) + Math.log(0.5)) / 2, 12);
  // a variance of two numbers is half the square of their difference, and the mean has half of that
  expect(error).toBeCloseTo(Math.hypot(Math.log(0.9 / 0.6), Math.log(0.8 / 0.5)) / 2, 12);
  expect(estimate(answers.slice(0, 2)).value).toBeNaN();
});

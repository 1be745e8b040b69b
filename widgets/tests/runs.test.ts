import { expect, test } from "vitest";
import { shuffled } from "../src/random";
import { bent, log, parse, range } from "../src/runs";

test("runs come as they were written", () => {
  const curves = ["1 2", "0.5 -3e+07", "0 1", "1 0", "4 4", "0.1 1e-09"].join("\n");
  const [healthy, broken] = parse(`healthy\n${curves}\n\nwrong sign\nsoftplus(-D(x)) -> softplus(D(x))\na -> \n${curves}`);
  expect([healthy.name, healthy.changes]).toEqual(["healthy", []]);
  expect(broken.changes).toEqual([["softplus(-D(x))", "softplus(D(x))"], ["a", ""]]);
  expect(broken.curves).toEqual([[1, 2], [0.5, -3e7], [0, 1], [1, 0], [4, 4], [0.1, 1e-9]]);
});

test("an order holds each once, comes again with its seed, and differs from others", () => {
  const orders = Array.from({ length: 20 }, (_, seed) => shuffled(9, seed));
  for (const order of orders) expect([...order].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(shuffled(9, 3)).toEqual(orders[3]);
  expect(new Set(orders.map(String)).size).toBe(20);
});

test("scales rise, meet where they change, and take what is 0", () => {
  const xs = [-1e8, -100, -4.001, -4, -1, 0, 1, 4, 4.001, 1e3];
  xs.slice(1).forEach((x, i) => expect(bent(x)).toBeGreaterThan(bent(xs[i])));
  expect(bent(4)).toBeCloseTo(bent(4.0001), 4);
  expect(bent(-40)).toBeCloseTo(-2, 12);
  expect([log(0), log(100)]).toEqual([-6, 2]);
  expect([range([0.3, 0.6], [0, 1]), range([-2, 7], [0, 1])]).toEqual([[0, 1], [-2, 7]]);
});

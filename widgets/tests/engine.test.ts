import { describe, expect, test } from "vitest";
import fixtures from "../fixtures.json";
import * as dirac from "../src/dirac";
import { add, column, detach, grad, matrix, mean, mul, square, sum, tanh, variable, type T } from "../src/engine";
import { games, penalties } from "../src/games";
import { Net, Pair, type Activation } from "../src/pair";
import { Random } from "../src/random";

type Stored = [number[], number[]][];
const net = (stored: unknown, activation: Activation) =>
  new Net((stored as Stored).map(([[r, c], v]) => variable(r, c, v)), activation);

/** |found - wanted| <= tolerance (1 + |wanted|), number by number. */
function close(found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  expect(found.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) expect(Math.abs(found[i] - wanted[i]) / (1 + Math.abs(wanted[i]))).toBeLessThan(tolerance);
}
const same = (found: T[], wanted: number[][], tolerance = 1e-9) => found.forEach((g, i) => close(g.v, wanted[i], tolerance));

describe("losses and gradients are torch's", () => {
  const { once } = fixtures, G = net(once.G, "tanh"), D = net(once.D, "relu");
  const reals = matrix(8, 2, once.reals), z = matrix(8, 2, once.z);

  test.each(Object.entries(once.games))("%s", (name, wanted) => {
    const game = games[name], fakes = G.of(z);
    const lossD = mean(game.d(D.of(reals), D.of(detach(fakes)))), lossG = mean(game.g(D.of(reals), D.of(fakes)));
    close([lossD.v[0], lossG.v[0]], [wanted.d, wanted.g], 1e-9);
    same(grad(lossD, D.weights), wanted.by_D);
    same(grad(lossG, G.weights), wanted.by_G);
  });

  test.each(Object.entries(once.penalties))("%s, whose gradient is a second derivative", (name, { weight, draws, loss, by_D }) => {
    const found = penalties[name](weight)((x) => D.of(x), reals, detach(G.of(z)), draws);
    const tolerance = name.endsWith("difference") ? 1e-6 : 1e-9; // a difference loses digits
    close(found.v, [loss], tolerance);
    same(grad(found, D.weights), by_D, tolerance);
  });

  test("all of ganlib's are there", () => {
    expect(Object.keys(games)).toEqual(Object.keys(once.games));
    expect(Object.keys(penalties).slice(1)).toEqual(Object.keys(once.penalties));
  });
});

test("third derivatives come by themselves", () => {
  const x = variable(1, 1, [0.7]);
  let y = tanh(x);
  const t = Math.tanh(0.7), u = 1 - t * t;
  for (const wanted of [u, -2 * t * u, -2 * u * u + 4 * t * t * u]) {
    [y] = grad(sum(y), [x]);
    close(y.v, [wanted], 1e-12);
  }
});

test("a gradient is the sum over all ways", () => {
  const x = variable(2, 1, [3, -1]);
  close(grad(sum(add(mul(x, x), square(x))), [x])[0].v, [12, -4], 1e-12);
  expect(grad(sum(column([1])), [x])[0].v).toEqual(new Float64Array(2));
});

test.each(fixtures.runs)("fifty rounds of $game, $penalty, $optimiser are ganlib's", (run) => {
  const pair = new Pair(net(run.G, "relu"), net(run.D, "relu")), { batch, k } = run;
  let reals = 0, z = 0;
  const take = (from: number[], at: number) => matrix(batch, 2, from.slice(2 * batch * at, 2 * batch * (at + 1)));
  const optimiser = { kind: run.optimiser as "adam" | "sgd", lr: run.optimiser === "adam" ? 2e-3 : 0.05, betas: [0, 0.99] as [number, number] };
  const game = games[run.game], penalty = penalties[run.penalty](1);
  for (const wanted of run.losses) {
    let batchOfReals!: T, lossD = 0;
    for (let i = 0; i < k; i++) {
      batchOfReals = take(run.reals, reals++);
      lossD = pair.turnD(batchOfReals, take(run.z, z++), game, penalty, [], optimiser);
    }
    const lossG = pair.turnG(batchOfReals, take(run.z, z++), game, optimiser).loss;
    close([lossD, lossG, pair.probReal, pair.probFake], wanted, 1e-6);
  }
  for (const [network, stored] of [[pair.G, run.G_end], [pair.D, run.D_end]] as [Net, Stored][]) {
    same(network.weights, stored.map(([, v]) => v), 1e-5);
  }
});

describe("the Dirac-GAN is ganlib's", () => {
  test.each(fixtures.dirac)("$game, alternating $alternating, k = $k, gamma = $gamma", (wanted) => {
    const rules: dirac.Rules = { ...wanted, order: wanted.alternating ? "many" : "both", noise: 0 };
    let state: dirac.State = [1.1, 0.9];
    for (let round = 0; round < 20; round++) {
      if (!wanted.alternating) state = dirac.both(rules, state);
      else {
        for (let i = 0; i < wanted.k; i++) state = dirac.turnD(rules, state);
        state = dirac.turnG(rules, state);
      }
    }
    close(state, wanted.end, 1e-9);
    const found = dirac.eigenvalues(dirac.field(rules, [0, 0]).jacobian()).flat();
    const by = (values: number[]) => [[values[0], values[1]], [values[2], values[3]]].sort((a, b) => a[0] - b[0] || a[1] - b[1]).flat();
    close(by(found), by(wanted.spectrum), 1e-7);
  });

  test("a power of a round is the round again and again, and halves are halves", () => {
    for (const order of ["both", "once"]) {
      for (const gamma of [0, 0.3, 2]) {
        const m = dirac.roundMatrix({ game: "minimax", h: 0.4, order, k: 1, gamma, noise: 0 });
        let state: dirac.State = [0.3, -0.2];
        for (let t = 0; t < 7; t++) state = dirac.apply(m, state);
        close(dirac.apply(dirac.power(m, 7), [0.3, -0.2]), state, 1e-9);
        close(dirac.apply(dirac.power(m, 0.5), dirac.apply(dirac.power(m, 0.5), [0.3, -0.2])), dirac.apply(m, [0.3, -0.2]), 1e-9);
      }
    }
  });

  test("instance noise damps D as a penalty of half its variance does, to first order", () => {
    const rules = { game: "minimax", h: 0.4, order: "once", k: 1, gamma: 0, noise: 0.6 };
    close(dirac.field(rules, [0, 0]).jacobian(), dirac.field({ ...rules, gamma: 0.18, noise: 0 }, [0, 0]).jacobian(), 1e-6);
  });
});

test("numbers from a seed come again, and are spread as they should be", () => {
  const [a, b] = [new Random(3), new Random(3)], x = a.normals(20000);
  expect(x).toEqual(b.normals(20000));
  const average = x.reduce((s, v) => s + v, 0) / x.length, square = x.reduce((s, v) => s + v * v, 0) / x.length;
  expect(Math.abs(average)).toBeLessThan(0.03);
  expect(Math.abs(square - 1)).toBeLessThan(0.04);
  expect(new Random(4).normal()).not.toBe(new Random(3).normal());
});

import { describe, expect, test } from "vitest";
import fixtures from "../fixtures.json";
import { matrix, variable } from "../src/engine";
import { CENTRES, Game1d, pushForward, REALS, wasserstein } from "../src/game1d";
import { games, penalties } from "../src/games";
import { Net, Pair } from "../src/pair";

type Stored = [number[], number[]][];
const net = (stored: unknown) => new Net((stored as Stored).map(([[r, c], v]) => variable(r, c, v)), "tanh");
const usual = { game: "nonsaturating", k: 1, rateD: -2.3, rateG: -3, leak: false, seed: 0 };

function played(settings: Partial<typeof usual>, rounds: number): Game1d {
  const game = new Game1d({ ...usual, ...settings });
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < (settings.k ?? 1); i++) game.turnD();
    game.turnG();
  }
  return game;
}

test.each(fixtures.leaky)("without detach, $game: what is left on G and where it leads are torch's", (run) => {
  const pair = new Pair(net(run.G), net(run.D)), optimiser = { kind: "adam" as const, lr: 5e-3, betas: [0, 0.99] as [number, number] };
  const take = (from: number[], at: number) => matrix(8, 1, from.slice(8 * at, 8 * (at + 1)));
  run.left.forEach((wanted, round) => {
    let left;
    for (const i of [0, 1]) {
      const reals = take(run.reals, 2 * round + i), z = take(run.z, 3 * round + i);
      left = pair.leak(reals, z, games[run.game], left);
      pair.turnD(reals, z, games[run.game], penalties.none(0), [], optimiser);
    }
    expect(Math.hypot(...left!.flatMap((g) => [...g.v]))).toBeCloseTo(wanted, 8);
    const z = take(run.z, 3 * round + 2);
    pair.turnG(z, z, games[run.game], optimiser, left);
  });
  for (const [network, stored] of [[pair.G, run.G_end], [pair.D, run.D_end]] as [Net, Stored][]) {
    network.weights.forEach((w, i) => w.v.forEach((x, j) => expect(x).toBeCloseTo(stored[i][1][j], 6)));
  }
});

describe("on the line", () => {
  test("masses are laid out as they should be, folds included", () => {
    const grid = (n: number, f: (t: number) => number) => Float64Array.from({ length: n + 1 }, (_, i) => f(i / n));
    const even = pushForward(grid(300, (t) => 1 + 2 * t)), folded = pushForward(grid(300, (t) => 1 + 2 * Math.abs(2 * t - 1)));
    CENTRES.forEach((x, i) => {
      expect(even[i]).toBeCloseTo(x > 1 && x < 3 ? 0.5 : 0, 9);
      expect(folded[i]).toBeCloseTo(even[i], 9);
    });
    expect(pushForward(new Float64Array(9)).reduce((a, b) => a + b) * 0.05).toBeCloseTo(1, 9); // an atom
    expect(pushForward(grid(300, (t) => 60 * t)).reduce((a, b) => a + b) * 0.05).toBeCloseTo(1, 9); // partly outside
  });

  test("the distance of a shifted density is the shift, and of a density to itself none", () => {
    expect(wasserstein(REALS, REALS)).toBe(0);
    const shifted = Float64Array.from(REALS, (_, i) => REALS[i + 20] ?? 0);
    expect(wasserstein(REALS, shifted)).toBeCloseTo(1, 4);
  });

  test("the same seed plays the same game, another another", () => {
    const end = (seed: number) => [...played({ seed }, 5).fakes(new Float64Array([0.3]))];
    expect(end(1)).toEqual(end(1));
    expect(end(1)).not.toEqual(end(2));
  });

  test.each([0, 2])("G finds the data, and does not where its gradient is mixed with D's: seed %i", (seed) => {
    const right = played({ seed }, 300), wrong = played({ seed, leak: true }, 300);
    expect(right.distance()).toBeLessThan(0.3);
    expect(wrong.distance()).toBeGreaterThan(0.3);
    expect([right.left, right.own]).toEqual([0, right.together]);
    expect(wrong.left).toBeGreaterThan(0);
  }, 60_000);

  test("in the minimax game the leak takes back most of what G asks for", () => {
    const { own, left, together } = played({ game: "minimax", leak: true }, 3);
    expect(together).toBeLessThan(0.5 * own);
    expect(left).toBeGreaterThan(0.5 * own);
  });
});

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { coverage, draw, mixture, packed, unpacked, type Point } from "../src/data";
import { Game2d } from "../src/game2d";
import { games, penalties } from "../src/games";
import { Random } from "../src/random";
import { isTurn, read, type Settings } from "../src/state";

const usual: Settings = {
  data: "ring", game: "nonsaturating", penalty: "none", weight: 1, k: 1, rateD: -2.5, rateG: -2.75, width: 32, optimiser: "adam",
  z: "normal2", drawn: "", seed: 0,
};
const played = (settings: object, rounds: number) => {
  const game = new Game2d({ ...usual, ...settings });
  for (let i = 0; i < rounds; i++) {
    game.turnD();
    game.turnG();
  }
  return game;
};

test("the same seed plays the same game, another another", () => {
  const [a, b, c] = [played({ width: 8 }, 30), played({ width: 8 }, 30), played({ width: 8, seed: 1 }, 30)];
  expect(a.fakes()).toEqual(b.fakes());
  expect(a.fakes()).not.toEqual(c.fakes());
});

test.each(Object.keys(games).flatMap((game) => Object.keys(penalties).map((penalty) => [game, penalty])))("%s with %s plays on every kind of data and latents", (game, penalty) => {
  for (const [data, z] of [["grid", "normal1"], ["moons", "uniform2"], ["spiral", "normal2"], ["drawn", "normal2"]]) {
    const run = played({ game, penalty, data, z, width: 8, weight: 0.5 }, 3);
    expect(run.pair.finite && Number.isFinite(run.lossD + run.lossG)).toBe(true);
    expect(run.wishes(run.fakes().slice(0, 8)).every(Number.isFinite)).toBe(true);
  }
});

test("samples of the data reach every place and are near to it, those of elsewhere are not", () => {
  for (const name of ["ring", "grid", "two", "moons", "spiral", "drawn"]) {
    const data = mixture(name, ""), { reached, share } = coverage(draw(data, 3000, new Random(2)), data);
    expect(reached).toBe(data.places.length);
    expect(share).toBeGreaterThan(0.97);
    expect(coverage(Float64Array.from([9, 9]), data)).toEqual({ reached: 0, share: 0 });
  }
});

test("a drawing comes back from its address to a hundredth", () => {
  const points: Point[] = [[-1.6, 1.6], [0, 0], [0.333, -0.017]];
  unpacked(packed(points)).forEach((point, i) => point.forEach((x, j) => expect(Math.abs(x - points[i][j])).toBeLessThan(0.0051)));
  expect(unpacked("")).toEqual([]);
});

/** The settings and the turns of the tour's link that comes first behind the words. */
function toured(words: string) {
  const page = readFileSync(new URL("../../book/playground.md", import.meta.url), "utf8");
  const [, hash] = /href="([^"]+)"/.exec(page.slice(page.indexOf(words)))!;
  return read(hash.replaceAll("&amp;", "&"), "playground", usual)!;
}

test("the tour's collapse is one in ten seeds of ten, and R1 ends it in each", () => {
  const { settings, steps } = toured("choose the penalty R1");
  expect(settings).toEqual(toured("2. ").settings);
  expect(steps).toEqual([["R", 800], ["penalty", "r1"], ["weight", 5]]);
  for (let seed = 0; seed < 10; seed++) {
    const own: Settings = { ...settings, seed }, game = new Game2d(own);
    const play = (rounds: number) => {
      for (let i = 0; i < rounds; i++) {
        game.turnD();
        game.turnG();
      }
      return game.reached;
    };
    for (const step of steps) {
      if (isTurn(step)) expect(play(step[1])).toBeLessThanOrEqual(3);
      else own[step[0]] = step[1];
    }
    expect(play(400)).toBe(8);
  }
}, 600_000);

test("sixty rounds of the usual game and more take a second of a processor", () => {
  played({}, 30);
  const before = process.cpuUsage(), rounds = 120;
  played({}, rounds);
  const { user, system } = process.cpuUsage(before);
  expect(rounds / ((user + system) / 1e6)).toBeGreaterThan(60);
});

test("ten thousand rounds keep no memory", () => {
  const game = played({ width: 8 }, 1000), before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 10000; i++) {
    game.turnD();
    game.turnG();
  }
  expect((process.memoryUsage().heapUsed - before) / 2 ** 20).toBeLessThan(80); // what one round makes, kept, would be gigabytes
  expect(game.losses.rows.length).toBeLessThan(700);
}, 240_000);

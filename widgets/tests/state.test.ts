import { expect, test } from "vitest";
import { extend, read, write, type Step } from "../src/state";

const usual = { h: 0.8, game: "minimax", arrows: true };

test("a state comes back from its address", () => {
  const steps: Step[] = [["R", 9], ["h", 0.25], ["D", 2], ["G", 1]], settings = { h: 0.5, game: "hinge", arrows: false };
  expect(read(write("circle", settings, usual, steps), "circle", usual)).toEqual({ settings, steps });
  expect(read(write("circle", usual, usual, []), "circle", usual)).toEqual({ settings: usual, steps: [] });
});

test("what an address does not know of is passed over", () => {
  expect(read("#w-circle?h=nonsense&evil=1&play=3R.evil~2.x", "circle", usual)).toEqual({ settings: usual, steps: [["R", 3]] });
  expect(read("#w-line?h=0.1", "circle", usual)).toBeNull();
  expect(read("#sec-06-r1", "circle", usual)).toBeNull();
});

test("turns of one kind are counted together", () => {
  const steps: Step[] = [];
  for (const turn of ["R", "R", "D", "G", "G"] as const) extend(steps, turn);
  expect(steps).toEqual([["R", 2], ["D", 1], ["G", 2]]);
});

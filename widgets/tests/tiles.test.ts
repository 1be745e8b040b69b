import { expect, test } from "vitest";
import { stops, unreel } from "../src/tiles";

test("a list of tiles is read as it was written", () => {
  expect(unreel("n2i0n1,s1n1s1i2", 2, 2).frames).toEqual([[0, 1, 0, 2], [0, 3, 0, 2]]);
  expect(() => unreel("n3", 2, 2)).toThrow("3 tiles, expected 4");
});

test("stops begin and end with the film", () => {
  expect(stops(39)).toEqual([0, 10, 19, 29, 38]);
  expect(stops(3)).toEqual([0, 1, 2]);
  expect(stops(1)).toEqual([0]);
});

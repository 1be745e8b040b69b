import { expect, test } from "vitest";
import { between, generate, nearest, unpack, way, type Layer } from "../src/generator";

/** Bytes as ganlib.export writes them. */
function packed(layers: { weight: number[]; scale: number[]; bias: number[] }[], latents: number[]): ArrayBuffer {
  const bytes = layers.flatMap(({ weight, scale, bias }) => [...new Uint8Array(Int8Array.from(weight).buffer), ...new Uint8Array(Float32Array.from([...scale, ...bias]).buffer)]);
  return Uint8Array.from([...bytes, ...new Uint8Array(Float32Array.from(latents).buffer)]).buffer;
}

test("a linear layer with its scales, its biases and what follows", () => {
  const layers: Layer[] = [{ in: 2, out: 2, slope: 0.5, tanh: false }, { in: 2, out: 1, slope: 1, tanh: true }];
  const bytes = packed([{ weight: [1, 2, -3, 4], scale: [0.5, 1], bias: [1, -10] }, { weight: [2, 1], scale: [0.25], bias: [0.5] }], [1, 2, 3, 4]);
  const G = unpack(bytes, layers, 2);
  expect(G.endpoints.map((z) => [...z])).toEqual([[1, 2], [3, 4]]);
  // (1, 2): 0.5 * 5 + 1 = 3.5 and 5 - 10 = -5, which becomes -2.5; then 0.25 * (7 - 2.5) + 0.5
  expect(generate(G, [1, 2])[0]).toBeCloseTo(Math.tanh(1.625), 6);
});

test("a transposed convolution of size 4, stride 2 and padding 1 doubles the side", () => {
  const layers: Layer[] = [{ in: 1, out: 1, size: 4, stride: 2, pad: 1, slope: 1, tanh: false }];
  const weight = Array.from({ length: 16 }, (_, i) => i + 1);
  const G = unpack(packed([{ weight, scale: [1], bias: [0.5] }], []), layers, 4);
  // by hand, the kernel laid down at (-1, -1) and at (1, -1), times 1 and times 10
  const image = [...generate(G, [1, 0, 10, 0])].map((v) => v - 0.5);
  expect(image.slice(0, 4)).toEqual([6, 7, 8, 0]);
  expect(image.slice(4, 8)).toEqual([10 + 20, 11 + 30, 12 + 40, 0]);
  expect(image.slice(8, 12)).toEqual([14 + 60, 15 + 70, 16 + 80, 0]);
  expect(image.slice(12)).toEqual([100, 110, 120, 0]);
});

test("between two latents, with a class behind, along both ways", () => {
  expect([...between(Float32Array.of(1, 2), Float32Array.of(3, 4), 2, -1, 3, 1)]).toEqual([-1, 0, 0, 1, 0]);
  expect(way(0.25, false)).toEqual([0.75, 0.25]);
  expect(Math.hypot(...way(0.3, true))).toBeCloseTo(1, 12);
});

test("the nearest come first", () => {
  expect(nearest([0, 0], [Float32Array.of(3, 4), Float32Array.of(1, 0), Float32Array.of(0, 2)], 2)).toEqual([[1, 1], [2, 2]]);
});

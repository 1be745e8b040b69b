// A generator that ganlib.export wrote: what it draws for a z.
export interface Layer {
  in: number;
  out: number;
  slope: number; // of the activation below 0; 1: none
  tanh: boolean;
  size?: number; // of a transposed convolution
  stride?: number;
  pad?: number;
  shuffle?: number; // of a PixelShuffle behind it
}
type Weights = { weight: Int8Array; scale: Float32Array; bias: Float32Array };
export interface Generator {
  layers: (Layer & Weights)[];
  endpoints: Float32Array[]; // latents that came along
}

/** From the bytes in their order: for each layer whole numbers, row by row, scales and biases; then latents. */
export function unpack(bytes: ArrayBuffer, layers: Layer[], zDim: number): Generator {
  let at = 0;
  const floats = (n: number) => new Float32Array(bytes.slice(at, (at += 4 * n)));
  const ready = layers.map((layer) => {
    const count = layer.out * layer.in * (layer.size ?? 1) ** 2, weight = new Int8Array(bytes, at, count);
    at += count;
    return { ...layer, weight, scale: floats(layer.out), bias: floats(layer.out) };
  });
  const endpoints = [];
  while (at < bytes.byteLength) endpoints.push(floats(zDim));
  return { layers: ready, endpoints };
}

function linear({ in: m, out, weight, scale, bias }: Layer & Weights, x: Float32Array): Float32Array {
  const y = new Float32Array(out);
  for (let o = 0, w = 0; o < out; o++) {
    let sum = 0;
    for (let i = 0; i < m; i++) sum += weight[w++] * x[i];
    y[o] = sum * scale[o] + bias[o];
  }
  return y;
}

/** A transposed convolution: every number of the input adds the kernel, times itself, to the output. */
function enlarge({ in: m, out, weight, scale, bias, size = 1, stride = 1, pad = 0 }: Layer & Weights, x: Float32Array): Float32Array {
  const side = Math.sqrt(x.length / m), wide = (side - 1) * stride - 2 * pad + size, y = new Float32Array(out * wide * wide);
  for (let o = 0; o < out; o++) {
    const start = o * wide * wide;
    for (let i = 0; i < m; i++) {
      for (let row = 0; row < side; row++) for (let column = 0; column < side; column++) {
        const value = x[(i * side + row) * side + column];
        if (value === 0) continue; // as ReLU leaves many of them
        for (let a = 0; a < size; a++) {
          const to = row * stride - pad + a;
          if (to < 0 || to >= wide) continue;
          for (let b = 0, left = column * stride - pad; b < size; b++) {
            if (left + b >= 0 && left + b < wide) y[start + to * wide + left + b] += value * weight[((o * m + i) * size + a) * size + b];
          }
        }
      }
    }
    for (let k = start; k < start + wide * wide; k++) y[k] = y[k] * scale[o] + bias[o];
  }
  return y;
}

/** Channels to pixels, r x r of them to one channel, as torch's PixelShuffle. */
function shuffle(x: Float32Array, out: number, r: number): Float32Array {
  const side = Math.sqrt(x.length / out), wide = side * r, y = new Float32Array(x.length);
  for (let k = 0; k < x.length; k++) {
    const o = Math.floor(k / side / side), row = Math.floor(k / side) % side, part = o % (r * r);
    y[((o - part) / (r * r) * wide + row * r + Math.floor(part / r)) * wide + (k % side) * r + (part % r)] = x[k];
  }
  return y;
}

/** The image of z, channel by channel, in [-1, 1] where the last layer ends in tanh. */
export function generate({ layers }: Generator, z: ArrayLike<number>): Float32Array {
  let x: Float32Array = Float32Array.from(z);
  for (const layer of layers) {
    x = layer.size ? enlarge(layer, x) : linear(layer, x);
    if (layer.shuffle) x = shuffle(x, layer.out, layer.shuffle);
    const { slope, tanh } = layer;
    if (slope !== 1) for (let k = 0; k < x.length; k++) if (x[k] < 0) x[k] *= slope;
    if (tanh) for (let k = 0; k < x.length; k++) x[k] = Math.tanh(x[k]);
  }
  return x;
}

/** x times one latent and y times another, and the class behind it as a row of zeros with a one. */
export function between(a: Float32Array, b: Float32Array, x: number, y: number, classes = 0, label = 0): Float32Array {
  const z = new Float32Array(a.length + classes);
  for (let i = 0; i < a.length; i++) z[i] = x * a[i] + y * b[i];
  if (classes) z[a.length + label] = 1;
  return z;
}

/** The places on the way from (1, 0) to (0, 1), in a straight line or along the circle. */
export const way = (t: number, round: boolean): [number, number] =>
  round ? [Math.cos((t * Math.PI) / 2), Math.sin((t * Math.PI) / 2)] : [1 - t, t];

/** The numbers of the `count` images that are nearest to x, and their distances. */
export function nearest(x: ArrayLike<number>, images: Float32Array[], count: number): [number, number][] {
  const found = images.map((image, n): [number, number] => {
    let sum = 0;
    for (let k = 0; k < image.length; k++) sum += (image[k] - x[k]) ** 2;
    return [n, Math.sqrt(sum)];
  });
  return found.sort((p, q) => p[1] - q[1]).slice(0, count);
}

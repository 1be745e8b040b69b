// Matrices with gradients. Each derivative is made of the same operations, so that it has derivatives, too: a penalty on
// D's slope is differentiated by D's weights.

type Back = (g: T) => (T | null)[];
const none: Back = () => [];

export class T {
  /** Whether anything that is differentiated lies below. */
  readonly needs: boolean;

  constructor(readonly r: number, readonly c: number, readonly v: Float64Array, readonly from: T[] = [],
    readonly back: Back = none, variable = false) {
    this.needs = variable || from.some((x) => x.needs);
  }
}

export const matrix = (r: number, c: number, values: ArrayLike<number>) => new T(r, c, Float64Array.from(values));
export const variable = (r: number, c: number, values: ArrayLike<number>) =>
  new T(r, c, Float64Array.from(values), [], none, true);
export const column = (values: ArrayLike<number>) => matrix(values.length, 1, values);
/** The same numbers, with no way back to where they came from. */
export const detach = (a: T, again = false) => new T(a.r, a.c, a.v, [], none, again);

function each(a: T, f: (x: number) => number, back: Back): T {
  const v = new Float64Array(a.v.length);
  for (let i = 0; i < v.length; i++) v[i] = f(a.v[i]);
  return new T(a.r, a.c, v, [a], back);
}

export function add(a: T, b: T): T {
  const v = new Float64Array(a.v.length);
  for (let i = 0; i < v.length; i++) v[i] = a.v[i] + b.v[i];
  return new T(a.r, a.c, v, [a, b], (g) => [g, g]);
}

export function mul(a: T, b: T): T {
  const v = new Float64Array(a.v.length);
  for (let i = 0; i < v.length; i++) v[i] = a.v[i] * b.v[i];
  return new T(a.r, a.c, v, [a, b], (g) => [a.needs ? mul(g, b) : null, b.needs ? mul(g, a) : null]);
}

/** c a + d. */
export const scale = (a: T, c: number, d = 0): T => each(a, (x) => c * x + d, (g) => [scale(g, c)]);
export const sub = (a: T, b: T) => add(a, scale(b, -1));
export const square = (a: T) => mul(a, a);

export function turned(a: T): T {
  const v = new Float64Array(a.v.length);
  for (let i = 0; i < a.r; i++) for (let j = 0; j < a.c; j++) v[j * a.r + i] = a.v[i * a.c + j];
  return new T(a.c, a.r, v, [a], (g) => [turned(g)]);
}

export function product(a: T, b: T): T {
  const v = new Float64Array(a.r * b.c), n = b.c, m = a.c;
  for (let i = 0; i < a.r; i++) {
    for (let k = 0; k < m; k++) {
      const x = a.v[i * m + k];
      if (x !== 0) for (let j = 0, at = i * n, from = k * n; j < n; j++) v[at + j] += x * b.v[from + j];
    }
  }
  return new T(a.r, n, v, [a, b], (g) => [a.needs ? product(g, turned(b)) : null, b.needs ? product(turned(a), g) : null]);
}

/** Sums over the rows, the columns or both, until the shape is (r, c), either of which may be 1. */
export function sumTo(a: T, r: number, c: number): T {
  const v = new Float64Array(r * c);
  for (let i = 0; i < a.r; i++) for (let j = 0; j < a.c; j++) v[(r === 1 ? 0 : i) * c + (c === 1 ? 0 : j)] += a.v[i * a.c + j];
  return new T(r, c, v, [a], (g) => [spread(g, a.r, a.c)]);
}

/** Repeats a row, a column or a number: the derivative of sumTo. */
export function spread(a: T, r: number, c: number): T {
  const v = new Float64Array(r * c);
  for (let i = 0; i < r; i++) for (let j = 0; j < c; j++) v[i * c + j] = a.v[(a.r === 1 ? 0 : i) * a.c + (a.c === 1 ? 0 : j)];
  return new T(r, c, v, [a], (g) => [sumTo(g, a.r, a.c)]);
}

export const sum = (a: T) => sumTo(a, 1, 1);
export const mean = (a: T) => scale(sum(a), 1 / a.v.length);
export const sig = (x: number) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));

export function tanh(a: T): T {
  const y: T = each(a, Math.tanh, (g) => [mul(g, scale(square(y), -1, 1))]);
  return y;
}
export function sigmoid(a: T): T {
  const y: T = each(a, sig, (g) => [mul(g, mul(y, scale(y, -1, 1)))]);
  return y;
}
export const softplus = (a: T): T =>
  each(a, (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), (g) => [mul(g, sigmoid(a))]);
/** max(x, slope x); its derivative is a constant on either side, and at 0 what torch takes it for. */
export const leaky = (a: T, slope: number): T =>
  each(a, (x) => (x > 0 ? x : slope * x), (g) => [mul(g, matrix(a.r, a.c, a.v.map((x) => (x > 0 ? 1 : slope))))]);
export const relu = (a: T) => leaky(a, 0);
/** The square root of numbers >= 0; at 0 its derivative is taken to be 0, as torch's norm does. */
export function root(a: T): T {
  const y: T = each(a, Math.sqrt, (g) => [mul(g, scale(inverse(y), 0.5))]);
  return y;
}
function inverse(a: T): T {
  const y: T = each(a, (x) => (x === 0 ? 0 : 1 / x), (g) => [mul(g, scale(square(y), -1))]);
  return y;
}

/** The gradient of the number y by each of xs, itself differentiable. */
export function grad(y: T, xs: T[]): T[] {
  const order: T[] = [], seen = new Set<T>();
  const visit = (x: T) => {
    if (seen.has(x) || !x.needs) return;
    seen.add(x);
    x.from.forEach(visit);
    order.push(x);
  };
  visit(y);
  const found = new Map<T, T>([[y, matrix(1, 1, [1])]]);
  for (const x of order.reverse()) {
    const g = found.get(x);
    if (!g || !x.from.length) continue;
    x.back(g).forEach((part, i) => {
      const parent = x.from[i];
      if (part && parent.needs) found.set(parent, found.has(parent) ? add(found.get(parent)!, part) : part);
    });
  }
  return xs.map((x) => found.get(x) ?? new T(x.r, x.c, new Float64Array(x.v.length)));
}

// Numbers from a seed, the same in every browser.
export class Random {
  private state: number;
  private spare: number | null = null;

  constructor(seed: number) {
    this.state = (seed + 1) * 0x9e3779b1 >>> 0;
  }

  /** In [0, 1): mulberry32. */
  uniform(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** Standard normal: Box and Muller's polar method as Marsaglia has it. */
  normal(): number {
    if (this.spare !== null) {
      const kept = this.spare;
      this.spare = null;
      return kept;
    }
    for (;;) {
      const x = 2 * this.uniform() - 1, y = 2 * this.uniform() - 1, s = x * x + y * y;
      if (s > 0 && s < 1) {
        const f = Math.sqrt((-2 * Math.log(s)) / s);
        this.spare = y * f;
        return x * f;
      }
    }
  }

  normals(n: number): Float64Array {
    const v = new Float64Array(n);
    for (let i = 0; i < n; i++) v[i] = this.normal();
    return v;
  }

  whole(n: number): number {
    return Math.floor(this.uniform() * n);
  }
}

/** The numbers 0 to n - 1 as a seed shuffles them. */
export function shuffled(n: number, seed: number): number[] {
  const random = new Random(seed), order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.whole(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// D over the plane: a tone, and the dashed line on which it is undecided.
import type { Plot } from "./draw";

const N = 40;

export class Field {
  private readonly image = document.createElement("canvas");
  readonly points = new Float64Array(2 * N * N);

  constructor(private readonly edge: number) {
    this.image.width = this.image.height = N;
    for (let j = 0; j < N; j++) for (let i = 0; i < N; i++) this.points.set([this.at(i), -this.at(j)], 2 * (j * N + i));
  }

  private at = (i: number) => ((i + 0.5) / N - 0.5) * 2 * this.edge;

  /** `probabilities`: at `points`, in their order; `level`: where the line is drawn. */
  draw(plot: Plot, probabilities: Float64Array, level: number): void {
    const pen = this.image.getContext("2d")!, picture = pen.createImageData(N, N);
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(plot.colors.d.slice(i, i + 2), 16));
    probabilities.forEach((p, i) => picture.data.set([r, g, b, Math.round(110 * p)], 4 * i));
    pen.putImageData(picture, 0, 0);
    const [left, top] = [plot.x(-this.edge), plot.y(this.edge)];
    plot.pen.imageSmoothingEnabled = true;
    plot.pen.drawImage(this.image, left, top, plot.x(this.edge) - left, plot.y(-this.edge) - top);
    plot.stroke({ color: "d", width: 1.8 }, () => this.contour(plot, probabilities, level));
  }

  private contour(plot: Plot, p: Float64Array, level: number): void {
    const mix = (a: number, b: number) => (level - a) / (b - a);
    for (let j = 0; j + 1 < N; j++) {
      for (let i = 0; i + 1 < N; i++) {
        const [a, b, c, d] = [p[j * N + i], p[j * N + i + 1], p[(j + 1) * N + i + 1], p[(j + 1) * N + i]];
        const cuts: [number, number][] = [];
        if ((a > level) !== (b > level)) cuts.push([i + mix(a, b), j]);
        if ((b > level) !== (c > level)) cuts.push([i + 1, j + mix(b, c)]);
        if ((d > level) !== (c > level)) cuts.push([i + mix(d, c), j + 1]);
        if ((a > level) !== (d > level)) cuts.push([i, j + mix(a, d)]);
        for (let k = 0; k + 1 < cuts.length; k += 2) {
          if ((i + j) % 3 === 2) continue; // gaps: the line of D is dashed
          plot.pen.moveTo(plot.x(this.at(cuts[k][0])), plot.y(-this.at(cuts[k][1])));
          plot.pen.lineTo(plot.x(this.at(cuts[k + 1][0])), plot.y(-this.at(cuts[k + 1][1])));
        }
      }
    }
  }
}

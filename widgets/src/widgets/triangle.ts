// Chapter 5: every p_g over three outcomes is a point of a triangle; C over it, and the path of descent against the best D.
import { define } from "../define";
import { draggable } from "../drag";
import { G, OTHER, ticks, type Plot } from "../draw";
import type { Frame } from "../frame";
import type { Game } from "../setup";
import { num, say } from "../strings";
import { best, descend, jsd, LOG4, valueAtBest } from "../theory";

const P = [0.5, 0.3, 0.2], HIGH = Math.sqrt(3) / 2, STEPS = 60;
const STARTS: [number, number][] = [[0.04, 0.06], [0.9, 0.05], [0.05, 0.9], [0.33, 0.34]];
const keep = (x: number) => Math.round(x * 1000) / 1000;
const flat = (q: number[]): [number, number] => [q[1] + q[2] / 2, q[2] * HIGH];

function create(frame: Frame): Game {
  let path: number[][] = [], lines: [number, number, number, number, number][] | null = null, listening = false;
  const start = () => {
    const a = Number(frame.settings.first), b = Number(frame.settings.second);
    return [a, b, Math.max(0, 1 - a - b)];
  };
  const now = () => path[path.length - 1];

  /** The level curves of C, every tenth of a nat above its lowest value, by triangles. */
  function levels(): [number, number, number, number, number][] {
    const found: [number, number, number, number, number][] = [];
    const at = (i: number, j: number) => {
      const q = [i / STEPS, j / STEPS, 1 - (i + j) / STEPS].map((x) => Math.max(x, 0));
      return { to: flat(q), c: valueAtBest(P, q) };
    };
    const cut = (corners: { to: [number, number]; c: number }[]) => {
      for (let n = 1; n < 14; n++) {
        const value = -LOG4 + n * 0.1, ends: [number, number][] = [];
        corners.forEach((a, k) => {
          const b = corners[(k + 1) % 3];
          if ((a.c < value) === (b.c < value)) return;
          const t = (value - a.c) / (b.c - a.c);
          ends.push([a.to[0] + t * (b.to[0] - a.to[0]), a.to[1] + t * (b.to[1] - a.to[1])]);
        });
        if (ends.length === 2) found.push([...ends[0], ...ends[1], n]);
      }
    };
    for (let i = 0; i < STEPS; i++) {
      for (let j = 0; i + j < STEPS; j++) {
        cut([at(i, j), at(i + 1, j), at(i, j + 1)]);
        if (i + j + 1 < STEPS) cut([at(i + 1, j), at(i, j + 1), at(i + 1, j + 1)]);
      }
    }
    return found;
  }

  function plane(plot: Plot): void {
    plot.begin({ x: [-0.1, 1.1], y: [-0.12, 0.98], equal: true });
    lines ??= levels();
    for (const [x0, y0, x1, y1, n] of lines) plot.line([[x0, y0], [x1, y1]], { color: "control", width: 1, alpha: 0.25 + 0.75 * Math.exp(-n / 4) });
    plot.line([[0, 0], [1, 0], [0.5, HIGH], [0, 0]], { color: "ink", width: 1.5 });
    plot.put(say("triangleOutcome", 1), plot.x(-0.08), plot.y(0) + 20, {});
    plot.put(say("triangleOutcome", 2), plot.x(1.08), plot.y(0) + 20, { align: "right" });
    plot.put(say("triangleOutcome", 3), plot.x(0.5), plot.y(HIGH) - 10, { align: "center" });
    plot.line(path.map(flat), G);
    for (const q of path) plot.dot(...flat(q), "g", 2.5);
    const [x, y] = flat(P);
    plot.dot(x, y, "real", 5);
    plot.put(say("triangleData"), plot.x(x) + 9, plot.y(y) - 6);
    if (path.length > 1) plot.dot(...flat(now()), "g", 5);
    plot.dot(...flat(start()), "page", 6, "ink");
  }

  function bars(plot: Plot): void {
    const q = now(), answers = best(P, q);
    plot.begin({ x: [0, 3], y: [0, 1.05], xTicks: [], yTicks: [0, 0.5, 1] });
    const { pen } = plot;
    [P, q, answers].forEach((values, k) => values.forEach((value, i) => {
      const left = plot.x(i + 0.12 + 0.26 * k), width = plot.x(0.2) - plot.x(0);
      pen.fillStyle = plot.colors[(["real", "g", "d"] as const)[k]];
      pen.globalAlpha = k === 0 ? 0.55 : 0.85;
      pen.fillRect(left, plot.y(value), width, plot.y(0) - plot.y(value));
      pen.globalAlpha = 1;
    }));
    plot.line([[0, 0.5], [3, 0.5]], { color: "d", width: 1, dash: [8, 5] });
    for (let i = 0; i < 3; i++) plot.put(String(i + 1), plot.x(i + 0.48), plot.inner.bottom + 16, { align: "center", size: 13 });
  }

  function values(plot: Plot): void {
    const rounds = Math.max(12, Math.ceil((path.length * 1.2) / 4) * 4);
    plot.begin({ x: [0, rounds], y: [-1.5, 0.05], xTicks: ticks(0, rounds, 3), yTicks: [-1.5, -1, -0.5, 0], xLabel: say("triangleSteps") });
    plot.inside(() => {
      plot.line([[0, -LOG4], [rounds, -LOG4]], OTHER);
      plot.line(path.map((q, t) => [t, valueAtBest(P, q)]), { color: "ink", width: 2.2 });
      plot.dot(path.length - 1, valueAtBest(P, now()), "ink", 4);
    });
    plot.put("−log 4", plot.inner.right, plot.y(-LOG4) - 8, { color: "oText", align: "right" });
  }

  return {
    rewind() { path = [start()]; },
    both() {
      path.push(descend(P, now(), Number(frame.settings.h)));
      if (path.length > 500) frame.play(false);
    },
    draw(plots) {
      if (!listening) {
        draggable(plots[0], {
          at: () => flat(start()),
          move(x, y) {
            const third = Math.min(0.98, Math.max(0.01, y / HIGH));
            const second = Math.min(0.99 - third, Math.max(0.01, x - third / 2));
            frame.settings.first = keep(1 - second - third);
            frame.set("second", keep(second));
          },
          step: [0.02, 0.02],
        });
      }
      listening = true;
      plane(plots[0]);
      bars(plots[1]);
      values(plots[2]);
    },
    status() {
      const q = now();
      return say("triangleStatus", path.length - 1, q.map((x) => num(x, 3)).join(", "), num(valueAtBest(P, q), 3), num(jsd(P, q), 3), best(P, q).map((x) => num(x, 2)).join(", "));
    },
    answer: () => (frame.round < 8 ? -1 : 0),
    newStart() {
      const at = STARTS.findIndex(([a, b]) => a === frame.settings.first && b === frame.settings.second);
      [frame.settings.first, frame.settings.second] = STARTS[(at + 1) % STARTS.length];
    },
    code: () => [
      "import torch\nfrom ganlib.theory import js_divergence, optimal_discriminator, simplex_descent, value_at_optimum\n",
      `p = torch.tensor([${P.join(", ")}], dtype=torch.float64)\nq = torch.tensor([${start().map(keep).join(", ")}], dtype=torch.float64)`,
      `q = q / q.sum()\npath = simplex_descent(p, q, steps=${Math.max(1, path.length - 1)}, step_size=${frame.settings.h})`,
      "print(path[-1], value_at_optimum(p, path[-1]), js_divergence(p, path[-1]), optimal_discriminator(p, path[-1]))",
    ].join("\n"),
  };
}

define({
  name: "triangle",
  title: "triangle",
  fixed: () => say("triangleFixed", P.map((x) => num(x, 1)).join(", ")),
  settings: { first: 0.04, second: 0.06, h: 0.5 },
  guess: { question: "triangleGuess", choices: ["triangleOne", "triangleThree", "triangleDepends"] },
  plots: [
    { ratio: 0.95, label: "trianglePlane", focus: true },
    { ratio: 0.75, label: "triangleBars", title: "triangleBars" },
    { ratio: 0.75, label: "triangleValue", title: "triangleValue" },
  ],
  key: () => [["real", "triangleKeyP"], ["g", "triangleKeyQ"], ["d", "triangleKeyD"]],
  controls: [
    { id: "h", label: "triangleH", kind: "range", range: [0.1, 2, 0.1], show: (x) => num(x, 1) },
  ],
  speed: () => 6,
  create,
});

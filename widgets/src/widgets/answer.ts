// Chapter 4: two densities on a line, the best answer, and what another answer loses, and where.
import { define } from "../define";
import { draggable } from "../drag";
import { D, G, OTHER, REAL, type Plot } from "../draw";
import type { Frame } from "../frame";
import type { Game } from "../setup";
import { num, say } from "../strings";
import { bestOnLine, integral, LOG4, lostAt, mixture, normal, sigmoid } from "../theory";

const PLACES = [-4, -3, -2, -1, 0, 1, 2, 3, 4], EDGE = 6, STEP = 0.05;
const round = (x: number) => Math.round(x * 10) / 10;

function create(frame: Frame): Game {
  let chosen = 4, listening = false, known = "", best = 0, lost = 0, where: [number, number][] = [];
  const get = (id: string) => Number(frame.settings[id]);
  const handles = () => String(frame.settings.own).split(" ").map(Number);
  const p = () => (frame.settings.bumps ? mixture(normal(get("mean") - 1.5, get("width")), normal(get("mean") + 1.5, get("width"))) : normal(get("mean"), get("width")));
  const q = () => normal(get("meanG"), get("widthG"));

  /** The reader's own D: a logit that is straight between the handles and level beyond them. */
  function own(x: number, at = handles()): number {
    const i = Math.min(Math.max(x - PLACES[0], 0), PLACES.length - 1), left = Math.min(Math.floor(i), PLACES.length - 2);
    return at[left] + (i - left) * (at[left + 1] - at[left]);
  }

  function compute(): void {
    const state = JSON.stringify(frame.settings);
    if (state === known) return;
    known = state;
    const [a, b, at] = [p(), q(), handles()];
    best = bestOnLine(a, b);
    lost = integral((x) => lostAt(a, b, own(x, at), x));
    where = points((x) => lostAt(a, b, own(x, at), x));
  }

  const points = (of: (x: number) => number): [number, number][] => {
    const found: [number, number][] = [];
    for (let x = -5; x <= 5 + 1e-9; x += STEP) found.push([x, of(x)]);
    return found;
  };
  const xs = { x: [-5, 5] as [number, number], xTicks: [-4, -2, 0, 2, 4], xLabel: "x" };

  function logits(plot: Plot): void {
    const [a, b, at] = [p(), q(), handles()];
    plot.begin({ ...xs, y: [-EDGE, EDGE], yTicks: [-6, -4, -2, 0, 2, 4, 6], yLabel: say("answerLogit") });
    plot.stroke({ color: "rule", width: 1 }, () => {
      plot.pen.moveTo(plot.inner.left, plot.y(0));
      plot.pen.lineTo(plot.inner.right, plot.y(0));
    });
    plot.inside(() => {
      plot.line(points((x) => a(x) - b(x)), { ...OTHER, width: 2 });
      plot.line(points((x) => own(x, at)), D);
    });
    PLACES.forEach((x, i) => plot.dot(x, at[i], i === chosen ? "d" : "page", 5.5, "d"));
  }

  function densities(plot: Plot): void {
    const [a, b, at] = [p(), q(), handles()];
    plot.begin({ ...xs, y: [0, 1.05], yTicks: [0, 0.5, 1] });
    plot.inside(() => {
      plot.line(points((x) => Math.exp(a(x))), REAL);
      plot.line(points((x) => Math.exp(b(x))), G);
      plot.line(points((x) => sigmoid(a(x) - b(x))), OTHER);
      plot.line(points((x) => sigmoid(own(x, at))), D);
    });
  }

  function losses(plot: Plot): void {
    const top = Math.max(0.1, Math.ceil(Math.max(...where.map(([, y]) => y)) * 10) / 10);
    plot.begin({ ...xs, y: [0, top], yTicks: [0, top / 2, top], yLabel: say("answerNats") });
    plot.inside(() => {
      const { pen } = plot;
      pen.beginPath();
      pen.moveTo(plot.x(-5), plot.y(0));
      for (const [x, y] of where) pen.lineTo(plot.x(x), plot.y(y));
      pen.lineTo(plot.x(5), plot.y(0));
      pen.fillStyle = plot.colors.d;
      pen.globalAlpha = 0.25;
      pen.fill();
      pen.globalAlpha = 1;
      plot.line(where, { color: "d", width: 1.5 });
    });
  }

  return {
    draw(plots) {
      if (!listening) {
        draggable(plots[0], {
          at: () => [PLACES[chosen], handles()[chosen]],
          move(x, y) {
            const to = PLACES.reduce((near, place, i) => (Math.abs(place - x) < Math.abs(PLACES[near] - x) ? i : near), 0), at = handles();
            if (to !== chosen && Math.abs(x - PLACES[chosen]) >= 1 - 1e-9 && Math.abs(y - at[chosen]) < 1e-9) { // an arrow key: to the next handle
              chosen = to;
              return frame.refresh();
            }
            at[chosen] = round(Math.min(EDGE, Math.max(-EDGE, y)));
            frame.set("own", at.join(" "));
          },
          step: [1, 0.2],
        }, (x) => {
          chosen = PLACES.reduce((near, place, i) => (Math.abs(place - x) < Math.abs(PLACES[near] - x) ? i : near), 0);
        });
      }
      listening = true;
      compute();
      logits(plots[0]);
      densities(plots[1]);
      losses(plots[2]);
    },
    status() {
      compute();
      return say("answerStatus", num(best, 3), num((best + LOG4) / 2, 3), num(best - lost, 3), num(lost, 3));
    },
    answer: () => (new Set(handles()).size > 2 ? 1 : -1),
    code() {
      const [mean, width] = [get("mean"), get("width")];
      const line = (m: number, s: number) => `normal(${m}, ${s})`;
      return [
        "import math\nfrom ganlib.theory import js_divergence_line, value_at_optimum_line\nfrom ganlib.theory.line import log_add\n",
        "def normal(mean, sd):\n    return lambda x: -(((x - mean) / sd) ** 2) / 2 - math.log(sd * math.sqrt(2 * math.pi))\n",
        frame.settings.bumps
          ? `left, right = ${line(mean - 1.5, width)}, ${line(mean + 1.5, width)}\np = lambda x: log_add(left(x), right(x)) - math.log(2)`
          : `p = ${line(mean, width)}`,
        `q = ${line(get("meanG"), get("widthG"))}\nprint(value_at_optimum_line(p, q), js_divergence_line(p, q))`,
      ].join("\n");
    },
  };
}

define({
  name: "answer",
  title: "answer",
  fixed: () => say("answerFixed"),
  settings: { mean: 0.5, width: 0.8, meanG: -0.5, widthG: 1.2, bumps: false, own: "0 0 0 0 0 0 0 0 0" },
  guess: { question: "answerGuess", choices: ["answerBoth", "answerOne", "answerAlike"] },
  plots: [
    { ratio: 1, label: "answerPlot", focus: true },
    { ratio: 0.75, label: "answerDensities", title: "answerDensities" },
    { ratio: 0.75, label: "answerLosses", title: "answerLosses" },
  ],
  key: () => [["real", "answerKeyP"], ["g", "answerKeyQ"], ["d", "answerKeyOwn"], ["o", "answerKeyBest"]],
  controls: [
    { id: "mean", label: "answerMean", kind: "range", range: [-3, 3, 0.1], show: (x) => num(x, 1) },
    { id: "width", label: "answerWidth", kind: "range", range: [0.3, 2, 0.1], show: (x) => num(x, 1) },
    { id: "bumps", label: "answerBumps", kind: "check" },
    { id: "meanG", label: "answerMeanG", kind: "range", range: [-3, 3, 0.1], show: (x) => num(x, 1) },
    { id: "widthG", label: "answerWidthG", kind: "range", range: [0.3, 2, 0.1], show: (x) => num(x, 1) },
  ],
  speed: () => 1,
  transport: "reset",
  create,
});

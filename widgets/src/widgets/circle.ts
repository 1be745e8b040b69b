// Chapter 6: the path of the Dirac-GAN, what is predicted for it, and the eigenvalues that predict it.
import { define } from "../define";
import * as dirac from "../dirac";
import { draggable } from "../drag";
import { D, G, OTHER, ticks, type Plot } from "../draw";
import type { Frame } from "../frame";
import { games } from "../games";
import type { Game, Option } from "../setup";
import { num, say, type Words } from "../strings";

const EDGE = 2.1;
const STARTS: dirac.State[] = [[1.1, 0.9], [-0.6, 1.4], [0.5, 0.2], [-1.6, -0.4], [0.1, -1.2]];
const radius = ([theta, psi]: dirac.State) => Math.hypot(theta, psi);
const place = (x: number) => Math.min(2, Math.max(-2, Math.round(x * 100) / 100));

function create(frame: Frame): Game {
  let path: { to: dirac.State; by: "D" | "G" | "R" }[] = [];
  let radii: number[] = [];
  let state: dirac.State = [0, 0];
  let matrix: dirac.Matrix = [1, 0, 0, 1];
  let ruled = ""; // the rules that matrix and arrows are of
  let arrows: [number, number, dirac.State][] = [];
  const rules = () => frame.settings as unknown as dirac.Rules;
  const start = (): dirac.State => [Number(frame.settings.theta), Number(frame.settings.psi)];
  const predicted = (t: number) => dirac.apply(dirac.power(matrix, t), start());
  const add = (to: dirac.State, by: "D" | "G" | "R") => {
    state = to;
    path.push({ to, by });
    if (path.length > 4000) path = path.slice(-3000); // an endless run forgets its beginning
    if (by !== "D") radii.push(radius(to));
    if (!to.every((x) => Math.abs(x) < 1e6)) frame.play(false);
  };
  const largest = () => Math.max(...dirac.eigenvalues(matrix).map(([x, y]) => Math.hypot(x, y)));
  const side = () => (Math.abs(largest() - 1) < 1e-9 ? 2 : largest() > 1 ? 1 : 0);

  function portrait(plot: Plot): void {
    const marks = [-2, -1, 0, 1, 2];
    plot.begin({ x: [-EDGE, EDGE], y: [-EDGE, EDGE], equal: true, xTicks: marks, yTicks: marks, xLabel: say("circleTheta"), yLabel: say("circlePsi") });
    plot.inside(() => {
      for (const [x, y, move] of arrows) plot.arrow(x, y, move[0], move[1], 12, { color: "real", width: 1, alpha: 0.7 });
      const rounds = Math.max(60, frame.round + 10), fine = [];
      const smooth = Number.isInteger(dirac.power(matrix, 0.5)[0]) ? 1 : 16;
      for (let t = 0; t <= Math.min(rounds, 400); t += 1 / smooth) {
        const at = predicted(t);
        if (radius(at) > 20) break;
        fine.push(at);
      }
      plot.line(fine, OTHER);
      let from = path.length < 3000 ? start() : path[0].to;
      for (const { to, by } of path) {
        plot.line([from, to], by === "D" ? D : by === "G" ? G : { color: "ink", width: 1.5 });
        from = to;
      }
      const { pen } = plot, [x, y] = [plot.x(0), plot.y(0)];
      plot.stroke({ color: "ink", width: 1.5 }, () => {
        pen.moveTo(x - 6, y);
        pen.lineTo(x + 6, y);
        pen.moveTo(x, y - 6);
        pen.lineTo(x, y + 6);
      });
      plot.put(say("circleSolution"), x + 9, y + 18);
      const [theta, psi] = start();
      if (path.length) {
        plot.dot(state[0], state[1], "ink", 5);
        const right = state[0] < -1.2;
        if (Math.hypot(state[0] - theta, state[1] - psi) > 0.35) {
          plot.put(say("circleRound", frame.round), plot.x(state[0]) + (right ? -8 : -10), plot.y(state[1]) - 12, { color: "ink", align: right ? "center" : "right" });
        }
      }
      plot.dot(theta, psi, "page", 5.5, "ink");
    });
    const [theta, psi] = start(), words = say("circleStart"), room = plot.width - plot.x(theta) - 10;
    const left = plot.pen.measureText(words).width > room;
    plot.put(words, plot.x(theta) + (left ? -10 : 10), plot.y(psi) - 9, { align: left ? "right" : "left" });
  }

  function unitCircle(plot: Plot): void {
    const values = dirac.eigenvalues(matrix), far = Math.max(1.28, largest() * 1.12);
    plot.begin({ x: [-far, far], y: [-far, far], equal: true });
    const { pen } = plot, [x, y, r] = [plot.x(0), plot.y(0), plot.x(1) - plot.x(0)];
    pen.beginPath();
    pen.arc(x, y, r, 0, 7);
    pen.fillStyle = plot.colors.surface;
    pen.fill();
    plot.stroke({ color: "rule", width: 1 }, () => {
      pen.moveTo(plot.inner.left, y);
      pen.lineTo(plot.inner.right, y);
      pen.moveTo(x, plot.inner.top);
      pen.lineTo(x, plot.inner.bottom);
    });
    plot.stroke({ color: "control", width: 1 }, () => pen.arc(x, y, r, 0, 7));
    plot.put(say("circleInside"), x, y + 0.42 * r, { align: "center" });
    plot.put(say("circleOutside"), x, plot.height - 6, { align: "center" });
    for (const [re, im] of values) plot.dot(re, im, "o", 4.5);
    const [re, im] = values[0], left = re > 0;
    plot.put(`|λ| = ${num(largest(), 4)}`, plot.x(re) + (left ? -10 : 10), plot.y(im) + (im === 0 ? -12 : 5), { color: "oText", align: left ? "right" : "left" });
  }

  function distance(plot: Plot): void {
    const rounds = Math.max(12, Math.ceil((frame.round * 1.3) / 4) * 4);
    const first = Math.max(0, radii.length - 1 - frame.round);
    const told = Array.from({ length: rounds + 1 }, (_, t) => radius(predicted(t)));
    const shown = radii.slice(first), top = Math.max(2, Math.min(6, Math.ceil(Math.max(...shown.slice(-400), ...told.slice(0, frame.round + 1)))));
    plot.begin({ x: [0, rounds], y: [0, top], xTicks: ticks(0, rounds, 3), yTicks: ticks(0, top, 2), xLabel: say("circleRounds") });
    plot.inside(() => {
      plot.line(told.map((y, t) => [t, y]), OTHER);
      const stride = Math.ceil(shown.length / 400);
      plot.line(shown.map((y, t) => [t, y]).filter((_, t) => t % stride === 0 || t === shown.length - 1), { color: "ink", width: 2.2 });
      plot.dot(shown.length - 1, shown[shown.length - 1], "ink", 4);
    });
    const { right, bottom } = plot.inner, words = say("circlePredicted");
    plot.put(words, right, bottom - 14, { color: "oText", align: "right" });
    plot.put(say("circleMeasured"), right - plot.pen.measureText(`${words} `).width, bottom - 14, { color: "ink", align: "right" });
  }

  const move = (theta: number, psi: number) => {
    frame.settings.theta = place(theta);
    frame.set("psi", place(psi));
  };
  let listening = false;

  return {
    rewind() {
      path = [];
      state = start();
      radii = [radius(state)];
      const { game, order, h, k, gamma, noise } = rules(), now = [game, order, h, k, gamma, noise].join();
      if (now === ruled) return; // the start alone was moved
      ruled = now;
      matrix = dirac.roundMatrix(rules());
      arrows = [];
      for (let i = -4.5; i <= 4.5; i++) for (let j = -4.5; j <= 4.5; j++) arrows.push([i * 0.4, j * 0.4, dirac.field(rules(), [i * 0.4, j * 0.4]).move]);
    },
    turnD: () => add(dirac.turnD(rules(), state), "D"),
    turnG: () => add(dirac.turnG(rules(), state), "G"),
    get both() {
      return rules().order === "both" ? () => add(dirac.both(rules(), state), "R") : undefined;
    },
    turns: () => dirac.turns(rules()),
    draw(plots) {
      if (!listening) draggable(plots[0], { at: start, move, step: [0.1, 0.1] });
      listening = true;
      portrait(plots[0]);
      unitCircle(plots[1]);
      distance(plots[2]);
    },
    status() {
      const verdict = say((["circleWithin", "circleBeyond", "circleOn"] as Words[])[side()]);
      const away = Math.max(...state.map(Math.abs)) > EDGE ? ` ${say("circleFar")}` : "";
      return say("circleStatus", frame.round, num(state[0], 3), num(state[1], 3), num(radius(state), 3), num(radius(predicted(frame.round)), 3), verdict + away);
    },
    answer: () => (frame.round < 8 ? -1 : side()),
    newStart() {
      const [theta, psi] = start(), now = STARTS.findIndex(([a, b]) => a === theta && b === psi);
      [frame.settings.theta, frame.settings.psi] = STARTS[(now + 1) % STARTS.length];
    },
    code() {
      const { game, h, order, k, gamma, noise } = rules(), [theta, psi] = start();
      const penalty = gamma > 0 ? `\nfrom functools import partial\nfrom ganlib.penalties import r1` : "";
      return [
        `import torch${penalty}\nfrom ganlib.objectives import ${game}\nfrom ganlib.theory.dynamics import dirac_trajectory\n`,
        ...(noise > 0 ? ["# without the instance noise of the figure, which ganlib's Dirac-GAN does not have"] : []),
        `path = dirac_trajectory(\n    ${game},\n    torch.tensor([${theta}, ${psi}], dtype=torch.float64),\n    step_size=${h},\n    steps=${Math.max(frame.round, 1)},`,
        ...(gamma > 0 ? [`    penalty=partial(r1, gamma=${gamma}),`] : []),
        `    alternating=${order === "both" ? "False" : "True"},\n    d_steps=${order === "many" ? k : 1},\n)`,
        "print(path[-1], path[-1].norm())",
      ].join("\n");
    },
  };
}

define({
  name: "circle",
  title: "circle",
  fixed: (s) => say("circleFixed", say(s.game as Words)),
  settings: { game: "minimax", order: "once", h: 0.8, k: 2, gamma: 0, noise: 0, theta: 1.1, psi: 0.9 },
  guess: { question: "circleGuess", choices: ["circleIn", "circleOut", "circleNeither"] },
  plots: [
    { ratio: 1.05, label: "circlePortrait", focus: true },
    { ratio: 0.95, label: "circleEigen", title: "circleEigen" },
    { ratio: 0.68, label: "circleRadius", title: "circleRadius" },
  ],
  key: (s) => (s.order === "both" ? [["o", "circleOrbit"]] : [["d", "circleTurnD"], ["g", "circleTurnG"], ["o", "circleOrbit"]]),
  controls: [
    { id: "game", label: "game", kind: "select", options: Object.keys(games).map((name) => [name, name] as Option) },
    { id: "order", label: "circleOrder", kind: "choice", wide: true, options: [["both", "circleBoth"], ["once", "circleOnce"], ["many", "circleMany"]] },
    { id: "h", label: "circleH", kind: "range", range: [0.02, 2, 0.02], show: (h) => num(h, 2) },
    { id: "k", label: "circleK", kind: "range", range: [1, 8, 1], when: (s) => s.order === "many" },
    { id: "gamma", label: "circleGamma", kind: "range", range: [0, 4, 0.1], show: (x) => (x ? num(x, 1) : "0") },
    { id: "noise", label: "circleNoise", kind: "range", range: [0, 2, 0.1], show: (x) => (x ? num(x, 1) : "0") },
  ],
  speed: () => 8,
  create,
});

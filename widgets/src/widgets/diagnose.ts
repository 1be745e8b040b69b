// Chapter 9: the recorded runs as moving curves, in an order that a seed gives; the reader says what has happened.
import { define } from "../define";
import { D, G, REAL, type Plot, type Style } from "../draw";
import { store } from "../elements";
import type { Frame } from "../frame";
import { shuffled } from "../random";
import { bent, log, parse, range, type Recorded } from "../runs";
import type { Game, Option } from "../setup";
import type { Settings } from "../state";
import { num, say, type Words } from "../strings";

const KEY = "diagnosed", LOG4 = Math.log(4), LOG2 = Math.log(2);
const runsOf = (data: Settings) => parse(String(data.runs));
const raised = (n: number) => `10${[...String(n)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)])).join("")}`;
const known = (): Record<string, boolean> => {
  try { return JSON.parse(store.get(KEY) ?? "{}"); } catch { return {}; }
};
const short = (x: number) => num(x, Math.abs(x) < 10 ? 3 : 0);
const about = (name: string, what: "seen" | "next") => say(`${name} ${what}` as Words);
const sentence = (text: string) => text[0].toUpperCase() + text.slice(1);

function create(frame: Frame): Game {
  const [healthy, ...runs] = runsOf(frame.settings), points = healthy.curves[0].length;
  const each = Number(frame.settings.rounds) / points; // rounds that a point is the mean of
  const at = () => Math.max(0, Math.min(Number(frame.settings.at), points));
  const run = (): Recorded => runs[shuffled(runs.length, Number(frame.settings.seed))[Number(frame.settings.run) - 1] ?? 0];

  /** Two curves of the run up to now, over the healthy ones. */
  function pair(plot: Plot, first: number, styles: Style[], shape: (x: number) => number, always: [number, number], marks: (range: [number, number]) => [number, string][], levels: [number, string][] = [], label?: Words): void {
    const line = (curve: number[], n: number) => curve.slice(0, n).map((y, i) => [i + 0.5, shape(y)]);
    const shown = [0, 1].map((i) => line(run().curves[first + i], at())), ghosts = [0, 1].map((i) => line(healthy.curves[first + i], points));
    const y = range([...shown, ...ghosts].flat().map((p) => p[1]), always), places = marks(y).filter(([v]) => v >= y[0] - 1e-9 && v <= y[1] + 1e-9);
    plot.begin({
      x: [0, points], y, xTicks: [0, points / 3, (2 * points) / 3, points], xText: (n) => num(n * each, 0), yTicks: places.map(([v]) => v),
      yText: (v) => places.find(([place]) => place === v)![1], xLabel: label && say("playRounds"), yLabel: label && say(label),
    });
    plot.inside(() => {
      for (const [v] of levels) plot.line([[0, v], [points, v]], { color: "o", width: 1 });
      ghosts.forEach((ghost, i) => plot.line(ghost, { ...styles[i], alpha: 0.35 }));
      if (at()) plot.line([[at() - 0.5, y[0]], [at() - 0.5, y[1]]], { color: "control", width: 1 });
      shown.forEach((curve, i) => {
        plot.line(curve, styles[i]);
        if (curve.length) plot.dot(curve[curve.length - 1][0], curve[curve.length - 1][1], styles[i].color, 3.5);
      });
    });
    for (const [v, words] of levels) if (y[1] - y[0] < 3) plot.put(words, plot.inner.left + 6, plot.y(v) - 5, { color: "oText", over: true });
  }
  const losses = ([low, high]: [number, number]): [number, string][] => [
    ...(high - low < 3 ? [1, 2, 3, 4] : [4]).map((v) => [bent(v), String(v)] as [number, string]), [0, "0"],
    ...[1e1, 1e2].map((v) => [bent(v), String(v)] as [number, string]), ...[2, 4, 6, 8].map((n) => [bent(-(10 ** n)), `−${raised(n)}`] as [number, string]),
  ];
  const powers = ([low, high]: [number, number]): [number, string][] =>
    [-6, -4, -2, 0, 2, 4, 6].filter((n) => high - low < 8 || n % 4 === 0).map((n) => [n, raised(n)]);

  return {
    both() {
      frame.settings.at = at() >= points ? 1 : at() + 1;
      if (at() === points) frame.play(false);
    },
    newStart() {
      Object.assign(frame.settings, { seed: Number(frame.settings.seed) + 1, run: "1", at: 0, diagnosis: "" });
    },
    changed(id) {
      if (id === "run") {
        frame.play(false);
        Object.assign(frame.settings, { at: 0, diagnosis: "" });
      }
      const score = known(), { name } = run(), { diagnosis } = frame.settings;
      if (id === "diagnosis" && diagnosis && !(name in score)) store.set(KEY, JSON.stringify({ ...score, [name]: diagnosis === name })); // the first try counts
    },
    draw([first, second, third]) {
      pair(first, 0, [D, G], bent, [0, 0.55], losses, [[bent(LOG4), "log 4"], [bent(LOG2), "log 2"]], "diagnoseLosses");
      pair(second, 2, [REAL, G], (x) => x, [0, 1], () => [[0, "0"], [0.5, "½"], [1, "1"]], [[0.5, ""]]);
      pair(third, 4, [D, G], log, [-1, 1], powers);
    },
    status() {
      const { name, curves, changes } = run(), diagnosis = String(frame.settings.diagnosis), n = at();
      if (diagnosis === name) {
        const lines = changes.map(([before, after]) => say("diagnoseChange", before, after)).join("; ");
        return say("diagnoseRight", say(name as Words), sentence(about(name, "seen")), lines, about(name, "next"));
      }
      if (diagnosis) return say("diagnoseWrong", say(diagnosis as Words), about(diagnosis, "seen"));
      if (!n) return say("diagnoseBegin");
      const values = curves.map((curve) => curve[n - 1]);
      return say("diagnoseStatus", num((n - 1) * each + 1, 0), num(n * each, 0), short(values[0]), short(values[1]), num(values[2], 2), num(values[3], 2), short(values[4]), short(values[5]));
    },
  };
}

define({
  name: "diagnose",
  title: "diagnose",
  fixed: () => "",
  settings: { runs: "", rounds: 3000, run: "1", at: 0, diagnosis: "", seed: 0 },
  plots: [
    { ratio: 0.92, label: "diagnoseLosses" },
    { ratio: 0.62, label: "diagnoseAnswers", title: "diagnoseAnswers" },
    { ratio: 0.62, label: "diagnoseGradients", title: "diagnoseGradients" },
  ],
  key: () => [["d", "playLossD"], ["g", "diagnoseKeyG"], ["real", "diagnoseKeyReal"], ["pale", "diagnoseKeyHealthy"]],
  controls: [],
  speed: () => 8,
  transport: "play",
  again: "diagnoseShuffle",
  adapt(data) {
    const [healthy, ...runs] = runsOf(data), points = healthy.curves[0].length, each = Number(data.rounds ?? 3000) / points;
    const named = runs.map(({ name }) => name).sort();
    return {
      fixed: (s) => {
        const score = Object.values(known());
        return say("diagnoseFixed", String(s.run), runs.length) + (score.length ? say("diagnoseScore", score.filter(Boolean).length, score.length) : "");
      },
      controls: [
        { id: "run", label: "diagnoseRun", kind: "choice", wide: true, live: true, options: runs.map((_, i) => [String(i + 1), "round", String(i + 1)] as Option) },
        { id: "at", label: "diagnoseAt", kind: "range", live: true, range: [0, points, 1], show: (n) => num(n * each, 0) },
        { id: "diagnosis", label: "diagnoseChoice", kind: "select", wide: true, live: true, options: [["", "diagnoseOpen"], ...named.map((name) => [name, name] as Option)] },
      ],
    };
  },
  create,
});

// Chapter 7: fakes at a distance from the data, a D more or less sure of them, and what reaches G through either loss.
import { define } from "../define";
import { D, G, OTHER, type Plot } from "../draw";
import type { Frame } from "../frame";
import type { Game } from "../setup";
import { num, say, type Words } from "../strings";
import { gradient, integral, logits, normal, push, sigmoid } from "../theory";

const LEFT = -20, RIGHT = 12;
const LOSSES = ["minimax", "nonsaturating", "wasserstein"] as const;
const STYLES = { minimax: { ...OTHER, dash: [8, 3, 1, 3], width: 2.2 }, nonsaturating: G, wasserstein: { color: "muted" as const, width: 1.5 } };

function create(frame: Frame): Game {
  const distance = () => Number(frame.settings.distance), sure = () => Number(frame.settings.sure);
  const chosen = () => String(frame.settings.loss);
  let curves: { key: number; values: Record<string, [number, number][]> } = { key: NaN, values: {} };

  function slopes(plot: Plot): void {
    const [mean, sd] = logits(distance(), sure());
    plot.begin({ x: [LEFT, RIGHT], y: [0, 1.12], xTicks: [-20, -15, -10, -5, 0, 5, 10], yTicks: [0, 0.5, 1], xLabel: say("hearsLogit"), yLabel: say("hearsSlope") });
    plot.inside(() => {
      const { pen } = plot, density = normal(mean, Math.max(sd, 1e-3)), peak = density(mean);
      pen.beginPath();
      pen.moveTo(plot.x(LEFT), plot.y(0));
      for (let f = LEFT; f <= RIGHT; f += 0.1) pen.lineTo(plot.x(f), plot.y(0.5 * Math.exp(density(f) - peak)));
      pen.lineTo(plot.x(RIGHT), plot.y(0));
      pen.fillStyle = plot.colors.g;
      pen.globalAlpha = 0.2;
      pen.fill();
      pen.globalAlpha = 1;
      for (const loss of LOSSES) {
        const points: [number, number][] = [];
        for (let f = LEFT; f <= RIGHT; f += 0.2) points.push([f, push[loss](f)]);
        plot.line(points, { ...STYLES[loss], alpha: loss === chosen() ? 1 : 0.45 });
      }
      for (let i = 0; i < 9; i++) { // nine fakes, evenly spread, each with the push that it gives
        const f = mean + sd * [-1.6, -1.07, -0.67, -0.32, 0, 0.32, 0.67, 1.07, 1.6][i], slope = push[chosen()](f);
        plot.stroke({ color: "ink", width: 1.5 }, () => {
          pen.moveTo(plot.x(f), plot.y(0));
          pen.lineTo(plot.x(f), plot.y(slope));
        });
        plot.dot(f, slope, "ink", 2.5);
      }
    });
    plot.put(say("wasserstein"), plot.inner.right, plot.y(1.04), { align: "right" });
    plot.put(say("hearsFakes"), Math.max(plot.x(mean), plot.inner.left + 30), plot.y(1.05), { color: "gText", align: "center" });
  }

  function lengths(plot: Plot): void {
    if (curves.key !== distance()) {
      curves = { key: distance(), values: {} };
      for (const loss of LOSSES) curves.values[loss] = Array.from({ length: 31 }, (_, i) => [i / 15, gradient(loss, distance(), i / 15)]);
    }
    const top = Math.max(0.5, Math.ceil(2 * Math.max(...curves.values.nonsaturating.map(([, y]) => y))) / 2);
    plot.begin({ x: [0, 2], y: [0, top], xTicks: [0, 1, 2], yTicks: [0, top / 2, top], xLabel: say("hearsSureShort") });
    plot.inside(() => {
      for (const loss of LOSSES) plot.line(curves.values[loss], { ...STYLES[loss], alpha: loss === chosen() ? 1 : 0.6 });
      plot.dot(sure(), gradient(chosen(), distance(), sure()), "ink", 4);
    });
  }

  function verdicts(plot: Plot): void {
    const x: [number, number] = [-4, Math.max(4, Math.ceil(distance() + 3))];
    const line = (of: (x: number) => number) => Array.from({ length: 161 }, (_, i): [number, number] => {
      const at = x[0] + ((x[1] - x[0]) * i) / 160;
      return [at, of(at)];
    });
    plot.begin({ x, y: [0, 1.05], xTicks: [-4, 0, x[1]], yTicks: [0, 0.5, 1], xLabel: "x" });
    plot.inside(() => {
      plot.line(line((at) => 2 * Math.exp(normal(0, 1)(at))), { color: "real", width: 2.2, dash: [0.1, 5], round: true });
      plot.line(line((at) => 2 * Math.exp(normal(distance(), 1)(at))), G);
      plot.line(line((at) => sigmoid(sure() * (distance() ** 2 / 2 - distance() * at))), D);
    });
  }

  const meanVerdict = () => {
    const [mean, sd] = logits(distance(), sure()), density = normal(0, 1);
    return integral((z) => Math.exp(density(z)) * sigmoid(mean + sd * z));
  };

  return {
    draw(plots) {
      slopes(plots[0]);
      lengths(plots[1]);
      verdicts(plots[2]);
    },
    status() {
      const length = (loss: string) => { const g = gradient(loss, distance(), sure()); return g < 0.001 ? g.toExponential(1).replace("-", "−") : num(g, 3); };
      return say("hearsStatus", num(meanVerdict(), 4), length("minimax"), length("nonsaturating"), length("wasserstein"));
    },
    answer: () => (sure() >= 1 && distance() >= 4 ? 0 : -1),
    code: () => [
      "import torch\nfrom ganlib import objectives\n",
      `distance = torch.tensor(${distance().toFixed(1)}, dtype=torch.float64, requires_grad=True)`,
      "fakes = torch.randn(100_000, dtype=torch.float64) + distance",
      `d = distance.detach()\nlogit = ${sure()} * (d**2 / 2 - d * fakes)  # ${sure()} times the best D's`,
      `objectives.${chosen()}.g_loss(None, logit).backward()\nprint(distance.grad)`,
    ].join("\n"),
  };
}

define({
  name: "hears",
  title: "hears",
  fixed: () => say("hearsFixed"),
  settings: { distance: 2, sure: 0.5, loss: "minimax" },
  guess: { question: "hearsGuess", choices: ["minimax", "nonsaturating", "hearsNone"] },
  plots: [
    { ratio: 0.85, label: "hearsSlopes" },
    { ratio: 0.8, label: "hearsLengths", title: "hearsLengths" },
    { ratio: 0.7, label: "hearsVerdicts", title: "hearsVerdicts" },
  ],
  key: () => [["o", "hearsKeyMinimax"], ["g", "hearsKeyNon"], ["d", "hearsKeyD"], ["real", "hearsKeyP"]],
  controls: [
    { id: "distance", label: "hearsDistance", kind: "range", range: [0, 8, 0.1], show: (x) => num(x, 1) },
    { id: "sure", label: "hearsSure", kind: "range", range: [0, 2, 0.05], show: (x) => num(x, 2) },
    { id: "loss", label: "hearsLoss", kind: "select", options: LOSSES.map((loss) => [loss, loss as Words]) },
  ],
  speed: () => 1,
  transport: "reset",
  create,
});

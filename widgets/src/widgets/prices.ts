// Chapter 2: what one real and one fake pay, over the square of the two answers.
import { define } from "../define";
import { draggable } from "../drag";
import { D, G, OTHER, REAL, type Plot } from "../draw";
import type { Frame } from "../frame";
import type { Game } from "../setup";
import { num, say } from "../strings";
import { LOG4, logit, price, sigmoid, softplus } from "../theory";

const EDGE = 6, LEVELS = [-0.25, -0.5, -1, -2, -3, -4, -6, -8];
const keep = (t: number) => Math.min(EDGE, Math.max(-EDGE, Math.round(t * 100) / 100));

function create(frame: Frame): Game {
  let listening = false, seen = false;
  const answers = (): [number, number] => [Number(frame.settings.real), Number(frame.settings.fake)];
  const inLogits = () => frame.settings.unit === "logit";
  const shown = (t: number) => (inLogits() ? t : sigmoid(t));
  const axis = () => (inLogits()
    ? { range: [-EDGE, EDGE] as [number, number], ticks: [-6, -4, -2, 0, 2, 4, 6] }
    : { range: [0, 1.04] as [number, number], ticks: [0, 0.5, 1] });

  const levels = new Map<string, [number, number][]>(); // they stay while a point is dragged
  /** The points where V has one value: log(1 - D(G(z))) = V - log D(x). */
  function level(value: number): [number, number][] {
    const points: [number, number][] = [], key = `${value} ${inLogits()}`, known = levels.get(key);
    if (known) return known;
    levels.set(key, points);
    for (let f = -14; f < -1; f += 0.1) { // steep here: D(x) from D(G(z))
      const right = value + softplus(f);
      if (right < 0) points.push([shown(logit(Math.exp(right))), shown(f)]);
    }
    for (let t = -EDGE - 2; t <= 12; t += 0.01) {
      const left = value + softplus(-t); // log(1 - D(G(z)))
      if (left < 0 && -logit(Math.exp(left)) >= -1) points.push([shown(t), shown(-logit(Math.exp(left)))]);
    }
    return points;
  }

  function square(plot: Plot): void {
    const { range, ticks } = axis(), [real, fake] = answers(), { byReal, byFake } = price(real, fake);
    plot.begin({ x: range, y: range, equal: true, xTicks: ticks, yTicks: ticks, xLabel: say(inLogits() ? "pricesRealLogit" : "pricesReal"), yLabel: say(inLogits() ? "pricesFakeLogit" : "pricesFake") });
    plot.inside(() => {
      for (const value of LEVELS) plot.line(level(value), { color: "control", width: 1, alpha: 0.6 });
      plot.line(level(-LOG4), { ...OTHER, width: 2.2 });
      const [x, y] = [plot.x(shown(real)), plot.y(shown(fake))], { pen } = plot;
      const long = (slope: number) => 10 + 55 * Math.min(1, inLogits() ? slope : slope / 4);
      const scale = (t: number) => (inLogits() ? 1 : 1 / (sigmoid(t) * sigmoid(-t)));
      const [right, down, up] = [long(byReal * scale(real)), long(-byFake * scale(fake)), long(-byFake * scale(fake))];
      plot.stroke(D, () => plot.head(x, y, x + right, y));
      plot.stroke(D, () => plot.head(x, y, x, y + down));
      plot.stroke(G, () => plot.head(x, y, x, y - up));
      pen.beginPath();
    });
    plot.dot(shown(real), shown(fake), "page", 6, "ink");
    plot.put("−log 4", plot.x(inLogits() ? 5.6 : 1), plot.y(inLogits() ? 1.1 : 0.75) + 22, { color: "oText", align: "right" });
  }

  function terms(plot: Plot): void {
    const { range, ticks } = axis(), [real, fake] = answers();
    plot.begin({ x: range, y: [-6.2, 0.2], xTicks: inLogits() ? [-6, -3, 0, 3, 6] : ticks, yTicks: [-6, -4, -2, 0], xLabel: say(inLogits() ? "pricesAnswerLogit" : "pricesAnswer"), yLabel: say("pricesNats") });
    const curve = (pays: (t: number) => number) => {
      const points: [number, number][] = [];
      for (let t = -EDGE; t <= EDGE; t += 0.1) points.push([shown(t), pays(t)]);
      return points;
    };
    plot.inside(() => {
      plot.line(curve((t) => -softplus(-t)), REAL);
      plot.line(curve((t) => -softplus(t)), G);
      for (const [t, pays, slope] of [[real, -softplus(-real), sigmoid(-real)], [fake, -softplus(fake), -sigmoid(fake)]]) {
        const steep = inLogits() ? slope : slope / (sigmoid(t) * sigmoid(-t)), width = inLogits() ? 1.6 : 0.13;
        plot.line([[shown(t) - width, pays - steep * width], [shown(t) + width, pays + steep * width]], { color: "ink", width: 1.5 });
        plot.dot(shown(t), pays, "ink", 4);
      }
    });
    plot.put(say("pricesOfReal"), plot.inner.right, plot.y(-4.2), { align: "right" });
    plot.put(say("pricesOfFake"), plot.inner.left + 6, plot.y(-4.2), { color: "gText" });
  }

  return {
    draw(plots) {
      if (!listening) {
        draggable(plots[0], {
          at: () => answers().map(shown) as [number, number],
          move(x, y) {
            const back = (v: number) => keep(inLogits() ? v : logit(Math.min(0.9975, Math.max(0.0025, v))));
            frame.settings.real = back(x);
            frame.set("fake", back(y));
          },
          get step(): [number, number] { return inLogits() ? [0.25, 0.25] : [0.02, 0.02]; },
        });
      }
      listening = true;
      square(plots[0]);
      terms(plots[1]);
      const [real, fake] = answers();
      if (Math.abs(price(real, fake).value + LOG4) < 0.03 && Math.abs(sigmoid(real) - 0.9) < 0.03) seen = true;
    },
    status() {
      const [real, fake] = answers(), { value, byReal, byFake } = price(real, fake);
      const [a, b] = inLogits() ? [byReal, byFake] : [1 / sigmoid(real), -1 / sigmoid(-fake)];
      return say(inLogits() ? "pricesStatusLogit" : "pricesStatus", num(sigmoid(real), 3), num(sigmoid(fake), 3), num(value, 3), num(a, 3), num(b, 3),
        say(Math.abs(value + LOG4) < 0.03 ? "pricesOn" : value > -LOG4 ? "pricesAbove" : "pricesBelow"));
    },
    answer: () => (seen ? 2 : -1),
    code() {
      const [real, fake] = answers();
      return `import torch\nfrom ganlib.objectives import minimax\n\nreal = torch.tensor([${real}], requires_grad=True)\nfake = torch.tensor([${fake}], requires_grad=True)\nV = -minimax.d_loss(real, fake)\nV.backward()\nprint(V.item(), real.grad.item(), fake.grad.item())`;
    },
  };
}

define({
  name: "prices",
  title: "prices",
  fixed: () => say("pricesFixed"),
  settings: { real: 1, fake: -0.5, unit: "probability" },
  guess: { question: "pricesGuess", choices: ["pricesLow", "pricesHalf", "pricesHigh"] },
  plots: [{ ratio: 1.05, label: "pricesSquare", focus: true }, { ratio: 1.1, label: "pricesTerms", title: "pricesTerms" }],
  key: () => [["d", "pricesKeyD"], ["g", "pricesKeyG"], ["o", "pricesKeyLevel"]],
  controls: [
    { id: "real", label: "pricesRealLogit", kind: "range", range: [-EDGE, EDGE, 0.05], show: (t) => `${num(t, 2)}, D = ${num(sigmoid(t), 3)}` },
    { id: "fake", label: "pricesFakeLogit", kind: "range", range: [-EDGE, EDGE, 0.05], show: (t) => `${num(t, 2)}, D = ${num(sigmoid(t), 3)}` },
    { id: "unit", label: "pricesUnit", kind: "choice", options: [["probability", "pricesProbability"], ["logit", "pricesLogit"]] },
  ],
  speed: () => 1,
  transport: "reset",
  create,
});

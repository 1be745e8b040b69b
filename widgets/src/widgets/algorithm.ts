// Chapter 3: figure 1 of 2014 alive, turn by turn, with the lines of Algorithm 1 beside it.
import { adam, network, UNIFORM } from "../code";
import { define } from "../define";
import { D, G, OTHER, REAL, type Plot } from "../draw";
import type { Swatch } from "../elements";
import type { Frame } from "../frame";
import { BATCH, CENTRES, Game1d, REALS, WIDTH } from "../game1d";
import type { Game, Option } from "../setup";
import { num, say, type Words } from "../strings";
import type { Color } from "../style";

const FLOOR = -0.75, X = Float64Array.from({ length: 126 }, (_, i) => -0.6 + 0.04 * i), PAIRS = ["minimax", "nonsaturating"];
const SECONDS = 1.2; // of a turn, when it plays turn by turn
const OF_D: Words[] = ["algorithmDrawD", "algorithmFakesD", "algorithmLossD", "algorithmStepD"];
const OF_G: Words[] = ["algorithmDrawG", "algorithmFakesG", "algorithmLossG", "algorithmStepG"];
const power = (exponent: number) => num(10 ** exponent, exponent < -2 ? 4 : 3);

function create(frame: Frame): Game {
  let game: Game1d, last: "D" | "G" | "" = "", done = 0, since = 0;
  const turns = () => Number(frame.settings.k);
  const began = (turn: "D" | "G") => {
    done = turn === "D" ? (last === "D" ? done + 1 : 1) : done;
    last = turn;
    since = performance.now();
  };

  function main(plot: Plot): void {
    plot.begin({ x: [-0.6, 4.4], y: [FLOOR, 1.6], xTicks: [], yTicks: [0, 0.5, 1, 1.5], yLabel: say("algorithmAxis") });
    const { pen } = plot, { left, right } = plot.inner, zero = plot.y(0), floor = plot.y(FLOOR);
    pen.clearRect(left - 1, zero + 1, 2, floor - zero - 2);
    plot.stroke({ color: "control", width: 1 }, () => {
      pen.moveTo(left, zero);
      pen.lineTo(right, zero);
      for (let x = 0; x <= 4; x++) {
        pen.moveTo(plot.x(x), zero);
        pen.lineTo(plot.x(x), zero + 4);
      }
    });
    for (let x = 0; x <= 4; x++) plot.put(String(x), plot.x(x), zero + 16, { align: "center", size: 13 });
    for (const z of [-1, 0, 1]) plot.put(num(z, 0), plot.x(1.9 + 1.9 * z), floor + 16, { align: "center", size: 13 });
    plot.put("x", left - 12, zero + 16, { align: "right" });
    plot.put("z", left - 12, floor + 5, { align: "right" });
    const q = game.density(), answers = game.answers(X);
    plot.inside(() => {
      plot.line(Array.from(CENTRES, (x, i) => [x, REALS[i]]), REAL);
      plot.line(Array.from(CENTRES, (x, i) => [x, q[i]]), G);
      if (frame.settings.best) plot.line(Array.from(CENTRES, (x, i) => [x, REALS[i] / (REALS[i] + q[i] || 1)]), OTHER);
      plot.line(Array.from(X, (x, i) => [x, answers[i]]), D);
      const z = Float64Array.from({ length: 17 }, (_, i) => i / 8 - 1);
      plot.stroke({ color: "g", width: 1 }, () => game.fakes(z).forEach((x, i) => plot.head(plot.x(1.9 + 1.9 * z[i]), floor, plot.x(x), zero + 21)));
    });
  }

  /** Which line is lit: after a turn its step; while it plays slowly, then the lines that lead to the next one. */
  function lit(): ["D" | "G" | "", number] {
    const part = (performance.now() - since) / 1000 / SECONDS;
    if (!frame.playing || frame.settings.pace === "rounds" || part < 0.4) return [last, 3];
    return [frame.next() as "D" | "G", Math.min(Math.floor((part - 0.4) * 5), 2)];
  }

  function lines(plot: Plot): void {
    plot.begin({ x: [0, 1], y: [0, 1] });
    const [player, line] = lit(), { pen } = plot, k = turns(), high = plot.height / 10;
    const turn = player === "D" ? (last === "D" && line < 3 ? done + 1 : Math.max(done, 1)) : k;
    let y = 0;
    const write = (words: string, color: Color, on: boolean, by: Color) => {
      if (on) {
        pen.fillStyle = plot.colors.surface;
        pen.fillRect(0, y, plot.width, high);
        pen.fillStyle = plot.colors[by];
        pen.fillRect(0, y, 4, high);
      }
      plot.put(words, color === "ink" || color === "oText" ? 12 : 0, y + high / 2 + 5, { color });
      y += high;
    };
    write(say("algorithmOfD", Math.min(turn, k), k), "dText", false, "d");
    OF_D.forEach((words, i) => {
      const leaks = i === 1 && Boolean(frame.settings.leak);
      write(say(leaks ? "algorithmFakesLeak" : words), leaks ? "oText" : "ink", player === "D" && line === i, "d");
    });
    write(say("algorithmOfG"), "gText", false, "g");
    OF_G.forEach((words, i) => write(say(words), "ink", player === "G" && line === i, "g"));
  }

  function gradients(plot: Plot): void {
    plot.begin({ x: [0, 1], y: [0, 1] });
    const rows: [Words, number, Color, Color][] = [
      ["algorithmLeft", game.left, "o", "oText"], ["algorithmOwn", game.own, "g", "gText"], ["algorithmTogether", game.together, "ink", "ink"],
    ];
    const most = Math.max(...rows.map(([, value]) => value), 1e-9), high = plot.height / 3, { pen } = plot;
    rows.forEach(([words, value, color, text], i) => {
      plot.put(say(words), 0, i * high + 16, { color: text });
      plot.put(i && last !== "G" ? "–" : num(value, 3), plot.width, i * high + 16, { color: text, align: "right" });
      pen.fillStyle = plot.colors[color];
      pen.fillRect(0, i * high + 22, Math.max((plot.width * value) / most, 1), 8);
    });
  }

  return {
    rewind() {
      game = new Game1d(frame.settings);
      last = "";
      done = 0;
    },
    turnD() {
      game.turnD();
      began("D");
    },
    turnG() {
      game.turnG();
      began("G");
      if (!game.pair.finite) frame.play(false);
    },
    turns,
    slow: () => frame.settings.pace === "turns",
    draw([figure, text, bars]) {
      main(figure);
      lines(text);
      gradients(bars);
    },
    status() {
      const { pair } = game, at = say(last === "D" ? "algorithmAfterD" : last ? "algorithmAfterG" : "algorithmBegin");
      const loss = (x: number) => (Number.isFinite(x) ? num(x, 3) : "–");
      const text = say("algorithmStatus", frame.round, at, loss(game.lossD), loss(game.lossG), num(pair.probReal, 2), num(pair.probFake, 2), num(game.distance(), 2));
      return pair.finite ? text : `${text} ${say("playBroken")}`;
    },
    answer: () => (frame.settings.leak && frame.round >= 200 ? (game.distance() < 0.3 ? 0 : 1) : -1),
    code: () => code(frame.settings, Math.max(frame.round, 1)),
  };
}

function code(s: Frame["settings"], rounds: number): string {
  const turns = s.leak ? `    for _ in range(${s.k}):
        reals = 2 + 0.5 * torch.randn(${BATCH}, 1)
        fakes = G(G.sample_z(${BATCH}))  # not detached
        opt_D.zero_grad()
        objective.d_loss(D(reals), D(fakes)).backward()
        opt_D.step()
    objective.g_loss(None, D(G(G.sample_z(${BATCH})))).backward()
    opt_G.step()
    opt_G.zero_grad()` : `    for _ in range(${s.k}):
        reals = 2 + 0.5 * torch.randn(${BATCH}, 1)
        discriminator_step(run, reals, objective)
    generator_step(run, reals, objective)`;
  return `import torch
from torch import nn

from ganlib.objectives import ${s.game} as objective
${s.leak ? "" : "from ganlib.training import Run, discriminator_step, generator_step\n"}

${s.pair ? "# G, D: your own\n" : `${network(WIDTH, "Tanh", UNIFORM)}torch.manual_seed(${s.seed})
G, D = Points(1, 1), Points(1, 1, logits=True)
`}${adam("G", s.rateG)}${adam("D", s.rateD)}${s.leak ? "" : "run = Run(G, D, opt_G, opt_D)\n"}for _ in range(${rounds}):
${turns}

fakes = G(G.sample_z(4000))
print("mean and standard deviation of the fakes:", fakes.mean().item(), fakes.std().item())
`;
}

define({
  name: "algorithm",
  title: "algorithm",
  fixed: (s) => say("algorithmFixed", BATCH, Number(s.seed)) + (s.pair ? say("algorithmYours") : ""),
  settings: { game: "nonsaturating", k: 1, rateD: -2.3, rateG: -3, leak: false, best: false, pace: "turns", seed: 0 },
  guess: { question: "algorithmGuess", choices: ["algorithmYes", "algorithmNo", "algorithmError"] },
  plots: [
    { ratio: 1, label: "algorithmMain" },
    { ratio: 0.86, label: "algorithmLines", title: "algorithmLines" },
    { ratio: 0.46, label: "algorithmGradients", title: "algorithmGradients" },
  ],
  key: (s) => {
    const shown: [Swatch, Words][] = [["real", "playKeyData"], ["g", "algorithmKeyG"], ["d", "algorithmKeyD"]];
    return s.best ? [...shown, ["o", "algorithmKeyBest"]] : shown;
  },
  controls: [
    { id: "game", label: "game", kind: "choice", wide: true, live: true, options: PAIRS.map((name) => [name, name] as Option) },
    { id: "pace", label: "algorithmPace", kind: "choice", live: true, options: [["turns", "algorithmSlow"], ["rounds", "algorithmFast"]] },
    { id: "k", label: "playK", kind: "range", range: [1, 10, 1], live: true },
    { id: "rateD", label: "playRateD", kind: "range", range: [-4, -1, 0.1], live: true, show: power },
    { id: "rateG", label: "playRateG", kind: "range", range: [-4, -1, 0.1], live: true, show: power },
    { id: "leak", label: "algorithmLeak", kind: "check", live: true },
    { id: "best", label: "algorithmBest", kind: "check", live: true },
  ],
  speed: (s) => (s.pace === "turns" ? 1 / SECONDS : 60),
  random: true,
  create,
});

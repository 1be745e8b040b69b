// Chapter 2: digits come one by one, and the reader says with what probability each is real.
import { define } from "../define";
import { D, OTHER, ticks, type Plot } from "../draw";
import type { Frame } from "../frame";
import { estimate, pays } from "../judge";
import { shuffled } from "../random";
import type { Game } from "../setup";
import { num, say, type Words } from "../strings";
import { LOG4, logit, sigmoid } from "../theory";

const LOW = -3.2, SIDE = 28;

function create(frame: Frame): Game {
  const data = frame.settings as unknown as { cards: string; logits: string; columns: number; reals: number; early: number };
  const logits = data.logits.split(" ").map(Number), sheet = new Image();
  sheet.addEventListener("load", () => frame.refresh());
  sheet.src = `data:image/png;base64,${data.cards}`;
  let deck: number[] = [], given: { card: number; real: boolean; logit: number }[] = [], listening = false;
  const real = (card: number) => card < data.reals;
  const kind = (card: number) => (real(card) ? 0 : card < data.reals + data.early ? 1 : 2);
  const asD = (n = given.length) => given.slice(0, n).map(({ card, real }) => ({ real, logit: logits[card] }));

  function digit(plot: Plot, card: number, x: number, y: number, size: number): void {
    plot.pen.imageSmoothingEnabled = false;
    if (sheet.naturalWidth) plot.pen.drawImage(sheet, (card % data.columns) * SIDE, Math.floor(card / data.columns) * SIDE, SIDE, SIDE, x, y, size, size);
    else plot.put("…", x + size / 2, y + size / 2);
  }

  function table(plot: Plot): void {
    plot.begin({ x: [0, 1], y: [0, 1] });
    const card = deck[given.length], last = given[given.length - 1], width = Math.min(plot.width, 440);
    const size = Math.round(width * 0.56), left = size + Math.round(width * 0.08);
    if (card !== undefined) digit(plot, card, 0, 26, size);
    plot.put(card === undefined ? say("judgeOver") : say("judgeAsk", given.length + 1, deck.length), 0, 15, { color: "ink" });
    if (!last) return;
    const lines = [say((["judgeReal", "judgeEarly", "judgeLate"] as Words[])[kind(last.card)]), say("judgePaid", num(-pays(last.real, last.logit), 2)),
      say("judgePaidD", num(-pays(last.real, logits[last.card]), 2))];
    const rows = lines.flatMap((line) => plot.rows(line, plot.width - left));
    const small = Math.min(Math.round(width * 0.3), plot.height - 32 - 19 * rows.length);
    digit(plot, last.card, left, 26, small);
    rows.forEach((row, i) => plot.put(row, left, 46 + small + 19 * i, { color: "ink" }));
  }

  function values(plot: Plot): void {
    const far = Math.max(12, given.length);
    plot.begin({ x: [0, far], y: [LOW, 0], xTicks: ticks(0, far, 3), yTicks: [-3, -2, -1, 0], xLabel: say("judgeAnswers"), yLabel: say("judgeNats") });
    const curve = (answers: typeof given | ReturnType<typeof asD>) => answers.map((_, i) => [i + 1, estimate(answers.slice(0, i + 1)).value]).filter(([, v]) => v === v);
    plot.inside(() => {
      plot.line([[0, -LOG4], [far, -LOG4]], OTHER);
      plot.line([[0, 0], [far, 0]], { color: "control", width: 1 });
      plot.line(curve(asD()), D);
      const { value, error } = estimate(given), n = given.length;
      plot.line(curve(given), { color: "ink", width: 2.2 });
      if (error > 0) plot.line([[n, value - error], [n, value + error]], { color: "ink", width: 1.5 });
      if (value > LOW) plot.dot(n, value, "ink", 4);
    });
    plot.put(say("judgePerfect"), plot.inner.right, plot.y(0) + 16, { align: "right" });
  }

  return {
    rewind() {
      given = [];
      deck = shuffled(logits.length, Number(frame.settings.seed));
    },
    both() {
      const card = deck[given.length];
      if (card !== undefined) given.push({ card, real: real(card), logit: logit(Number(frame.settings.p)) });
    },
    draw([place, side]) {
      if (!listening) place.canvas.addEventListener("keydown", (event) => {
        const by = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1 }[event.key];
        if (!by) return;
        frame.set("p", Math.min(0.99, Math.max(0.01, Math.round(100 * Number(frame.settings.p) + by * (event.shiftKey ? 10 : 5)) / 100)), true);
        event.preventDefault();
      });
      listening = true;
      table(place);
      values(side);
    },
    status() {
      const { value, error, reals, fakes } = estimate(given), n = given.length;
      const right = (answers: typeof given) => answers.reduce((sum, { real, logit }) => sum + (logit === 0 ? 0.5 : Number(real === logit > 0)), 0);
      if (!n) return say("judgeNone");
      if (!reals || !fakes) return say("judgeFew", n, right(given));
      const parts = [0, 1, 2].map((k) => given.filter(({ card }) => kind(card) === k)).map((some) => `${right(some)}/${some.length}`);
      return say("judgeStatus", n, right(given), ...parts, num(value, 2), error === error ? num(error, 2) : "?", reals, fakes, num(estimate(asD()).value, 2));
    },
    answer() {
      const { value, error } = estimate(given);
      return given.length < 12 || error !== error ? -1 : Math.abs(value + LOG4) < error ? 2 : value > -LOG4 ? 0 : 1;
    },
    code() {
      const list = (wanted: boolean) => given.filter(({ real }) => real === wanted).map(({ logit }) => num(sigmoid(logit), 2)).join(", ");
      return `import torch\n\nreals = torch.tensor([${list(true)}])  # your answers to reals\nfakes = torch.tensor([${list(false)}])  # and to fakes\nV = reals.log().mean() + (1 - fakes).log().mean()\nprint("V:", V.item())`;
    },
  };
}

define({
  name: "judge",
  title: "judge",
  fixed: (s) => say("judgeFixed", String(s.logits).split(" ").length, Number(s.seed)),
  settings: { p: 0.5, seed: 0, cards: "", logits: "0", columns: 12, reals: 1, early: 0 },
  guess: { question: "judgeGuess", choices: ["judgeAbove", "judgeBelow", "judgeNear"] },
  plots: [{ ratio: 0.66, label: "judgeCard", focus: true }, { ratio: 1.05, label: "judgeValues", title: "judgeValues" }],
  key: () => [["ink", "judgeKeyOwn"], ["d", "judgeKeyD"], ["o", "judgeKeyLog4"]],
  controls: [{ id: "p", label: "judgeP", kind: "range", wide: true, live: true, range: [0.01, 0.99, 0.01], show: (p) => `${Math.round(100 * p)} %` }],
  speed: () => 1,
  random: true,
  transport: "answer",
  create,
});

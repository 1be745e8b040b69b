// A page of its own: any of the games, on data in the plane.
import { pointsInThePlane } from "../code";
import { draw, packed, unpacked, type Point } from "../data";
import { define } from "../define";
import { D, G, ticks, type Plot } from "../draw";
import type { Swatch } from "../elements";
import { Field } from "../field";
import type { Frame } from "../frame";
import { BATCH, Game2d } from "../game2d";
import { games, penalties } from "../games";
import { Random } from "../random";
import type { Game, Option } from "../setup";
import { num, say, type Words } from "../strings";

const EDGE = 1.6;
const PLAIN: Words[] = ["playKeyData", "playKeyFakes"];
const power = (exponent: number) => num(10 ** exponent, exponent < -3 ? 5 : exponent < -2 ? 4 : 3);

function create(frame: Frame): Game {
  const settings = () => frame.settings;
  const field = new Field(EDGE);
  let play = new Game2d(settings());
  let still: Float64Array = new Float64Array(0); // data that stay where they are, for the picture
  let opinion: Float64Array | null = null;
  let behind = 0, seenAt = 0;
  let pen: Point[] | null = null; // a stroke in the making
  let listening = false;

  /** G's image of the lines of a grid of z, evenly spread over its distribution. */
  function warp(plot: Plot): void {
    const one = play.zDim === 1, end = settings().z === "uniform2" ? 1 : 2, n = 41;
    const at = (i: number) => ((2 * i) / (n - 1) - 1) * end;
    const lines: Float64Array[] = [];
    for (let k = 0; k < (one ? 1 : 9); k++) {
      const fixed = ((2 * k) / 8 - 1) * end;
      if (one) lines.push(Float64Array.from({ length: 4 * n }, (_, i) => ((2 * i) / (4 * n - 1) - 1) * end));
      else for (const turn of [0, 1]) lines.push(Float64Array.from({ length: 2 * n }, (_, i) => (i % 2 === turn ? at(i >> 1) : fixed)));
    }
    for (const line of lines) {
      const image = play.fakes(line), points = [];
      for (let i = 0; i < image.length; i += 2) points.push([image[i], image[i + 1]]);
      plot.line(points, { color: "g", width: 1, alpha: 0.8 });
    }
  }

  function plane(plot: Plot): void {
    const marks = [-1, 0, 1];
    plot.begin({ x: [-EDGE, EDGE], y: [-EDGE, EDGE], equal: true, xTicks: marks, yTicks: marks });
    plot.inside(() => {
      if (settings().field) {
        // while the game runs, the tone follows a few frames behind: it costs as much as a round
        if (!opinion || frame.round === seenAt || ++behind > 3) [opinion, behind] = [play.opinion(field.points), 0];
        seenAt = frame.round;
        field.draw(plot, opinion, 0.5);
      }
      for (let i = 0; i < still.length; i += 2) ring(plot, still[i], still[i + 1]);
      if (settings().warp) warp(plot);
      const fakes = play.fakes();
      for (let i = 0; i < 400; i += 2) plot.dot(fakes[i], fakes[i + 1], "g", 2.6);
      if (settings().arrows) {
        const some = fakes.slice(400, 480), wishes = play.wishes(some);
        for (let i = 0; i < some.length; i += 2) {
          const size = Math.hypot(wishes[i], wishes[i + 1]), length = Math.min(26, 16 * size), [x, y] = [plot.x(some[i]), plot.y(some[i + 1])];
          plot.dot(some[i], some[i + 1], "g", 2.6);
          if (length > 2) plot.stroke({ color: "o", width: 1.5 }, () => plot.head(x, y, x + (wishes[i] / size) * length, y - (wishes[i + 1] / size) * length));
        }
      }
      if (pen) for (const [x, y] of pen) plot.dot(x, y, "ink", 2.5);
    });
  }

  const ring = (plot: Plot, x: number, y: number) => {
    const { pen: p } = plot;
    p.beginPath();
    p.arc(plot.x(x), plot.y(y), 2.3, 0, 7);
    p.lineWidth = 1;
    p.strokeStyle = plot.colors.real;
    p.stroke();
  };

  function curves(plot: Plot, rows: number[][], low: number, high: number, marks: [number, Words][], yTicks: number[]): void {
    const end = Math.max(100, play.round);
    plot.begin({ x: [0, end], y: [low, high], xTicks: ticks(0, end, 2), yTicks, xLabel: say("playRounds") });
    plot.inside(() => {
      for (const [y, words] of marks) {
        plot.line([[0, y], [end, y]], { color: "control", width: 1 });
        plot.put(say(words), plot.inner.right, plot.y(y) - 4, { align: "right", size: 13 });
      }
      const dashed = marks.length ? D : { color: "ink" as const, width: 1.5 };
      const clipped = (i: number) => rows.filter((row) => Number.isFinite(row[i])).map((row) => [row[0], Math.min(high, Math.max(low, row[i]))]);
      plot.line(clipped(1), dashed);
      plot.line(clipped(2), G);
    });
  }

  function losses(plot: Plot): void {
    const { rows } = play.losses, all = rows.flatMap((row) => row.slice(1)).filter(Number.isFinite).sort((a, b) => a - b);
    const ofLogs = play.ofLogs, from = (share: number) => all[Math.floor(share * (all.length - 1))] ?? 0;
    const low = Math.min(ofLogs ? (settings().game === "minimax" ? -1 : 0) : -0.5, Math.max(-6, from(0.02)));
    const high = Math.max(2, Math.min(8, from(0.98)));
    curves(plot, rows, low, high, ofLogs ? [[2 * Math.LN2, "playLog4"], settings().game === "minimax" ? [-Math.LN2, "playMinusLog2"] : [Math.LN2, "playLog2"]] : [], ticks(low, high, 3));
    const row = rows[rows.length - 1];
    if (row) {
      plot.put(say("playLossD"), plot.inner.left + 8, plot.inner.top + 10, { color: "dText" });
      plot.put(say("playLossG"), plot.inner.left + 26, plot.inner.top + 10, { color: "gText" });
    }
  }

  function counts(plot: Plot): void {
    curves(plot, play.counts.rows, 0, 1, [], [0, 0.5, 1]);
    const { left, bottom } = plot.inner, words = say(play.data.modes ? "playReached" : "playPlaces");
    plot.put(words, left + 8, bottom - 8, { color: "ink" });
    plot.put(say("playShare"), left + 16 + plot.pen.measureText(words).width, bottom - 8, { color: "gText" });
  }

  function listen(plot: Plot): void {
    const { canvas } = plot, drawn = () => settings().data === "drawn";
    const point = (event: PointerEvent) => {
      const box = canvas.getBoundingClientRect(), [x, y] = plot.at(event.clientX - box.left, event.clientY - box.top);
      const inside = (v: number) => Math.max(-EDGE, Math.min(EDGE, v));
      const next: Point = [inside(x), inside(y)], last = pen![pen!.length - 1];
      if (pen!.length < 300 && (!last || Math.hypot(next[0] - last[0], next[1] - last[1]) > 0.05)) pen!.push(next);
      frame.refresh();
    };
    let fresh = true; // the first stroke replaces what is there
    canvas.addEventListener("pointerdown", (event) => {
      if (!drawn()) return;
      pen = fresh ? [] : unpacked(String(settings().drawn));
      fresh = false;
      canvas.setPointerCapture(event.pointerId);
      point(event);
    });
    canvas.addEventListener("pointermove", (event) => pen && point(event));
    canvas.addEventListener("pointerup", () => {
      if (!pen) return;
      const stroke = packed(pen);
      pen = null;
      frame.set("drawn", stroke);
    });
    // With the keyboard: each arrow key moves a pencil that draws.
    canvas.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[event.key];
      if (!by || !drawn()) return;
      const points = fresh ? [] : unpacked(String(settings().drawn)), [x, y] = points[points.length - 1] ?? [0, 0];
      fresh = false;
      const inside = (v: number) => Math.max(-EDGE, Math.min(EDGE, v));
      frame.set("drawn", packed([...points, [inside(x + by[0]), inside(y + by[1])]]));
      event.preventDefault();
    });
  }

  return {
    rewind() {
      play = new Game2d(settings());
      still = draw(play.data, 200, new Random(11));
      opinion = null;
    },
    turnD: () => play.turnD(),
    turnG() {
      play.turnG();
      if (!play.pair.finite) frame.play(false);
    },
    turns: () => Number(settings().k),
    draw([main, upper, lower]) {
      if (!listening) listen(main);
      listening = true;
      main.canvas.style.touchAction = settings().data === "drawn" ? "none" : "auto";
      main.canvas.style.cursor = settings().data === "drawn" ? "crosshair" : "auto";
      plane(main);
      losses(upper);
      counts(lower);
    },
    status() {
      const { pair, data } = play, two = (x: number) => (Number.isFinite(x) ? num(x, 3) : "–");
      const text = say("playStatus", frame.round, two(play.lossD), two(play.lossG), num(pair.probReal, 2), num(pair.probFake, 2),
        play.reached, data.places.length, say(data.modes ? "playReached" : "playPlaces"), num(100 * play.share, 0));
      if (!pair.finite) return `${text} ${say("playBroken")}`;
      return settings().data === "drawn" && frame.round === 0 ? `${text} ${say("playClear")}` : text;
    },
    code: () => pointsInThePlane(settings(), play, Math.max(frame.round, 1)),
  };
}

define({
  name: "playground",
  title: "playground",
  fixed: (s) => say("playFixed", BATCH, Number(s.seed)),
  settings: {
    data: "ring", game: "nonsaturating", penalty: "none", weight: 1, k: 1, rateD: -2.5, rateG: -2.75, width: 32, optimiser: "adam",
    z: "normal2", field: true, warp: true, arrows: true, drawn: "", seed: 0,
  },
  plots: [
    { ratio: 1, label: "playPlane", focus: true },
    { ratio: 0.72, label: "playLosses", title: "playLosses" },
    { ratio: 0.72, label: "playModes", title: "playModes" },
  ],
  key: (s) => {
    const shown: [Swatch, Words][] = [["rings", PLAIN[0]], ["dots", PLAIN[1]]];
    if (s.field) shown.push(["d", "playKeyHalf"]);
    if (s.warp) shown.push(["thin", "playKeyGrid"]);
    if (s.arrows) shown.push(["arrow", "playKeyArrows"]);
    return shown;
  },
  controls: [
    { id: "data", label: "playData", kind: "select", options: [["ring", "playRing"], ["grid", "playGrid"], ["two", "playTwo"], ["moons", "playMoons"], ["spiral", "playSpiral"], ["drawn", "playDrawn"]] },
    { id: "game", label: "game", kind: "select", live: true, options: Object.keys(games).map((name) => [name, name] as Option) },
    { id: "z", label: "playLatents", kind: "select", options: [["normal2", "normal2"], ["uniform2", "uniform2"], ["normal1", "normal1"]] },
    { id: "penalty", label: "playPenalty", kind: "select", live: true, options: Object.keys(penalties).map((name) => [name, name] as Option) },
    { id: "weight", label: "playWeight", kind: "range", range: [0.1, 10, 0.1], live: true, show: (x) => num(x, 1), when: (s) => s.penalty !== "none" },
    { id: "k", label: "playK", kind: "range", range: [1, 8, 1], live: true },
    { id: "rateD", label: "playRateD", kind: "range", range: [-4.5, -0.5, 0.25], live: true, show: power },
    { id: "rateG", label: "playRateG", kind: "range", range: [-4.5, -0.5, 0.25], live: true, show: power },
    { id: "width", label: "playWidth", kind: "range", range: [8, 64, 8] },
    { id: "optimiser", label: "playOptimiser", kind: "select", options: [["adam", "adam"], ["sgd", "sgd"]] },
    { id: "field", label: "playField", kind: "check", live: true },
    { id: "warp", label: "playWarp", kind: "check", live: true },
    { id: "arrows", label: "playArrows", kind: "check", live: true },
  ],
  speed: () => Infinity,
  random: true,
  create,
});

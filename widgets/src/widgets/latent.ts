// Chapters 8 and 16: the plane of two latents, with what a generator draws at its points. The generator is fetched on a click.
import { define } from "../define";
import { draggable } from "../drag";
import { G as MADE, OTHER, REAL, type Plot } from "../draw";
import type { Frame } from "../frame";
import { between, generate, nearest, unpack, way, type Generator, type Layer } from "../generator";
import type { Control, Game, Option } from "../setup";
import { num, say } from "../strings";

const EDGE = 1.5, CELLS = 8, STEPS = 8, NEAREST = 3, BUDGET = 8;
const HERE = { x: 0.5, y: 0.5, a: 0, b: 1, label: 0 };
const keep = (v: number) => Math.min(EDGE, Math.max(-EDGE, Math.round(v * 100) / 100));
type Payload = { body: string; digits: string };
interface Data { z_dim: number; classes: number; channels: number; side: number; layers: string; columns: number; address: string; code: string }
interface Place { x: number; y: number; a: number; b: number; label: number }

async function bytes(body: string): Promise<ArrayBuffer> {
  const packed = Uint8Array.from(atob(body), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}

/** The digits of a picture of tiles, in [-1, 1]. */
async function digits(sheet: string, columns: number, side: number): Promise<Float32Array[]> {
  if (!sheet) return [];
  const picture = new Image();
  picture.src = `data:image/png;base64,${sheet}`;
  await picture.decode();
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d")!;
  [canvas.width, canvas.height] = [picture.width, picture.height];
  pen.drawImage(picture, 0, 0);
  return Array.from({ length: columns * (picture.height / side) }, (_, n) => {
    const { data } = pen.getImageData((n % columns) * side, Math.floor(n / columns) * side, side, side);
    return Float32Array.from({ length: side * side }, (_, k) => data[4 * k] / 127.5 - 1);
  });
}

function create(frame: Frame): Game {
  const { host } = frame, data = frame.settings as unknown as Data, { side, channels, classes } = data;
  const now = () => frame.settings as unknown as Place;
  let G: Generator | null = null, known: Float32Array[] = [], near: [number, number][] = [];
  let asked = false, failed = false, listening = false, moved = false, begun = "", wait = 0;
  let tiles: (HTMLCanvasElement | undefined)[] = [], strips: (HTMLCanvasElement | undefined)[] = [];

  async function load(): Promise<void> {
    if (asked) return;
    asked = true;
    host.setAttribute("data-loaded", "");
    try {
      const text = host.getAttribute("weights");
      const payload: Payload = text ? JSON.parse(text) : await new Promise((done, fail) => {
        const script = document.createElement("script");
        script.src = data.address;
        script.onload = () => done((window as unknown as { ganGenerator: Payload }).ganGenerator);
        script.onerror = fail;
        document.head.append(script);
      });
      G = unpack(await bytes(payload.body), JSON.parse(data.layers) as Layer[], data.z_dim);
      known = await digits(payload.digits, data.columns, side);
    } catch {
      failed = true;
    }
    frame.refresh();
  }

  function paint(image: Float32Array, onto = document.createElement("canvas")): HTMLCanvasElement {
    onto.width = onto.height = side;
    const picture = new ImageData(side, side), size = side * side;
    for (let k = 0; k < size; k++) {
      for (let c = 0; c < 3; c++) picture.data[4 * k + c] = (image[(c % channels) * size + k] + 1) * 127.5;
      picture.data[4 * k + 3] = 255;
    }
    onto.getContext("2d")!.putImageData(picture, 0, 0);
    return onto;
  }
  const at = (x: number, y: number) => {
    const { a, b, label } = now(), ends = G!.endpoints;
    return generate(G!, between(ends[a], ends[b], x, y, classes, Number(label)));
  };
  const place = (i: number): [number, number] => [-EDGE + ((i % CELLS) + 0.5) * ((2 * EDGE) / CELLS), EDGE - (Math.floor(i / CELLS) + 0.5) * ((2 * EDGE) / CELLS)];
  const step = (i: number) => way((i % STEPS) / (STEPS - 1), i >= STEPS);

  /** What is not drawn yet, as far as the frame allows; a little later while an endpoint is still being moved. */
  function fill(): void {
    const { a, b, label } = now(), key = `${a} ${b} ${label}`;
    if (begun !== key) {
      if (begun) wait = performance.now() + 150;
      begun = key;
      strips = [];
      tiles = [];
    }
    if (performance.now() < wait) return void setTimeout(() => frame.refresh(), 160);
    const until = performance.now() + BUDGET;
    for (const [list, count, where] of [[strips, 2 * STEPS, step], [tiles, CELLS * CELLS, place]] as const) {
      for (let i = 0; i < count; i++) {
        if (list[i]) continue;
        if (performance.now() > until) return frame.refresh();
        list[i] = paint(at(...where(i)));
      }
    }
  }

  function plane(plot: Plot): void {
    const marks = [-1, 0, 1], { x, y } = now();
    plot.begin({ x: [-EDGE, EDGE], y: [-EDGE, EDGE], equal: true, xTicks: marks, yTicks: marks, xLabel: say("latentX"), yLabel: say("latentY") });
    const size = plot.x(EDGE) - plot.x(-EDGE), cell = size / CELLS;
    const still = host.querySelector("img"), { a, b } = now(), { left, right, top, bottom } = plot.inner;
    if (still && !still.complete && host.getBoundingClientRect().top < innerHeight) still.loading = "eager"; // not before it is seen
    if (!G && still?.naturalWidth && a === HERE.a && b === HERE.b) { // the picture is of these two latents, with all its lines
      plot.pen.drawImage(still, left, top, right - left, bottom - top);
      return;
    }
    tiles.forEach((tile, i) => tile && plot.pen.drawImage(tile, plot.x(-EDGE) + (i % CELLS) * cell, plot.y(EDGE) + Math.floor(i / CELLS) * cell, cell, cell));
    const circle = Array.from({ length: 97 }, (_, i) => way(i / 24, true));
    plot.line(circle, REAL);
    plot.line(circle.slice(0, 25), MADE);
    plot.line([[1, 0], [0, 1]], { ...OTHER, width: 2.2 });
    for (const [name, dx, dy] of [["A", 1, 0], ["B", 0, 1]] as const) {
      plot.dot(dx, dy, "page", 9, "ink");
      plot.put(name, plot.x(dx), plot.y(dy) + 4.5, { color: "ink", align: "center", size: 13 });
    }
    plot.dot(x, y, "o", 6, "page");
  }

  function digit(plot: Plot): void {
    plot.begin({ x: [0, 1], y: [0, 1] });
    const gap = 8, big = Math.min(plot.width * 0.55, plot.height - 22), small = Math.min((plot.width - big - 2 * gap) / 1.6, (big - 2 * gap) / NEAREST);
    if (!G) {
      plot.stroke({ color: "control", width: 1 }, () => plot.pen.rect(0.5, 0.5, big - 1, big - 1));
      return plot.put(say(failed ? "loadFailed" : asked ? "loading" : "latentNone"), 0, big + 18);
    }
    const { x, y } = now(), image = at(x, y);
    plot.pen.imageSmoothingEnabled = false;
    plot.pen.drawImage(paint(image), 0, 0, big, big);
    plot.put(say("latentHere"), 0, big + 18, { color: "ink" });
    near = nearest(image, known, NEAREST);
    near.forEach(([n], i) => plot.pen.drawImage(paint(known[n]), big + gap, i * (small + gap), small, small));
    if (near.length) plot.put(say("latentReal"), big + gap, big + 18);
  }

  function strip(plot: Plot): void {
    plot.begin({ x: [0, 1], y: [0, 1] });
    const size = plot.width / STEPS, { x, y } = now();
    for (const round of [0, 1]) {
      const top = 18 + round * (size + 26);
      plot.put(say(round ? "latentRound" : "latentStraight"), 0, top - 5, { color: round ? "gText" : "oText" });
      for (let i = 0; i < STEPS; i++) {
        const tile = strips[round * STEPS + i], [u, v] = step(round * STEPS + i);
        if (tile) plot.pen.drawImage(tile, i * size, top, size, size);
        else plot.stroke({ color: "control", width: 1 }, () => plot.pen.rect(i * size + 0.5, top + 0.5, size - 1, size - 1)); // a digit will stand here
        if (Math.hypot(u - x, v - y) < 0.02) plot.stroke({ color: "o", width: 2 }, () => plot.pen.rect(i * size + 1, top + 1, size - 2, size - 2));
      }
    }
  }

  function listen([pad, , strips]: Plot[]): void {
    const go = (x: number, y: number) => {
      frame.settings.x = keep(x);
      frame.set("y", keep(y));
    };
    draggable(pad, { at: () => [now().x, now().y], move: go, step: [0.05, 0.05] });
    let chosen = -1;
    strips.canvas.addEventListener("pointerdown", (event) => {
      const box = strips.canvas.getBoundingClientRect(), size = strips.width / STEPS;
      chosen = Math.min(STEPS - 1, Math.floor((event.clientX - box.left) / size)) + (event.clientY - box.top > 18 + size + 10 ? STEPS : 0);
      go(...step(chosen));
    });
  }

  host.querySelector("img")?.addEventListener("load", () => frame.refresh());
  return {
    rewind() {
      moved = Object.keys(HERE).some((name) => frame.settings[name] !== frame.usual[name]);
      if (moved || host.hasAttribute("weights")) load(); // weights: they are here already
    },
    load,
    newStart() {
      const count = 32, { a, b } = now();
      [frame.settings.a, frame.settings.b] = [(a + 2) % count, (b + 2) % count];
    },
    draw(plots) {
      if (!listening) listen(plots);
      listening = true;
      if (G) fill();
      plane(plots[0]);
      digit(plots[1]);
      strip(plots[2]);
    },
    status() {
      if (!G) return say(failed ? "loadFailed" : asked ? "loading" : "latentNone");
      const { x, y, a, b } = now(), ends = G.endpoints, size = Math.hypot(...between(ends[a], ends[b], x, y));
      const mean = ends.reduce((sum, z) => sum + Math.hypot(...z), 0) / ends.length;
      return say("latentStatus", num(x, 2), num(y, 2), num(size, 1), num(mean, 1)) + (near.length ? ` ${say("latentNear", known.length, num(near[0][1], 1))}` : "");
    },
    answer: () => (moved && strips.length === 2 * STEPS ? 2 : -1),
    code() {
      const { x, y, a, b, label } = now(), more = classes ? `, torch.tensor([${label}])` : "";
      return `import torch\nfrom ganlib import show\n${data.code || say("latentOwn")}\nz = G.sample_z(32, torch.Generator().manual_seed(0))\nz = ${num(x, 2).replace("−", "-")} * z[${a}] + ${num(y, 2).replace("−", "-")} * z[${b}]\nfig, ax = show.image_grid(G(z[None]${more}).detach(), columns=1)`;
    },
  };
}

const CONTROLS: Control[] = [
  { id: "x", label: "latentOfA", kind: "range", range: [-EDGE, EDGE, 0.01], show: (v) => num(v, 2) },
  { id: "y", label: "latentOfB", kind: "range", range: [-EDGE, EDGE, 0.01], show: (v) => num(v, 2) },
  { id: "a", label: "latentA", kind: "range", range: [0, 31, 1] },
  { id: "b", label: "latentB", kind: "range", range: [0, 31, 1] },
];
define({
  name: "latent",
  title: "latent",
  fixed: (s) => say("latentFixed", String(s.whose), num(Number(s.max), 2), num(Number(s.rms), 3)),
  settings: { ...HERE, whose: "", max: 0, rms: 0 },
  guess: { question: "latentGuess", choices: ["latentGuessStraight", "latentGuessRound", "latentGuessNeither"] },
  plots: [{ ratio: 1.05, label: "latentPlane", focus: true }, { ratio: 0.68, label: "latentImage" }, { ratio: 0.46, label: "latentStrip" }],
  key: () => [["real", "latentKeyMost"], ["o", "latentStraight"], ["g", "latentRound"]],
  controls: CONTROLS,
  speed: () => 1,
  transport: "load",
  adapt({ classes }) {
    const options = Array.from({ length: Number(classes) }, (_, i) => [String(i), "latentClass", String(i)] as Option);
    return options.length ? { controls: [...CONTROLS, { id: "label", label: "latentClass", kind: "select", options }] } : {};
  },
  create,
});

// Where the parts of a widget stand: head, guess, plots, key, controls, buttons, status, links.
import { field } from "./controls";
import { Plot } from "./draw";
import { make } from "./elements";
import type { Frame } from "./frame";
import { say, type Words } from "./strings";
import { css } from "./style";

/** What changes while a widget is played. */
export type Parts = Record<"play" | "turnD" | "turnG" | "round" | "status" | "key" | "fixed" | "link", HTMLElement>;

const button = (frame: Frame, words: Words, click: () => void) =>
  make("button", { type: "button", "data-do": words, click }, say(words, String(frame.usual.megabytes)));

export function partsOf(frame: Frame): Parts {
  return {
    play: button(frame, "play", () => frame.play(!frame.playing)), turnD: button(frame, "turnD", () => frame.single("D")),
    turnG: button(frame, "turnG", () => frame.single("G")), round: button(frame, "round", () => frame.single("R")),
    status: make("div", { class: "status", role: "status" }), key: make("div", { class: "key" }),
    fixed: make("span", { class: "fixed" }), link: make("a", { href: "#", click: (event) => frame.share(event) }, say("link")),
  };
}

/** The canvases, the first at the left, the others at its right. */
function pictures(frame: Frame): HTMLElement {
  const body = make("div", { class: "body" }), side = make("div", { class: "side" });
  frame.setup.plots.forEach((wanted, i) => {
    const canvas = make("canvas", wanted.focus ? { tabindex: 0, role: "application" } : { role: "img" });
    canvas.setAttribute("aria-label", say(wanted.label));
    frame.plots.push(new Plot(canvas, wanted.ratio));
    if (i === 0) body.append(canvas);
    else side.append(make("div", {}, ...(wanted.title ? [make("h4", {}, say(wanted.title))] : []), canvas));
  });
  if (side.childElementCount) body.append(side);
  else body.classList.add("alone");
  return body;
}

/** The buttons that this widget has. */
function transport(frame: Frame, { play, turnD, turnG, round }: Parts): HTMLElement[] {
  const { setup } = frame, gap = () => make("span", { class: "gap" });
  const again = button(frame, setup.random ? "reseed" : "newStart", () => frame.reseed());
  const reset = () => button(frame, "reset", () => {
    frame.settings = { ...frame.usual };
    frame.rewind();
  });
  const begin = [gap(), button(frame, "rewind", () => frame.rewind()), again];
  const pressed = setup.transport === "play" ? [play] : setup.transport === "reset" ? [reset()]
    : setup.transport === "load" ? [button(frame, "load", () => frame.game.load?.()), gap(), reset(), again]
    : setup.transport === "answer" ? [button(frame, "answerIt", () => frame.single("R")), ...begin]
    : [play, turnD, turnG, round, ...begin];
  return setup.again ? [...pressed, gap(), button(frame, setup.again, () => frame.reseed())] : pressed;
}

/** Everything, and what brings the fields up to date. */
export function layOut(frame: Frame, parts: Parts, guess?: HTMLElement): [elements: HTMLElement[], fields: (() => void)[]] {
  const { setup } = frame, fields = setup.controls.map((control) => field(frame, control));
  const body = pictures(frame);
  body.append(parts.key);
  const head = make("div", { class: "head" }, make("div", { class: "row" }, make("h3", {}, say(setup.title)), parts.fixed));
  if (guess) head.append(guess);
  const controls = make("div", { class: "controls" }, ...fields.map(([box]) => box));
  const single = make("div", { class: "body", style: "display: block; border-bottom: 0; padding-bottom: 0" });
  const foot = make("div", { class: `foot ${setup.transport ?? ""}` });
  (setup.transport === "answer" ? foot : single).append(controls); // what answers stays in reach on a phone
  foot.append(...transport(frame, parts));
  const section = make("section", { class: "frame", "aria-label": say(setup.title), keydown: (event) => frame.key(event as KeyboardEvent) },
    head, body, ...(single.childElementCount ? [single] : []), foot, parts.status);
  const links = make("div", { class: "links" }, make("button", { type: "button", click: () => frame.copy(), "data-do": "copy" }, say("copy")),
    make("span", { class: "dot" }, " · "), parts.link);
  return [[make("style", {}, css), section, links, make("slot")], fields.map(([, update]) => update)];
}

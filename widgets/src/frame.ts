// The frame that every widget stands in: head, guess, plots, key, controls, transport, status, links. A widget says what is
// in it (Setup) and how its game is played and drawn (Game).
import { Plot } from "./draw";
import { extend, isTurn, read, write, type Settings, type Step, type Turn, type Value } from "./state";
import { say, type Words } from "./strings";
import { css, palette, type Palette } from "./style";

/** `text` stands for words that come with the data. */
export type Option = [value: string, words: Words, text?: string];
export interface Control {
  id: string;
  label: Words;
  kind: "range" | "choice" | "select" | "check";
  options?: Option[];
  range?: [low: number, high: number, step: number];
  /** How the number is written at the right of its label. */
  show?: (value: number) => string;
  wide?: boolean;
  /** The game goes on with the new value; otherwise it begins again. */
  live?: boolean;
  /** Whether it matters with these settings; otherwise it is not shown. */
  when?: (settings: Settings) => boolean;
}

export interface Setup {
  name: string;
  title: Words;
  fixed: (settings: Settings) => string;
  /** Every setting and its usual value; numbers, words and yes or no. */
  settings: Settings;
  controls: Control[];
  guess?: { question: Words; choices: Words[] };
  /** The first is the canvas at the left, the others stand at its right. `ratio` is height by width. */
  plots: { ratio: number; label: Words; title?: Words; focus?: boolean }[];
  key: (settings: Settings) => [style: Swatch, words: Words][];
  /** Rounds a second while it plays; Infinity: as many as the budget of a frame allows. */
  speed: (settings: Settings) => number;
  /** Chance plays a part: the last button draws another seed. Otherwise it calls the game's `newStart`. */
  random?: boolean;
  /** What the button of a new start is called where "play" has one, too. */
  again?: Words;
  /** What can be pressed: "play" alone, "answer" for a round, "reset" where nothing runs, or "load" where it
      has to be fetched first; everything when it is left out. */
  transport?: "play" | "answer" | "reset" | "load";
  /** What in this setup depends on the element's data. */
  adapt?: (data: Settings) => Partial<Setup>;
  create: (frame: Frame) => Game;
}

export interface Game {
  /** Back to the start, with the present settings. What is only dragged has no start, and no turns. */
  rewind?(): void;
  turnD?(): void;
  turnG?(): void;
  /** Both players at once; where it is given, single turns are not. */
  both?(): void;
  /** D's turns a round; one where it is left out. */
  turns?(): number;
  /** While it plays, each step is a single turn, not a round. */
  slow?(): boolean;
  draw(plots: Plot[]): void;
  status(): string;
  /** Which of the guess's choices is right; -1 while the game has not shown it. */
  answer?(): number;
  newStart?(): void;
  /** Fetches what the page does not hold; the frame's data say how many "megabytes". */
  load?(): void;
  /** What to type for this; left out where there is nothing to compute. */
  code?(): string;
  /** A live control was moved. */
  changed?(id: string): void;
}

const BUDGET = 14; // ms of a frame's 24 that turns may take; the rest is for drawing
export const store = {
  get: (key: string) => { try { return localStorage.getItem(key); } catch { return null; } },
  set: (key: string, value: string) => { try { localStorage.setItem(key, value); } catch { /* it is forgotten */ } },
};

const words = ([, name, text]: Option) => text ?? say(name);

type Attributes = Record<string, string | number | boolean | ((event: Event) => void)>;
export function make<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...inside: (Node | string)[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...inside);
  return element;
}

const stroke = (color: string, more: string) => `<path d="M1 5h23" fill="none" stroke="var(--w-${color})" ${more}/>`;
const SWATCH = {
  real: stroke("real", 'stroke-width="2.2" stroke-dasharray=".1 5" stroke-linecap="round"'),
  g: stroke("g", 'stroke-width="2.2"'),
  d: stroke("d", 'stroke-width="2.2" stroke-dasharray="8 5"'),
  o: stroke("o", 'stroke-width="1.5"'),
  pale: stroke("control", 'stroke-width="2.2" opacity=".45"'),
  ink: stroke("ink", 'stroke-width="2.2"'),
  thin: stroke("g", 'stroke-width="1"'),
  rings: '<circle cx="7" cy="5" r="2.6" fill="none" stroke="var(--w-real)"/><circle cx="17" cy="5" r="2.6" fill="none" stroke="var(--w-real)"/>',
  dots: '<circle cx="7" cy="5" r="2.8" fill="var(--w-g)"/><circle cx="17" cy="5" r="2.8" fill="var(--w-g)"/>',
  arrow: '<path d="M1 5h20m-5-4l5 4-5 4" fill="none" stroke="var(--w-o)" stroke-width="1.5"/>',
};
export type Swatch = keyof typeof SWATCH;

export class Frame {
  settings: Settings;
  round = 0;
  plots: Plot[] = [];
  colors!: Palette;
  readonly usual: Settings;
  private begun: Settings; // the settings at the start of this run
  private steps: Step[] = [];
  private waiting: Step[] = []; // of a state that is being replayed
  private turnsOfD = 0; // in the round that is being played
  playing = false;
  private visible = true;
  private asked = 0; // the frame that was asked for
  private last = 0;
  private due = 0;
  private readonly game: Game;
  private readonly root: ShadowRoot;
  private readonly fields: (() => void)[] = [];
  private readonly parts: Record<"play" | "turnD" | "turnG" | "round" | "status" | "key" | "fixed" | "verdict" | "link", HTMLElement>;

  constructor(readonly host: HTMLElement, readonly setup: Setup, data: Settings) {
    this.usual = { ...setup.settings, ...data };
    this.settings = { ...this.usual };
    this.begun = { ...this.settings };
    host.setAttribute("data-lm-suppress-shortcuts", "true"); // in JupyterLab a key pressed here is no command for the cell
    this.root = host.attachShadow({ mode: "open" });
    const part = (name: string) => make("span", { class: name });
    this.parts = {
      play: this.button("play", () => this.play(!this.playing)), turnD: this.button("turnD", () => this.single("D")),
      turnG: this.button("turnG", () => this.single("G")), round: this.button("round", () => this.single("R")),
      status: make("div", { class: "status", role: "status" }), key: make("div", { class: "key" }), fixed: part("fixed"),
      verdict: part("verdict"), link: make("a", { href: "#", click: (event) => this.share(event) }, say("link")),
    };
    this.build();
    // The links stand beside the caption, which a paragraph that is laid out by itself would not let in.
    for (const text of host.closest("figure")?.querySelectorAll<HTMLElement>("figcaption *") ?? []) text.style.contentVisibility = "visible";
    this.game = setup.create(this);
    if (!this.game.code) for (const part of this.root.querySelectorAll<HTMLElement>("[data-do=copy], .dot")) part.hidden = true;
    // A notebook's frame has no address of its own that could lead back here.
    if (top !== self) for (const part of this.root.querySelectorAll<HTMLElement>(".links a, .dot")) part.hidden = true;
    this.game.rewind?.();
    this.watch();
    if (!this.restore()) this.refresh();
  }

  private button(words: Words, click: () => void) {
    return make("button", { type: "button", "data-do": words, click }, say(words, String(this.usual.megabytes)));
  }

  private build(): void {
    const { setup, parts } = this, side = make("div", { class: "side" });
    const body = make("div", { class: "body" });
    setup.plots.forEach((wanted, i) => {
      const canvas = make("canvas", wanted.focus ? { tabindex: 0, role: "application" } : { role: "img" });
      canvas.setAttribute("aria-label", say(wanted.label));
      this.plots.push(new Plot(canvas, wanted.ratio));
      if (i === 0) body.append(canvas);
      else side.append(make("div", {}, ...(wanted.title ? [make("h4", {}, say(wanted.title))] : []), canvas));
    });
    if (side.childElementCount) body.append(side);
    else body.classList.add("alone");
    body.append(parts.key);
    const head = make("div", { class: "head" }, make("div", { class: "row" }, make("h3", {}, say(setup.title)), parts.fixed));
    if (setup.guess) head.append(this.guess(setup.guess));
    const controls = make("div", { class: "controls" }, ...setup.controls.map((control) => this.control(control)));
    const again = setup.random ? this.button("reseed", () => this.reseed()) : this.button("newStart", () => this.reseed());
    const reset = () => {
      this.settings = { ...this.usual };
      this.rewind();
    };
    const begin = [make("span", { class: "gap" }), this.button("rewind", () => this.rewind()), again];
    const pressed = setup.transport === "play" ? [parts.play] : setup.transport === "reset" ? [this.button("reset", reset)]
      : setup.transport === "load" ? [this.button("load", () => this.game.load?.()), make("span", { class: "gap" }), this.button("reset", reset), again]
      : setup.transport === "answer" ? [this.button("answerIt", () => this.single("R")), ...begin]
      : [parts.play, parts.turnD, parts.turnG, parts.round, ...begin];
    const single = make("div", { class: "body", style: "display: block; border-bottom: 0; padding-bottom: 0" });
    const foot = make("div", { class: `foot ${setup.transport ?? ""}` });
    (setup.transport === "answer" ? foot : single).append(controls); // what answers stays in reach on a phone
    foot.append(...pressed);
    const frame = make("section", { class: "frame", "aria-label": say(setup.title), keydown: (event) => this.key(event as KeyboardEvent) },
      head, body, ...(single.childElementCount ? [single] : []), foot, parts.status);
    const links = make("div", { class: "links" }, make("button", { type: "button", click: () => this.copy(), "data-do": "copy" }, say("copy")),
      make("span", { class: "dot" }, " · "), parts.link);
    if (setup.again) foot.append(make("span", { class: "gap" }), this.button(setup.again, () => this.reseed()));
    this.root.append(make("style", {}, css), frame, links, make("slot"));
  }

  private guess({ question, choices }: NonNullable<Setup["guess"]>): HTMLElement {
    const key = `guess:${this.setup.name}`;
    const set = make("fieldset", {}, make("legend", { class: "hidden" }, say(question)));
    const row = make("div", { class: "choice" });
    choices.forEach((choice, i) => {
      const input = make("input", { type: "radio", name: "guess", value: i, change: () => { store.set(key, String(i)); this.judge(); } });
      input.checked = store.get(key) === String(i);
      row.append(make("label", {}, input, say(choice)));
    });
    set.append(row);
    return make("div", { class: "row" }, make("span", { "aria-hidden": "true" }, say(question)), set, this.parts.verdict);
  }

  /** Says whether the guess was right, once the game has shown it. */
  private judge(): void {
    const { guess } = this.setup, right = this.game?.answer?.() ?? -1;
    const chosen = this.root.querySelector<HTMLInputElement>("[name=guess]:checked");
    const words = guess && chosen && right >= 0 && !this.playing
      ? `${say("you", say(guess.choices[Number(chosen.value)]))} ${Number(chosen.value) === right ? say("right") : say("wrong", say(guess.choices[right]))}` : "";
    if (this.parts.verdict.textContent !== words) this.parts.verdict.textContent = words;
    this.parts.verdict.hidden = !words;
  }

  private control(control: Control): HTMLElement {
    const { id, kind } = control, name = `${this.setup.name}-${id}`;
    const like = this.settings[id]; // a word that is chosen may stand for a number
    const changed = (value: Value) => this.set(id, typeof like === "number" ? Number(value) : value, control.live);
    let box: HTMLElement, update: () => void;
    if (kind === "range") {
      const [min, max, step] = control.range!;
      const output = make("output", { for: name });
      const input = make("input", { type: "range", id: name, min, max, step, input: () => changed(Number(input.value)) });
      box = make("div", {}, make("div", { class: "pair" }, make("label", { class: "label", for: name }, say(control.label)), output), input);
      update = () => {
        const value = Number(this.settings[id]), text = (control.show ?? String)(value);
        input.value = String(value);
        if (output.textContent !== text) output.textContent = text;
        input.setAttribute("aria-valuetext", text);
      };
    } else if (kind === "select") {
      const select = make("select", { id: name, change: () => changed(select.value) },
        ...control.options!.map((option) => make("option", { value: option[0] }, words(option))));
      box = make("div", {}, make("div", { class: "pair" }, make("label", { class: "label", for: name }, say(control.label))), select);
      update = () => { select.value = String(this.settings[id]); };
    } else if (kind === "choice") {
      const inputs = control.options!.map(([value]) => make("input", { type: "radio", name, value, change: () => changed(value) }));
      box = make("fieldset", {}, make("legend", { class: "label" }, say(control.label)),
        make("div", { class: "choice" }, ...inputs.map((input, i) => make("label", {}, input, words(control.options![i])))));
      update = () => { for (const input of inputs) input.checked = input.value === String(this.settings[id]); };
    } else {
      const input = make("input", { type: "checkbox", id: name, change: () => changed(input.checked) });
      box = make("label", { class: "check", for: name }, input, say(control.label));
      update = () => { input.checked = Boolean(this.settings[id]); };
    }
    if (control.wide) box.classList.add("wide");
    this.fields.push(() => {
      update();
      box.hidden = control.when ? !control.when(this.settings) : false;
    });
    return box;
  }

  /** Another value of a setting, from a control or from the game's own canvas. */
  set(id: string, value: Value, live = false): void {
    this.settings[id] = value;
    if (live) {
      if (this.steps.length) {
        const last = this.steps[this.steps.length - 1];
        if (last[0] === id) last[1] = value;
        else this.steps.push([id, value]);
      } else this.begun[id] = value;
      this.game.changed?.(id);
      this.refresh();
    } else this.rewind();
  }

  rewind(): void {
    this.play(false);
    this.begun = { ...this.settings };
    this.steps = [];
    this.waiting = [];
    this.round = this.turnsOfD = 0;
    this.game.rewind?.();
    this.refresh();
  }

  private reseed(): void {
    if (this.setup.random) this.settings.seed = Number(this.settings.seed) + 1;
    else this.game.newStart?.();
    this.rewind();
  }

  private turn(turn: Turn): void {
    extend(this.steps, turn);
    if (turn === "D") {
      this.game.turnD?.();
      this.turnsOfD++;
    } else if (turn === "R" && this.game.both) {
      this.game.both();
      this.round++;
    } else {
      if (turn === "R") for (let left = (this.game.turns?.() ?? 1) - this.turnsOfD; left > 0; left--) this.game.turnD?.();
      this.game.turnG?.();
      this.turnsOfD = 0;
      this.round++;
    }
  }

  /** Whose turn it is. */
  next = (): Turn => (this.turnsOfD < (this.game.turns?.() ?? 1) ? "D" : "G");

  private single(turn: Turn): void {
    this.play(false);
    this.turn(turn);
    this.refresh();
  }

  /** Many rounds at once, with nothing drawn between them: for tests and for a state that is restored. */
  run(rounds: number): void {
    for (let i = 0; i < rounds; i++) this.turn("R");
    this.refresh();
  }

  play(on: boolean): void {
    if (on === this.playing) return;
    this.playing = on;
    const { play, status } = this.parts;
    play.textContent = say(on ? "pause" : "play");
    play.classList.toggle("playing", on);
    status.setAttribute("aria-live", on ? "off" : "polite"); // said once a pause, not once a frame
    this.last = performance.now();
    this.due = on ? 1 : 0;
    this.refresh();
  }

  private key(event: KeyboardEvent): void {
    const target = event.composedPath()[0] as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || /^(SELECT|TEXTAREA|BUTTON|A)$/.test(target.tagName)) return;
    const { transport } = this.setup;
    if (transport === "answer" && (event.key === "Enter" || (event.key === " " && target.tagName !== "INPUT"))) this.single("R");
    else if (event.key === " " && !/^INPUT$/.test(target.tagName) && (!transport || transport === "play")) this.play(!this.playing);
    else return;
    event.preventDefault();
  }

  /** Asks for the next frame; nothing runs while the widget is off screen. */
  refresh(): void {
    if (!this.asked && this.visible) this.asked = requestAnimationFrame((now) => this.tick(now));
  }

  private tick(now: number): void {
    this.asked = 0;
    if (!this.visible) return;
    const until = performance.now() + BUDGET;
    if (this.waiting.length) this.replay(until);
    else if (this.playing) this.advance(now, until);
    this.draw();
    if (this.playing || this.waiting.length) this.refresh();
  }

  private advance(now: number, until: number): void {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const speed = still ? Math.min(this.setup.speed(this.settings), 1) : this.setup.speed(this.settings);
    this.due = Math.min(this.due + (speed * Math.min(now - this.last, 1000)) / 1000, 1000);
    this.last = now;
    if (speed === Infinity) this.due = Infinity;
    while (this.due >= 1 && this.playing) {
      this.turn(this.game.slow?.() ? this.next() : "R");
      this.due--;
      if (performance.now() > until) {
        this.due = Math.min(this.due, 1);
        break;
      }
    }
  }

  private replay(until: number): void {
    while (this.waiting.length && performance.now() < until) {
      const step = this.waiting[0];
      if (isTurn(step)) {
        this.turn(step[0]);
        if (--step[1] <= 0) this.waiting.shift();
      } else {
        this.waiting.shift();
        this.set(step[0], step[1], true);
      }
    }
  }

  private draw(): void {
    this.colors = palette(this.host);
    if (this.plots.every((plot) => plot.fit(this.colors))) this.game.draw(this.plots);
    this.fields.forEach((update) => update());
    const { status, turnD, turnG, fixed, key, link } = this.parts;
    for (const button of [turnD, turnG] as HTMLButtonElement[]) button.hidden = Boolean(this.game.both);
    const texts: [HTMLElement, string][] = [
      [status, this.waiting.length ? say("replaying") : this.game.status()], [fixed, this.setup.fixed(this.settings)],
    ];
    for (const [element, text] of texts) if (element.textContent !== text) element.textContent = text;
    const items = this.setup.key(this.settings).map(([style, words]) =>
      `<span><svg aria-hidden="true" viewBox="0 0 24 10">${SWATCH[style]}</svg>${say(words)}</span>`).join("");
    if (key.dataset.shown !== items) {
      key.innerHTML = items;
      key.dataset.shown = items;
    }
    if (!this.playing) link.setAttribute("href", this.address());
    this.judge();
    this.host.setAttribute("data-round", String(this.round));
  }

  address(): string {
    if (this.setup.transport === "play") return write(this.setup.name, this.settings, this.usual, []); // a film has no past
    return write(this.setup.name, this.begun, this.usual, this.steps);
  }

  private share(event: Event): void {
    event.preventDefault();
    this.play(false);
    history.replaceState(null, "", this.address());
    navigator.clipboard?.writeText(location.href).catch(() => {});
    this.parts.status.textContent = say("linked");
  }

  private async copy(): Promise<void> {
    const code = this.game.code?.() ?? "";
    try {
      await navigator.clipboard.writeText(code);
      this.parts.status.textContent = say("copied");
    } catch {
      const area = make("textarea", { readonly: true, "aria-label": say("cannotCopy") });
      area.value = code;
      this.parts.status.replaceChildren(say("cannotCopy"), area);
      area.select();
    }
  }

  /** Takes the state that the address names, if it is one of this widget. */
  restore(): boolean {
    const found = read(location.hash, this.setup.name, this.usual);
    if (!found) return false;
    store.set(`opened:${location.hash}`, "1");
    this.tickOff();
    this.settings = found.settings;
    for (const { id, range } of this.setup.controls) {
      if (range) this.settings[id] = Math.min(Math.max(Number(found.settings[id]), range[0]), range[1]);
    }
    this.rewind();
    this.waiting = found.steps;
    this.comeIntoView();
    this.visible = true;
    this.refresh();
    return true;
  }

  /** Scrolls to the widget. What lies above is laid out as it comes near and moves the rest, so that once is not enough. */
  private comeIntoView(): void {
    let left = 25;
    const stop = () => { left = 0; };
    for (const event of ["wheel", "touchstart", "keydown", "pointerdown"]) addEventListener(event, stop, { once: true, passive: true });
    const show = () => {
      if (left-- <= 0) return;
      const { top } = this.host.getBoundingClientRect();
      if (top < -20 || top > 140) this.host.scrollIntoView({ block: "start", behavior: "instant" });
      setTimeout(show, 80);
    };
    show();
  }

  /** Links on this page that open a state here: those that were followed bear a tick; a second click opens it again. */
  private tickOff(first = false): void {
    for (const link of document.querySelectorAll<HTMLAnchorElement>(`a[href^="#w-${this.setup.name}?"]`)) {
      if (first) link.addEventListener("click", () => link.hash === location.hash && this.restore());
      if (store.get(`opened:${link.hash}`) && !link.querySelector("[role=img]")) link.append(make("span", { role: "img", "aria-label": say("opened") }, " ✓"));
    }
  }

  private watch(): void {
    this.tickOff(true);
    new IntersectionObserver((seen) => {
      this.visible = seen[seen.length - 1].isIntersecting;
      this.last = performance.now();
      if (this.visible) this.refresh();
    }).observe(this.host);
    new ResizeObserver(() => this.refresh()).observe(this.plots[0].canvas);
    const dress = () => {
      const { theme, jpThemeLight } = { ...document.documentElement.dataset, ...document.body.dataset } as DOMStringMap;
      this.host.classList.toggle("dark", theme === "dark" || jpThemeLight === "false");
      this.refresh();
    };
    const observer = new MutationObserver(dress);
    for (const element of [document.documentElement, document.body]) observer.observe(element, { attributeFilter: ["data-theme", "data-jp-theme-light"] });
    dress();
    addEventListener("hashchange", () => this.restore());
  }
}

const setups = new Map<string, Setup>();

class GanWidget extends HTMLElement {
  frame?: Frame;

  connectedCallback(): void {
    const setup = setups.get(this.getAttribute("name") ?? "");
    if (!setup || this.frame) return;
    const data = JSON.parse(this.getAttribute("data") || "{}");
    this.frame = new Frame(this, { ...setup, ...setup.adapt?.(data) }, data);
  }
}

/** Makes a widget known; elements are upgraded once all of the script has run. */
export function define(setup: Setup): void {
  if (!setups.size) queueMicrotask(() => { if (!customElements.get("gan-widget")) customElements.define("gan-widget", GanWidget); });
  setups.set(setup.name, setup);
}

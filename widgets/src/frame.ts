// The frame that every widget stands in: it counts turns, plays, draws, and keeps what was done so that a link leads back.
import type { Plot } from "./draw";
import { showKey, store } from "./elements";
import { guessing, type Guess } from "./guess";
import { layOut, partsOf, type Parts } from "./layout";
import { comeIntoView, hand, tickOff, watch } from "./links";
import type { Game, Setup } from "./setup";
import { extend, isTurn, read, write, type Settings, type Step, type Turn, type Value } from "./state";
import { say } from "./strings";
import { palette, type Palette } from "./style";

const BUDGET = 14; // ms of a frame's 24 that turns may take; the rest is for drawing

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
  readonly game: Game;
  private readonly fields: (() => void)[];
  private readonly parts: Parts;
  private readonly guess?: Guess;

  constructor(readonly host: HTMLElement, readonly setup: Setup, data: Settings) {
    this.usual = { ...setup.settings, ...data };
    this.settings = { ...this.usual };
    this.begun = { ...this.settings };
    host.setAttribute("data-lm-suppress-shortcuts", "true"); // in JupyterLab a key pressed here is no command for the cell
    this.parts = partsOf(this);
    if (setup.guess) this.guess = guessing(setup.name, setup.guess, () => this.judge());
    const root = host.attachShadow({ mode: "open" }), [elements, fields] = layOut(this, this.parts, this.guess?.row);
    this.fields = fields;
    root.append(...elements);
    // The links stand beside the caption, which a paragraph that is laid out by itself would not let in.
    for (const text of host.closest("figure")?.querySelectorAll<HTMLElement>("figcaption *") ?? []) text.style.contentVisibility = "visible";
    this.game = setup.create(this);
    if (!this.game.code) for (const part of root.querySelectorAll<HTMLElement>("[data-do=copy], .dot")) part.hidden = true;
    // A notebook's frame has no address of its own that could lead back here.
    if (top !== self) for (const part of root.querySelectorAll<HTMLElement>(".links a, .dot")) part.hidden = true;
    this.game.rewind?.();
    tickOff(setup.name, () => this.restore());
    const seen = (visible: boolean) => {
      this.visible = visible;
      this.last = performance.now();
      if (visible) this.refresh();
    };
    watch(host, this.plots[0].canvas, seen, () => this.refresh());
    addEventListener("hashchange", () => this.restore());
    if (!this.restore()) this.refresh();
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

  reseed(): void {
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

  single(turn: Turn): void {
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

  key(event: KeyboardEvent): void {
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

  private judge(): void {
    this.guess?.judge(this.playing ? -1 : this.game?.answer?.() ?? -1);
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
    showKey(key, this.setup.key(this.settings));
    if (!this.playing) link.setAttribute("href", this.address());
    this.judge();
    this.host.setAttribute("data-round", String(this.round));
  }

  address(): string {
    if (this.setup.transport === "play") return write(this.setup.name, this.settings, this.usual, []); // a film has no past
    return write(this.setup.name, this.begun, this.usual, this.steps);
  }

  share(event: Event): void {
    event.preventDefault();
    this.play(false);
    history.replaceState(null, "", this.address());
    navigator.clipboard?.writeText(location.href).catch(() => {});
    this.parts.status.textContent = say("linked");
  }

  copy(): void {
    void hand(this.game.code?.() ?? "", this.parts.status);
  }

  /** Takes the state that the address names, if it is one of this widget. */
  restore(): boolean {
    const found = read(location.hash, this.setup.name, this.usual);
    if (!found) return false;
    store.set(`opened:${location.hash}`, "1");
    tickOff(this.setup.name);
    this.settings = found.settings;
    for (const { id, range } of this.setup.controls) {
      if (range) this.settings[id] = Math.min(Math.max(Number(found.settings[id]), range[0]), range[1]);
    }
    this.rewind();
    this.waiting = found.steps;
    comeIntoView(this.host);
    this.visible = true;
    this.refresh();
    return true;
  }
}

// What a widget says of itself (Setup) and how its game is played and drawn (Game).
import type { Plot } from "./draw";
import type { Swatch } from "./elements";
import type { Frame } from "./frame";
import type { Settings } from "./state";
import type { Words } from "./strings";

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

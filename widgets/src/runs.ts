// The recorded runs of chapter 9 as they come with the page, and the scales that they are drawn on.

/** Six curves in this order: losses, D's mean answers on reals and fakes, lengths of the gradients; D's and G's each. */
export interface Recorded {
  name: string;
  curves: number[][];
  /** The lines that were changed, and what they were. */
  changes: [string, string][];
}

/** A line a curve, with the run's name and its changed lines before its six. */
export function parse(text: string): Recorded[] {
  return text.split("\n\n").map((block) => {
    const lines = block.split("\n"), curves = lines.slice(-6).map((line) => line.split(" ").map(Number));
    const changes = lines.slice(1, -6).map((line) => line.split(" -> ") as [string, string]);
    return { name: lines[0], curves, changes };
  });
}

/** A loss is drawn as it is up to four nats, and logarithmically beyond. */
const LINEAR = 4;
export const bent = (x: number) => (Math.abs(x) <= LINEAR ? x / LINEAR : Math.sign(x) * (1 + Math.log10(Math.abs(x) / LINEAR)));
export const log = (x: number) => Math.log10(Math.max(x, 1e-6));

/** The lowest and the highest of the numbers, and of what has to be seen in any case. */
export const range = (values: number[], always: [number, number]): [number, number] =>
  [Math.min(...values, always[0]), Math.max(...values, always[1])];

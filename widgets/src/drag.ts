// A point of a plot that follows the pointer and the arrow keys.
import type { Plot } from "./draw";

export interface Handle {
  /** Where it is, in the units of the plot. */
  at: () => [x: number, y: number];
  move: (x: number, y: number) => void;
  /** What one press of an arrow key moves it by. */
  step: [x: number, y: number];
}

/** The canvas has to be one that takes the focus. `pick` chooses what is dragged, from where the pointer went down. */
export function draggable(plot: Plot, handle: Handle, pick?: (x: number, y: number) => void): void {
  const { canvas } = plot;
  const place = (event: PointerEvent) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top] as const;
  };
  const drag = (event: PointerEvent) => handle.move(...plot.at(...place(event)));
  canvas.addEventListener("pointerdown", (event) => {
    const [px, py] = place(event);
    pick?.(...plot.at(px, py));
    const [x, y] = handle.at();
    if (event.pointerType === "touch" && Math.hypot(plot.x(x) - px, plot.y(y) - py) > 40) return; // a finger beside it scrolls
    canvas.setPointerCapture(event.pointerId);
    drag(event);
  });
  canvas.addEventListener("pointermove", (event) => canvas.hasPointerCapture(event.pointerId) && drag(event));
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!by) return;
    const [x, y] = handle.at(), much = event.shiftKey ? 5 : 1;
    handle.move(x + by[0] * much * handle.step[0], y + by[1] * much * handle.step[1]);
    event.preventDefault();
  });
}

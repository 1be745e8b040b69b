// The element <gan-widget>, and the widgets that it can be.
import { Frame } from "./frame";
import type { Setup } from "./setup";

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

// Elements of the page, what the browser keeps for it, and the samples of lines that a key shows.
import { say, type Words } from "./strings";

export const store = {
  get: (key: string) => { try { return localStorage.getItem(key); } catch { return null; } },
  set: (key: string, value: string) => { try { localStorage.setItem(key, value); } catch { /* it is forgotten */ } },
};


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

/** The samples of a key with their words. */
export function showKey(key: HTMLElement, samples: [style: Swatch, words: Words][]): void {
  const items = samples.map(([style, words]) => `<span><svg aria-hidden="true" viewBox="0 0 24 10">${SWATCH[style]}</svg>${say(words)}</span>`).join("");
  if (key.dataset.shown === items) return;
  key.innerHTML = items;
  key.dataset.shown = items;
}

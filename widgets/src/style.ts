// The colours are the page's variables; where there is no page, in a notebook, those of its light or dark dress.
const names = ["page", "surface", "ink", "muted", "link", "control", "rule", "real", "g", "g-text", "d", "d-text", "o", "o-text"];
const light = "#fff #f5f6f8 #1d2329 #565e68 #0b5a9c #7d858f #d8dce1 #6b737d #009e73 #00704f #0f7fc9 #0b5a9c #d55e00 #a54200".split(" ");
const dark = "#14181d #1c2127 #e2e5e9 #a7afb9 #7cbcf2 #7f8893 #323942 #98a1ab #22b98a #4fd0a6 #4aa3ea #7cbcf2 #ec7a2b #f5a066".split(" ");
const set = (values: string[]) => names.map((name, i) => `--w-${name}: var(--${name}, ${values[i]})`).join(";");

export type Color = "page" | "surface" | "ink" | "muted" | "control" | "rule" | "real" | "g" | "gText" | "d" | "dText" | "o" | "oText";
export type Palette = Record<Color, string>;

export function palette(host: Element): Palette {
  const style = getComputedStyle(host);
  const read = (name: string) => style.getPropertyValue(`--w-${name}`).trim();
  return {
    page: read("page"), surface: read("surface"), ink: read("ink"), muted: read("muted"), control: read("control"),
    rule: read("rule"), real: read("real"), g: read("g"), gText: read("g-text"), d: read("d"), dText: read("d-text"),
    o: read("o"), oText: read("o-text"),
  };
}

export const FONT = '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Noto Sans", "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans KR", sans-serif';

export const css = `
:host { display: block; max-width: 45rem; text-align: left; ${set(light)}; color: var(--w-ink); font: 400 14.5px/1.45 var(--text-font, ${FONT}) }
:host(.dark) { ${set(dark)} }
* { box-sizing: border-box }
slot { display: none }
[hidden] { display: none !important }
.frame { border: 1px solid var(--w-rule); border-radius: 8px; background: var(--w-page) }
.head, .body, .foot { padding: 16px 20px; border-bottom: 1px solid var(--w-rule) }
.row { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 8px 20px }
.row + .row { margin-top: 12px }
h3 { margin: 0; font-size: 18px; line-height: 1.3; font-weight: 700; color: var(--w-ink) }
h4 { margin: 0; font-size: 14.5px; font-weight: 700; color: var(--w-ink) }
.fixed, .key, label, legend, output { font-size: 13.5px; line-height: 1.4 }
.fixed, .key, .label { color: var(--w-muted) }
.verdict { flex-basis: 100% }
.body { display: grid; grid-template-columns: minmax(0, 1.65fr) minmax(0, 1fr); gap: 12px 26px }
.body.alone { grid-template-columns: minmax(0, 1fr) }
.side { display: grid; align-content: start; gap: 12px }
canvas { display: block; width: 100%; touch-action: manipulation }
canvas[tabindex] { touch-action: none; cursor: crosshair }
.key { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 4px 22px }
.key svg { width: 24px; height: 10px; margin-right: 8px; overflow: visible; vertical-align: baseline }
.controls { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 14px 26px }
.wide { grid-column: span 2 }
.pair { display: flex; justify-content: space-between; gap: 8px; margin-bottom: 3px }
fieldset { border: 0; margin: 0; padding: 0; min-width: 0 }
legend { padding: 0; margin-bottom: 3px }
.choice { display: flex; border: 1px solid var(--w-control); border-radius: 6px; overflow: hidden }
.choice label { flex: 1 1 auto; position: relative; padding: 4px 14px; min-height: 28px; text-align: center; cursor: pointer; font-size: 14.5px; color: var(--w-ink) }
.choice label + label { border-left: 1px solid var(--w-control) }
.choice input { position: absolute; inset: 0; opacity: 0; margin: 0; width: 100%; height: 100%; cursor: pointer }
.choice label:has(:checked) { background: var(--w-ink); color: var(--w-page) }
.choice label:has(:focus-visible) { outline: 2px solid var(--w-link); outline-offset: -3px }
.choice label:has(:checked:focus-visible) { outline-color: var(--w-page) }
select, button { font: inherit; color: var(--w-ink); background: var(--w-page); border: 1px solid var(--w-control); border-radius: 6px; min-height: 32px; padding: 3px 12px }
select { width: 100% }
button { cursor: pointer }
button:hover:not(:disabled) { border-color: var(--w-ink) }
button:disabled { color: var(--w-muted); border-color: var(--w-rule); cursor: default }
:is(button, select, input, canvas, a):focus-visible { outline: 2px solid var(--w-link); outline-offset: 2px }
input[type=range] { appearance: none; -webkit-appearance: none; display: block; width: 100%; height: 24px; margin: 0; background: none }
input[type=range]::-webkit-slider-runnable-track { height: 2px; background: var(--w-control) }
input[type=range]::-moz-range-track { height: 2px; background: var(--w-control) }
input[type=range]::-webkit-slider-thumb { -webkit-appearance: none; width: 16px; height: 16px; margin-top: -7px; border-radius: 50%; background: var(--w-ink); border: 1px solid var(--w-ink); box-shadow: inset 0 0 0 2px var(--w-page) }
input[type=range]::-moz-range-thumb { width: 14px; height: 14px; border-radius: 50%; background: var(--w-ink); border: 1px solid var(--w-ink); box-shadow: inset 0 0 0 2px var(--w-page) }
.check { display: flex; align-items: center; gap: 8px; min-height: 24px; color: var(--w-ink) }
.check input { width: 16px; height: 16px; margin: 0; accent-color: var(--w-ink) }
.foot { display: flex; flex-wrap: wrap; gap: 8px; background: var(--w-page) }
.foot .gap { flex: 1 }
.foot .controls { flex-basis: 100% }
.foot:not(.reset, .answer, .load) > button:first-child::before { content: ""; display: inline-block; margin-right: 8px; border-left: 8px solid currentColor; border-block: 5px solid transparent }
.foot button.playing:first-child::before { height: 10px; width: 8px; border: solid currentColor; border-width: 0 3px; }
:host([data-loaded]) [data-do=load] { display: none }
.controls + .foot { border-top: 0 }
.status { padding: 10px 20px; min-height: 62px; background: var(--w-surface); border-radius: 0 0 8px 8px; font-variant-numeric: tabular-nums }
.links { float: right; margin: 8px 0 0 20px; text-align: right }
.links a, .links button { display: inline-block; min-height: 24px; padding: 0; border: 0; border-radius: 2px; background: none; color: var(--w-link); text-decoration: underline; font: inherit }
textarea { width: 100%; height: 12em; font: 13px/1.5 var(--code-font, monospace); color: var(--w-ink); background: var(--w-surface); border: 1px solid var(--w-control); border-radius: 6px; padding: 8px }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
@media (max-width: 600px) {
  .head, .body, .foot { padding: 12px }
  .body, .controls { grid-template-columns: minmax(0, 1fr) }
  .wide { grid-column: auto }
  .side canvas { max-width: 290px }
  .choice label { padding: 8px 6px; min-height: 38px; font-size: 13.5px }
  .foot { position: sticky; bottom: 0; z-index: 1; border-top: 1px solid var(--w-rule) }
  .foot:is(.reset, .load) { position: static; border-top: 0 }
  .foot button { min-height: 40px; padding: 3px 10px }
  .status { padding: 10px 12px; min-height: 84px }
  .links { float: none; margin-left: 0; text-align: left }
  .links a, .links button { min-height: 32px; line-height: 32px }
}
@media print {
  slot { display: block }
  .frame, .links { display: none }
}`;

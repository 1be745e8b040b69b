// The fields by which a reader sets what a widget plays.
import { make } from "./elements";
import type { Frame } from "./frame";
import type { Control, Option } from "./setup";
import type { Value } from "./state";
import { say } from "./strings";

const words = ([, name, text]: Option) => text ?? say(name);

/** A setting as a field of the page, and what shows its present value in it. */
export function field(frame: Frame, control: Control): [box: HTMLElement, update: () => void] {
  const { id, kind } = control, name = `${frame.setup.name}-${id}`;
  const like = frame.settings[id]; // a word that is chosen may stand for a number
  const changed = (value: Value) => frame.set(id, typeof like === "number" ? Number(value) : value, control.live);
  let box: HTMLElement, update: () => void;
  if (kind === "range") {
    const [min, max, step] = control.range!;
    const output = make("output", { for: name });
    const input = make("input", { type: "range", id: name, min, max, step, input: () => changed(Number(input.value)) });
    box = make("div", {}, make("div", { class: "pair" }, make("label", { class: "label", for: name }, say(control.label)), output), input);
    update = () => {
      const value = Number(frame.settings[id]), text = (control.show ?? String)(value);
      input.value = String(value);
      if (output.textContent !== text) output.textContent = text;
      input.setAttribute("aria-valuetext", text);
    };
  } else if (kind === "select") {
    const select = make("select", { id: name, change: () => changed(select.value) },
      ...control.options!.map((option) => make("option", { value: option[0] }, words(option))));
    box = make("div", {}, make("div", { class: "pair" }, make("label", { class: "label", for: name }, say(control.label))), select);
    update = () => { select.value = String(frame.settings[id]); };
  } else if (kind === "choice") {
    const inputs = control.options!.map(([value]) => make("input", { type: "radio", name, value, change: () => changed(value) }));
    box = make("fieldset", {}, make("legend", { class: "label" }, say(control.label)),
      make("div", { class: "choice" }, ...inputs.map((input, i) => make("label", {}, input, words(control.options![i])))));
    update = () => { for (const input of inputs) input.checked = input.value === String(frame.settings[id]); };
  } else {
    const input = make("input", { type: "checkbox", id: name, change: () => changed(input.checked) });
    box = make("label", { class: "check", for: name }, input, say(control.label));
    update = () => { input.checked = Boolean(frame.settings[id]); };
  }
  if (control.wide) box.classList.add("wide");
  return [box, () => {
    update();
    box.hidden = control.when ? !control.when(frame.settings) : false;
  }];
}

// The question that is asked before the reveal; the answer is kept, and judged once the game has shown it.
import { make, store } from "./elements";
import type { Setup } from "./setup";
import { say } from "./strings";

export interface Guess {
  row: HTMLElement;
  /** Says whether the guess was right; -1 while the game has not shown it. */
  judge(right: number): void;
}

export function guessing(name: string, { question, choices }: NonNullable<Setup["guess"]>, changed: () => void): Guess {
  const key = `guess:${name}`, verdict = make("span", { class: "verdict" });
  const row = make("div", { class: "choice" });
  const inputs = choices.map((choice, i) => {
    const input = make("input", { type: "radio", name: "guess", value: i, change: () => { store.set(key, String(i)); changed(); } });
    input.checked = store.get(key) === String(i);
    row.append(make("label", {}, input, say(choice)));
    return input;
  });
  const set = make("fieldset", {}, make("legend", { class: "hidden" }, say(question)), row);
  return {
    row: make("div", { class: "row" }, make("span", { "aria-hidden": "true" }, say(question)), set, verdict),
    judge(right) {
      const chosen = inputs.findIndex((input) => input.checked);
      const words = chosen >= 0 && right >= 0
        ? `${say("you", say(choices[chosen]))} ${chosen === right ? say("right") : say("wrong", say(choices[right]))}` : "";
      if (verdict.textContent !== words) verdict.textContent = words;
      verdict.hidden = !words;
    },
  };
}

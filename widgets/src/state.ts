// A state is what was set before the first turn and what was done since: "9R" is nine rounds, "1D" a turn of D, "k~3" a
// change while the game ran. It stands in the address, so that a link opens a run at a round.
export type Value = number | string | boolean;
export type Settings = Record<string, Value>;
export type Turn = "R" | "D" | "G";
export type Step = [Turn, number] | [string, Value];

export const isTurn = (step: Step): step is [Turn, number] => step[0] === "R" || step[0] === "D" || step[0] === "G";

/** A turn more at the end of what was done. */
export function extend(steps: Step[], turn: Turn): void {
  const last = steps[steps.length - 1];
  if (last && last[0] === turn) (last[1] as number)++;
  else steps.push([turn, 1]);
}

const typed = (text: string, like: Value): Value =>
  typeof like === "number" ? Number(text) : typeof like === "boolean" ? text === "1" : text;
const written = (value: Value) => (typeof value === "boolean" ? (value ? "1" : "0") : String(value));

export function write(name: string, settings: Settings, usual: Settings, steps: Step[]): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(settings)) if (value !== usual[key]) query.set(key, written(value));
  if (steps.length) query.set("play", steps.map((s) => (isTurn(s) ? `${s[1]}${s[0]}` : `${s[0]}~${written(s[1])}`)).join("."));
  return `#w-${name}?${query}`;
}

/** What an address says about this widget; null if it is about something else. Names that are none are passed over. */
export function read(hash: string, name: string, usual: Settings): { settings: Settings; steps: Step[] } | null {
  const [where, query] = hash.split(/\?(.*)/s);
  if (where !== `#w-${name}`) return null;
  const settings = { ...usual }, steps: Step[] = [];
  const value = (key: string, text: string) => {
    const found = typed(text, usual[key]);
    return typeof found === "number" && !Number.isFinite(found) ? usual[key] : found;
  };
  for (const [key, text] of new URLSearchParams(query ?? "")) {
    if (key === "play") {
      for (const part of text.split(/\.(?=\d+[RDG]|\w+~)/)) {
        const turns = /^(\d+)([RDG])$/.exec(part), [id, rest] = part.split(/~(.*)/s);
        if (turns) steps.push([turns[2] as Turn, Math.min(Number(turns[1]), 100000)]);
        else if (id in usual && rest !== undefined) steps.push([id, value(id, rest)]);
      }
    } else if (key in usual) settings[key] = value(key, text);
  }
  return { settings, steps };
}

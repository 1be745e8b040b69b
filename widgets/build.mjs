// One classic script, ganlib/widgets.js: it must run from a folder, where a browser loads no modules.
import { readdirSync, readFileSync } from "node:fs";
import { build } from "esbuild";

const names = readdirSync(new URL("src/widgets", import.meta.url)).map((file) => file.replace(/\.ts$/, "")).sort();
// A style sheet is a text of the program; esbuild makes names short, and leaves texts as they are.
const style = {
  name: "style",
  setup: (build) => build.onLoad({ filter: /src[\\/]style\.ts$/ }, ({ path }) => {
    const [code, sheet] = readFileSync(path, "utf8").split(/(?<=const css = `)/);
    return { contents: code + sheet.replace(/\s*([{};,])\s*/g, "$1").replace(/([a-z-]): /g, "$1:"), loader: "ts" };
  }),
};
// The names of words, "circleOutside", become short, too; not those that are seen in the page, a button's data-do.
const seen = ["answerIt", "newStart", "turnD", "turnG"];
const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const words = [...read("src/strings.ts").matchAll(/^  ([a-z]+[A-Z]\w*):/gm)].map(([, word]) => word).filter((word) => !seen.includes(word));
const short = new Map(words.map((word, i) => [word, `_${i.toString(36)}`]));
const table = {
  name: "table",
  setup: (build) => build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
    if (/style\.ts$/.test(path)) return null;
    const code = readFileSync(path, "utf8").replace(/"(\w+)"/g, (text, word) => (short.has(word) ? `"${short.get(word)}"` : text));
    return { contents: code.replace(/^  (\w+):/gm, (text, word) => (/strings\.ts$/.test(path) && short.has(word) ? `  ${short.get(word)}:` : text)), loader: "ts" };
  }),
};
const outfile = process.argv[2] ?? "../ganlib/widgets.js";
await build({
  stdin: { contents: names.map((name) => `import "./widgets/${name}";`).join("\n"), resolveDir: "src", loader: "ts" },
  absWorkingDir: new URL(".", import.meta.url).pathname,
  bundle: true,
  format: "iife",
  target: "es2021",
  minify: true,
  charset: "utf8",
  plugins: [style, table],
  legalComments: "none",
  banner: { js: `/* widgets: ${names.join(" ")} */` }, // ganlib/widgets.py reads the names here
  outfile,
});

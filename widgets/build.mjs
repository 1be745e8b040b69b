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
const outfile = process.argv[2] ?? "../ganlib/widgets.js";
await build({
  stdin: { contents: names.map((name) => `import "./widgets/${name}";`).join("\n"), resolveDir: "src", loader: "ts" },
  absWorkingDir: new URL(".", import.meta.url).pathname,
  bundle: true,
  format: "iife",
  target: "es2021",
  minify: true,
  charset: "utf8",
  plugins: [style],
  legalComments: "none",
  banner: { js: `/* widgets: ${names.join(" ")} */` }, // ganlib/widgets.py reads the names here
  outfile,
});

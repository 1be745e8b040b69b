// One classic script, ganlib/widgets.js: it must run from a folder, where a browser loads no modules.
import { readdirSync } from "node:fs";
import { build } from "esbuild";

const names = readdirSync(new URL("src/widgets", import.meta.url)).map((file) => file.replace(/\.ts$/, "")).sort();
const outfile = process.argv[2] ?? "../ganlib/widgets.js";
await build({
  stdin: { contents: names.map((name) => `import "./widgets/${name}";`).join("\n"), resolveDir: "src", loader: "ts" },
  absWorkingDir: new URL(".", import.meta.url).pathname,
  bundle: true,
  format: "iife",
  target: "es2021",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  banner: { js: `/* widgets: ${names.join(" ")} */` }, // ganlib/widgets.py reads the names here
  outfile,
});

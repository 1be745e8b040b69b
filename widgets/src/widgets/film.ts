// The animations of chapters 1, 2, 3 and 8: their frames, one picture of tiles, are fetched when the reader asks for the first.
import { define } from "../define";
import type { Frame } from "../frame";
import type { Game, Option } from "../setup";
import { say } from "../strings";
import { stops, unreel, type Reel } from "../tiles";
import type { Settings } from "../state";

const labelsOf = (data: Settings) => String(data.labels).split("\n");

function create(frame: Frame): Game {
  const { settings } = frame, labels = labelsOf(settings), last = labels.length - 1;
  const { width, height, tile } = settings as { width: number; height: number; tile: number };
  const still = frame.host.querySelector("img"), atlas = new Image(), sheet = document.createElement("canvas");
  const pen = sheet.getContext("2d")!;
  Object.assign(sheet, { width, height });
  let reel: Reel | null = null, drawn = -1, asked = false, failed = false;
  frame.plots[0].canvas.setAttribute("aria-label", (still?.alt ?? "").replace(/^Animation\. /, ""));
  if (still) still.addEventListener("load", () => frame.refresh());
  const now = () => Math.min(Math.max(Math.round(Number(frame.settings.at)), 0), last);

  function load(): void {
    if (asked) return;
    asked = true;
    atlas.addEventListener("load", () => {
      reel = unreel(String(settings.map), Math.ceil(width / tile), Math.ceil(height / tile));
      frame.refresh();
    });
    atlas.addEventListener("error", () => {
      failed = true;
      frame.play(false);
      frame.refresh();
    });
    atlas.src = String(settings.atlas);
  }

  function compose(at: number): void {
    if (!reel || drawn === at) return;
    const columns = Math.floor(atlas.naturalWidth / tile);
    pen.clearRect(0, 0, width, height);
    reel.frames[at].forEach((n, i) => pen.drawImage(atlas, (n % columns) * tile, Math.floor(n / columns) * tile, tile, tile,
      (i % reel!.across) * tile, Math.floor(i / reel!.across) * tile, tile, tile));
    drawn = at;
  }

  return {
    rewind() { if (now() !== last) load(); },
    both() {
      load();
      if (asked && !reel) return; // the first frame waits until it is there
      frame.settings.at = now() === last ? 0 : now() + 1;
      if (now() === last) frame.play(false);
    },
    draw([plot]) {
      if (still && !still.complete) still.loading = "eager";
      compose(now());
      const source = reel ? sheet : still;
      if (source && (reel || still?.naturalWidth)) plot.pen.drawImage(source, 0, 0, plot.width, (plot.width * height) / width);
    },
    status: () => say(failed ? "loadFailed" : asked && !reel ? "loading" : "filmStatus", labels[now()], now() + 1, labels.length),
  };
}

define({
  name: "film",
  title: "film",
  fixed: (s) => say("filmFixed", labelsOf(s).length),
  settings: { labels: "", map: "", atlas: "", tile: 20, width: 640, height: 400, seconds: 4, at: 0 },
  controls: [],
  plots: [{ ratio: 1, label: "film" }],
  key: () => [],
  speed: (s) => labelsOf(s).length / Number(s.seconds),
  transport: "play",
  adapt(data) {
    const labels = labelsOf(data), short = (text: string) => text.replace(/:.*/, "");
    return {
      plots: [{ ratio: Number(data.height) / Number(data.width), label: "film" }],
      controls: [
        { id: "at", label: "filmFrame", kind: "range", wide: true, range: [0, labels.length - 1, 1], show: (i) => labels[i] },
        { id: "at", label: "filmStops", kind: "choice", wide: true, options: stops(labels.length).map((i) => [String(i), "film", short(labels[i])] as Option) },
      ],
    };
  },
  create,
});

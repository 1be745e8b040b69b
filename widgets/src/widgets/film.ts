// The animations of chapters 1, 2, 3 and 8, drawn frame by frame; where that cannot be, the still picture stays.
import { define } from "../define";
import type { Frame } from "../frame";
import type { Game, Option } from "../setup";
import type { Settings } from "../state";
import { say } from "../strings";
import { expose, stops, unpack, type Strip } from "../strip";

const labelsOf = (data: Settings) => String(data.labels).split("\n");

function create(frame: Frame): Game {
  const { settings, host } = frame, labels = labelsOf(settings), last = labels.length - 1;
  const still = host.querySelector("img"), sheet = new Image();
  let strip: Strip | undefined, failed = false;
  const refresh = () => frame.refresh(), fail = () => {
    failed = true;
    refresh();
  };
  frame.plots[0].canvas.setAttribute("aria-label", (still?.alt ?? "").replace(/^Animation\. /, ""));
  still?.addEventListener("load", refresh);
  sheet.onload = refresh;
  unpack(String(settings.drawn)).then((found) => {
    strip = found;
    if (found.sheet) sheet.src = `data:image/webp;base64,${found.sheet}`;
    refresh();
  }).catch(fail);
  const now = () => Math.min(Math.max(Math.round(Number(frame.settings.at)), 0), last);

  return {
    rewind() {},
    both() {
      frame.settings.at = now() === last ? 0 : now() + 1;
      if (now() === last) frame.play(false);
    },
    draw([plot]) {
      if (strip) expose(plot.pen, strip, now(), plot.width, plot.colors, sheet);
      else if (failed && still) {
        still.loading = "eager";
        if (still.naturalWidth) plot.pen.drawImage(still, 0, 0, plot.width, plot.height);
      }
    },
    status: () => say(failed ? "loadFailed" : "filmStatus", labels[now()], now() + 1, labels.length),
  };
}

define({
  name: "film",
  title: "film",
  fixed: (s) => say("filmFixed", labelsOf(s).length),
  settings: { labels: "", drawn: "", ratio: 1, seconds: 4, at: 0 },
  controls: [],
  plots: [],
  key: () => [],
  speed: (s) => labelsOf(s).length / Number(s.seconds),
  transport: "play",
  adapt(data) {
    const labels = labelsOf(data), short = (text: string) => text.replace(/:.*/, "");
    return {
      plots: [{ ratio: Number(data.ratio), label: "film" }],
      controls: [
        { id: "at", label: "filmFrame", kind: "range", wide: true, range: [0, labels.length - 1, 1], show: (i) => labels[i] },
        { id: "at", label: "filmStops", kind: "choice", wide: true, options: stops(labels.length).map((i) => [String(i), "film", short(labels[i])] as Option) },
      ],
    };
  },
  create,
});

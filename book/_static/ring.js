// The living picture of the first page: frames of ring_data.js, moved by a button, a slider and the stops.
(() => {
  const film = window.ringFilm, root = document.querySelector(".ring");
  if (!film || !root) return;
  const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const points = bytes(film.points), logits = bytes(film.logits), size = film.size, last = film.rounds.length - 1;
  const count = points.length / (last + 1), cells = size * size;
  const path = (name) => root.querySelector(`.picture .${name}`);
  const tenth = (number) => Math.round(10 * number) / 10;
  const stops = [...root.querySelectorAll(".stops button")], said = root.querySelector("output");
  const play = root.querySelector(".controls button"), slider = root.querySelector(".controls input");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const levels = [[".l3", 0.3], [".l4", 0.4], [".l5", 0.5]].map(([name, p]) =>
    [path(name.slice(1)), Math.log(p / (1 - p)) / film.logit * 127.5 + 127.5]);

  // Between two frames everything is in between.
  function at(place, values, length) {
    const frame = Math.min(Math.floor(place), last), part = place - frame, next = Math.min(frame + 1, last);
    return Float32Array.from({ length }, (_, i) =>
      values[frame * length + i] * (1 - part) + values[next * length + i] * part);
  }

  // Every edge of the grid that a level crosses is a knot; each cell ties two of its knots, and the ties are walked.
  function contour(grid, level) {
    const knots = new Map(), scale = 255 / (size - 1);
    const knot = (x, y, down) => {
      const a = grid[y * size + x], b = down ? grid[(y + 1) * size + x] : grid[y * size + x + 1];
      if ((a < level) === (b < level)) return null;
      const key = 2 * (y * size + x) + down;
      if (!knots.has(key)) {
        const t = (level - a) / (b - a);
        knots.set(key, { at: `${((x + (down ? 0 : t)) * scale).toFixed(1)} ${((y + (down ? t : 0)) * scale).toFixed(1)}`, ties: [] });
      }
      return knots.get(key);
    };
    for (let y = 0; y < size - 1; y++) for (let x = 0; x < size - 1; x++) {
      const crossed = [knot(x, y, 0), knot(x + 1, y, 1), knot(x, y + 1, 0), knot(x, y, 1)].filter(Boolean);
      for (let i = 0; i < crossed.length; i += 2) {
        crossed[i].ties.push(crossed[i + 1]);
        crossed[i + 1].ties.push(crossed[i]);
      }
    }
    let d = "";
    const all = [...knots.values()];
    for (const start of [...all.filter((one) => one.ties.length === 1), ...all]) {
      if (start.seen) continue;
      let from = start, end = null;
      d += `M${start.at}`;
      start.seen = true;
      while ((end = from.ties.find((one) => !one.seen))) {
        end.seen = true;
        d += `L${end.at}`;
        from = end;
      }
      if (from !== start && from.ties.includes(start) && start.ties.length === 2) d += "z";
    }
    return d;
  }

  function draw(place) {
    const shown = at(place, points, count), grid = at(place, logits, cells);
    let d = "";
    for (let i = 0; i < count; i += 2) d += `M${tenth(shown[i])} ${tenth(shown[i + 1])}h0`;
    path("fake").setAttribute("d", d);
    for (const [line, level] of levels) line.setAttribute("d", contour(grid, level));
    const frame = Math.min(Math.floor(place), last), next = Math.min(frame + 1, last);
    const round = Math.round(film.rounds[frame] + (place - frame) * (film.rounds[next] - film.rounds[frame]));
    said.textContent = `round ${round.toLocaleString("en")} of ${film.rounds[last].toLocaleString("en")}`;
    slider.value = place;
    slider.setAttribute("aria-valuetext", said.textContent);
    for (const stop of stops) {
      if (Number(stop.dataset.frame) === place) stop.setAttribute("aria-current", "true");
      else stop.removeAttribute("aria-current");
    }
  }

  let running = 0, before = 0, place = Number(slider.value);
  function pause() {
    cancelAnimationFrame(running);
    running = 0;
    play.textContent = "Play";
  }
  function show(to) {
    pause();
    draw(place = to);
  }
  function turn(now) { // six frames a second; with less motion from stop to stop, two seconds each
    const seconds = (now - before) / 1000;
    if (still.matches) {
      if (seconds >= 2) {
        before = now;
        place = Math.min(last, ...stops.map((stop) => Number(stop.dataset.frame)).filter((frame) => frame > place));
        draw(place);
      }
    } else {
      before = now;
      draw(place = Math.min(last, place + 6 * seconds));
    }
    if (place < last) running = requestAnimationFrame(turn);
    else pause();
  }
  play.addEventListener("click", () => {
    if (running) return pause();
    if (place >= last) draw(place = 0);
    play.textContent = "Pause";
    before = performance.now();
    running = requestAnimationFrame(turn);
  });
  slider.addEventListener("input", () => show(Number(slider.value)));
  slider.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(Math.max(0, Math.min(last, Math.round(place) + step)));
  });
  for (const stop of stops) {
    stop.disabled = false;
    stop.addEventListener("click", () => show(Number(stop.dataset.frame)));
  }
  root.querySelector(".controls").style.visibility = "";
})();

// Folds that a link opens, guesses that are remembered, previews of what a link leads to. Without it every page still reads.
(() => {
  const guesses = () => [...document.querySelectorAll("details.prediction")];
  const store = { // a page from a folder may be refused its storage
    get: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
    set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* it is forgotten */ } },
  };
  const place = location.pathname.split("/").slice(-2).join("/");

  function openTarget() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let box = target && target.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    if (target) hold(target);
  }

  // What lies above a target is laid out late and would push it away; it is held in place until the reader moves.
  function hold(target) {
    const until = Date.now() + 2000, moves = ["wheel", "touchstart", "pointerdown", "keydown"];
    const timer = setInterval(() => (Date.now() > until ? leave() : target.scrollIntoView()), 100);
    const leave = () => {
      clearInterval(timer);
      for (const move of moves) removeEventListener(move, leave);
    };
    for (const move of moves) addEventListener(move, leave, { passive: true });
    target.scrollIntoView();
  }

  function rememberGuesses() {
    const all = guesses();
    for (const box of all) {
      const key = `shown:${place}#${box.id}`;
      if (store.get(key) === "1") box.open = true;
      box.addEventListener("toggle", () => store.set(key, box.open ? "1" : "0"));
    }
    if (!all.length) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "show-all";
    const say = () => { button.textContent = all.every((box) => box.open) ? "hide all on this page" : "show all on this page"; };
    button.addEventListener("click", () => {
      const open = !all.every((box) => box.open);
      for (const box of all) box.open = open;
      say();
    });
    for (const box of all) box.addEventListener("toggle", say);
    say();
    all[0].after(button);
  }

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("article details:not([open])")].filter((box) => !box.matches(".setup, .draws, .tests"));
    for (const box of opened) box.open = true;
    for (const picture of document.querySelectorAll("img[loading=lazy]")) picture.loading = "eager";
  });
  addEventListener("afterprint", () => { for (const box of opened) box.open = false; });

  // A copied formula is its TeX.
  addEventListener("copy", (event) => {
    const selection = getSelection();
    if (!selection.rangeCount || selection.isCollapsed) return;
    const part = selection.getRangeAt(0).cloneContents();
    const formulas = part.querySelectorAll("math[alttext]");
    if (!formulas.length) return;
    for (const formula of formulas) {
      const sign = formula.getAttribute("display") === "block" ? "$$" : "$";
      formula.replaceWith(`${sign}${formula.getAttribute("alttext")}${sign}`);
    }
    const holder = document.createElement("div");
    holder.append(part);
    event.clipboardData.setData("text/plain", holder.innerText);
    event.preventDefault();
  });

  // A listing that scrolls sideways can be reached from the keyboard; it is measured when it comes into view.
  const measured = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      if (target.scrollWidth > target.clientWidth + 1) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  }, { rootMargin: "200px" });
  for (const listing of document.querySelectorAll("article pre")) measured.observe(listing);

  // docutils calls the references a list, and its entries something else than items of one.
  for (const list of document.querySelectorAll('.citation-list[role="list"]')) list.removeAttribute("role");

  // A box with what a link leads to: on hover after a moment, or on focus; Escape closes it.
  const site = new URL(document.documentElement.dataset.content_root, location.href).href;
  let box = null, timer = 0, shownFor = null;

  function close() {
    clearTimeout(timer);
    if (shownFor) shownFor.removeAttribute("aria-describedby");
    if (box) box.remove();
    box = shownFor = null;
  }

  function here(id) {
    const target = document.getElementById(id);
    const part = target && target.closest(".statement, div.math, figure, dt, .citation");
    if (!part || (part.id !== id && !part.contains(target))) return "";
    const shown = part.matches("figure") ? part.querySelector("figcaption") : part;
    const definition = part.matches("dt") ? part.nextElementSibling : null;
    return shown ? shown.innerHTML + (definition ? definition.innerHTML : "") : "";
  }

  function load(page) {
    return new Promise((done) => {
      if (window.previews && window.previews[page]) return done(window.previews[page]);
      const script = document.createElement("script");
      script.src = `${site}_static/previews/${page}.js`;
      script.onload = () => done(window.previews[page]);
      script.onerror = () => done({});
      document.head.append(script);
    });
  }

  async function preview(link) {
    const url = new URL(link.href), id = decodeURIComponent(url.hash.slice(1));
    if (!url.href.startsWith(site) || !id || link.matches(".headerlink")) return;
    const page = url.pathname.slice(new URL(site).pathname.length).replace(/\.html$/, "");
    const same = url.pathname === location.pathname;
    const html = same ? here(id) : (await load(page))[id];
    if (!html || (shownFor && shownFor !== link)) return;
    box = document.createElement("div");
    box.className = "preview";
    box.id = "preview";
    box.role = "tooltip";
    box.innerHTML = html;
    for (const inner of box.querySelectorAll("[id]")) inner.removeAttribute("id");
    const where = document.createElement("p");
    where.className = "where";
    where.textContent = same ? "On this page" : `In ${page.split("/").pop().replace(/_/g, " ")}`;
    box.append(where);
    document.body.append(box);
    const place = link.getClientRects()[0], below = place.bottom + box.offsetHeight + 12 < innerHeight;
    box.style.left = `${Math.max(12, Math.min(place.left, innerWidth - box.offsetWidth - 12)) + scrollX}px`;
    box.style.top = `${(below ? place.bottom + 6 : place.top - box.offsetHeight - 6) + scrollY}px`;
    link.setAttribute("aria-describedby", "preview");
    shownFor = link;
  }

  function offer(link, wait) {
    if (link === shownFor) return clearTimeout(timer);
    close();
    timer = setTimeout(() => preview(link), wait);
  }

  const linkOf = (event) => event.target.closest && event.target.closest('article a[href*="#"]');
  if (matchMedia("(hover: hover)").matches) {
    document.addEventListener("mouseover", (event) => {
      const link = linkOf(event);
      if (link) offer(link, 250);
      else if (event.target.closest(".preview")) clearTimeout(timer);
      else if (box || timer) { clearTimeout(timer); timer = setTimeout(close, 200); }
    });
    document.addEventListener("focusin", (event) => { const link = linkOf(event); if (link && link.matches(":focus-visible")) offer(link, 0); });
    document.addEventListener("focusout", close);
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });

  openTarget();
  rememberGuesses();
  addEventListener("hashchange", openTarget);
})();

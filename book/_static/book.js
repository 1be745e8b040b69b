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
    if (target && target.closest("details")) target.scrollIntoView();
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
      if (isIntersecting && target.scrollWidth > target.clientWidth + 1) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  }, { rootMargin: "200px" });
  for (const listing of document.querySelectorAll("article pre")) measured.observe(listing);

  // docutils calls the references a list, and its entries something else than items of one.
  for (const list of document.querySelectorAll('.citation-list[role="list"]')) list.removeAttribute("role");

  openTarget();
  rememberGuesses();
  addEventListener("hashchange", openTarget);
})();

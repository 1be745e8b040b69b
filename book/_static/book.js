// A region that scrolls sideways must be reachable from the keyboard: it gets a tab stop as long as it overflows.
function addTabStops() {
  const regions = ".bd-article div.math, .bd-article .pst-scrollable-table-container, .bd-article pre, .bd-article .output";
  for (const region of document.querySelectorAll(regions)) {
    if (region.scrollWidth > region.clientWidth + 1) {
      region.tabIndex = 0;
    } else {
      region.removeAttribute("tabindex");
    }
  }
}
// docutils calls the references a list, and its entries something else than items of one.
function mendCitationLists() {
  for (const list of document.querySelectorAll('.citation-list[role="list"]')) {
    list.removeAttribute("role");
  }
}

window.addEventListener("load", () => {
  addTabStops();
  mendCitationLists();
  if (window.MathJax && window.MathJax.startup && window.MathJax.startup.promise) {
    window.MathJax.startup.promise.then(addTabStops);
  }
});
window.addEventListener("resize", addTabStops);
document.addEventListener("click", () => window.setTimeout(addTabStops)); // what a click unfolds may scroll too

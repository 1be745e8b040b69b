"""The built pages in a real browser, as a reader meets them: from a server and from a folder, wide and on a phone, light
and dark. Where no Chromium is installed the tests are skipped with the remedy; in CI that is a failure."""

import functools
import gzip
import http.server
import os
import shutil
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from test_book import html_pages, soup

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MISSING = "no Chromium was found, so the pages were not tested in a browser: apt-get install chromium"
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
UNFOLD = """() => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  document.querySelectorAll("img[loading=lazy]").forEach((image) => { image.loading = "eager"; });
  return Promise.all([...document.querySelectorAll("article img")].map((image) => image.decode().catch(() => {})));
}"""
BARE_MATH = """() => {
  const style = document.createElement("style");  // also what is far away is read, and code may hold TeX
  style.textContent = "* { content-visibility: visible !important; } pre { display: none !important; }";
  document.head.append(style);
  const bare = document.querySelector("article").innerText.match(/\\\\(?:[(\\[]|begin|frac|log|mathbb)/g) ?? [];
  style.remove();
  return [...document.querySelectorAll(".math")].filter((m) => !m.querySelector("math")).map((m) => m.textContent).concat(bare);
}"""
BAD_MATH = "() => [...document.querySelectorAll('merror, .temml-error')].map((m) => m.textContent)"
# What is far away is not laid out, and what it would clip is not seen: for the measurement everything is shown.
TOO_WIDE = """() => {
  const shown = document.createElement("style");
  shown.textContent = "* { content-visibility: visible !important; }";
  document.head.append(shown);
  const column = document.querySelector("article").getBoundingClientRect().right + 1;
  const found = [...document.querySelectorAll("article *")].filter((e) => e.getClientRects().length &&
    e.getBoundingClientRect().right > column && !e.closest("pre, aside.margin, math, .visually-hidden, thead"));
  const sums = [...document.querySelectorAll("article math")].filter((m) => m.getBoundingClientRect().right > column &&
    !m.closest("aside.margin"));
  const page = document.documentElement.scrollWidth > window.innerWidth ? ["page " + document.documentElement.scrollWidth] : [];
  return page.concat([...found, ...sums].slice(0, 8).map((e) => e.getAttribute("alttext") ?? e.outerHTML.slice(0, 120)));
}"""
CLIPPED = """() => [...document.querySelectorAll("article pre")]
  .filter((pre) => pre.scrollWidth > pre.clientWidth + 1).map((pre) => pre.textContent.slice(0, 120))"""
BAD_IMAGES = """() => [...document.querySelectorAll("article img")]
  .filter((i) => !(i.complete && i.naturalWidth > 0 && i.alt.trim())).map((i) => i.outerHTML.slice(0, 160))"""


def test_chromium_is_there():
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip(MISSING)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def server(site):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def strangers(urls, host):
    """The requests that left the book: another host, or any host at all for a page from a folder."""
    return [
        url for url in urls if urlsplit(url).scheme not in ("data", "blob", "about", "file") and urlsplit(url).netloc != host
    ]


def complaints(messages, failures):
    """Console errors; "Failed to load resource" says nothing of which, so failed requests stand for it."""
    texts = [text for kind, text in messages if kind == "error" and not text.startswith("Failed to load resource")]
    return texts + failures


def visit(browser, url, width, scheme, look):
    """Opens a page, unfolds what is folded; returns what is wrong, and what `look` finds."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    urls, messages, failures = [], [], []
    page.on("request", lambda request: urls.append(request.url))
    page.on("console", lambda message: messages.append((message.type, message.text)))
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("requestfailed", lambda request: failures.append(f"{request.url}: {request.failure}"))
    page.on("response", lambda reply: failures.append(f"{reply.url}: {reply.status}") if reply.status >= 400 else None)
    page.goto(url, timeout=120_000)
    page.evaluate(UNFOLD)
    page.wait_for_timeout(50)
    faults = {
        "another host": strangers(urls, urlsplit(url).netloc),
        "console": complaints(messages, failures),
        "bare TeX": page.evaluate(BARE_MATH),
        "TeX error": page.evaluate(BAD_MATH),
        "wider than the column": page.evaluate(TOO_WIDE),
        "clipped": page.evaluate(CLIPPED),
        "images": page.evaluate(BAD_IMAGES),
        **look(page),
    }
    context.close()
    return {name: found for name, found in faults.items() if found}


def still(element):
    """Brings an element to the middle of the window; its box once thirty frames left it where it is."""
    element.evaluate("""async (element) => {
        element.scrollIntoView({ block: "center", behavior: "instant" });
        const frame = () => new Promise((done) => requestAnimationFrame(done));
        const where = () => { const box = element.getBoundingClientRect(); return `${box.x} ${box.y} ${box.width}`; };
        for (let same = 0, last = where(); same < 30; last = where()) {
            await frame();
            same = where() === last ? same + 1 : 0;
        }
    }""")
    return element.bounding_box()


SEVERE = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}  # as Lighthouse asks, 24 px


def accessibility(page):
    """What axe finds that is serious or critical, and headings out of order, in the page's light and dark dress."""
    from axe_playwright_python.sync_playwright import Axe

    found = []
    for theme in ("light", "dark"):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        page.wait_for_timeout(300)  # colours move over in a transition
        for violation in Axe().run(page, options=SEVERE).response["violations"]:
            if violation["impact"] in ("serious", "critical") or violation["id"] == "heading-order":
                found.append((theme, violation["id"], [node["html"][:120] for node in violation["nodes"][:3]]))
    return {"accessibility": found}


def nothing(page):
    return {}


def test_pages_from_a_server(browser, site, server):
    """Wide, over http, with axe in light and dark."""
    faults = {p.stem: visit(browser, f"{server}/{p.relative_to(site)}", 1280, "light", accessibility) for p in html_pages(site)}
    assert {name: found for name, found in faults.items() if found} == {}


def test_pages_from_a_folder_on_a_phone(browser, site):
    """390 pixels wide and dark, over file://."""
    faults = {p.stem: visit(browser, p.as_uri(), 390, "dark", nothing) for p in html_pages(site)}
    assert {name: found for name, found in faults.items() if found} == {}


# --- what a page costs, and what it does

FIRST, WHOLE, REQUESTS, SHIFT = 300_000, 1_000_000, 8, 0.05  # bytes before scrolling and after, compressed; requests; layout


@pytest.fixture(scope="module")
def compressed(site):
    """A server as the public ones are: text travels compressed."""

    class Compressing(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            path = Path(self.translate_path(self.path))
            if not path.is_file():
                return self.send_error(404)
            data, text = path.read_bytes(), path.suffix in (".html", ".css", ".js", ".svg")
            data = gzip.compress(data, 6) if text else data
            self.send_response(200)
            self.send_header("Content-Type", self.guess_type(path))
            self.send_header("Content-Length", str(len(data)))
            if text:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(data)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Compressing, directory=str(site))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def cost(browser, url):
    """Bytes and requests of a page before and after scrolling to its end, and how much of it moved, on a phone."""
    page = browser.new_page(viewport={"width": 412, "height": 823})
    sizes = {}
    page.on("response", lambda reply: sizes.setdefault(reply.url, int(reply.headers.get("content-length", 0))))
    page.add_init_script("""window.moved = 0; new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.moved += entry.value;
    }).observe({ type: "layout-shift", buffered: true });""")
    page.goto(url)  # loaded whole: idle it may be before that
    page.wait_for_load_state("networkidle")
    first = dict(sizes)
    page.evaluate("""async () => {
      for (const picture of document.querySelectorAll("img[loading=lazy]")) picture.loading = "eager";
      await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
    }""")
    page.wait_for_load_state("networkidle")
    found = {
        "first": sum(first.values()),
        "requests": len(first),
        "whole": sum(sizes.values()),
        "moved": page.evaluate("moved"),
    }
    page.close()
    return found


def test_pages_cost_little(browser, site, compressed):
    over = {}
    for path in html_pages(site):
        found = cost(browser, f"{compressed}/{path.relative_to(site)}")
        limits = {"first": FIRST, "requests": REQUESTS, "whole": WHOLE, "moved": SHIFT}
        over[path.stem] = {name: found[name] for name, limit in limits.items() if found[name] > limit}
    assert {name: found for name, found in over.items() if found} == {}


def test_a_page_that_costs_much_is_found(browser, tmp_path):
    move = "document.body.style.paddingTop = '300px'; document.title = 'moved'"
    jump = f"<script>onload = () => requestAnimationFrame(() => setTimeout(() => {{ {move} }}, 200))</script>"
    (tmp_path / "a.html").write_text(f'<div style="height: 700px; background: #888">a</div>{jump}')
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        found = cost(browser, f"http://127.0.0.1:{running.server_port}/a.html")
        running.shutdown()
    assert found["first"] == (tmp_path / "a.html").stat().st_size and found["requests"] >= 1 and found["moved"] > SHIFT


@pytest.fixture
def chapter(browser, site):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((site / "notebooks" / "02_minimax_game.html").as_uri())
    yield page
    page.close()


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
def test_formulas_are_read_and_are_no_stops(site, browser):
    """With a screen reader every formula is in the tree that it reads, with its signs; none takes the focus."""
    reader = "--force-renderer-accessibility"  # what Chromium does by itself when one is running
    with_reader = browser.browser_type.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, reader])
    chapter = with_reader.new_page()
    chapter.goto((site / "notebooks" / "02_minimax_game.html").as_uri())
    check_formulas(chapter)
    with_reader.close()


def check_formulas(chapter):
    stops = chapter.evaluate("() => document.querySelectorAll('math[tabindex], math [tabindex], math a').length")
    session = chapter.context.new_cdp_session(chapter)
    session.send("Accessibility.enable")
    chapter.evaluate("() => document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    chapter.wait_for_timeout(1000)
    tree = {node["nodeId"]: node for node in session.send("Accessibility.getFullAXTree")["nodes"]}

    def text(node):
        own = node.get("name", {}).get("value", "") if node["role"]["value"] == "StaticText" else ""
        return own + "".join(text(tree[child]) for child in node.get("childIds", []) if child in tree)

    read = [text(node) for node in tree.values() if node.get("role", {}).get("value") == "MathMLMath"]
    assert stops == 0 and len(read) == chapter.locator("article math").count() > 300 and all(read)


def test_answers_wait_and_are_remembered(chapter):
    box = chapter.locator("details.prediction").first
    answer = box.locator(".cell_output").first
    assert not answer.is_visible()
    box.locator("summary").click()
    assert answer.is_visible() and "Hide" in box.locator("summary").inner_text()
    chapter.reload()
    assert chapter.locator("details.prediction").first.locator(".cell_output").first.is_visible()
    chapter.locator(".show-all").click()
    assert chapter.locator("details.prediction:not([open])").count() == 0


def test_a_caption_on_a_phone_is_as_wide_as_its_table(browser, site):
    """There the rows of a table stand below each other, and its caption above them."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((site / "notebooks" / "17_scaling.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    wide = """() => [...document.querySelectorAll("table:has(td[data-h]) > caption")].map((caption) =>
      caption.getBoundingClientRect().width / caption.parentElement.getBoundingClientRect().width)"""
    shares = page.evaluate(wide)
    assert shares and min(shares) > 0.95, shares
    page.close()


HANGING = """() => [...document.querySelectorAll("pre .l")].map((line) => {
  const range = document.createRange(), walk = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
  while (walk.nextNode() && !walk.currentNode.data.trim());
  range.setStart(walk.currentNode, walk.currentNode.data.search(/\\S/));
  range.setEndAfter(line);
  const boxes = [...range.getClientRects()].filter((box) => box.width > 1);
  const later = boxes.filter((box) => box.top > boxes[0].top + 8).map((box) => box.left - boxes[0].left);
  return later.length ? [line.textContent, Math.min(...later)] : null;
}).filter((found) => found)"""


def test_a_line_of_code_that_wraps_hangs_below_where_it_begins(browser, site):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((site / "notebooks" / "03_algorithm_by_hand.html").as_uri())
    page.add_style_tag(content="* { content-visibility: visible !important; }")
    page.evaluate(UNFOLD)
    wrapped = page.evaluate(HANGING)
    page.close()
    flush = [line for line, right in wrapped if right < 8]  # a name longer than its line has nowhere to wrap
    assert len(wrapped) > 100 and len(flush) <= len(wrapped) / 100, flush


def test_print_shows_every_answer(chapter):
    chapter.emulate_media(media="print")
    heights = chapter.evaluate("""() => [...document.querySelectorAll("details:is(.prediction, .solution)")].map((box) =>
      [...box.children].slice(1).reduce((sum, part) => sum + part.getBoundingClientRect().height, 0))""")
    assert len(heights) > 10 and min(heights) > 10
    assert not chapter.locator(".bd-sidebar-primary").is_visible()


def test_a_link_to_a_solution_opens_it(chapter):
    name = chapter.locator("details.solution").first.get_attribute("id")
    chapter.evaluate("(name) => { location.hash = name; }", name)
    chapter.wait_for_function("(name) => document.getElementById(name).open", arg=name)


@pytest.mark.parametrize("width", [1280, 390])
def test_links_land_where_their_answer_is(browser, site, width):
    """The middle section and the last figure of every chapter, though what lies above them is laid out late."""
    opened = {}
    for path in sorted((site / "notebooks").glob("*.html")):
        sections, figures = soup(path).select("article section section[id]"), soup(path).select("article figure[id]")
        for name in (sections[len(sections) // 2]["id"], figures[-1]["id"]):
            page = opened[path.stem, name] = browser.new_page(viewport={"width": width, "height": 900})
            page.goto(f"{path.as_uri()}#{name}")
    page.wait_for_timeout(2300)  # as long as a page holds its target in place
    missed = {}
    for (chapter, name), page in opened.items():
        top = page.evaluate("(name) => document.getElementById(name).getBoundingClientRect().top", name)
        page.close()
        if not 0 <= top <= 200:
            missed[f"{chapter}#{name}"] = top
    assert missed == {}


def test_links_show_what_they_lead_to(chapter):
    """Of another page, from its file; of this page; away with Escape. No network: the page is in a folder."""
    # what is far away is laid out on the way, and would move the link from under the mouse
    chapter.add_style_tag(content="* { content-visibility: visible !important; }")
    for target in ("references.html#", "#prop-02"):
        link = chapter.locator(f"article p a[href*='{target}']:not(.headerlink)").first
        link.scroll_into_view_if_needed()
        chapter.wait_for_timeout(300)
        link.hover()
        preview = chapter.locator(".preview")
        preview.wait_for()
        assert len(preview.inner_text()) > 60
        chapter.keyboard.press("Escape")
        assert preview.count() == 0


def test_the_first_page_leads_to_the_book(browser, site):
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    page.wait_for_url("**/book/index.html")
    assert page.title()
    page.close()


FAULTY = """<!DOCTYPE html><html lang="en"><title>A</title><main><article>
<span class="math">\\(x\\)</span><img src="gone.png" alt=""><p style="width: 900px; color: #ccc; background: #fff">pale</p>
<pre style="width: 9em; overflow: hidden">what is cut off at its right edge</pre>
<script>console.error("broken");</script><script src="http://example.invalid/a.js"></script></article></main></html>"""


def test_faults_are_found(browser, tmp_path):
    """A page with one fault of every kind."""
    (tmp_path / "a.html").write_text(FAULTY)

    def look(page):
        page.evaluate("() => { const e = document.createElement('merror'); e.textContent = 'bad'; document.body.append(e); }")
        return accessibility(page) | {"TeX error": page.evaluate(BAD_MATH)}

    faults = visit(browser, (tmp_path / "a.html").as_uri(), 390, "light", look)
    assert set(faults) == {
        "another host",
        "console",
        "bare TeX",
        "TeX error",
        "wider than the column",
        "clipped",
        "images",
        "accessibility",
    }
    assert "broken" in faults["console"] and Path(faults["another host"][0]).name == "a.js"

"""The built pages in a real browser, as a reader meets them: from a server and from a folder, wide and on a phone, light
and dark. Where no Chromium is installed the tests are skipped with the remedy; in CI that is a failure."""

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from test_book import built, html_pages

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
BARE_MATH = """() => [...document.querySelectorAll(".math")].filter((m) => !m.querySelector("math")).map((m) => m.textContent)
  .concat(document.querySelector("article").innerText.match(/\\\\(?:[(\\[]|begin|frac|log|mathbb)/g) ?? [])"""
BAD_MATH = "() => [...document.querySelectorAll('merror, .temml-error')].map((m) => m.textContent)"
# What is far away is not laid out, and what it would clip is not seen: for the measurement everything is shown.
TOO_WIDE = """() => {
  const shown = document.createElement("style");
  shown.textContent = "* { content-visibility: visible !important; }";
  document.head.append(shown);
  const column = document.querySelector("article").getBoundingClientRect().right + 1;
  const found = [...document.querySelectorAll("article *")].filter((e) => e.getClientRects().length &&
    e.getBoundingClientRect().right > column && !e.closest("pre, aside.margin, math, .visually-hidden, thead"));
  const sums = [...document.querySelectorAll("article math")].filter((m) => m.getBoundingClientRect().right > column);
  const page = document.documentElement.scrollWidth > window.innerWidth ? ["page " + document.documentElement.scrollWidth] : [];
  return page.concat([...found, ...sums].slice(0, 8).map((e) => e.getAttribute("alttext") ?? e.outerHTML.slice(0, 120)));
}"""
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
def site(tmp_path_factory):
    return built(tmp_path_factory)[0]


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
        "images": page.evaluate(BAD_IMAGES),
        **look(page),
    }
    context.close()
    return {name: found for name, found in faults.items() if found}


def accessibility(page):
    """Serious and critical violations that axe finds, in the page's light and dark dress."""
    from axe_playwright_python.sync_playwright import Axe

    found = []
    for theme in ("light", "dark"):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        page.wait_for_timeout(300)  # colours move over in a transition
        for violation in Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
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


def test_the_first_page_leads_to_the_book(browser, site):
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    page.wait_for_url("**/book/index.html")
    assert page.title()
    page.close()


def test_less_motion_hides_animations(browser, site):
    """Who asks for less motion sees the still frames only."""
    page = browser.new_page(reduced_motion="reduce")
    page.goto((site / "book" / "index.html").as_uri())
    style = page.evaluate("""() => {
      const image = document.createElement("img");
      image.className = "animation";
      document.querySelector(".bd-article").append(image);
      return getComputedStyle(image).display;
    }""")
    page.close()
    assert style == "none"


FAULTY = """<!DOCTYPE html><html lang="en"><title>A</title><main><article>
<span class="math">\\(x\\)</span><img src="gone.png" alt=""><p style="width: 900px; color: #ccc; background: #fff">pale</p>
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
        "images",
        "accessibility",
    }
    assert "broken" in faults["console"] and Path(faults["another host"][0]).name == "a.js"

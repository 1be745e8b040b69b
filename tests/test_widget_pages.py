"""Every widget of the built book, played in a browser: from a folder, from a server, with keys, on a phone, without scripts."""

import re
from urllib.parse import urlsplit

from test_book import html_pages
from test_pages import accessibility, browser, complaints, server, strangers  # noqa: F401 - fixtures

# widgets that are played round by round
GAME = "gan-widget:is([name=algorithm], [name=circle], [name=playground], [name=triangle])"
FIRST = f"document.querySelector('{GAME}').shadowRoot"


def with_widgets(folder, names="algorithm|circle|playground|triangle"):
    asked = re.compile(f'<gan-widget name="(?:{names})"')
    return [page for page in html_pages(folder) if asked.search(page.read_text(encoding="utf-8"))]


def opened(browser, url, **options):  # noqa: F811
    """The page, scrolled to its widget, and what went wrong on it so far: a list that grows."""
    page, faults = browser.new_page(**options), []
    page.on("request", lambda request: faults.extend(strangers([request.url], urlsplit(url).netloc)))
    page.on("console", lambda message: faults.extend(complaints([(message.type, message.text)], [])))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(url)
    # what is far away is not laid out, and moves what is measured
    page.add_style_tag(content="* { content-visibility: visible !important; }")
    page.locator(GAME).first.scroll_into_view_if_needed()
    page.wait_for_function(f"document.querySelector('{GAME}').dataset.round === '0'")
    return page, faults


def do(page, *names):
    for name in names:
        page.locator(f"{GAME} [data-do={name}]").first.click()


def rounds(page, count):
    page.wait_for_function(f"(n) => document.querySelector('{GAME}').dataset.round === String(n)", arg=count)
    return page.locator(f"{GAME} .status").first.inner_text()


def test_there_are_widgets_and_only_their_pages_ask_for_the_program(site):
    pages = with_widgets(site, r"\w+")
    asking = [page for page in html_pages(site) if "widgets.js" in page.read_text(encoding="utf-8")]
    assert pages and pages == asking
    for page in pages:
        assert len(re.findall(r"<script defer src=[^>]*widgets\.js", page.read_text(encoding="utf-8"))) == 1


def test_played_from_a_folder(browser, site):  # noqa: F811
    """Rounds count, a rewind repeats the same numbers, an address brings the state back, play and pause work."""
    for path in with_widgets(site):
        page, faults = opened(browser, path.as_uri(), viewport={"width": 1280, "height": 900})
        do(page, "round", "round", "round")
        third = rounds(page, 3)
        do(page, "rewind")
        assert rounds(page, 0) != third
        do(page, "round", "round", "round")
        assert rounds(page, 3) == third
        link = page.locator(f"{GAME} .links a").first
        link.click()
        assert page.evaluate("location.hash").startswith("#w-")
        page.reload()
        page.wait_for_function(f"{FIRST}.querySelector('.status').innerText.length > 20")  # it has come into view by itself
        assert rounds(page, 3) == third
        do(page, "play")
        page.wait_for_function(f"Number(document.querySelector('{GAME}').dataset.round) > 4")
        do(page, "play")
        page.wait_for_timeout(100)
        stopped = page.get_attribute(GAME, "data-round")
        page.wait_for_timeout(300)
        assert page.get_attribute(GAME, "data-round") == stopped
        assert faults == []
        page.close()


def test_played_from_a_server_with_keys_alone(browser, site, server):  # noqa: F811
    for path in with_widgets(site):
        page, faults = opened(browser, f"{server}/{path.relative_to(site)}", viewport={"width": 1280, "height": 900})
        page.evaluate(f"{FIRST}.querySelector('[data-do=play]').focus()")
        for _ in range(12):
            if page.evaluate(f"{FIRST}.activeElement?.dataset.do") == "round":
                break
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        rounds(page, 1)
        slider = f"[...{FIRST}.querySelectorAll('input[type=range]')].find((e) => e.getClientRects().length)"
        before = page.evaluate(f"{slider}.value")
        page.evaluate(f"{slider}.focus()")
        page.keyboard.press("ArrowRight")
        assert page.evaluate(f"{slider}.value") != before
        assert page.evaluate(f"{FIRST}.querySelector('.status').getAttribute('role')") == "status"
        assert faults == []
        page.close()


def test_on_a_phone_in_both_dresses(browser, site):  # noqa: F811
    """Nothing is wider than 390 pixels, targets are 24 high, and axe finds nothing."""
    for path in with_widgets(site):
        page, faults = opened(browser, path.as_uri(), viewport={"width": 390, "height": 844}, color_scheme="dark")
        do(page, "round")
        wide = page.evaluate(f"""() => [...{FIRST}.querySelectorAll('*')].filter((e) => e.getClientRects().length &&
          !e.closest('svg, .hidden') && e.getBoundingClientRect().right > innerWidth).map((e) => e.outerHTML.slice(0, 80))""")
        small = page.evaluate(f"""() => [...{FIRST}.querySelectorAll('button, select, input[type=range]')].filter((e) =>
          e.getClientRects().length && e.getBoundingClientRect().height < 24).map((e) => e.outerHTML.slice(0, 80))""")
        assert (wide, small, faults) == ([], [], [])  # before axe, which asks for style sheets that a folder refuses it
        assert accessibility(page) == {"accessibility": []}
        page.close()


def test_with_less_motion_play_goes_round_by_round(browser, site):  # noqa: F811
    path = with_widgets(site)[0]
    page, _ = opened(browser, path.as_uri(), reduced_motion="reduce")
    page.wait_for_timeout(500)
    assert page.get_attribute(GAME, "data-round") == "0"  # nothing starts by itself
    do(page, "play")
    page.wait_for_timeout(1500)
    assert int(page.get_attribute(GAME, "data-round")) <= 3
    page.close()


def test_nothing_runs_off_screen(browser, site):  # noqa: F811
    page, _ = opened(browser, with_widgets(site)[0].as_uri(), viewport={"width": 1280, "height": 900})
    do(page, "play")
    page.wait_for_function(f"Number(document.querySelector('{GAME}').dataset.round) > 1")
    page.evaluate("document.body.style.paddingTop = '9000px'; window.scrollTo(0, 0)")
    page.wait_for_timeout(300)
    left = page.get_attribute(GAME, "data-round")
    page.wait_for_timeout(500)
    assert page.get_attribute(GAME, "data-round") == left
    page.close()


def test_without_scripts_and_in_print_there_is_the_picture(browser, site):  # noqa: F811
    for path in with_widgets(site, r"\w+"):
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(path.as_uri())
        picture = page.locator("gan-widget img").first
        assert picture.is_visible() and picture.bounding_box()["width"] > 200
        context.close()
    for path in with_widgets(site):
        page, _ = opened(browser, path.as_uri())
        assert not page.locator(f"{GAME} img").first.is_visible()
        page.emulate_media(media="print")
        assert page.locator(f"{GAME} img").first.is_visible()
        assert not page.locator(f"{GAME} .frame").first.is_visible()
        page.close()

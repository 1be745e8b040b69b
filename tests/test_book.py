"""The book as text: it builds without a warning, its links and citations resolve, its figures are described, and no number
of the prose stands there without a cell or a record behind it. Each checker is shown a fault that it must find."""

import importlib.util
import json
import re
import resource
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
PAGES = sorted((ROOT / "book").glob("*.md"))
GENERATED = ("genindex", "py-modindex", "search")  # Sphinx's own pages, without a text that could describe them

sys.path.append(str(ROOT / "book" / "_ext"))
sys.path.append(str(ROOT / "experiments"))


def build(root, output, *options):
    """Builds the book as `make book` does; the finished process."""
    program = str(Path(sys.executable).with_name("jupyter-book"))
    command = [
        program,
        "build",
        str(root),
        "--path-output",
        str(output),
        "-q",
        "-W",
        "-n",
        "--keep-going",
    ]
    return subprocess.run([*command, *options], capture_output=True, text=True)


BUILT = []  # the folder and the seconds, once a process


def built(tmp_path_factory):
    if BUILT:
        return BUILT[0]
    output = tmp_path_factory.mktemp("book")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = build(ROOT, output)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    BUILT.append((output / "_build" / "html", after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    return BUILT[0]


def html_pages(site):
    return sorted(path for folder in ("book", "notebooks") for path in (site / folder).glob("*.html"))


@cache
def soup(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


# --- the build


def test_the_book_builds_within_a_minute(tmp_path_factory):
    """The processor's time, so that a machine busy with something else does not fail the test; the build uses one core."""
    assert built(tmp_path_factory)[1] < 60


def test_every_notebook_and_page_is_built(site):
    expected = {f"notebooks/{path.stem}" for path in NOTEBOOKS} | {f"book/{path.stem}" for path in PAGES}
    assert expected == {str(path.relative_to(site).with_suffix("")) for path in html_pages(site)}


def test_chapter_numbers_are_those_of_the_files(site):
    """The table of contents counts over all parts, and "8." must stand before the notebook 08."""
    for path in html_pages(site):
        if path.parent.name == "notebooks" and (number := int(path.name[:2])) > 0:
            heading = soup(path).select_one("h1 .section-number")
            assert heading is not None and heading.text.strip(" .\xa0") == str(number), path.name


def small_book(folder, cells):
    """A book of one notebook with this configuration and this extension."""
    shutil.copytree(ROOT / "book" / "_ext", folder / "book" / "_ext")
    shutil.copytree(ROOT / "book" / "_static", folder / "book" / "_static")
    shutil.copytree(ROOT / "book" / "_templates", folder / "book" / "_templates")
    shutil.copy(ROOT / "book" / "references.bib", folder / "book")
    shutil.copy(ROOT / "_config.yml", folder)
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "repository.py", folder / "tools")
    (folder / "ganlib" / "results").mkdir(parents=True)
    (folder / "ganlib" / "results" / "trial.json").write_text('{"scores": [0.5, 0.12345]}')
    (folder / "_toc.yml").write_text("format: jb-book\nroot: page\n")
    notebook = {"cells": cells, "metadata": {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}}
    (folder / "page.ipynb").write_text(json.dumps({**notebook, "nbformat": 4, "nbformat_minor": 5}))
    return folder


def picture(shade, alt=None):
    """The output of a cell that shows a grey pixel."""
    import base64
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (1, 1), shade).save(buffer, format="PNG")
    data = {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": ["a picture"]}
    return {"output_type": "display_data", "data": data, "metadata": {"image/png": {"alt": alt}} if alt else {}}


def markdown(text):
    return {"cell_type": "markdown", "id": f"m{abs(hash(text)) % 10**6}", "metadata": {}, "source": text}


def code(*outputs):
    return {
        "cell_type": "code",
        "id": "code",
        "metadata": {},
        "execution_count": 1,
        "source": "show()",
        "outputs": list(outputs),
    }


TITLE = "# A trial\n\nA page of a few words that says what it is about."


def test_figures_get_their_descriptions_and_results_their_numbers(tmp_path):
    """Two figures in one cell keep their own texts, with printed text between them."""
    text = {"output_type": "stream", "name": "stdout", "text": ["between\n"]}
    cells = [
        markdown(TITLE + "\n\nIt is {result}`trial scores.1 .3f`."),
        code(picture(1, "One."), text, picture(2, "Two.")),
    ]
    done = build(small_book(tmp_path, cells), tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    page = soup(tmp_path / "out" / "_build" / "html" / "page.html")
    images = page.select("div.cell_output img")
    assert [image["alt"] for image in images] == ["One.", "Two."]
    assert all("dark-light" in image["class"] for image in images)
    assert page.select_one("span.result").text == "0.123"


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        (code(picture(1)), "no description"),
        (markdown(r"Here is $\nosuchsign{x}$."), "is no formula"),
        (markdown("{result}`trial scores.7 .3f`"), "ends before"),
        (markdown("{result}`nowhere score`"), "names no record"),
        (markdown("{cite}`nobody1900`"), "nobody1900"),
        (markdown("[there](nowhere.ipynb)"), "nowhere.ipynb"),
    ],
)
def test_a_fault_fails_the_build(tmp_path, cell, complaint):
    done = build(small_book(tmp_path, [markdown(TITLE), cell]), tmp_path / "out")
    assert done.returncode != 0 and complaint in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "shown"),
    [("trial a.1 .2f", "0.13"), ("trial b", "word"), ("trial a.0 .1%", "50.0%")],
)
def test_a_recorded_number_is_written(tmp_path, text, shown):
    from gamebook import recorded

    (tmp_path / "trial.json").write_text('{"a": [0.5, 0.126], "b": "word"}')
    assert recorded(text, tmp_path) == shown


@pytest.mark.parametrize(
    "text", ["", "trial", "other a", "trial c", "trial a.5", "trial a", "trial a.x", "trial b .2f", "trial a.0.b"]
)
def test_a_number_that_is_not_recorded_is_refused(tmp_path, text):
    from gamebook import recorded

    (tmp_path / "trial.json").write_text('{"a": [0.5, 0.126], "b": "word"}')
    with pytest.raises(ValueError, match=r"record|ends before|expected|written"):
        recorded(text, tmp_path)


# --- links, descriptions, remains of the source


def broken_links(site, path):
    """What a page refers to within the site and is not there: files, anchors in them, and states of widgets."""
    broken = []
    for tag in soup(path).find_all(["a", "img", "link", "script", "source", "iframe"]):
        target = tag.get("href") or tag.get("src")
        parts = urlsplit(target or "#")
        if parts.scheme or parts.netloc or target in (None, "#"):
            continue
        file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        anchor = unquote(parts.fragment) if file.suffix == ".html" else ""
        widget = re.match(r"w-(\w+)(\?|$)", anchor)
        wanted = {"name": "gan-widget", "attrs": {"name": widget[1]}} if widget else {"id": anchor}
        if not file.is_file() or (anchor and soup(file).find(**wanted) is None):
            broken.append(target)
    return broken


def test_links_and_anchors_resolve(site):
    assert {path.name: found for path in html_pages(site) if (found := broken_links(site, path))} == {}


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "b.html").write_text('<p id="here"></p><gan-widget name="circle"></gan-widget>')
    page = tmp_path / "a.html"
    page.write_text(
        '<a href="b.html#here"></a><a href="b.html#gone"></a><a href="c.html"></a><img src="d.png"><a href="https://e.org"></a>'
        '<a href="b.html#w-circle?h=0.4"></a><a href="b.html#w-square?h=0.4"></a>'
    )
    assert broken_links(tmp_path, page) == ["b.html#gone", "c.html", "d.png", "b.html#w-square?h=0.4"]


def undescribed(page):
    """Images without an alternative text; a text of a file's name is none."""
    return [
        tag.get("src")
        for tag in page.find_all("img")
        if len((tag.get("alt") or "").strip()) < 15 or "/" in tag["alt"].split()[0]
    ]


def test_every_image_is_described(site):
    assert {path.name: found for path in html_pages(site) if (found := undescribed(soup(path).select_one("article")))} == {}


def test_an_image_without_description_is_found():
    html = (
        '<img src="a"><img src="b" alt=" "><img src="c" alt="../_images/c.png"><img src="d" alt="A curve that falls to zero.">'
    )
    assert undescribed(BeautifulSoup(html, "html.parser")) == ["a", "b", "c"]


REMAINS = re.compile(
    r"\{(?:prf:)?[a-z-]+\}`?|\$\$|\$[^$\s]{1,40}\$|\\(?:begin|frac|mathbb|mathrm|log|operatorname|text|left|sum)(?![a-z])|```|:label:|:class:|^:::",
    re.M,
)


def remains(page):
    """Pieces of TeX, roles and directives that a reader would see as text."""
    page = BeautifulSoup(str(page), "html.parser")
    for tag in page.select("pre, code, .math, script, style"):
        tag.decompose()
    return REMAINS.findall(page.get_text(" "))


def test_no_source_shows_through(site):
    assert {path.name: found for path in html_pages(site) if (found := remains(soup(path).select_one("article")))} == {}


@pytest.mark.parametrize(
    "text", ["see {prf:ref}`thm-a`", "a {cite}`b`", "$x_1$", "$$x$$", r"\frac12", "```{note}", ":label: a"]
)
def test_source_that_shows_through_is_found(text):
    assert remains(f"<p>{text}</p>") and not remains(f"<p><code>{text}</code><span class='math'>{text}</span> costs 5 $</p>")


def test_the_evidence_page_has_a_row_for_every_statement(site):
    path = ROOT / "book" / "_ext" / "evidence.py"
    spec = importlib.util.spec_from_file_location("evidence", path)
    evidence = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(evidence)
    tables = soup(site / "book" / "evidence.html").select("table.evidence")
    assert len(tables) == 3
    links = tables[0].select("td:first-child a")
    assert [link["href"].partition("#")[2] for link in links] == [theorem.label for theorem in evidence.theorems()]
    assert all(re.fullmatch(r"(Theorem|Proposition|Lemma|Corollary) [\d.]+", link.text) for link in links)
    rows = [len(table.select("tbody tr")) for table in tables]
    decided = [*evidence.deciding_cells().values(), *evidence.deciding_tests().values()]
    assert rows == [sum(map(len, decided)), len(evidence.bands()), len(evidence.records())]
    cells = [*tables[0].select("td:nth-child(2) a.internal"), *tables[1].select("td:first-child a")]
    assert cells and all("#" in link["href"] for link in cells), "a cell's link leads to its section"


def test_every_page_has_a_title_and_a_description(site):
    for path in html_pages(site):
        title, description = soup(path).title, soup(path).find("meta", attrs={"name": "description"})
        assert title is not None and len(title.text.strip()) > 10, path.name
        assert description is not None and len(description["content"]) > 40, path.name
        assert soup(path).html.get("lang") == "en", path.name


def test_the_colab_button_leads_to_the_notebook(site):
    """The theme loses it in silence when its options are replaced."""
    for path in html_pages(site):
        if path.parent.name == "notebooks":
            assert soup(path).find("a", href=re.compile(rf"colab\.research\.google\.com/github/.*{path.stem}\.ipynb")), (
                path.name
            )


def bib_entries():
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    return dict(re.findall(r"@\w+\{([^,]+),(.*?)\n\}", text, re.S))


def cited_keys(text):
    return {key.strip() for keys in re.findall(r"\{cite(?::[a-z]+)?\}`([^`]+)`", text) for key in keys.split(",")}


def test_citations_resolve_and_entries_are_whole():
    entries = bib_entries()
    cited = {key for text in prose().values() for key in cited_keys(text)}
    assert cited - set(entries) == set()
    for key, fields in entries.items():
        assert all(re.search(rf"\b{field}\s*=", fields) for field in ("author", "title", "year")), key


# --- numbers in prose


@cache
def prose():
    """Name -> the Markdown of a notebook's cells or of a page."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in PAGES}
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts[path.name] = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return texts


TEXT_DIRECTIVES = r"```+\{(?:prf:[a-z]+|exercise|solution[a-z-]*|note|tip|warning|important|admonition|figure|margin)\}.*"


def plain(markdown):
    """Prose without code, mathematics, addresses, roles and directive options; the text inside theorems and exercises stays."""
    kept, code_fence, open_fences = [], None, []
    for line in markdown.splitlines():
        fence = re.match(r"\s*(```+|~~~+|:::+)", line)
        if code_fence:
            code_fence = None if fence and line.strip() == code_fence else code_fence
        elif fence and line.strip() == fence[1] and open_fences:
            open_fences.pop()
        elif fence and re.match(TEXT_DIRECTIVES, line.strip()):
            open_fences.append(fence[1])
            kept.append(line.strip().partition("}")[2])
        elif fence:
            code_fence = fence[1]
        elif not re.match(r"\s*:[a-z-]+:", line) and not re.match(r"\s*\([a-z0-9-]+\)=", line):
            kept.append(line)
    text = "\n".join(kept)
    text = re.sub(r"\$\$.*?\$\$", " ", text, flags=re.S)
    text = re.sub(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", " ", text, flags=re.S)
    text = re.sub(r"\$[^$]+\$", " ", text)
    paragraphs = re.split(r"\n\s*\n|\n(?=\s*(?:[-*] |\d+\. |\|))", text)
    sentences = [sentence for p in paragraphs for sentence in [*re.split(r"(?<=[.:;?])\s+(?=[A-Z*`$(])", p), "\n\n"]]
    text = " ".join(s for s in sentences if "{cite" not in s)  # a cited figure is another's, and says whose
    text = re.sub(r"\{[a-z:]+\}`[^`]*`|(`+).*?\1", " ", text, flags=re.S)
    text = re.sub(r"\]\([^)]*\)|<[^>]*>|https?://\S+", " ", text)
    return text


NUMBER = re.compile(r"(?<![\w.,])(\d[\d,]*(?:\.\d+)?)(\s?%|\s(?:times|fold)\b)?(?![\d])")
VERSION = re.compile(r"\b(?:Python|PyTorch|torch|torchvision|NumPy|version|CC BY|BY)\s+\d+(?:\.\d+)+|\d+\.\d+\.\d+")
LEVELS = {"0", "50", "90", "95", "99", "100"}  # per cent: levels of intervals and whole shares, chosen and not measured


def numbers(markdown):
    """Decimal numbers, percentages and "N times" of a text."""
    found = []
    for match in NUMBER.finditer(VERSION.sub(" ", plain(markdown))):
        token, unit = match[1].rstrip(","), (match[2] or "").strip()
        if "." in token or (unit and not (unit == "%" and token in LEVELS)):
            found.append((token, unit))
    return found


def shown(cell):
    """What a cell shows: its printed outputs and the descriptions and captions of its figures; not its code."""
    pieces = []
    for output in cell.get("outputs", []):
        pieces += ["".join(output.get("text", [])), "".join(output.get("data", {}).get("text/plain", []))]
        for about in output.get("metadata", {}).values():  # by the kind of image
            pieces += [str(about.get("alt", "")), str(about.get("caption", ""))]
    return "\n".join(pieces)


def unbacked(path):
    """Numbers of a notebook's prose that no cell of the same section or of the one before shows.

    A number that stands anywhere in a chapter would find a cell that happens to print it.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) if cell["cell_type"] == "markdown" else "" for cell in cells]
    heads = [0, *(i for i, text in enumerate(texts) if re.search(r"^#{2,3} ", text, re.MULTILINE)), len(cells)]
    for i, text in enumerate(texts):
        first = [head for head in heads if head < i][-2:] or [0]
        last = next(head for head in heads if head > i)
        near = "\n".join(shown(cell) for cell in cells[first[0] : last + 1])
        yield from (f"{token} {unit}" for token, unit in numbers(text) if not is_backed(token, unit, near))


def is_backed(token, unit, text):
    """Does a cell show this number? A share may be printed for a percentage, to as many digits."""
    if re.search(rf"(?<![\d.]){re.escape(token)}(?![\d])(?!\.\d)", text):
        return True
    if unit != "%":
        return False
    digits = len(token.partition(".")[2])
    share = f"{float(token.replace(',', '')) / 100:.{digits + 2}f}"
    return re.search(rf"(?<![\d.]){re.escape(share)}(?!\d)", text) is not None


@pytest.mark.parametrize("path", NOTEBOOKS + PAGES, ids=lambda path: path.stem)
def test_numbers_in_prose_have_a_source(path):
    assert list(unbacked(path) if path.suffix == ".ipynb" else numbers(prose()[path.name])) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is 0.73 now.", ["0.73"]),
        ("It is 12 % better, 3 times.", ["12", "3"]),
        ("```{exercise} Check: 1.5\n:label: a\nIs it 2.5?\n```", ["1.5", "2.5"]),
        ("| a | 3.25 |", ["3.25"]),
        ("`0.1`, $0.2$, $$0.3$$, [a](b-0.4), Python 3.11, torch 2.15.0, 95 %", []),
        ("The paper has 0.6 {cite}`a`. We have 0.7.", ["0.7"]),
        ("```python\n0.5\n```\n\nThe paper has 0.6 {cite}`a`.\n\nWe have 0.7.", ["0.7"]),
    ],
)
def test_numbers_of_a_text_are_found(text, found):
    assert [token for token, _ in numbers(text)] == found


@pytest.mark.parametrize(
    ("token", "unit", "text", "backed"),
    [
        ("0.73", "", "x 0.73 y", True),
        ("0.73", "", "x 0.735 y", False),
        ("0.73", "", "x 10.73 y", False),
        ("99.4", "%", "0.994", True),
        ("99.5", "%", "0.9944", False),
        ("8", "%", "0.08.", True),
        ("8", "", "0.08", False),
    ],
)
def test_a_number_is_backed_only_as_it_is_printed(token, unit, text, backed):
    assert is_backed(token, unit, text) == backed


def test_a_number_of_another_section_is_no_source(tmp_path):
    """Nor is one in code or in a comment; and what stood two sections ago is another matter."""

    def code(source, printed):
        return {"cell_type": "code", "source": [source], "outputs": [{"text": [printed]}]}

    def text(*lines):
        return {"cell_type": "markdown", "source": list(lines)}

    cells = [text("# A chapter"), code("x = 0.73  # 0.74", "0.75\n"), text("0.75, not 0.73 nor 0.74."), text("## One")]
    cells += [text("Still 0.75."), code("", "0.85\n"), text("## Two\n", "0.85"), text("## Three\n", "0.75"), code("", "0.95")]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": [*cells, text("0.95")]}))
    assert list(unbacked(tmp_path / "a.ipynb")) == ["0.73 ", "0.74 ", "0.75 "]


# --- small pages of one look

NODES = 8_000  # elements of a page
STYLE = 25_000  # bytes of our style sheet


def test_pages_have_few_elements_and_ask_for_two_files(site):
    """One style sheet, one deferred program; no icon font, no typesetter, no second copy of anything."""
    for path in [*html_pages(site), site / "search.html", site / "404.html"]:
        page = soup(path)
        assert len(page.body.find_all()) <= NODES, path.name
        assert [Path(urlsplit(tag["href"]).path).name for tag in page.select("link[rel=stylesheet]")] == ["site.css"], path.name
        programs = [Path(urlsplit(tag["src"]).path).name for tag in page.select("script[src]")]
        search = ["searchtools.js", "language_data.js", "headings.js", "searchindex.js"]
        more = {"search.html": search, "index.html": ["ring_data.js", "ring.js"]}.get(path.name, [])
        more = [*more, "widgets.js"] if page.select("gan-widget") else more
        assert sorted(programs) == sorted(["site.js", *more]), path.name
        assert all("defer" in tag.attrs for tag in page.select("script[src]")), path.name
    assert len((ROOT / "book" / "_static" / "book.css").read_bytes()) <= STYLE


def test_every_figure_of_a_chapter_has_a_number_and_says_what_it_shows(site):
    """`show.publish(..., caption=...)`: a figure without a caption has no number either. Other pages' figures have none."""
    for path in html_pages(site):
        figures = [figure.figcaption for figure in soup(path).select("article figure")]
        numbers = [caption.select_one(".caption-number") if caption else None for caption in figures]
        found = [number and number.get_text().strip() for number in numbers]
        chapter = path.parent.name == "notebooks" and int(path.name[:2])
        expected = [None if chapter is False else f"Figure {chapter}.{place}" for place in range(1, len(found) + 1)]
        assert found == expected, path.name


def test_all_folds_have_one_look(site):
    """Code, proofs, solutions and asides: a box of another extension's would look unlike the rest."""
    for path in html_pages(site):
        assert all("fold" in box.get("class", []) for box in soup(path).select("article details")), path.name


def unnamed_columns(page):
    """Tables of which a column has an empty header, or no header at all: on a phone each cell says the name of its column."""
    tables = [(table, table.select("thead th")) for table in page.select("article table")]
    return [
        table.get_text(" ", strip=True)[:60]
        for table, names in tables
        if not names or any(not name.get_text(strip=True) and not name.math for name in names)
    ]


def test_every_column_has_a_name(site):
    assert {path.name: found for path in html_pages(site) if (found := unnamed_columns(soup(path)))} == {}


def test_a_column_without_a_name_is_found():
    def table_of_two(first):
        return f"<table><thead><tr>{first}<th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>"

    page = "<article>{}</article>".format("".join(map(table_of_two, ("<th>a</th>", "<th><p></p></th>", "<th><math/></th>"))))
    headless = "<article><table><tbody><tr><td>1</td></tr></tbody></table></article>"
    assert unnamed_columns(BeautifulSoup(page, "html.parser")) == ["b 1 2"]
    assert unnamed_columns(BeautifulSoup(headless, "html.parser")) == ["1"]


def parts_in_a_row(page):
    """Paragraphs of statements and proofs that run through parts (a), (b): each part stands on a line of its own."""
    paragraphs = page.select("article .proof p, article .admonition p, article details p")
    return [text[:60] for p in paragraphs if len(re.findall(r"(?:^|[.:] )\([a-e]\) ", text := p.get_text())) > 1]


def test_parts_of_a_statement_stand_in_a_list(site):
    assert {path.name: found for path in html_pages(site) if (found := parts_in_a_row(soup(path)))} == {}
    in_a_row, apart = "<p>(a) It is 1. (b) It is 2.</p>", "<ul><li><p>(a) It is, by (b).</p></li></ul>"
    run_on = f'<article><div class="proof">{in_a_row}{apart}</div></article>'
    assert parts_in_a_row(BeautifulSoup(run_on, "html.parser")) == ["(a) It is 1. (b) It is 2."]


def repeated_ids(page):
    ids = [tag["id"] for tag in page.find_all(id=True)]
    return sorted({name for name in ids if ids.count(name) > 1 or "/" in name})


def test_ids_are_unique(site):
    """But for the field of the search, which the theme draws twice on its own page."""
    assert {path.name: found for path in html_pages(site) if (found := repeated_ids(soup(path)))} == {}


def test_repeated_ids_are_found():
    assert repeated_ids(BeautifulSoup('<p id="a"></p><p id="a"></p><p id="b"></p><p id="c/d"></p>', "html.parser")) == [
        "a",
        "c/d",
    ]


def test_every_sign_of_a_formula_is_in_the_font(site):
    """After a formula with a new sign: tools/math_font.py."""
    from fontTools.ttLib import TTFont
    from math_font import FONT, characters

    drawn = {chr(code) for code in TTFont(FONT).getBestCmap()}
    shown = set().union(*(characters(path.read_text(encoding="utf-8")) for path in html_pages(site)))
    assert len(shown) > 100 and shown - drawn <= {"\u00a0"}


def test_signs_of_a_formula_are_read():
    from math_font import characters

    page = "<p>é</p><math><mi>x</mi><mi>log</mi><mo>&lt;</mo><mtext>or b</mtext></math>"
    assert characters(page) == {"𝑥", *"log<orb"}


def test_punctuation_stays_with_its_own_formula():
    """Two equal pieces of text in one sentence: the sign moves from the piece beside the formula, not from the first."""
    from docutils import nodes
    from formulas import keep_punctuation

    before, after = nodes.Text(", "), nodes.Text(", ")
    sentence = nodes.paragraph("", "", nodes.strong("", "one"), before, nodes.math("", "p"), after, nodes.emphasis("", "then"))
    keep_punctuation(sentence)
    assert sentence.astext() == "one, p, then" and next(sentence.findall(nodes.inline)).astext() == "p,"


@pytest.mark.parametrize(
    ("tex", "part"),
    [
        (r"\log x", '<mi>log</mi><mspace width=".17em"></mspace><mi>x</mi>'),
        (r"\log(x)", '<mi>log</mi><mo form="prefix"'),
        (r"\sup_D V", '</msub><mspace width=".17em"></mspace><mi>V</mi>'),
        (r"\operatorname{JSD} = 1", "<mi>JSD</mi><mo>="),
        (r"a = -b", '<mo form="prefix" stretchy="false">−</mo><mi>b</mi>'),
        (r"\begin{aligned} a &= b \\ &+ c \end{aligned}", "<mo>+</mo><mi>c</mi>"),
        (r"p/q", "<mi>p</mi><mi>/</mi><mi>q</mi>"),
        (r"V", 'class="leaning"'),
        (r"\hat p", 'class="leaning"'),
        (r"\bigl(x\bigr)", 'mathsize="1.2em"'),
        (r"f'", "<mi>f</mi><mo lspace="),
        (r"a < b", 'alttext="a &lt; b"'),
    ],
)
def test_formulas_are_set_as_tex_sets_them(tex, part):
    from formulas import mathml

    assert part in mathml(tex)


def test_a_formula_of_letters_does_not_lean():
    from formulas import mathml, plain

    assert "leaning" not in mathml("x") and plain(r"C(G) = \max_D V(D, G)") == "C(G)=max_D V(D, G)"


def test_no_sign_stands_alone_after_a_formula(site):
    """A formula and the full stop behind it are in one span that does not break."""
    for path in html_pages(site):
        for formula in soup(path).select("article p > math"):
            following = formula.next_sibling
            assert not (isinstance(following, str) and re.match(r"[.,;:!?)]", following)), (path.name, formula["alttext"])


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_have_contrast():
    """Words 4.5 to 1 and lines 3 to 1 on the page and on a listing, in both themes."""
    assert round(contrast("#000000", "#ffffff")) == 21 and contrast("#777777", "#ffffff") < 4.5
    css = (ROOT / "book" / "_static" / "book.css").read_text()
    words = ["ink", "muted", "link", "g-text", "d-text", "o-text", "inline-code", "code-k", "code-s", "code-c", "code-f"]
    lines = ["control", "real", "g", "d", "o"]
    for theme in ("light", "dark"):
        block = re.search(rf'html\[data-theme="{theme}"\] \{{(.*?)\}}', css, flags=re.S)[1]
        colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for ground in ("page", "surface"):
            low = {name: c for name in words if (c := contrast(colour[name], colour[ground])) < 4.5}
            low |= {name: c for name in lines if (c := contrast(colour[name], colour[ground])) < 3}
            assert low == {}, (theme, ground)


def tagged(source, *outputs, tags=(), name="cell"):
    return {**code(*outputs), "source": source, "metadata": {"tags": list(tags)}, "id": name}


def printed(text):
    return {"output_type": "stream", "name": "stdout", "text": [text]}


def table_of(text):
    data = {"text/html": f"<table class='shown'><tr><td>{text}</td></tr></table>", "text/plain": f"{text}\nin two lines"}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def test_cells_fold_by_their_tags_and_answers_wait(tmp_path):
    """Set-up cells are one fold; a drawing's code stands below its figure; a test takes its output along; a guess hides all."""
    figure = picture(3, "A grey pixel that stands for a curve.")
    figure["metadata"]["image/png"]["caption"] = "What $V$ does.\nSeed 0."
    cells = [
        markdown(TITLE),
        tagged("import a", tags=["setup"], name="s1"),
        tagged("import b", tags=["hide-input", "setup"], name="s2"),
        tagged("draw()", figure, tags=["draws"], name="pixel"),
        tagged("assert a\nassert b", printed("it holds"), tags=["tests"], name="t1"),
        markdown("**Before you run it.** What comes?\n"),
        tagged("print(6)", printed("six"), table_of("seven"), name="p1"),
        tagged("draw()", picture(4, "Another grey pixel of this page."), tags=["draws"], name="p2"),
        markdown("So it is, see [above](#fig-pixel)."),
    ]
    done = build(small_book(tmp_path, cells), tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    page = soup(tmp_path / "out" / "_build" / "html" / "page.html")
    labels = [(box.summary.span.text, box.summary.small.text) for box in page.select("article details")]
    assert labels == [
        ("Set-up", "2 lines"),
        ("How the figure is drawn", "1 line"),
        ("How this page is tested", "2 checks, all hold"),
        ("Show what it prints", "a figure, a table and 1 line"),
        ("How the figure is drawn", "1 line"),
    ]
    assert not page.select("details[open]")
    shown = page.select_one("figure#fig-pixel")
    assert not shown.figcaption.select_one(".caption-number")  # this page is no chapter
    assert shown.figcaption.math and shown.figcaption.select_one("a.headerlink") and "Seed 0." in shown.figcaption.text
    assert shown.find_next("details").summary.span.text == "How the figure is drawn"
    assert "it holds" in page.select_one("details.tests").text
    guess = page.select_one("div.guess")
    answer = guess.select_one("details.prediction")
    assert "six" in answer.text and answer.img and "print(6)" not in answer.text and "print(6)" in guess.text
    assert page.select_one("a.reference[href='#fig-pixel']").text == "above"


def test_pictures_are_sized_and_come_when_they_are_near(site):
    for path in html_pages(site):
        for place, image in enumerate(soup(path).select("article img")):
            assert int(image["width"]) > 0 and int(image["height"]) > 0, path.name
            assert (image.get("loading") == "lazy") == (place > 0), path.name


def test_chapters_begin_with_what_they_ask_and_cost(site):
    for path in (site / "notebooks").glob("*.html"):
        article = soup(path).select_one("article")
        facts = [term.text for term in article.select("dl.facts dt")]
        read, run, needs = [fact.text for fact in article.select("dl.facts dd")]
        assert (
            facts == ["To read", "To run", "Needs"]
            and needs
            and re.match(r"\d+ min(, of which \d+ on the two-hour path)?$", read)
        ), path.name
        assert re.match(r"(under 1|\d+) min on (one core|\d+ cores)$", run), path.name
        assert article.select_one("p.question").text.endswith("?") and f"Chapter {int(path.name[:2])}" in article.p.text
        size = (path.parent / article.select_one("a[download]")["href"]).stat().st_size
        assert f"{round(size / 1000)} KB" in article.select_one("a[download]").text


def test_descriptions_are_whole_sentences_without_tex(site):
    for path in html_pages(site):
        page = soup(path)
        text = page.select_one("meta[name=description]")["content"]
        assert text == page.select_one('meta[property="og:description"]')["content"], path.name
        assert re.search(r"[.?!:)”]$", text) and not re.search(r"\\\\|\$|\[|\.\.\.$", text), (path.name, text)
        assert len(page.select("meta[name=viewport]")) == 1 and page.select_one('meta[property="og:image"]'), path.name


def test_the_site_has_a_root_a_map_and_a_page_for_the_lost(site):
    root = soup(site / "index.html")
    assert root.title.text and root.select_one('meta[property="og:image"]') and root.a["href"] == "book/index.html"
    locations = re.findall(r"<loc>(.*?)</loc>", (site / "sitemap.xml").read_text())
    base = soup(site / "404.html").base["href"]
    assert {urlsplit(url).path.removeprefix(base) for url in locations} == {str(p.relative_to(site)) for p in html_pages(site)}
    assert "Sitemap: https://" in (site / "robots.txt").read_text() and (site / "_static" / "favicon.svg").is_file()


def test_a_rule_that_no_page_uses_is_dropped():
    from assets import purged, small, without_unread_variables

    css = """.a, .b:not(.gone) { color: red } /* x */ @media print { .gone { top: 0 } .a > #c { --u: url("data:;}{") } }
    .gone { top: 1 } :root { --u: 1; --v: var(--w); --w: 2 } p { left: var(--u) }"""
    kept = without_unread_variables(purged(small(css), {"a", "b", "c"}), "")
    assert "gone{" not in kept.replace(" ", "") and ".a,.b:not(.gone)" in kept and "--w" not in kept and "--u: 1" in kept


# --- times of the notebooks


def test_every_notebook_is_timed():
    """Chapter 0 prints this record; `python experiments/notebook_times.py` completes it."""
    rows = json.loads((ROOT / "ganlib" / "results" / "notebook_times.json").read_text())["notebooks"]
    assert sorted(rows) == [path.stem for path in NOTEBOOKS]


def test_notebooks_are_timed_once_unless_they_change(tmp_path, monkeypatch):
    """A second call times none, a changed cell times its own again, `again` both, `absent` what the record lacks."""
    import bench
    import notebook_times

    monkeypatch.setattr(bench, "RUNS", tmp_path / "runs")
    timed = []
    alone = notebook_times.time_notebook
    monkeypatch.setattr(notebook_times, "time_notebook", lambda **asked: [timed.append(asked["path"]), alone(**asked)][1])

    def write(number: int, source: str) -> None:
        path = tmp_path / f"0{number}_a.ipynb"
        cell = {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "source": source, "outputs": []}
        kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
        path.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))

    def played(**options) -> list[str]:
        timed.clear()
        rows = notebook_times.main(notebooks=tmp_path, results=tmp_path, **options)
        assert json.loads((tmp_path / "notebook_times.json").read_text())["notebooks"] == rows
        assert list(rows) == ["01_a", "02_a"] and all(row["code_cells"] == 1 and row["seed"] is None for row in rows.values())
        return [path[-10:-6] for path in timed]

    write(1, "1 + 1"), write(2, "2 + 1")
    assert played() == ["01_a", "02_a"] and played() == []
    write(2, "2 + 2")
    assert played() == ["02_a"] and played(again=True) == ["01_a", "02_a"]
    write(1, "1 + 2")
    assert played(absent=True) == []
    rows = json.loads((tmp_path / "notebook_times.json").read_text())
    before = rows["notebooks"].pop("02_a")
    (tmp_path / "notebook_times.json").write_text(json.dumps(rows))
    write(2, "2 + 3")
    assert played(absent=True) == ["02_a"] and before["seconds"] > 0

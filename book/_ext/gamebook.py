"""What the book needs of Sphinx beyond its themes: described figures, numbers read from records, the address of the site.

* A figure that a notebook shows with ``ganlib.show`` carries its description in the output's metadata. MyST-NB drops it;
  here it becomes the image's ``alt``. A figure without one is a warning, and warnings fail the build.
* Such figures are transparent and drawn in mid-tones: the class ``dark-light`` keeps the theme from laying a pale card
  under them on dark pages.
* ``{result}`NAME path.to.number format``` prints a recorded number of ``ganlib/results/NAME.json``.
* A chapter bears the number in its file's name, whichever others stand before it in the table of contents, and so do its
  figures; those of other pages have none.
* On the page of the library a signature reads as it is written in the source, with the names of ``ganlib.types`` linked.
"""

import ast
import inspect
import json
import runpy
import textwrap
from pathlib import Path
from typing import Any

from docutils import nodes
from route import chapter_number
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole
from sphinx.util.nodes import make_refnode
from sphinx_external_toc.collectors import TocTreeCollectorWithStyles as Collector

logger = logging.getLogger(__name__)
ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "ganlib" / "results"


def shown_outputs(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """The outputs of a code cell that become bundles of mime types in the document, in their order."""
    return [o for o in cell.get("outputs", []) if o["output_type"] in ("display_data", "execute_result")]


def describe_figures(app: Sphinx, doctree: nodes.document) -> None:
    """Gives every image that a notebook's cell shows its stored description and the classes the style sheet needs.

    Bundles and stored outputs are matched cell by cell and in order, so that several images in one cell keep their own.
    """
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for container in doctree.findall(nodes.container):
        if container.get("nb_element") != "cell_code":
            continue
        bundles = [c for c in container.findall(nodes.container) if c.get("nb_element") == "mime_bundle"]
        if not bundles:
            continue
        container["figure_id"] = cells[container["cell_index"]].get("id", container["cell_index"])
        outputs = shown_outputs(cells[container["cell_index"]])
        if len(bundles) != len(outputs):  # MyST-NB has left one out, and a description would land on the wrong picture
            logger.warning(
                "cell %s shows %s of its %s outputs", container["cell_index"], len(bundles), len(outputs), location=container
            )
            continue
        for bundle, output in zip(bundles, outputs):
            for image in bundle.findall(nodes.image):
                describe(image, output, container)


def describe(image: nodes.image, output: dict[str, Any], location: nodes.Node) -> None:
    about = next((about for kind, about in output.get("metadata", {}).items() if kind.startswith("image/")), {})
    alt, kind = str(about.get("alt", "")).strip(), about.get("kind", "picture")
    if not alt:
        logger.warning("a figure has no description: show it with ganlib.show.publish", location=location)
    image["alt"], image["caption"] = alt, about.get("caption", "")
    if widget := about.get("widget"):  # book/_ext/interactives.py puts it round the picture
        image["widget"] = widget
    if film := about.get("film"):  # book/_ext/interactives.py makes a player of it
        image["widget"], image["alt"] = {"name": "film", "data": film}, alt.removeprefix("Animation. ")
    image["classes"] = [*image.get("classes", []), "dark-light", kind]  # of lines the style sheet sets the tone


def recorded(text: str, folder: Path = RESULTS) -> str:
    """The number that ``"NAME path.to.number format"`` names, written in Python's format ("" if none is given).

    Raises:
        ValueError: the record, the path in it or the format is missing or wrong; the message says which.
    """
    name, _, rest = text.strip().partition(" ")
    path, _, style = rest.strip().partition(" ")
    file = folder / f"{name}.json"
    if not path or not file.is_file():
        raise ValueError(f"{text!r} names no record: expected 'NAME path.to.number format' and a file {name}.json.")
    value = json.loads(file.read_text(encoding="utf-8"))
    for key in path.split("."):
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise ValueError(f"{name}.json has no {path!r}: it ends before {key!r}.") from error
    if isinstance(value, (dict, list)):
        raise ValueError(f"{path!r} in {name}.json is a {type(value).__name__}, expected a number or a word.")
    try:
        return format(value, style.strip())
    except ValueError as error:
        raise ValueError(f"{value!r} cannot be written as {style!r}: {error}.") from error


class ResultRole(SphinxRole):
    """``{result}`digit_classifier test_accuracy .2%```; a warning, and so a failed build, where there is no such number."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        name = self.text.strip().partition(" ")[0]
        self.env.note_dependency(str(RESULTS / f"{name}.json"))
        try:
            shown = recorded(self.text)
        except ValueError as error:
            logger.warning("result: %s", error, location=self.get_location())
            shown = "?"
        return [nodes.inline(self.rawtext, shown, classes=["result"])], []


def set_site_address(app: Sphinx, config: Config) -> None:
    """One address in the configuration is enough: the site's follows from the repository's."""
    site_url = runpy.run_path(str(ROOT / "tools" / "repository.py"))["site_url"]
    config.ogp_site_url = config.html_baseurl = site_url(config.html_theme_options["repository_url"])


def written_signature(app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returns: str) -> Any:
    """The parameters and the result of a function as its source spells them: ``Logits``, not what jaxtyping makes of it."""
    function = obj.__dict__.get("__init__") if inspect.isclass(obj) else inspect.unwrap(obj)
    try:
        node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (TypeError, OSError, SyntaxError):  # no source of its own: a dataclass's __init__, for instance
        return None
    if not isinstance(node, ast.FunctionDef):
        return None
    positional = node.args.args
    if positional and positional[0].arg == "self":
        positional.pop(0)
    return f"({ast.unparse(node.args)})", ast.unparse(node.returns) if node.returns and not inspect.isclass(obj) else ""


def escape_bars(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """|x| in a docstring is an absolute value, not reStructuredText's substitution."""
    lines[:] = [line.replace("|", r"\|") for line in lines]


def link_types(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Node) -> nodes.Node | None:
    """``Logits`` in any module means ``ganlib.types.Logits``."""
    target = f"ganlib.types.{node.get('reftarget')}"
    entry = env.get_domain("py").objects.get(target) if node.get("refdomain") == "py" else None
    return None if entry is None else make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, target)


def labels_are_anchors(app: Sphinx, env: BuildEnvironment) -> None:
    """Lets a link name a label behind a file, ``[text](08_mnist_gan.ipynb#sec-08-loop)``, as notebooks elsewhere need it."""
    for label, (page, anchor, *title) in {**env.domaindata["std"]["anonlabels"], **env.domaindata["std"]["labels"]}.items():
        if page in env.metadata:
            env.metadata[page].setdefault("myst_slugs", {}).setdefault(label, (0, anchor, *(title or [label])))


def number_chapters_by_file(app: Sphinx) -> None:
    """Lets Sphinx number the sections as it does, then puts the file's number in place of the first one.

    Numbers of theorems and figures are derived from these afterwards. A chapter without numbered sections counts its own
    figures, 0.1 and so on; figures of other pages bear no number.
    """
    counted, counted_figures = Collector.assign_section_numbers, Collector.assign_figure_numbers
    if hasattr(counted, "by_file"):  # a second build in one process
        return

    def assign_section_numbers(self: Collector, env: BuildEnvironment) -> list[str]:
        before, env.toc_secnumbers = env.toc_secnumbers, {}
        counted(self, env)
        for name, numbers in env.toc_secnumbers.items():
            first = chapter_number(name)
            if first is not None:
                for anchor, number in numbers.items():
                    numbers[anchor] = (first, *number[1:]) if number else number
                for numbered in [env.titles[name], *env.tocs[name].findall(nodes.reference)]:
                    if numbered.get("secnumber"):
                        numbered["secnumber"] = [first, *numbered["secnumber"][1:]]
        return [name for name, numbers in env.toc_secnumbers.items() if numbers != before.get(name)]

    def assign_figure_numbers(self: Collector, env: BuildEnvironment) -> list[str]:
        rewritten = counted_figures(self, env)
        for name, kinds in env.toc_fignumbers.items():
            if not env.toc_secnumbers.get(name) and "figure" in kinds:
                chapter, figures = chapter_number(name), kinds.pop("figure")
                if chapter is not None:
                    kinds["figure"] = {anchor: (chapter, place) for place, anchor in enumerate(figures, 1)}
        return rewritten

    assign_section_numbers.by_file = True
    Collector.assign_section_numbers = assign_section_numbers
    Collector.assign_figure_numbers = assign_figure_numbers


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", set_site_address)
    app.connect("builder-inited", number_chapters_by_file)
    app.connect("doctree-read", describe_figures)
    app.connect("autodoc-process-signature", written_signature)
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("missing-reference", link_types)
    app.connect("env-check-consistency", labels_are_anchors)
    app.add_role("result", ResultRole())
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Pictures as small files of a stated size: SVG of lines, WebP of images, asked for when the reader comes near."""

import hashlib
import io
from html import escape
from pathlib import Path
from posixpath import relpath
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def smaller(path: Path) -> tuple[str, bytes, tuple[int, int]]:
    """The suffix, content and size of a picture as it is best sent: without loss as WebP if that is smaller.

    Of an animation only the picture that stands for it: its frames are a film's. An SVG's size is that of its view box.
    """
    data = path.read_bytes()
    if path.suffix == ".svg":
        width, height = ElementTree.fromstring(data).attrib["viewBox"].split()[2:]
        return path.suffix, data, (round(float(width)), round(float(height)))
    with Image.open(io.BytesIO(data)) as picture:
        size = picture.size
        if path.suffix == ".png":
            out = io.BytesIO()
            picture.convert("RGBA" if "transparency" in picture.info or picture.mode.endswith("A") else "RGB").save(
                out, format="WEBP", lossless=True, method=5, quality=40
            )
            if out.tell() < len(data):
                return ".webp", out.getvalue(), size
    return path.suffix, data, size


def visit_image(self: Any, node: nodes.image) -> None:
    """An ``<img>`` with its size; the first of a page is asked for at once, the others when they come near."""
    path = Path(self.builder.srcdir) / node["uri"]
    if path.suffix not in (".png", ".jpg", ".webp", ".svg") or not path.is_file():
        return HTML5Translator.visit_image(self, node)
    suffix, data, (width, height) = smaller(path)
    name = f"{path.stem if len(path.stem) < 40 else hashlib.sha256(data).hexdigest()[:16]}{suffix}"
    folder = Path(self.builder.outdir) / self.builder.imagedir
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    self.builder.images.pop(node["uri"], None)
    source = relpath(f"{self.builder.imagedir}/{name}", Path(self.builder.current_docname).parent.as_posix())
    seen = getattr(self.document, "pictures_seen", 0)
    self.document.pictures_seen = seen + 1
    lazy = ' loading="lazy" decoding="async"' if seen else ""
    classes = f' class="{" ".join(node["classes"])}"' if node.get("classes") else ""
    self.body.append(
        f'<img src="{source}" width="{width}" height="{height}" alt="{escape(node.get("alt", ""))}"{classes}{lazy}>\n'
    )
    return None


def depart_image(self: Any, node: nodes.image) -> None:
    pass


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(nodes.image, override=True, html=(visit_image, depart_image))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Statements, proofs, exercises and solutions: one title line with a number and an address, proofs and solutions that fold.

The extensions sphinx-proof and sphinx-exercise parse, number and link; this replaces the boxes that they draw.
"""

import re
from typing import Any

import sphinx_exercise.nodes as exercises
import sphinx_proof.nodes as proofs
from cells import fold
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

EXERCISES = (exercises.exercise_node, exercises.exercise_enumerable_node)
STATEMENTS = (*proofs.NODE_TYPES.values(), proofs.unenumerable_node)
PROOF = re.compile(r"^Proof\.?\s*")


class statement(nodes.General, nodes.Element):
    """A box with ``kind`` and ``number``; its first child is the rest of the title."""


def visit_statement(self: Any, node: statement) -> None:
    self.body.append(self.starttag(node, "div", CLASS=f"statement {node['kind']}"))


def depart_statement(self: Any, node: statement) -> None:
    self.body.append("</div>\n")


class statement_title(nodes.General, nodes.Element):
    pass


def visit_statement_title(self: Any, node: statement_title) -> None:
    self.body.append(f'<p class="statement-title"><strong>{node["label"]}</strong> ')


def depart_statement_title(self: Any, node: statement_title) -> None:
    self.add_permalink_ref(node.parent, f"Link to this {node.parent['kind']}")
    self.body.append("</p>\n")


def body(node: nodes.Element) -> list[nodes.Node]:
    """What stands in a box of the extensions, out of the section with the repeated id."""
    return [child for part in node[1:] for child in (part.children if isinstance(part, nodes.section) else [part])]


class DrawBoxes(SphinxPostTransform):
    """Replaces the boxes of both extensions after every title and number is resolved."""

    default_priority = 850
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        numbers = self.env.toc_fignumbers.get(self.env.docname, {})
        for node in list(self.document.findall(nodes.Element)):
            if isinstance(node, exercises.solution_node):
                self.draw_solution(node)
            elif isinstance(node, (*STATEMENTS, *EXERCISES)):
                kind = node.get("realtype") or "exercise"
                digits = numbers.get(node.get("countertype") or kind, {}).get(node["ids"][0] if node["ids"] else "", ())
                self.draw_statement(node, kind, ".".join(map(str, digits)))
            elif isinstance(node, proofs.proof_node):
                self.draw_proof(node)

    def draw_statement(self, node: nodes.Element, kind: str, number: str) -> None:
        label = f"{kind.title()} {number}".strip()
        title = statement_title(label=label)
        rest = [child for child in node[0].children if child.astext().strip() != "Exercise"]
        if kind == "exercise" and rest:  # "(Check: a generator that wants to be caught)", muted and without brackets
            rest = [nodes.inline("", "", *without_brackets(rest), classes=["topic"])]
        title.extend(rest)
        box = statement(kind=kind, ids=node["ids"])
        box += title
        box.extend(body(node))
        node.parent.replace(node, box)  # replace_self would hand the old classes on

    def draw_solution(self, node: nodes.Element) -> None:
        target = node.get("target_label")
        box = fold(label="Solution", classes=["solution"], ids=[f"solution-{target}" if target else node["ids"][0]])
        box.extend(body(node))
        node.parent.replace(node, box)  # replace_self would hand the old classes on

    def draw_proof(self, node: nodes.Element) -> None:
        admonition = node[0]
        first = admonition.next_node(nodes.Text)
        folded = {"fold", "dropdown"} & set(admonition["classes"])
        box: nodes.Element = fold(label="Proof", classes=["proof"]) if folded else nodes.container(classes=["proof"])
        if first is not None and PROOF.match(first.astext()):
            text = PROOF.sub("", first.astext())
            replacement = [nodes.Text(text)] if folded else [nodes.emphasis("", "Proof."), nodes.Text(f" {text}")]
            first.parent.replace(first, replacement)
        box.extend(admonition.children)
        node.parent.replace(node, box)  # replace_self would hand the old classes on


def without_brackets(title: list[nodes.Node]) -> list[nodes.Node]:
    first, last = title[0], title[-1]
    if isinstance(first, nodes.Text) and first.astext().lstrip().startswith("("):
        title[0] = nodes.Text(first.astext().lstrip()[1:])
    if isinstance(last, nodes.Text) and title[-1].astext().rstrip().endswith(")"):
        title[-1] = nodes.Text(title[-1].astext().rstrip()[:-1])
    return title


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(statement, html=(visit_statement, depart_statement))
    app.add_node(statement_title, html=(visit_statement_title, depart_statement_title))
    app.add_post_transform(DrawBoxes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Tables as pages and notebooks show them: HTML that folds into rows on a phone, and plain text where there is no HTML."""

from collections.abc import Iterable, Sequence
from html import escape


def table(header: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> None:
    """Shows a table as the cell's output. Cells are shown as ``str`` makes them: the caller rounds.

    Args:
        header: what each column holds, with its unit.
        rows: each as long as the header; a cell that reads as a number stands at the right, others at the left.
        caption: a line above the table.

    Raises:
        TypeError: the header, the rows or a row is no sequence, or the caption no text.
        ValueError: the header or the rows are empty, or a row is not as long as the header.
    """
    from IPython.display import display

    parts = {"header": [header], "rows": [rows, *(rows if isinstance(rows, Sequence) else [])]}
    for name, sequences in parts.items():
        for part in sequences:
            if isinstance(part, str) or not isinstance(part, Iterable):
                raise TypeError(f"{name} must be a sequence{' of sequences' * (name == 'rows')}, got {type(part).__name__}.")
    if not isinstance(caption, str):
        raise TypeError(f"caption must be text, got {type(caption).__name__}.")
    header, rows = [str(name) for name in header], [[str(cell) for cell in row] for row in rows]
    if not header or not rows:
        raise ValueError(f"header and rows must not be empty, got {len(header)} columns and {len(rows)} rows.")
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"rows must have {len(header)} cells as the header has, row {number} has {len(row)}.")
    display({"text/html": _html(header, rows, caption), "text/plain": _plain(header, rows, caption)}, metadata={}, raw=True)


def _is_number(cell: str) -> bool:
    """Whether a cell begins with a number or a dash that stands for none: 0.93, -1, 2.86 ± 0.32, 45 %."""
    return cell.lstrip("-+−").partition(" ")[0].rstrip("%").replace(",", "").replace(".", "", 1).isdigit() or cell in "-–"


def _html(header: list[str], rows: list[list[str]], caption: str) -> str:
    right = [all(_is_number(row[column]) for row in rows) for column in range(len(header))]
    side = ['class="right" ' if numbers else "" for numbers in right]
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    head = "".join(f'<th {s}scope="col">{escape(name)}</th>' for s, name in zip(side, header))
    body = "".join(
        "<tr>" + "".join(f'<td {s}data-h="{escape(h)}">{escape(c)}</td>' for s, h, c in zip(side, header, row)) + "</tr>"
        for row in rows
    )
    return f'<table class="shown">{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _plain(header: list[str], rows: list[list[str]], caption: str) -> str:
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [header, *rows]]
    return "\n".join([caption, *lines] if caption else lines)

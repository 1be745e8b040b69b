"""The few signs of the top bar and the search field, as inline SVG in place of an icon font and its program."""

import re

from sphinx.jinja2glue import BuiltinTemplateLoader

STROKES = {  # Font Awesome's names in the theme's templates -> paths on a grid of 24
    "bars": "M4 7h16M4 12h16M4 17h16",
    "list": "M9 7h11M9 12h11M9 17h11M4.5 7h.01M4.5 12h.01M4.5 17h.01",
    "magnifying-glass": "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM15.5 15.5 20 20",
    "sun": "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2"
    "M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
    "moon": "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
    "circle-half-stroke": "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM12 4v16M14 5v14M16 6.2v11.6M18 8v8",
    "arrow-up": "M12 19V5M6 11l6-6 6 6",
    "angle-left": "M14 6l-6 6 6 6",
    "angle-right": "M10 6l6 6-6 6",
    "code": "M8 7l-5 5 5 5M16 7l5 5-5 5",
    "pencil": "M4 20l1-4L16 5l3 3L8 19l-4 1zM14 7l3 3",
    "print": "M7 9V4h10v5M7 17H4v-7h16v7h-3M7 14h10v6H7z",
}
ICON = re.compile(r'<(i|span) class="([^"]*\bfa[srb]?(?:-solid)? fa-([a-z-]+)(?: fa-lg)?)"([^>]*)></\1>')


def drawn(match: re.Match[str]) -> str:
    """One icon of the theme as SVG; it says nothing to a screen reader, for the button around it bears the name.

    Raises:
        KeyError: the theme uses an icon that is not drawn here.
    """
    if match[3] not in STROKES:
        raise KeyError(f"the theme shows the icon {match[3]!r}, which book/_ext/icons.py does not draw")
    kept = " ".join(name for name in match[2].split() if not name.startswith("fa"))
    classes = f"icon {kept}".strip()
    return f'<svg class="{classes}" viewBox="0 0 24 24" aria-hidden="true"{match[4]}><path d="{STROKES[match[3]]}"/></svg>'


class Templates(BuiltinTemplateLoader):
    """Sphinx's templates, with every icon of the theme drawn in the page."""

    def render(self, template: str, context: dict) -> str:
        page = ICON.sub(drawn, super().render(template, context))
        # A button that shows only an icon says its name in `title`; a screen reader is told it, too.
        page = re.sub(r'(<button class="btn search-button-field[^>]*?) aria-label="[^"]*"', r"\1", page)  # it shows its name
        return re.sub(
            r'(<(?:button|a)\b(?=[^>]*class="[^"]*\bbtn\b)(?![^>]*(?:aria-label|search-button-field))[^>]*?)title="([^"]+)"',
            r'\1title="\2" aria-label="\2"',
            page,
        )

"""HTML in which all text is escaped, made in one place: pages that fetch nothing and run nothing."""

from __future__ import annotations

import html
from dataclasses import dataclass

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

PALETTE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c2126; --faint: #59636e; --line: #d5dae0; --wash: #f3f5f8;
  --bar: #2a6bb0; --heat-of: 42 107 176; --emergency: #b3261e; --same-day: #a85400; --soon: #7a6a00; --routine: #5b6671; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #14181d; --ink: #e4e8ed; --faint: #a3adb8; --line: #39424c; --wash: #1d232a;
    --bar: #6aa7e6; --heat-of: 106 167 230; --emergency: #ff8a80; --same-day: #ffb066; --soon: #ddd06a; --routine: #a3adb8; }
}
"""


@dataclass(frozen=True)
class Markup:
    """HTML that `tag` has made: all text in it is escaped."""

    html: str


Content = str | Markup


def tag(name: str, *content: Content, **attributes: str) -> Markup:
    """An element. `class_` and `aria_label` become `class` and `aria-label`; an empty class is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
        if value or key != "class_"
    )
    return Markup(f"<{name}{written}>{''.join(_html(c) for c in content)}</{name}>")


def _html(content: Content) -> str:
    return content.html if isinstance(content, Markup) else escaped(content)


def escaped(text: str) -> str:
    """The text, printable, as it stands in an element or between quotes."""
    return html.escape(made_printable(text))


def made_printable(text: str) -> str:
    """The text on one line; what cannot be printed, or turns the direction of writing, is replaced."""
    return "".join(" " if c.isspace() else c if c.isprintable() else "\ufffd" for c in text)


def document(title: str, style: str, body: Markup) -> str:
    """A whole page of this body, with `style` as it stands; it may fetch and run nothing, and tells nobody of itself."""
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="referrer" content="no-referrer">'),
        tag("title", title),
        Markup(f"<style>{PALETTE}{style}</style>"),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en").html + "\n"

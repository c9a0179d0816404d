"""Reading the pages that are written, and holding them to what every page must keep to."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TypeVar

VOID = {"meta", "wbr"}
FETCHES = {"script", "img", "link", "iframe", "object", "embed", "form", "base", "audio", "video", "image", "use"}
APART = {"li", "p", "h1", "h2", "h3", "summary", "dd", "div", "text"}


class Page(HTMLParser):
    """A page as read: its elements and all of its text; at fault where tags do not balance."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.source = text
        self.feed(text)
        self.close()
        assert not self.open
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag in APART:
            self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def ids(self) -> set[str]:
        """The ids of its elements."""
        return {attributes["id"] for _, attributes in self.elements if "id" in attributes}


Kind = TypeVar("Kind", bound=Page)


def kept_safe(page: Kind, *links: str) -> Kind:
    """The page, which is valid, can neither fetch nor run anything, links only to addresses that begin so, and is fit to be
    written to a file."""
    page.source.encode("utf-8")
    assert page.source.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert not {tag for tag, _ in page.elements} & FETCHES
    assert len(page.ids()) == sum("id" in attributes for _, attributes in page.elements)
    for tag, attributes in page.elements:
        assert not {key for key in attributes if key.startswith("on")}, tag
        assert not {"src", "srcset", "action", "xlink:href", "ping"} & set(attributes)
        assert attributes.get("href", links[0]).startswith(links)
    style = page.source[page.source.index("<style>") : page.source.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page.source
    return page

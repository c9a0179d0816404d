"""Paragraphs, and how they are wrapped: the one form in which explanations and sessions say what they say."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

WIDEST = 99  # columns of a line, however wide the terminal is
NARROWEST = 20  # columns that the text is left, however deep it stands


@dataclass(frozen=True)
class Paragraph:
    """Words to be wrapped between words; later lines stand under the first line's text. An empty one is an empty line."""

    text: str = ""
    mark: str = ""  # stands before the text
    indent: int = 0  # columns before the mark
    style: str = ""  # danger, heading; what it means stands in the words, too


def moved_right(paragraphs: Iterable[Paragraph], columns: int) -> tuple[Paragraph, ...]:
    """The same, each so many columns further to the right."""
    return tuple(replace(p, indent=p.indent + columns) for p in paragraphs)


def wrapped(paragraphs: Iterable[Paragraph], width: int) -> Iterator[str]:
    """The lines of the paragraphs, none longer than `width` or `WIDEST` unless a word is; none ends in spaces. Where
    there is little room the indent gives way."""
    width = max(NARROWEST, min(width, WIDEST))
    for paragraph in paragraphs:
        indent = max(0, min(paragraph.indent, width - NARROWEST - len(paragraph.mark)))
        before = " " * indent + paragraph.mark
        wrapper = textwrap.TextWrapper(width, before, " " * len(before), break_long_words=False, break_on_hyphens=False)
        yield from wrapper.wrap(paragraph.text) or [""]

"""Markdown: a text of an author's as it stands there, the name of a heading, the way from one page to another."""

from __future__ import annotations

import re


def anchor(heading: str) -> str:
    """What a link to a heading of a Markdown page names, as GitHub makes it; of an id, the id."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def plain_text(text: str) -> str:
    """A text of an author's as Markdown prints it: nothing in it is markup."""
    return re.sub(r"([\\`*<>|\[\]])", r"\\\1", " ".join(text.split()))


def way(here: str, there: str) -> str:
    """How a page names another, both by their paths from the same folder; '' for itself."""
    if here == there:
        return ""
    up, down = here.split("/")[:-1], there.split("/")
    while up and up[0] == down[0]:
        up, down = up[1:], down[1:]
    return "/".join([*(".." for _ in up), *down])

"""A patient of our own making as a case file, for others to read, judge and run."""

from __future__ import annotations

import json
from collections.abc import Mapping


def case_text(name: str, given: Mapping[str, str], expected: Mapping[str, str], about: str = "") -> str:
    """The case as an item of a case file, `from: recorded`: a command wrote it, and its author has yet to judge it."""
    lines = [f"- case: {_quoted(name)}", "  from: recorded"]
    lines += [f"  about: {_quoted(about)}"] if about else []
    lines += ["  given:", *(f"    {finding}: {_quoted(words)}" for finding, words in sorted(given.items()))]
    if not given:
        lines[-1] += " {}"
    if expected:
        lines += ["  expect:", *(f"    {subject}: {_quoted(words)}" for subject, words in expected.items())]
    return "\n".join(lines) + "\n"


def _quoted(words: str) -> str:
    """The words as YAML takes them: bare where nothing in them could be read as anything else."""
    bare = words and all(c.isalnum() or c in " _./%" for c in words) and words[0].isalnum() and words == words.strip()
    return words if bare else json.dumps(words, ensure_ascii=False)

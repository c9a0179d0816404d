"""Problems as the annotations that GitHub shows beside the lines of a change."""

from __future__ import annotations

from ..knowledge.problems import Problem


def github_line(problem: Problem) -> str:
    """One workflow command; the help stands in a line of its own under the message."""
    where = (("file", problem.place.file), ("line", problem.place.line), ("col", problem.place.column))
    properties = ",".join(f"{key}={_property(str(value))}" for key, value in (*where, ("title", problem.code)))
    said = problem.message + (f"\nhelp: {problem.help}" if problem.help else "")
    return f"::{problem.severity} {properties}::{_data(said)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

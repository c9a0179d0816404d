"""Words and marks that every printer shares: how many, a title in a sentence, what a rule counts for, where one stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the commands count with these before anything else is needed
    from ..inference.weighing import Conclusion
    from ..knowledge.model import Rule

QUIET = ("not assessed", "not supported")  # levels of which nothing needs to be said
_WITHOUT_POINTS = ("established", "excluded", *QUIET)  # levels at which points say nothing


def counted(number: int, noun: str) -> str:
    """`1 screen`, `2 screens`."""
    return f"{number} {noun}{'' if abs(number) == 1 else 's'}"


def many(number: int, noun: str) -> str:
    """`1 patient`, `2,000 patients`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def lowered(title: str) -> str:
    """A title as it stands inside a sentence."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def mark_of(rule: Rule, points: int) -> str:
    """What a rule counts for, in few characters; brackets when it is outdone."""
    if rule.then in ("establishes", "excludes"):
        return "+++" if rule.is_for else "---"
    return f"{points:+d}" if points else "(+)" if rule.is_for else "(-)"


def standing(conclusion: Conclusion) -> str:
    """A level with its points, where points say something."""
    return conclusion.level if conclusion.level in _WITHOUT_POINTS else f"{conclusion.level} ({conclusion.points:+d})"


def standing_and_urgency(conclusion: Conclusion) -> str:
    """The same with what it asks for, where it asks for anything."""
    return f"{standing(conclusion)}, {conclusion.urgency}" if conclusion.urgency else standing(conclusion)

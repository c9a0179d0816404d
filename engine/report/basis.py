"""What a report rests on, and how much of that has been reviewed."""

from __future__ import annotations

from ..inference.outcome import Outcome
from ..knowledge.model import Advice, Note, RedFlag, Rule


def rests_on(outcome: Outcome) -> tuple[Rule | RedFlag | Note | Advice, ...]:
    """What the report says by: the rules that fired, the red flags and notes that are shown, the advice that is given."""
    return (
        *(evidence.rule for line in outcome.lines for evidence in line.evidence),
        *(flag for flag, _ in outcome.red_flags),
        *(note for note, _ in outcome.notes),
        *(advice for advice, given in outcome.advice if given),
    )


def reviews(outcome: Outcome) -> tuple[int, int]:
    """How many things the report rests on, and how many of them say what they said when they were reviewed."""
    used = {thing.id for thing in rests_on(outcome)}
    return len(used), len(used & outcome.knowledge.reviewed)

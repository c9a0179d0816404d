"""What a report rests on, and how much of that has been reviewed."""

from __future__ import annotations

from ..inference.outcome import Outcome
from ..knowledge.model import Advice, Link, Note, RedFlag, Rule, Source


def rests_on(outcome: Outcome) -> tuple[Rule | RedFlag | Note | Advice | Link, ...]:
    """What the report says by: the rules that fired, the red flags, notes and links that are shown, the advice that is
    given."""
    return (
        *(evidence.rule for line in outcome.lines for evidence in line.evidence),
        *(flag for flag, _ in outcome.red_flags),
        *(note for note, _ in outcome.notes),
        *(advice for advice, given in outcome.advice if given),
        *(link for link, _ in outcome.links),
    )


def sources_of(outcome: Outcome) -> tuple[Source, ...]:
    """The sources that are cited by what the report rests on, by id."""
    sources = outcome.knowledge.sources
    named = {id for thing in rests_on(outcome) for id in thing.source}
    return tuple(sources[id] for id in sorted(named) if id in sources)


def reviews(outcome: Outcome) -> tuple[int, int]:
    """How many things the report rests on, and how many of them say what they said when they were reviewed."""
    used = {thing.id for thing in rests_on(outcome)}
    return len(used), len(used & outcome.knowledge.reviewed)

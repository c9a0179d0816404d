"""What every report says of a patient in the same words: how urgent it is, what leads and what is still open."""

from __future__ import annotations

from ..inference.explanation import barriers, title_of
from ..inference.justification import Reason, findings_of, through
from ..inference.outcome import Line, Outcome
from ..inference.weighing import Conclusion
from ..knowledge.model import DO_NOT_MISS, LEVELS, Knowledge
from .words import QUIET, counted, lowered

DISCLAIMER = "Decision support for health professionals and for learning; not a medical device."
_MOST_MISSING = 6


def foot_said(knowledge: Knowledge, version: str) -> str:
    """What every report ends with: what it was made by and from, and what it is."""
    alone = " (document only)" if knowledge.is_document_only else ""
    return f"crampdx {version}, knowledge {knowledge.hash}{alone}. {DISCLAIMER}"


def urgency_said(outcome: Outcome) -> str:
    """The urgency with what makes it so; where nothing does, how much is not ruled out."""
    word = outcome.urgency.upper()
    named = [flag.title for flag, _ in outcome.red_flags if flag.urgency == outcome.urgency]
    if named:
        return f"{word}: {named[0].rstrip('.')}" + (f", and {len(named) - 1} more" if len(named) > 1 else "")
    if outcome.open_red_flags:
        return f"{word} as far as is known; {counted(len(outcome.open_red_flags), 'red flag')} not ruled out"
    return word


def leading_said(outcome: Outcome) -> str:
    """The leading diagnosis with its level, or that there is none."""
    if outcome.leading:
        title = outcome.knowledge.diagnoses[outcome.leading].title
        return f"{title}: {outcome.conclusion(outcome.leading).level}"
    if not outcome.valuation.findings:
        return "none, for nothing is known yet"
    return "none of these is supported"


def exclusion_said(outcome: Outcome, conclusion: Conclusion) -> str:
    """Of a diagnosis of exclusion, what keeps it down: something else that is found, or may still be."""
    knowledge = outcome.knowledge
    entry = knowledge.diagnoses[conclusion.diagnosis]
    if not entry.is_of_exclusion:
        return ""
    found = [lowered(barrier.title.rstrip(".")) for barrier in barriers(knowledge, conclusion)]
    if found:
        return f"a diagnosis of exclusion: not supported while something else is found ({_some(found)})"
    names = [leaf.name for leaf in entry.needs_no if outcome.valuation.truth_of(leaf.name) is None]
    if not names:
        return "a diagnosis of exclusion: what it asks to be excluded is known to be absent"
    listed = _some([lowered(title_of(knowledge, name)) for name in names])
    return f"a diagnosis of exclusion: at most possible until this is known to be absent: {listed}"


def still_open(outcome: Outcome, line: Line) -> str:
    """What would change the line; for a diagnosis that must not be missed, always said while it is not excluded."""
    conclusion = line.conclusion
    knowledge = outcome.knowledge
    diagnosis = knowledge.diagnoses[conclusion.diagnosis]
    must_not_miss = diagnosis.tier == DO_NOT_MISS and diagnosis.origin == "document"
    if conclusion.level == "excluded" or not outcome.valuation.findings:
        return ""
    if conclusion.level in QUIET and not must_not_miss:
        return ""
    if not line.missing:
        return "nothing more to ask would change this, but it is not excluded" if must_not_miss else ""
    listed = _some([lowered(knowledge.findings[n].title) for n in line.missing])
    if LEVELS.index(conclusion.could_reach) < LEVELS.index(conclusion.level):
        return f"could reach {conclusion.could_reach}; still unknown: {listed}"
    return f"not excluded; still unknown: {listed}" if must_not_miss else ""


def _some(titles: list[str]) -> str:
    more = len(titles) - _MOST_MISSING
    return "; ".join(titles[:_MOST_MISSING]) + (f"; and {more} more" if more > 0 else "")


def findings_said(reasons: tuple[Reason, ...], knowledge: Knowledge) -> str:
    """The findings at the bottom of a justification, with their values."""
    words = []
    for name, value in findings_of(reasons):
        title = lowered(knowledge.findings[name].title)
        words.append(title if value == "yes" else f"{title}: no" if value == "no" else f"{title} {value}")
    return "; ".join(words) or "a question that does not arise"


def by_way_of(reasons: tuple[Reason, ...]) -> str:
    """The concepts and scores that a justification passes through; '' for none."""
    steps = [f"{r.name.replace('_', ' ')} {'' if r.value == 'yes' else r.value}".strip() for r in through(reasons)]
    return f" via {', '.join(steps)}" if steps else ""


def cited(source: tuple[str, ...]) -> str:
    """The ids of sources as they stand after what rests on them."""
    return f"[{', '.join(source)}]"

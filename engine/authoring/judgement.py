"""What rests on judgement, on memory or on a source at second hand: all that a clinician should read first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..knowledge.model import Advice, Concept, Finding, Knowledge, Link, Note, RedFlag, Rule, Score, Sourced
from ..knowledge.parser import WORDS_FOR_SOURCE

VERIFIED = "verified"
EXPERT, UNVERIFIED = WORDS_FOR_SOURCE
SECONDARY = "secondary"
WHYS = (EXPERT, UNVERIFIED, SECONDARY)
_WORDS: Mapping[type[Sourced], str] = {
    Concept: "concept",
    Score: "score",
    Rule: "rule",
    RedFlag: "red flag",
    Note: "note",
    Advice: "advice",
    Link: "link",
}


@dataclass(frozen=True)
class Judged:
    """One thing of the knowledge base that some source of it does not vouch for."""

    id: str
    what: str  # rule, score and so on, or reference interval
    title: str
    diagnosis: str  # '' for what several share
    strength: str  # of a rule; the urgency of a red flag; '' of anything else
    weak: tuple[tuple[str, str], ...]  # each source that is not verified, with why it is not
    verified: tuple[str, ...]  # the sources beside those that are

    @property
    def whys(self) -> frozenset[str]:
        """Why it should be read."""
        return frozenset(why for _, why in self.weak)


def judged(knowledge: Knowledge) -> tuple[Judged, ...]:
    """All of it: things by kind and id, then the reference intervals."""
    return (*_things(knowledge), *_intervals(knowledge))


def why_of(knowledge: Knowledge, source: str) -> str:
    """Why a source does not vouch by itself for what rests on it; '' where it does."""
    if source in WORDS_FOR_SOURCE:
        return source
    found = knowledge.sources.get(source)
    return "" if found is None or found.checked == VERIFIED else found.checked


def diagnosis_of(thing: Sourced) -> str:
    """The diagnosis that a thing belongs to; '' for what several share. A link belongs to its cause."""
    if isinstance(thing, (Rule, Score, Advice)):
        return thing.diagnosis
    return thing.cause if isinstance(thing, Link) else ""


def _things(knowledge: Knowledge) -> Iterator[Judged]:
    for id, thing in knowledge.sourced.items():
        weak = tuple((source, why) for source in thing.source if (why := why_of(knowledge, source)))
        if weak:
            yield Judged(
                id=id,
                what=_WORDS[type(thing)],
                title=thing.text if isinstance(thing, Advice) else thing.title,
                diagnosis=diagnosis_of(thing),
                strength=thing.then if isinstance(thing, Rule) else thing.urgency if isinstance(thing, RedFlag) else "",
                weak=weak,
                verified=tuple(source for source in thing.source if not why_of(knowledge, source)),
            )


def _intervals(knowledge: Knowledge) -> Iterator[Judged]:
    for finding in knowledge.findings.values():
        source = "" if finding.scale is None else finding.scale.reference_source
        why = why_of(knowledge, source) if source else ""
        if why:
            yield _interval(finding, source, why)


def _interval(finding: Finding, source: str, why: str) -> Judged:
    return Judged(finding.name, "reference interval", finding.title, "", "", ((source, why),), ())

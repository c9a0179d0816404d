"""One patient's report to keep, as data: what the page and the Markdown say, in the order in which they say it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..inference.explanation import Fired, How, Step, how
from ..inference.justification import Reason, value_in_words
from ..inference.outcome import Line, Outcome
from ..knowledge.model import (
    AT_LEAST_POSSIBLE,
    DO_NOT_MISS,
    EXAMINER,
    KNOWERS,
    LABORATORY,
    PATIENT,
    YES_NO,
    Finding,
    Knowledge,
    Source,
)
from .basis import reviews, sources_of
from .explained import cap_said, outdone_said, rule_said, steps_said
from .phrases import exclusion_said, findings_said, foot_said, leading_said, still_open, urgency_said
from .words import counted, mark_of, standing_and_urgency

KNOWN_BY = {PATIENT: "Told by the patient", EXAMINER: "Found on examination", LABORATORY: "Measured or imaged"}
SOURCES_SAID = "What rests on 'expert' is judgement, and what rests on 'unverified' is from memory: no source is known."
_NOT_IN_AN_ADDRESS = re.compile(r"[^A-Za-z0-9._~:/?#@!$&'()*+,;=%-]")


@dataclass(frozen=True)
class Point:
    """Something said, the sources that it rests on, and what is said under it."""

    text: str
    mark: str = ""
    sources: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()
    is_minor: bool = False  # the first to go where there is little room


@dataclass(frozen=True)
class Part:
    """A heading with what stands under it."""

    id: str
    heading: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Known:
    """What is known from one kind of person: what is there or measured, and the titles of what is absent."""

    heading: str
    values: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class Strand:
    """One diagnosis with its level, and how it came to have it."""

    title: str
    standing: str  # level, points, urgency
    urgency: str
    remarks: tuple[str, ...]
    is_leading: bool
    is_supported: bool
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Tier:
    """The diagnoses under a heading of the document, in rank order."""

    heading: str
    strands: tuple[Strand, ...]


@dataclass(frozen=True)
class CaseReport:
    """All of it. What has nothing to say is empty."""

    name: str
    urgency: str
    urgency_said: str
    leading_said: str
    scope: tuple[Point, ...]
    red_flags: tuple[tuple[str, Point], ...]  # with the urgency of each
    known: tuple[Known, ...]
    doubts: tuple[str, ...]
    supported: tuple[Strand, ...]  # at possible or above, in rank order
    tiers: tuple[Tier, ...]
    paths: tuple[How, ...]  # to be drawn: the leading diagnosis, and those that must not be missed
    parts: tuple[Part, ...]  # what is missing, advice, next steps, links, notes
    sources: tuple[Source, ...]
    foot: tuple[str, ...]


def case_report(name: str, outcome: Outcome, version: str, warnings: Iterable[str] = ()) -> CaseReport:
    """What there is to say of one patient, under the name of the case."""
    knowledge = outcome.knowledge
    strands = {line.conclusion.diagnosis: _strand(outcome, line) for line in outcome.lines}
    must_not_miss = {d for d, entry in knowledge.diagnoses.items() if entry.tier == DO_NOT_MISS}
    supported = {d: strand for d, strand in strands.items() if strand.is_supported}
    tiers = (
        Tier(tier.heading, tuple(s for d, s in strands.items() if knowledge.diagnoses[d].tier == tier.id))
        for tier in knowledge.tiers
    )
    return CaseReport(
        name=name,
        urgency=outcome.urgency,
        urgency_said=urgency_said(outcome),
        leading_said=leading_said(outcome),
        scope=tuple(Point(f"{n.title.rstrip('.')}. {n.text}", "!", n.source) for n in outcome.scope),
        red_flags=tuple(_red_flags(outcome)),
        known=tuple(_known(outcome)),
        doubts=(*warnings, *outcome.doubts),
        supported=tuple(supported.values()),
        tiers=tuple(tier for tier in tiers if tier.strands),
        paths=tuple(how(outcome, d) for d in supported if d == outcome.leading or d in must_not_miss),
        parts=tuple(part for part in _parts(outcome) if part.points),
        sources=sources_of(outcome),
        foot=tuple(_foot(outcome, version)),
    )


def _red_flags(outcome: Outcome) -> Iterator[tuple[str, Point]]:
    for flag, reasons in outcome.red_flags:
        under = (Point(f"Do: {flag.action}"), _because(reasons, outcome.knowledge))
        yield flag.urgency, Point(flag.title, flag.urgency.upper(), flag.source, under)


def _because(reasons: tuple[Reason, ...], knowledge: Knowledge) -> Point:
    return Point(f"Because: {findings_said(reasons, knowledge)}")


# What is known -------------------------------------------------------------------------------------------------------


def _known(outcome: Outcome) -> Iterator[Known]:
    """What is known, by who knows it, in the order in which it is asked for."""
    knowledge, given = outcome.knowledge, outcome.valuation.findings
    asked = (name for topic in knowledge.topics for panel in topic.panels for name in panel.findings)
    names = [name for name in dict.fromkeys((*asked, *knowledge.findings)) if name in given]
    for knower in KNOWERS:
        findings = [knowledge.findings[name] for name in names if knowledge.findings[name].known_by == knower]
        absent = [f for f in findings if f.kind == YES_NO and given[f.name].truth is False]
        values = tuple(_value(outcome, f) for f in findings if f not in absent)
        if findings:
            yield Known(KNOWN_BY[knower], values, tuple(f.title for f in absent))


def _value(outcome: Outcome, finding: Finding) -> str:
    if finding.kind == YES_NO:
        return finding.title
    worked_out = " (worked out)" if outcome.valuation.findings[finding.name].derived else ""
    return f"{finding.title}: {value_in_words(outcome.valuation, finding.name).replace('_', ' ')}{worked_out}"


# The differential ----------------------------------------------------------------------------------------------------


def _strand(outcome: Outcome, line: Line) -> Strand:
    conclusion = line.conclusion
    entry = outcome.knowledge.diagnoses[conclusion.diagnosis]
    account = how(outcome, entry.id)
    is_supported = conclusion.level in AT_LEAST_POSSIBLE
    exclusion = exclusion_said(outcome, conclusion)
    remarks = {"do not miss": entry.tier == DO_NOT_MISS, "not in the source document": entry.origin != "document"}
    points = [_fired(fired) for fired in (*account.speaking_for, *account.against)]
    if is_supported:
        points += [Point(cap_said(cap), points=_steps(cap.steps), is_minor=cap.is_met) for cap in account.caps]
    if exclusion:
        points.append(Point(exclusion))
    return Strand(
        title=entry.title,
        standing=standing_and_urgency(conclusion),
        urgency=conclusion.urgency,
        remarks=tuple(remark for remark, applies in remarks.items() if applies),
        is_leading=entry.id == outcome.leading,
        is_supported=is_supported,
        points=tuple(points),
    )


def _fired(fired: Fired) -> Point:
    outdone = (Point(outdone_said(fired)),) if fired.outdone_by else ()
    mark = mark_of(fired.rule, fired.points)
    return Point(rule_said(fired), mark, fired.rule.source, (*outdone, *_steps(fired.steps)), bool(outdone))


def _steps(steps: tuple[Step, ...]) -> tuple[Point, ...]:
    return tuple(Point(said, points=_steps(inner)) for said, inner in steps_said(steps))


# What follows from it ------------------------------------------------------------------------------------------------


def _parts(outcome: Outcome) -> Iterator[Part]:
    knowledge = outcome.knowledge
    yield Part("missing", "What is missing", tuple(_missing(outcome)))
    yield Part("next", "Next steps", tuple(_next_steps(outcome)))
    yield Part("advice", "Advice", tuple(_advice(outcome)))
    links = (
        Point(link.title, "~", link.source, (_because(reasons, knowledge),) if reasons else ())
        for link, reasons in outcome.links
    )
    yield Part("links", "Links (what may be behind what)", tuple(links))
    notes = (
        Point(f"{note.title.rstrip('.')}. {note.text}", "*", note.source, (_because(reasons, knowledge),))
        for note, reasons in outcome.notes
    )
    yield Part("notes", "Also consider (not diagnoses of this list)", tuple(notes))


def _missing(outcome: Outcome) -> Iterator[Point]:
    for line in outcome.lines:
        said = still_open(outcome, line)
        if said:
            entry, level = outcome.knowledge.diagnoses[line.conclusion.diagnosis], line.conclusion.level
            is_minor = level not in AT_LEAST_POSSIBLE and entry.tier != DO_NOT_MISS
            yield Point(f"{entry.title} ({level}): {said}", "?", is_minor=is_minor)


def _next_steps(outcome: Outcome) -> Iterator[Point]:
    for line in outcome.lines:
        entry = outcome.knowledge.diagnoses[line.conclusion.diagnosis]
        if line.conclusion.level in AT_LEAST_POSSIBLE and entry.next_steps:
            yield Point(entry.title, points=tuple(Point(step) for step in entry.next_steps))


def _advice(outcome: Outcome) -> Iterator[Point]:
    """What may be said, then what may not."""
    for advice, given in sorted(outcome.advice, key=lambda entry: not entry[1]):
        if given:
            yield Point(advice.text, "*", advice.source)
        else:
            yield Point(f"Withheld ({advice.id}): {advice.withheld}", "x", is_minor=True)


def _foot(outcome: Outcome, version: str) -> Iterator[str]:
    knowledge = outcome.knowledge
    used, reviewed = reviews(outcome)
    yield f"Reviewed: {reviewed} of {counted(used, 'rule')} used here; the knowledge base holds {len(knowledge.sourced)}."
    yield foot_said(knowledge, version)
    yield "A level says how well the findings support a diagnosis; it is no probability. Unknown is never taken as no."


def links_of(source: Source) -> Iterator[tuple[str, str]]:
    """What a source goes by, each with the address where it is found."""
    if source.doi:
        yield f"doi:{source.doi}", f"https://doi.org/{_address(source.doi)}"
    if source.pmid:
        yield f"PMID {source.pmid}", f"https://pubmed.ncbi.nlm.nih.gov/{_address(source.pmid)}/"


def _address(text: str) -> str:
    """The text as it stands in an address."""
    return _NOT_IN_AN_ADDRESS.sub(lambda m: "".join(f"%{byte:02X}" for byte in m[0].encode("utf-8", "replace")), text)

"""docs/knowledge.md and its pages: the whole knowledge base in words, for reading and for review by a clinician."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..knowledge.cases import Case
from ..knowledge.guarantees import Guarantee
from ..knowledge.model import TIERS, URGENCIES, Advice, Diagnosis, Knowledge, Rule, Score
from ..report.words import counted
from .entries import Entries, Page, uses_of
from .judgement import WHYS, Judged, diagnosis_of, judged
from .markdown import plain_text
from .reference import review_state

FIRST = "knowledge.md"  # the page that leads to all others, which stand in a folder beside it
_TITLE = "What this knowledge base says"
_HEAD = """\
Generated from `facts/`, `rules/` and the regression cases by `crampdx reference{options}`.

It is for reading and for review; the files with their comments are the original. Unknown is never no: **not** means that
something is known to be absent. Of each thing it is said in how many regression cases its condition is known to hold, and
in how many it is known not to.

Evidence counts in points, for (+) or against (-): weak {0.weak}, moderate {0.moderate}, strong {0.strong}. Of a cluster
only the strongest for and the strongest against count. A diagnosis is *possible* from {0.possible} points, *likely* from
{0.likely}, *unlikely* at {0.unlikely} or below.

## Contents
"""
_SHARED = "Shared by several diagnoses"
_FOR_REVIEW = """\
Below stands, by diagnosis, all that is judgement (`expert`), from memory (`unverified`), or rests on a source that was
confirmed on a secondary page only (`secondary`) or is cited from memory (`unverified`). What is verified beside it is named,
too. A thing may count in more than one column; a link stands under its cause."""


def handbook(knowledge: Knowledge, cases: Iterable[Case], guarantees: tuple[Guarantee, ...]) -> str:
    """Markdown on one page: every diagnosis with its rules, scores and advice, then what all of them share; each thing
    under its id, with its sources, its evidence, how many cases decide it and its review; last, all that rests on no
    source."""
    return "\n".join(_Handbook(knowledge, cases, guarantees).on_one_page())


def handbook_pages(knowledge: Knowledge, cases: Iterable[Case], guarantees: tuple[Guarantee, ...]) -> dict[str, str]:
    """The same on pages that link to each other, by their paths: `FIRST`, which has the contents, and beside it a folder
    with a page for each diagnosis, under its tier, and one for each thing that they share."""
    return {path: "\n".join(lines) for path, lines in _Handbook(knowledge, cases, guarantees).on_pages()}


@dataclass(frozen=True)
class _Part:
    """What the diagnoses share, of one kind."""

    title: str
    name: str  # of its page
    what: str
    lines: Callable[[Entries], Iterator[str]]

    @property
    def path(self) -> str:
        return f"knowledge/{self.name}.md"


class _Handbook:
    def __init__(self, knowledge: Knowledge, cases: Iterable[Case], guarantees: tuple[Guarantee, ...]) -> None:
        self.knowledge = knowledge
        self.guarantees = guarantees
        self.uses = uses_of(knowledge, cases)
        self.headings = {tier.id: plain_text(tier.heading) for tier in knowledge.tiers}
        self.by_tier = {tier: [d for d in self.diagnoses() if d.tier == tier] for tier in TIERS}

    def diagnoses(self) -> Iterator[Diagnosis]:
        """As the document has them."""
        return (self.knowledge.diagnoses[diagnosis] for diagnosis in self.knowledge.order)

    def entries(self, page: Page) -> Entries:
        return Entries(self.knowledge, self.guarantees, self.uses, page)

    def on_one_page(self) -> Iterator[str]:
        """Everything, one below the other."""
        entries = self.entries(Page())
        yield from self.head(entries.page, "")
        for tier, diagnoses in self.by_tier.items():
            if diagnoses:
                yield from (f"## {self.headings.get(tier, tier)}", "")
            for diagnosis in diagnoses:
                yield from (f"### {plain_text(diagnosis.title)}", "", *entries.diagnosis(diagnosis))
        for part in _PARTS:
            yield from (f"## {part.title}", "", *(list(part.lines(entries)) or ["None.", ""]))

    def on_pages(self) -> Iterator[tuple[str, Iterator[str]]]:
        """Each page: its path and its lines."""
        others = self.paths()
        yield FIRST, self.head(Page(FIRST, others), " --pages docs")
        to_review = {thing.diagnosis for thing in judged(self.knowledge)}
        for diagnosis in self.diagnoses():
            page = Page(_path_of(diagnosis), others, ids="##", groups="##")
            yield page.path, self.diagnosis_page(diagnosis, page, diagnosis.id in to_review)
        for part in _PARTS:
            page = Page(part.path, others, ids="##", groups="##")
            yield page.path, self.part_page(part, page)

    def paths(self) -> dict[str, str]:
        """Where each heading stands that a page may link to: of things by id, of all else by the heading."""
        knowledge = self.knowledge
        paths = {_TITLE: FIRST} | {part.title: part.path for part in _PARTS}
        for diagnosis in self.diagnoses():
            paths |= {diagnosis.id: _path_of(diagnosis), _review_group(diagnosis): _REVIEW.path}
        for part, ids in (
            (_GUARANTEES, [guarantee.id for guarantee in self.guarantees]),
            (_RED_FLAGS, knowledge.red_flags),
            (_NOTES, knowledge.notes),
            (_LINKS, knowledge.links),
            (_SCOPE, knowledge.scope),
            (_CONCEPTS, knowledge.concepts),
            (_SOURCES, knowledge.sources),
        ):
            paths |= dict.fromkeys(ids, part.path)
        for id, thing in knowledge.sourced.items():
            if isinstance(thing, (Rule, Score, Advice)):
                paths[id] = paths[thing.diagnosis]
        return paths

    # Pages

    def head(self, page: Page, options: str) -> Iterator[str]:
        """How to read it, and what there is to read."""
        head = _HEAD.format(self.knowledge.weighing, options=options)
        yield from (f"# {_TITLE}", "", *head.splitlines(), "")
        for tier, diagnoses in self.by_tier.items():
            if diagnoses:
                yield from (f"**{self.headings.get(tier, tier)}**", "", *(self.in_short(d, page) for d in diagnoses), "")
        yield from ("**Shared by all**", "")
        yield from (*(f"- {page.link(part.title, part.title)}: {part.what}" for part in _PARTS), "")

    def in_short(self, diagnosis: Diagnosis, page: Page) -> str:
        """A line of the contents."""
        urgencies = [urgency for _, urgency in diagnosis.urgency]
        facts = [counted(len(self.knowledge.rules_of[diagnosis.id]), "rule")]
        facts += [f"at most {max(urgencies, key=URGENCIES.index)}"] if urgencies else []
        facts += ["not in the source document"] if diagnosis.id in self.knowledge.beyond else []
        return f"- {page.diagnosis(diagnosis)} ({', '.join(facts)}): {plain_text(diagnosis.summary)}"

    def diagnosis_page(self, diagnosis: Diagnosis, page: Page, to_review: bool) -> Iterator[str]:
        back = [page.link("All diagnoses", _TITLE)]
        if to_review:
            back.append(page.link("for review", _review_group(diagnosis)))
        yield from (f"# {plain_text(diagnosis.title)}", "", " · ".join(back), "")
        yield from self.entries(page).diagnosis(diagnosis)

    def part_page(self, part: _Part, page: Page) -> Iterator[str]:
        yield from (f"# {part.title}", "", page.link("All diagnoses", _TITLE), "")
        yield from list(part.lines(self.entries(page))) or ["None.", ""]


def _path_of(diagnosis: Diagnosis) -> str:
    """The page of a diagnosis, under its tier as its rules are."""
    return f"knowledge/{diagnosis.tier}/{diagnosis.id}.md"


# For review ----------------------------------------------------------------------------------------------------------


def _review_group(diagnosis: Diagnosis | None) -> str:
    """The heading of what is for review of a diagnosis, or of what several share."""
    return f"For review: {diagnosis.title if diagnosis else _SHARED}"


def _for_review(entries: Entries) -> Iterator[str]:
    """Tables of what no verified source vouches for alone: the counts, then each thing under its diagnosis."""
    knowledge = entries.knowledge
    yield f"Reviewed, and as they were then: {len(knowledge.reviewed)} of {len(knowledge.sourced)} things."
    yield from (*_FOR_REVIEW.splitlines(), "")
    all_judged = judged(knowledge)
    groups = {d: [thing for thing in all_judged if thing.diagnosis == d] for d in (*knowledge.order, "")}
    yield from _all_counts(knowledge, groups, entries.page)
    for diagnosis, things in groups.items():
        if things:
            heading = plain_text(_review_group(knowledge.diagnoses.get(diagnosis)))
            yield from (f"{entries.page.groups} {heading}", "", "| what | id | in words | strength | rests on |")
            yield from ("|---|---|---|---|---|", *(_judgement(knowledge, thing, entries.page) for thing in things), "")


def _all_counts(knowledge: Knowledge, groups: Mapping[str, list[Judged]], page: Page) -> Iterator[str]:
    """How much there is to review of each diagnosis, and of how much."""
    all_of = Counter(diagnosis_of(thing) for thing in knowledge.sourced.values())
    scales = (finding.scale for finding in knowledge.findings.values())
    all_of[""] += sum(1 for scale in scales if scale is not None and scale.reference_source)
    yield f"| of | all | for review | {' | '.join(WHYS)} | nothing verified |"
    yield "|---|" + "---:|" * (len(WHYS) + 3)
    for id, things in groups.items():
        diagnosis = knowledge.diagnoses.get(id)
        title = plain_text(diagnosis.title) if diagnosis else _SHARED
        yield _counts(page.link(title, _review_group(diagnosis)) if things else title, all_of[id], things)
    yield _counts("**together**", all_of.total(), [thing for things in groups.values() for thing in things])
    yield ""


def _counts(title: str, all_of: int, things: list[Judged]) -> str:
    """A row: of so many things so many are for review, for each reason, and so many have nothing verified beside it."""
    numbers = (all_of, len(things), *(sum(why in thing.whys for thing in things) for why in WHYS))
    return f"| {' | '.join((title, *map(str, numbers)))} | {sum(not thing.verified for thing in things)} |"


def _judgement(knowledge: Knowledge, thing: Judged, page: Page) -> str:
    """A row: the thing, why it is there, and its review where it has had one."""
    id = page.id(thing.id) if thing.id in knowledge.sourced else f"`{thing.id}`"
    weak = ", ".join(why if source == why else f"{source} ({why})" for source, why in thing.weak)
    beside = f"; beside {', '.join(thing.verified)}" if thing.verified else ""
    review = f"; {review_state(knowledge, thing.id)}" if thing.id in knowledge.reviews else ""
    return f"| {thing.what} | {id} | {plain_text(thing.title)} | {thing.strength} | {weak}{beside}{review} |"


_GUARANTEES = _Part("Guarantees", "guarantees", "what is promised of every patient", Entries.promises)
_RED_FLAGS = _Part("Red flags", "red_flags", "what is urgent, whatever the diagnosis", Entries.red_flags)
_NOTES = _Part("Notes", "notes", "what is said beside the differential", Entries.notes)
_LINKS = _Part("Links", "links", "what may be behind what; never weighed", Entries.links)
_SCOPE = _Part("Scope", "scope", "for whom the knowledge is not written", Entries.scope)
_CONCEPTS = _Part("Concepts", "concepts", "what rules and red flags share", Entries.concepts)
_SOURCES = _Part("Sources", "sources", "what is cited, how it was checked, and how much rests on it", Entries.sources)
_REVIEW = _Part("For review", "review", "all that is judgement, from memory or at second hand", _for_review)
_PARTS = (_GUARANTEES, _RED_FLAGS, _NOTES, _LINKS, _SCOPE, _CONCEPTS, _SOURCES, _REVIEW)

"""What docs/knowledge.md and its pages say of each thing: its condition in words, its sources, its cases, its review."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..inference.explanation import needed_in_words, title_of
from ..knowledge.cases import Case
from ..knowledge.guarantees import FlagPromise, Guarantee, LevelPromise, Promise, UrgencyPromise, WithheldPromise
from ..knowledge.model import (
    URGENCIES,
    Advice,
    All,
    AnyOf,
    AtLeast,
    Concept,
    Condition,
    Diagnosis,
    Is,
    Item,
    Knowledge,
    Leaf,
    Link,
    Not,
    Note,
    RedFlag,
    Rule,
    Score,
    Source,
    Sourced,
)
from ..knowledge.parser import WORDS_FOR_SOURCE
from ..knowledge.quantities import plain
from ..knowledge.truth import Valuation
from ..report.words import counted
from .evidence import section_of
from .markdown import anchor, plain_text, way
from .masks import Reading
from .reference import review_state, users_in

_EVIDENCE = "evidence.md"  # the page of the evidence stands beside the first page
_OF_EXCLUSION = (
    "Of exclusion, and decided after all others: at most *possible* until all of this is known; not supported once one of "
    "these is there, a red flag fired, or another diagnosis is *likely*"
)


@dataclass(frozen=True)
class Page:
    """Where things are said: on one page, or on one of several that link to each other."""

    path: str = ""
    others: Mapping[str, str] = field(default_factory=dict)  # id of a thing -> the page that it stands on, if it is another
    ids: str = "####"  # what makes a heading of an id
    groups: str = "###"  # and of what is for review of one diagnosis

    def link(self, words: str, id: str, heading: str = "") -> str:
        """To what the id names, under its heading (the id itself, where nothing else is said)."""
        return f"[{words}]({way(self.path, self.others.get(id, self.path))}#{anchor(heading or id)})"

    def id(self, id: str) -> str:
        """To a thing, by its id."""
        return self.link(f"`{id}`", id)

    def diagnosis(self, entry: Diagnosis, words: str = "") -> str:
        """To a diagnosis, by its title or by other words."""
        return self.link(words or plain_text(entry.title), entry.id, entry.title)

    def source(self, source: str) -> str:
        """To a source; the words that stand for one lead nowhere."""
        return source if source in WORDS_FOR_SOURCE else self.link(source, source)

    def row(self, row: str) -> str:
        """To a row of the evidence."""
        return f"[{row}]({way(self.path, _EVIDENCE)}#{anchor(section_of(row))})"


class _Words:
    """Conditions in words. Nothing is known of any patient, so that what is asked for stands there whole."""

    def __init__(self, knowledge: Knowledge, page: Page) -> None:
        self.knowledge = knowledge
        self.page = page
        self.nobody = Valuation(knowledge, {})

    def leaf(self, leaf: Leaf, wanted: bool = True) -> str:
        """What is asked of one finding, concept or score."""
        title = plain_text(title_of(self.knowledge, leaf.name))
        if leaf.name not in self.knowledge.findings:
            title = self.page.link(title, leaf.name)
        if isinstance(leaf, Is):
            return title if wanted else f"**not** {title}"
        return f"{title}: {plain_text(needed_in_words(leaf, self.nobody, wanted))}"

    def listed(self, condition: Condition, depth: int = 0, wanted: bool = True) -> Iterator[str]:
        """A line for each clause, indented under what it belongs to."""
        before = f"{'  ' * depth}- "
        if isinstance(condition, Not):
            yield from self.listed(condition.child, depth, not wanted)
        elif isinstance(condition, (All, AnyOf, AtLeast)):
            yield f"{before}{_how(condition, wanted)}:"
            for child in condition.children:
                yield from self.listed(child, depth + 1)
        else:
            yield before + self.leaf(condition, wanted)


def _how(tree: All | AnyOf | AtLeast, wanted: bool) -> str:
    """How many of its clauses a tree asks for."""
    if isinstance(tree, AnyOf):
        return "any of" if wanted else "none of"
    if isinstance(tree, AtLeast):
        return f"at least {tree.count} of" if wanted else f"fewer than {tree.count} of"
    return "all of" if wanted else "not all of"


class Entries:
    """What stands on one page. `uses` says of each thing in how many cases its condition is known to hold, or not to."""

    def __init__(
        self, knowledge: Knowledge, guarantees: tuple[Guarantee, ...], uses: Mapping[tuple[str, bool], int], page: Page
    ) -> None:
        self.knowledge = knowledge
        self.guarantees = guarantees
        self.uses = uses
        self.page = page
        self.words = _Words(knowledge, page)

    def diagnosis(self, entry: Diagnosis) -> Iterator[str]:
        """A diagnosis under its heading, with its scores, rules and advice."""
        knowledge = self.knowledge
        path = entry.place.file
        beyond = "" if entry.origin == "document" else " Not in the source document."
        yield from (plain_text(entry.summary) + beyond, "")
        yield f"- `{entry.id}`" + (f", ICD-10 {entry.icd10}" if entry.icd10 else "") + f", in `{path}`"
        urgency = ", ".join(f"{level}: {urgency}" for level, urgency in entry.urgency)
        yield f"- urgency: {urgency or 'none of its own'}"
        yield from self.promised(entry.id)
        yield ""
        yield from self.condition("Needed, or it is at most *undecided*", entry.needs)
        yield from self.condition("Needed, or it is at most *possible*", entry.likely_needs)
        yield from self.condition(_OF_EXCLUSION, entry.nothing_else)
        if entry.next_steps:
            yield from ("Next steps:", "", *(f"- {plain_text(step)}" for step in entry.next_steps), "")
        for score in knowledge.scores.values():
            if score.diagnosis == entry.id:
                yield from self.score(score)
        for rule in sorted(knowledge.rules_of[entry.id], key=lambda r: (not r.is_for, r.place.line, r.id)):
            yield from self.rule(rule)
        for advice in knowledge.advice.values():
            if advice.diagnosis == entry.id:
                yield from self.advice(advice)

    # Things, each under its id

    def rule(self, rule: Rule) -> Iterator[str]:
        points = self.knowledge.weighing.points(rule.then)
        yield from self.titled(rule.id, rule.title)
        yield (
            f"- **{rule.then}**"
            + (f" ({points:+d})" if points else "")
            + (f", cluster {rule.cluster}" if rule.cluster else "")
        )
        yield from self.provenance(rule, "fires")
        yield from self.condition("Fires when", rule.when)
        if rule.scope:
            yield from (f"Holds for: {plain_text(rule.scope)}", "")

    def red_flag(self, flag: RedFlag) -> Iterator[str]:
        yield from self.titled(flag.id, flag.title)
        yield f"- **{flag.urgency}**: {plain_text(flag.action)}"
        yield from self.promised(flag.id)
        yield from self.provenance(flag, "fires")
        yield from self.condition("Fires when", flag.when)

    def note(self, note: Note) -> Iterator[str]:
        yield from self.titled(note.id, note.title)
        yield from (plain_text(note.text), "")
        yield from self.provenance(note, "is shown")
        yield from self.condition("Shown when", note.when)

    def link(self, link: Link) -> Iterator[str]:
        knowledge = self.knowledge
        yield from self.titled(link.id, link.title)
        cause, diagnosis = knowledge.diagnoses[link.cause], knowledge.diagnoses.get(link.effect)
        effect = self.page.id(link.effect) if diagnosis is None else self.page.diagnosis(diagnosis)
        yield f"- {self.page.diagnosis(cause)} may be behind {effect}"
        yield from self.provenance(link, "its condition holds")
        always = isinstance(link.when, All) and not link.when.children
        yield from self.condition("Shown only while", None if always else link.when)

    def advice(self, advice: Advice) -> Iterator[str]:
        yield from self.titled(advice.id, f"Advice: {advice.text}")
        yield from self.promised(advice.id)
        yield from self.provenance(advice, "its condition holds")
        always = isinstance(advice.when, All) and not advice.when.children
        yield from self.condition("Given only while", None if always else advice.when)
        yield from self.condition("Never given once", advice.unless)
        if advice.withheld:
            yield from (f"Withheld: {plain_text(advice.withheld)}", "")

    def concept(self, concept: Concept) -> Iterator[str]:
        yield from self.titled(concept.name, concept.title)
        yield from self.provenance(concept, "holds")
        yield f"Used by: {self.users(concept.name)}."
        yield ""
        yield from self.condition("Holds if and only if", concept.when)

    def score(self, score: Score) -> Iterator[str]:
        yield from self.titled(score.name, f"Score: {score.title}")
        yield from self.provenance(score, "")
        yield from ("| points | for |", "|---:|---|")
        yield from (self.item(item) for item in score.items)
        for group in score.one_of:
            yield from (self.item(item, ", the first that holds of its group") for item in group)
        yield from (self.item(item, ", shown but outside the total") for item in score.asserted_only)
        yield ""

    def item(self, item: Item, more: str = "") -> str:
        lines = [line.strip().removeprefix("- ") for line in self.words.listed(item.when)]
        return f"| {plain(item.points)} | {'; '.join(lines).replace(':;', ':')}{more} |"

    def titled(self, id: str, title: str) -> Iterator[str]:
        yield from (f"{self.page.ids} {id}", "", f"**{plain_text(title)}**", "")

    def condition(self, said: str, condition: Condition | None) -> Iterator[str]:
        """Nothing where there is no condition."""
        if condition is not None:
            yield from (f"{said}:", "", *self.words.listed(condition), "")

    def provenance(self, thing: Sourced, happens: str) -> Iterator[str]:
        """Where a thing comes from, which cases decide it (`happens` says what it does where it holds), its review."""
        id = thing.name if isinstance(thing, (Concept, Score)) else thing.id
        sources = ", ".join(map(self.page.source, thing.source))
        rows = ", ".join(map(self.page.row, thing.evidence))
        yield f"- source: {sources}" + (f"; evidence: {rows}" if rows else "")
        if happens:
            yield f"- {happens} in {counted(self.uses[id, True], 'case')}, known not to in {self.uses[id, False]}"
        yield from (f"- {review_state(self.knowledge, id)}", "")

    def promised(self, id: str) -> Iterator[str]:
        """What is promised of a diagnosis, a red flag or an advice by name."""
        by = [guarantee for guarantee in self.guarantees if _subject(guarantee.promise) == id]
        if by:
            yield "- guaranteed by " + ", ".join(self.page.id(guarantee.id) for guarantee in by)

    def users(self, id: str) -> str:
        headed, users = self.knowledge.sourced, self._users.get(id, ())
        return ", ".join(self.page.id(user) if user in headed else f"`{user}`" for user in users) or "nothing"

    @cached_property
    def _users(self) -> Mapping[str, tuple[str, ...]]:
        return users_in(self.knowledge)

    # All of a kind

    def promises(self) -> Iterator[str]:
        if self.guarantees:
            yield from (
                "What is promised of every patient; `crampdx check --prove` proves it or shows for whom it fails.",
                "",
            )
        for guarantee in self.guarantees:
            yield from self.titled(guarantee.id, guarantee.title)
            yield from (f"- promised: {self.promise(guarantee.promise)}", f"- hazard: {plain_text(guarantee.hazard)}", "")
            yield from self.condition("Whenever", guarantee.whenever)

    def promise(self, promise: Promise) -> str:
        """A promise as it is written, with a link to what it names."""
        subject = _subject(promise)
        if not subject:
            return str(promise)
        diagnosis = self.knowledge.diagnoses.get(subject)
        link = self.page.id(subject) if diagnosis is None else self.page.diagnosis(diagnosis, f"`{subject}`")
        return str(promise).replace(subject, link, 1)

    def red_flags(self) -> Iterator[str]:
        for urgency in reversed(URGENCIES):
            for flag in self.knowledge.red_flags.values():
                if flag.urgency == urgency:
                    yield from self.red_flag(flag)

    def links(self) -> Iterator[str]:
        for link in self.knowledge.links.values():
            yield from self.link(link)

    def notes(self) -> Iterator[str]:
        for note in self.knowledge.notes.values():
            yield from self.note(note)

    def scope(self) -> Iterator[str]:
        for note in self.knowledge.scope.values():
            yield from self.note(note)

    def concepts(self) -> Iterator[str]:
        for concept in self.knowledge.concepts.values():
            yield from self.concept(concept)

    def sources(self) -> Iterator[str]:
        uses = Counter(source for thing in self.knowledge.sourced.values() for source in thing.source)
        scales = (finding.scale for finding in self.knowledge.findings.values())
        uses.update(scale.reference_source for scale in scales if scale is not None)
        for source in self.knowledge.sources.values():
            yield from (f"{self.page.ids} {source.id}", "", plain_text(source.citation), "")
            yield from (f"- {', '.join((*_numbers(source), source.checked))}", f"- rests on it: {uses[source.id]}", "")


def uses_of(knowledge: Knowledge, cases: Iterable[Case]) -> Counter[tuple[str, bool]]:
    """Of each thing with a condition, in how many cases that is known to hold, and in how many known not to."""
    conditions = {id: thing.when for id, thing in knowledge.sourced.items() if not isinstance(thing, Score)}
    reading = Reading.whole(knowledge, [case.findings for case in cases])
    uses: Counter[tuple[str, bool]] = Counter()
    for id, condition in conditions.items():
        truths = reading.of(condition)
        uses[id, True], uses[id, False] = truths.yes.bit_count(), truths.no.bit_count()
    return uses


def _subject(promise: Promise) -> str:
    """What a promise names; '' for the urgency, which is of all things together."""
    if isinstance(promise, LevelPromise):
        return promise.diagnosis
    if isinstance(promise, WithheldPromise):
        return promise.advice
    if isinstance(promise, FlagPromise):
        return promise.flag
    assert isinstance(promise, UrgencyPromise)
    return ""


def _numbers(source: Source) -> Iterator[str]:
    if source.doi:
        yield f"[doi:{source.doi}](https://doi.org/{source.doi})"
    if source.pmid:
        yield f"[PMID {source.pmid}](https://pubmed.ncbi.nlm.nih.gov/{source.pmid}/)"

"""The page docs/knowledge.md: the whole knowledge base in words, for reading and for review by a clinician."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from ..inference.explanation import needed_in_words, title_of
from ..knowledge.cases import Case
from ..knowledge.guarantees import FlagPromise, Guarantee, LevelPromise, Promise, UrgencyPromise, WithheldPromise
from ..knowledge.model import (
    TIERS,
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
from ..report.words import counted, lowered
from .evidence import section_of
from .reference import review_state, users_of

_HEAD = """\
# What this knowledge base says

Generated from `facts/`, `rules/` and the regression cases. To write it anew: `crampdx reference > docs/knowledge.md`.

It is for reading and for review; the files with their comments are the original. Unknown is never no: **not** means that
something is known to be absent. Of each thing it is said in how many regression cases its condition is known to hold, and
in how many it is known not to.

Evidence counts in points, for (+) or against (-): weak {weighing.weak}, moderate {weighing.moderate}, strong
{weighing.strong}. Of a cluster only the strongest for and the strongest against count. A diagnosis is *possible* from
{weighing.possible} points, *likely* from {weighing.likely}, *unlikely* at {weighing.unlikely} or below.

## Contents

"""
_PARTS = ("Guarantees", "Red flags", "Notes", "Scope", "Concepts", "Sources", "For review")
_KINDS: Mapping[type[Sourced], str] = {
    Concept: "concept",
    Score: "score",
    Rule: "rule",
    RedFlag: "red flag",
    Note: "note",
    Advice: "advice",
}


def handbook(knowledge: Knowledge, cases: Iterable[Case], guarantees: tuple[Guarantee, ...]) -> str:
    """Markdown: every diagnosis with its rules, scores and advice, then what all of them share; each thing under its id,
    with its sources, its evidence, how many cases decide it and its review; last, all that rests on no source."""
    return "\n".join(_Handbook(knowledge, cases, guarantees).lines())


def anchor(heading: str) -> str:
    """What a link to a heading of a Markdown page names, as GitHub makes it; of an id, the id."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _plain(text: str) -> str:
    """A text of an author's as Markdown prints it: nothing in it is markup."""
    return re.sub(r"([\\`*<>|\[\]])", r"\\\1", " ".join(text.split()))


def _link(words: str, heading: str, page: str = "") -> str:
    return f"[{words}]({page}#{anchor(heading)})"


def _id(id: str) -> str:
    return _link(f"`{id}`", id)


class _Words:
    """Conditions in words. Nothing is known of any patient, so that what is asked for stands there whole."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.nobody = Valuation(knowledge, {})

    def leaf(self, leaf: Leaf, wanted: bool = True) -> str:
        """What is asked of one finding, concept or score."""
        title = _plain(title_of(self.knowledge, leaf.name))
        if leaf.name not in self.knowledge.findings:
            title = _link(title, leaf.name)
        if isinstance(leaf, Is):
            return title if wanted else f"**not** {title}"
        return f"{title}: {_plain(needed_in_words(leaf, self.nobody, wanted))}"

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


class _Handbook:
    def __init__(self, knowledge: Knowledge, cases: Iterable[Case], guarantees: tuple[Guarantee, ...]) -> None:
        self.knowledge = knowledge
        self.guarantees = guarantees
        self.words = _Words(knowledge)
        self.uses = _uses(knowledge, cases)
        self.headings = {tier.id: tier.heading for tier in knowledge.tiers}

    def lines(self) -> Iterator[str]:
        """The whole page."""
        yield from self.head()
        for tier in TIERS:
            of_tier = [d for d in self.knowledge.order if self.knowledge.diagnoses[d].tier == tier]
            if of_tier:
                yield from (f"## {_plain(self.headings.get(tier, tier))}", "")
            for diagnosis in of_tier:
                yield from self.diagnosis(self.knowledge.diagnoses[diagnosis])
        parts = (self.promises, self.red_flags, self.notes, self.scope, self.concepts, self.sources, self.unsourced)
        for title, part in zip(_PARTS, parts, strict=True):
            inside = list(part())
            yield from (f"## {title}", "", *(inside or ["None.", ""]))

    def head(self) -> Iterator[str]:
        knowledge = self.knowledge
        yield from _HEAD.format(weighing=knowledge.weighing).splitlines()
        for diagnosis in knowledge.order:
            title = knowledge.diagnoses[diagnosis].title
            yield f"- {_link(_plain(title), title)}: {counted(len(knowledge.rules_of[diagnosis]), 'rule')}"
        yield from (*(f"- {_link(part, part)}" for part in _PARTS), "")

    def diagnosis(self, entry: Diagnosis) -> Iterator[str]:
        knowledge = self.knowledge
        path = entry.place.file
        beyond = "" if entry.origin == "document" else " Not in the source document."
        yield from (f"### {_plain(entry.title)}", "", _plain(entry.summary) + beyond, "")
        yield f"- `{entry.id}`" + (f", ICD-10 {entry.icd10}" if entry.icd10 else "") + f", in `{path}`"
        urgency = ", ".join(f"{level}: {urgency}" for level, urgency in entry.urgency)
        yield f"- urgency: {urgency or 'none of its own'}"
        yield from self.promised(entry.id)
        yield ""
        yield from self.condition("Needed, or it is at most *undecided*", entry.needs)
        yield from self.condition("Needed, or it is at most *possible*", entry.likely_needs)
        if entry.next_steps:
            yield from ("Next steps:", "", *(f"- {_plain(step)}" for step in entry.next_steps), "")
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
            yield from (f"Holds for: {_plain(rule.scope)}", "")

    def red_flag(self, flag: RedFlag) -> Iterator[str]:
        yield from self.titled(flag.id, flag.title)
        yield f"- **{flag.urgency}**: {_plain(flag.action)}"
        yield from self.promised(flag.id)
        yield from self.provenance(flag, "fires")
        yield from self.condition("Fires when", flag.when)

    def note(self, note: Note) -> Iterator[str]:
        yield from self.titled(note.id, note.title)
        yield from (_plain(note.text), "")
        yield from self.provenance(note, "is shown")
        yield from self.condition("Shown when", note.when)

    def advice(self, advice: Advice) -> Iterator[str]:
        yield from self.titled(advice.id, f"Advice: {advice.text}")
        yield from self.promised(advice.id)
        yield from self.provenance(advice, "its condition holds")
        always = isinstance(advice.when, All) and not advice.when.children
        yield from self.condition("Given only while", None if always else advice.when)
        yield from self.condition("Never given once", advice.unless)
        if advice.withheld:
            yield from (f"Withheld: {_plain(advice.withheld)}", "")

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
        yield from (f"#### {id}", "", f"**{_plain(title)}**", "")

    def condition(self, said: str, condition: Condition | None) -> Iterator[str]:
        """Nothing where there is no condition."""
        if condition is not None:
            yield from (f"{said}:", "", *self.words.listed(condition), "")

    def provenance(self, thing: Sourced, happens: str) -> Iterator[str]:
        """Where a thing comes from, which cases decide it (`happens` says what it does where it holds), its review."""
        id = thing.name if isinstance(thing, (Concept, Score)) else thing.id
        sources = ", ".join(s if s in WORDS_FOR_SOURCE else _link(s, s) for s in thing.source)
        rows = ", ".join(_link(row, section_of(row), "evidence.md") for row in thing.evidence)
        yield f"- source: {sources}" + (f"; evidence: {rows}" if rows else "")
        if happens:
            yield f"- {happens} in {counted(self.uses[id, True], 'case')}, known not to in {self.uses[id, False]}"
        yield from (f"- {review_state(self.knowledge, id)}", "")

    def promised(self, id: str) -> Iterator[str]:
        """What is promised of a diagnosis, a red flag or an advice by name."""
        by = [guarantee for guarantee in self.guarantees if _subject(guarantee.promise) == id]
        if by:
            yield "- guaranteed by " + ", ".join(_id(guarantee.id) for guarantee in by)

    def users(self, id: str) -> str:
        headed = {*self.knowledge.sourced}
        return ", ".join(_id(user) if user in headed else f"`{user}`" for user in users_of(self.knowledge, id)) or "nothing"

    # Parts

    def promises(self) -> Iterator[str]:
        if self.guarantees:
            yield from (
                "What is promised of every patient; `crampdx check --prove` proves it or shows for whom it fails.",
                "",
            )
        for guarantee in self.guarantees:
            yield from self.titled(guarantee.id, guarantee.title)
            yield from (f"- promised: {self.promise(guarantee.promise)}", f"- hazard: {_plain(guarantee.hazard)}", "")
            yield from self.condition("Whenever", guarantee.whenever)

    def promise(self, promise: Promise) -> str:
        """A promise as it is written, with a link to what it names."""
        subject = _subject(promise)
        if not subject:
            return str(promise)
        heading = self.knowledge.diagnoses[subject].title if subject in self.knowledge.diagnoses else subject
        return str(promise).replace(subject, _link(f"`{subject}`", heading), 1)

    def red_flags(self) -> Iterator[str]:
        for urgency in reversed(URGENCIES):
            for flag in self.knowledge.red_flags.values():
                if flag.urgency == urgency:
                    yield from self.red_flag(flag)

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
            yield from (f"#### {source.id}", "", _plain(source.citation), "")
            yield from (f"- {', '.join((*_numbers(source), source.checked))}", f"- rests on it: {uses[source.id]}", "")

    def unsourced(self) -> Iterator[str]:
        """A table of what no consulted source vouches for."""
        yield f"Reviewed, and as they were then: {len(self.knowledge.reviewed)} of {len(self.knowledge.sourced)} things."
        yield "Below stands all that is judgement (`expert`), from memory (`unverified`), or cites what is from memory."
        yield from ("", "| what | id | in words | rests on | review |", "|---|---|---|---|---|")
        for id, thing in self.knowledge.sourced.items():
            weak = [s for s in thing.source if self.is_weak(s)]
            if weak:
                said = thing.text if isinstance(thing, Advice) else thing.title
                review = review_state(self.knowledge, id)
                yield f"| {_KINDS[type(thing)]} | {_id(id)} | {_plain(said)} | {', '.join(weak)} | {review} |"
        for finding in self.knowledge.findings.values():
            if finding.scale is not None and self.is_weak(finding.scale.reference_source):
                said = f"reference interval of {lowered(_plain(finding.title))}"
                yield f"| finding | `{finding.name}` | {said} | {finding.scale.reference_source} | |"
        yield ""

    def is_weak(self, source: str) -> bool:
        found = self.knowledge.sources.get(source)
        return source in WORDS_FOR_SOURCE or (found is not None and found.checked in WORDS_FOR_SOURCE)


def _uses(knowledge: Knowledge, cases: Iterable[Case]) -> Counter[tuple[str, bool]]:
    """Of each thing with a condition, in how many cases that is known to hold, and in how many known not to."""
    conditions = {id: thing.when for id, thing in knowledge.sourced.items() if not isinstance(thing, Score)}
    uses: Counter[tuple[str, bool]] = Counter()
    for case in cases:
        valuation = Valuation(knowledge, case.findings)
        for id, condition in conditions.items():
            truth = valuation.of(condition)
            if truth is not None:
                uses[id, truth] += 1
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

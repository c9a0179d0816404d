"""Why a case failed: what made each thing come out as it did, and the nearest rule that would have changed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from ..inference.explanation import SCORE, Lack, barriers, how, lacks
from ..inference.justification import findings_of, reasons_for, value_in_words
from ..inference.outcome import Outcome
from ..inference.reference import standing
from ..inference.weighing import Conclusion, Inference, Standing, bars_to, leading_of, ranked, urgency_of, weigh
from ..knowledge.cases import Case
from ..knowledge.model import (
    AT_LEAST_POSSIBLE,
    LEAVES,
    LEVELS,
    URGENCIES,
    All,
    AnyOf,
    AtLeast,
    Compare,
    Condition,
    Is,
    Not,
    Rule,
)
from ..knowledge.problems import Place
from ..knowledge.truth import Truth, combined, names_in, truth_word
from ..report.paragraphs import Paragraph, wrapped
from ..report.words import counted, mark_of
from .regression import Difference, steps_away

MOST_GIVEN = 15  # findings listed of a case
MOST_REASONS = 12  # of one difference
_NEEDS, _LIKELY_NEEDS, _NEEDS_NO = "what it needs", "what 'likely' needs", "what it needs no of"
_YES_WORDS = ("yes", "fires", "shown")
_NO_WORDS = ("no", "silent")  # known no, and merely not yes


@dataclass(frozen=True)
class Reason:
    """One line of a justification: a rule or the like, what it counts for, and the findings it rests on."""

    mark: str
    id: str
    title: str
    findings: tuple[tuple[str, str], ...]  # names, with values in words


@dataclass(frozen=True)
class Nearest:
    """A condition that, decided otherwise, would have brought what came out nearer to what was expected; of all of them
    one for which the fewest findings would have to be otherwise."""

    id: str
    title: str
    what: str  # what it is, and for which diagnosis
    place: Place
    was: Truth
    becomes: Truth
    gives: str  # what would come out then; '' where that is the condition itself
    findings: tuple[Lack, ...]  # that would have to be otherwise


@dataclass(frozen=True)
class Account:
    """One expectation that was not met, what came out instead, and why."""

    difference: Difference
    because: tuple[Reason, ...]
    has_rules: bool  # it is a matter of rules; otherwise there is nothing that could have been nearest
    nearest: Nearest | None


@dataclass(frozen=True)
class Failure:
    """A case that did not come out as expected."""

    case: Case
    given: tuple[tuple[str, str], ...]  # the findings that matter to what differs, with values in words
    accounts: tuple[Account, ...]


def failure(case: Case, outcome: Outcome, differences: Iterable[Difference]) -> Failure:
    """Why a case failed."""
    search = _Search(outcome)
    accounts = []
    read: dict[str, None] = {}
    for difference in differences:
        reasons, levers = tuple(search.reasons(difference)), search.levers(difference)
        accounts.append(Account(difference, reasons, bool(levers), search.nearest(difference)))
        read |= dict.fromkeys(search.read_by(difference))
    given = tuple((name, value_in_words(outcome.valuation, name)) for name in case.findings if name in read)
    return Failure(case, given, tuple(accounts))


# The search ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lever:
    """A condition with an id, that can be thought decided otherwise."""

    id: str
    title: str
    what: str
    place: Place
    when: Condition
    diagnosis: str = ""  # '' of what belongs to none


class _Search:
    """Everything about one outcome, thought otherwise one condition at a time."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.knowledge = outcome.knowledge
        self.valuation = outcome.valuation
        self.inference = outcome.inference
        self._standings: dict[str, Standing] = {}

    # What a difference is about --------------------------------------------------------------------------------------

    def levers(self, difference: Difference) -> tuple[_Lever, ...]:
        """The conditions that could have made it come out otherwise."""
        subject, knowledge = difference.subject, self.knowledge
        if subject in knowledge.diagnoses:
            return self._of_diagnosis(subject)
        if subject == "leading":
            both = dict.fromkeys(d for d in (difference.wanted, difference.got) if d in knowledge.diagnoses)
            return tuple(lever for d in both for lever in self._of_diagnosis(d))
        if subject == "urgency":
            return (
                *self._flags,
                *(lever for d in knowledge.diagnoses.values() if d.urgency for lever in self._of_diagnosis(d.id)),
            )
        lever = self._conditions.get(subject)
        return () if lever is None else (lever,)

    def _of_diagnosis(self, diagnosis: str) -> tuple[_Lever, ...]:
        entry = self.knowledge.diagnoses[diagnosis]
        caps = ((_NEEDS, entry.needs), (_LIKELY_NEEDS, entry.likely_when), *((_NEEDS_NO, leaf) for leaf in entry.needs_no))
        return (
            *(_Lever(diagnosis, entry.title, what, entry.place, when, diagnosis) for what, when in caps if when is not None),
            *(self._of_rule(rule) for rule in self.knowledge.rules_of[diagnosis]),
            *self._barring(diagnosis),
        )

    def _barring(self, diagnosis: str) -> Iterator[_Lever]:
        """The red flags for which a diagnosis of exclusion is not supported, and what made other diagnoses likely."""
        barred_by = self.inference.conclusions[diagnosis].barred_by
        yield from (flag for flag in self._flags if flag.id in barred_by)
        for other in self.knowledge.before_exclusion:
            if other in barred_by:
                yield from self._of_diagnosis(other)

    def _of_rule(self, rule: Rule) -> _Lever:
        return _Lever(rule.id, rule.title, f"{rule.then} {rule.diagnosis}", rule.place, rule.when, rule.diagnosis)

    @cached_property
    def _flags(self) -> tuple[_Lever, ...]:
        flags = self.knowledge.red_flags.values()
        return tuple(_Lever(f.id, f.title, f"red flag, {f.urgency}", f.place, f.when) for f in flags)

    @cached_property
    def _conditions(self) -> Mapping[str, _Lever]:
        """By id, what is decided by one condition of its own."""
        knowledge = self.knowledge
        found = {rule.id: self._of_rule(rule) for rule in knowledge.rules.values()} | {f.id: f for f in self._flags}
        for concept in knowledge.concepts.values():
            found[concept.name] = _Lever(concept.name, concept.title, "concept", concept.place, concept.when)
        for note in (*knowledge.notes.values(), *knowledge.scope.values()):
            found[note.id] = _Lever(note.id, note.title, "note", note.place, note.when)
        for advice in knowledge.advice.values():
            found[advice.id] = _Lever(advice.id, advice.text, "advice", advice.place, advice.when)
        return found

    def read_by(self, difference: Difference) -> frozenset[str]:
        """All that decides what a difference is about, down to the findings. Of the urgency that is only what
        made it so: any other finding could have, too."""
        levers = self.levers(difference)
        if difference.subject == "urgency":
            levers = tuple(lever for lever in levers if self.valuation.of(lever.when) is True)
        subjects = [difference.subject] if difference.subject in self.knowledge.depends_on else []
        return self.knowledge.below([*subjects, *(name for lever in levers for name in names_in(lever.when))])

    # Why it came out so ----------------------------------------------------------------------------------------------

    def reasons(self, difference: Difference) -> Iterator[Reason]:
        """What made it come out as it did."""
        subject, got = difference.subject, difference.got
        if subject in self.knowledge.diagnoses:
            yield from self._why_level(subject)
        elif subject == "leading":
            for diagnosis in dict.fromkeys((got, difference.wanted)):
                if diagnosis in self.knowledge.diagnoses:
                    yield self._stands("", diagnosis)
                    yield from self._why_level(diagnosis)
        elif subject == "urgency":
            yield from self._why_urgent(got)
        elif subject in self._conditions:
            lever = self._conditions[subject]
            truth = self.valuation.of(lever.when)
            if truth is not None:
                yield self._reason(truth_word(truth), lever, truth)
        elif subject in self.knowledge.scores:
            for step in how(self.outcome, subject).steps:
                if step.points:
                    yield Reason(f"{step.points:+f}", step.name, step.title, ((step.name, step.value),))

    def _why_level(self, diagnosis: str) -> Iterator[Reason]:
        conclusion = self.inference.conclusions[diagnosis]
        for id in conclusion.fired:
            rule = self.knowledge.rules[id]
            points = self.knowledge.weighing.points(rule.then) if id in conclusion.counted else 0
            yield self._reason(mark_of(rule, points), self._of_rule(rule), True)
        for barrier in barriers(self.knowledge, conclusion):
            yield Reason("x", barrier.id, f"{barrier.title.rstrip('.')}: found, and this is a diagnosis of exclusion", ())
        for lever in self._of_diagnosis(diagnosis):
            truth = self.valuation.of(lever.when)
            if lever.diagnosis == diagnosis and lever.what in (_NEEDS, _LIKELY_NEEDS) and truth is not True:
                findings = tuple(findings_of(reasons_for(lever.when, self.valuation, False)))
                yield Reason("x" if truth is False else "?", diagnosis, f"{lever.what} is {_state(truth)}", findings)

    def _why_urgent(self, urgency: str) -> Iterator[Reason]:
        for lever in self._flags:
            if lever.id in self.inference.red_flags and self.knowledge.red_flags[lever.id].urgency == urgency:
                yield self._reason("!!", lever, True)
        for diagnosis, conclusion in self.inference.conclusions.items():
            if conclusion.urgency == urgency:
                yield self._stands("!!", diagnosis)

    def _stands(self, mark: str, diagnosis: str) -> Reason:
        conclusion = self.inference.conclusions[diagnosis]
        title = self.knowledge.diagnoses[diagnosis].title
        return Reason(mark, diagnosis, f"{title}: {conclusion.level}, {counted(conclusion.points, 'point')}", ())

    def _reason(self, mark: str, lever: _Lever, truth: bool) -> Reason:
        found = tuple(findings_of(reasons_for(lever.when, self.valuation, truth)))
        return Reason(mark, lever.id, lever.title.rstrip("."), found)

    # What would have changed it --------------------------------------------------------------------------------------

    def nearest(self, difference: Difference) -> Nearest | None:
        """The nearest condition that would have changed it; None where no single one would."""
        if difference.subject in self._conditions:
            return self._own(difference)
        before = self._distance(difference, self.inference)
        if before is None:
            return None
        best: tuple[tuple[int, int, int, int, str], Nearest] | None = None
        for lever in self.levers(difference):
            was = self.valuation.of(lever.when)
            for becomes, found in self._ways(lever, was):
                inference = self._otherwise(lever, becomes)
                after = self._distance(difference, inference)
                assert after is not None
                if after >= before:
                    continue
                leaves = found()
                if not leaves:  # what is so whatever is known cannot be otherwise
                    continue
                shared = len(self.knowledge.below(names_in(lever.when)) & self.outcome.valuation.findings.keys())
                needed, contradicted = _effort(leaves)
                order = (needed, after, contradicted, -shared, lever.id)
                if best is None or order < best[0]:
                    gives = self._got(difference.subject, inference)
                    best = order, Nearest(lever.id, lever.title, lever.what, lever.place, was, becomes, gives, leaves)
        return None if best is None else best[1]

    def _ways(self, lever: _Lever, was: Truth) -> Iterator[tuple[Truth, Callable[[], tuple[Lack, ...]]]]:
        """How the condition could be decided otherwise, and the fewest findings that this takes."""
        if was is True:
            found = self._breaking(lever.when, True)
            yield self._with(lever.when, found), lambda: found
            return
        for becomes in (True,) if was is False else (True, False):
            yield becomes, partial(self._making, lever, becomes)

    def _making(self, lever: _Lever, becomes: bool) -> tuple[Lack, ...]:
        return fewest(lacks(lever.when, self.valuation, becomes), self.outcome)

    def _breaking(self, condition: Condition, holds: bool) -> tuple[Lack, ...]:
        """The fewest findings with which a condition that is yes (or, not `holds`, no) would no longer be."""
        if isinstance(condition, Not):
            return self._breaking(condition.child, not holds)
        if isinstance(condition, (All, AnyOf, AtLeast)):
            children = condition.children
            count = len(children) if isinstance(condition, All) else 1 if isinstance(condition, AnyOf) else condition.count
            needed = count if holds else len(children) - count + 1
            ways = [self._breaking(c, holds) for c in children if self.valuation.of(c) is holds]
            ways.sort(key=_effort)
            return _distinct(leaf for way in ways[: len(ways) - needed + 1] for leaf in way)
        if isinstance(condition, Is) and condition.name in self.knowledge.concepts:
            return self._breaking(self.knowledge.concepts[condition.name].when, holds)
        return fewest(lacks(condition, self.valuation, not holds), self.outcome)

    def _with(self, condition: Condition, otherwise: tuple[Lack, ...]) -> Truth:
        """The truth of a condition whose leaves on these findings are as they would have to be."""
        become = {lack.leaf: lack.wanted for lack in otherwise if lack.leaf is not None}

        def read(leaf: Condition) -> Truth:
            if isinstance(leaf, LEAVES) and leaf in become:
                return become[leaf]
            if isinstance(leaf, Is) and leaf.name in self.knowledge.concepts:
                return combined(self.knowledge.concepts[leaf.name].when, read)
            truth = self.valuation.of(leaf)
            return None if isinstance(leaf, Compare) and leaf.name in self.knowledge.scores and become else truth

        return combined(condition, read)

    def _own(self, difference: Difference) -> Nearest | None:
        """Of what one condition decides, that condition; None where it is to be unknown, where other things decide, too, or
        where no finding could make it otherwise."""
        lever = self._conditions[difference.subject]
        was = self.valuation.of(lever.when)
        becomes: Truth
        if difference.wanted in _YES_WORDS and was is not True:
            becomes, found = True, self._making(lever, True)
        elif difference.wanted in _NO_WORDS[:1] and was is not False:
            becomes, found = False, self._making(lever, False)
        elif difference.wanted in _NO_WORDS and was is True:
            found = self._breaking(lever.when, True)
            becomes = self._with(lever.when, found)
        else:
            return None
        return Nearest(lever.id, lever.title, lever.what, lever.place, was, becomes, "", found) if found else None

    def _otherwise(self, lever: _Lever, becomes: Truth) -> Inference:
        """The inference were this one condition decided so, and nothing else changed."""
        if not lever.diagnosis:
            flags = {*self.inference.red_flags, lever.id} if becomes else {*self.inference.red_flags} - {lever.id}
            return self._excluding(replace(self.inference, red_flags=tuple(sorted(flags))))
        stands = self._standing(lever.diagnosis)
        if lever.what == _NEEDS:
            stands = replace(stands, needs=becomes)
        elif lever.what == _LIKELY_NEEDS:
            stands = replace(stands, likely_needs=becomes)
        elif lever.what == _NEEDS_NO:
            return self._excluding(self.inference, lever, becomes)
        else:
            fired, open_ = stands.fired - {lever.id}, stands.open - {lever.id}
            fired |= {lever.id} if becomes else set()
            open_ |= {lever.id} if becomes is None else set()
            stands = replace(stands, fired=fired, open=open_)
        conclusion = weigh(self.knowledge, self.knowledge.diagnoses[lever.diagnosis], stands)
        inference = replace(self.inference, conclusions={**self.inference.conclusions, lever.diagnosis: conclusion})
        return inference if lever.diagnosis in self.knowledge.of_exclusion else self._excluding(inference)

    def _excluding(self, inference: Inference, lever: _Lever | None = None, becomes: Truth = None) -> Inference:
        """The inference with the diagnoses of exclusion concluded from all else in it; with what the lever's diagnosis needs
        no of decided so."""
        knowledge = self.knowledge
        others = [inference.conclusions[d] for d in knowledge.before_exclusion]
        found = {**inference.conclusions}
        for diagnosis in knowledge.of_exclusion:
            entry = knowledge.diagnoses[diagnosis]
            leaf = lever.when if lever is not None and lever.diagnosis == diagnosis else None

            def read(condition: Condition, leaf: Condition | None = leaf) -> Truth:
                return becomes if condition == leaf else self.valuation.of(condition)

            stands = replace(
                self._standing(diagnosis),
                likely_needs=True if entry.likely_when is None else combined(entry.likely_when, read),
                bars=bars_to(entry, _is_yes(read), inference.red_flags, others),
            )
            found[diagnosis] = weigh(knowledge, entry, stands)
        return replace(inference, conclusions=found)

    def _standing(self, diagnosis: str) -> Standing:
        if diagnosis not in self._standings:
            self._standings[diagnosis] = standing(self.knowledge, self.valuation, diagnosis)
        return self._standings[diagnosis]

    def _got(self, subject: str, inference: Inference) -> str:
        if subject == "leading":
            return leading_of(self.knowledge, inference) or "none"
        return urgency_of(self.knowledge, inference) if subject == "urgency" else inference.conclusions[subject].level

    def _distance(self, difference: Difference, inference: Inference) -> int | None:
        """How far what would come out is from what is expected; 0 where it is that, None where there is no telling."""
        subject, wanted = difference.subject, difference.wanted
        if subject in self.knowledge.diagnoses:
            return steps_away(wanted, self._got(subject, inference), LEVELS[::-1])
        if subject == "urgency":
            return steps_away(wanted, self._got(subject, inference), URGENCIES)
        if subject != "leading":
            return None
        order = ranked(self.knowledge, inference.conclusions)
        if wanted == "none":
            return sum(1 for c in order if c.level in AT_LEAST_POSSIBLE)
        return _from_leading(wanted, order)


def _is_yes(read: Callable[[Condition], Truth]) -> Callable[[str], bool]:
    return lambda name: read(Is(name)) is True


def _state(truth: Truth) -> str:
    return "not known" if truth is None else "not there"


def _from_leading(wanted: str, order: tuple[Conclusion, ...]) -> int:
    """How many stand before it, and how many levels it is short of leading at all."""
    place = next(i for i, c in enumerate(order) if c.diagnosis == wanted)
    return place + max(0, LEVELS.index(order[place].level) - len(AT_LEAST_POSSIBLE) + 1)


# The fewest findings -------------------------------------------------------------------------------------------------


def fewest(lacking: Iterable[Lack], outcome: Outcome) -> tuple[Lack, ...]:
    """Findings that would have to be otherwise for all of this no longer to be lacking: as few as a first look finds."""
    return _distinct(leaf for lack in lacking for leaf in _fewest_of(lack, outcome))


def _distinct(findings: Iterable[Lack]) -> tuple[Lack, ...]:
    return tuple({(leaf.name, leaf.needed): leaf for leaf in findings}.values())


def changes(findings: Iterable[Lack]) -> int:
    """How many findings that are; what is worked out counts as those it is worked out from."""
    return sum({leaf.name: max(1, len(leaf.from_what)) for leaf in findings}.values())


def _effort(findings: tuple[Lack, ...]) -> tuple[int, int]:
    """How many findings they are, and how many of them are known otherwise."""
    return changes(findings), sum(1 for leaf in findings if not leaf.is_open)


def _fewest_of(lack: Lack, outcome: Outcome) -> tuple[Lack, ...]:
    if lack.kind == "finding":
        return (lack,)
    if lack.kind == SCORE:
        return _fewest_items(lack, outcome)
    if lack.count:
        parts = sorted((_fewest_of(part, outcome) for part in lack.parts), key=_effort)
        return tuple(leaf for part in parts[: lack.count] for leaf in part)
    return fewest(lack.parts, outcome)


def _fewest_items(lack: Lack, outcome: Outcome) -> tuple[Lack, ...]:
    """Of a score as many items as it is short of, the one that gives most for its findings first."""
    assert isinstance(lack.leaf, Compare)
    rises = (lack.leaf.operator in (">=", ">")) is lack.wanted
    total = outcome.valuation.scores[lack.name]
    end = total.low if rises else total.high
    assert end is not None
    short = abs(lack.leaf.limit - end)
    items = [(abs(part.points), fewest(part.parts, outcome)) for part in lack.parts if part.points is not None]
    items.sort(key=lambda item: -item[0] / max(1, changes(item[1])))
    found: list[Lack] = []
    for points, leaves in items:
        found += leaves
        short -= points
        if short <= 0:
            break
    return tuple(found)


# As text and as data -------------------------------------------------------------------------------------------------


def failure_lines(case: Case, differences: Iterable[Difference], found: Failure | None, width: int) -> Iterator[str]:
    """The case and what differs, a line each, however long; below them, where it was worked out, why, and what would have
    changed it, wrapped."""
    yield f"FAILED {case.place}: {case.name}"
    if found is None:
        yield from (f"  {difference}" for difference in differences)
        return
    if found.given:
        yield from wrapped([Paragraph(f"Given: {_listed(found.given)}", indent=4)], width)
    for account in found.accounts:
        yield f"  {account.difference}"
        yield from wrapped(_account(account), width)


def _account(account: Account) -> Iterator[Paragraph]:
    for reason in account.because[:MOST_REASONS]:
        findings = f": {_listed(reason.findings)}" if reason.findings else ""
        yield Paragraph(f"{reason.title} ({reason.id}){findings}", f"{reason.mark} ".lstrip(), 4)
    if len(account.because) > MOST_REASONS:
        yield Paragraph(f"and {len(account.because) - MOST_REASONS} more", indent=4)
    if not account.because:
        yield Paragraph("Nothing that is given decides it.", indent=4)
    nearest = account.nearest
    if nearest is None:
        if account.has_rules:
            yield Paragraph("No single rule, decided otherwise, would have brought it nearer.", indent=4)
        return
    becomes = "no longer yes" if nearest.becomes is None else truth_word(nearest.becomes)
    gives = f"; were it {becomes}, {account.difference.subject} would be {nearest.gives}" if nearest.gives else ""
    many = counted(changes(nearest.findings), "finding")
    said = (
        f"{nearest.title.rstrip('.')} ({nearest.what}; {nearest.id}, {nearest.place}) is {truth_word(nearest.was)}{gives}."
    )
    yield Paragraph(f"Nearest: {said} It takes {many}:", indent=4)
    for lack in nearest.findings:
        worked_out = f", worked out from {'; '.join(lack.from_what)}" if lack.from_what else ""
        yield Paragraph(f"{lack.name}: needed {lack.needed} (now {lack.seen}{worked_out})", "- ", 6)


def _listed(findings: tuple[tuple[str, str], ...]) -> str:
    more = len(findings) - MOST_GIVEN
    return "; ".join([*(f"{n}: {v}" for n, v in findings[:MOST_GIVEN]), *([f"and {more} more"] if more > 0 else [])])


def account_record(account: Account) -> dict[str, Any]:
    """Why it came out so, and what would have changed it, as plain data."""
    nearest = account.nearest
    return {
        "because": [
            {"id": r.id, "title": r.title, "mark": r.mark or None, "findings": dict(r.findings)} for r in account.because
        ],
        "nearest": None
        if nearest is None
        else {
            "id": nearest.id,
            "title": nearest.title,
            "what": nearest.what,
            "file": nearest.place.file,
            "line": nearest.place.line,
            "was": nearest.was,
            "becomes": nearest.becomes,
            "gives": nearest.gives or None,
            "findings": [{"finding": x.name, "seen": x.seen, "needed": x.needed} for x in nearest.findings],
        },
    }


def difference_record(difference: Difference) -> dict[str, Any]:
    """One expectation that was not met, as plain data."""
    return {
        "subject": difference.subject,
        "expected": difference.wanted,
        "got": difference.got,
        "line": difference.place.line,
        "column": difference.place.column,
    }


__all__ = ["Account", "Failure", "Nearest", "Reason", "account_record", "changes", "difference_record"]
__all__ += ["failure", "failure_lines", "fewest"]

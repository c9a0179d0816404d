"""One patient's outcome: everything that a report says, assembled once for every kind of report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..knowledge.model import (
    AT_LEAST_POSSIBLE,
    DO_NOT_MISS,
    Advice,
    All,
    Findings,
    Is,
    Knowledge,
    Link,
    Note,
    RedFlag,
    Rule,
)
from ..knowledge.truth import Valuation, missing
from .justification import Reason, reasons_for
from .weighing import Conclusion, Inference, flags_in_order, is_listed, leading_of, ranked, urgency_of


@dataclass(frozen=True)
class Evidence:
    """A rule that fired: what it counts for, and why."""

    rule: Rule
    counted: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Line:
    """One line of the differential."""

    conclusion: Conclusion
    evidence: tuple[Evidence, ...]
    missing: tuple[str, ...]  # unknown findings that an open rule for it waits for


@dataclass(frozen=True)
class Outcome:
    """What is concluded about one patient. `lines` are in rank order; unlisted diagnoses are left out."""

    knowledge: Knowledge
    valuation: Valuation
    inference: Inference
    urgency: str
    leading: str  # '' for none
    red_flags: tuple[tuple[RedFlag, tuple[Reason, ...]], ...]
    open_red_flags: tuple[str, ...]
    notes: tuple[tuple[Note, tuple[Reason, ...]], ...]
    scope: tuple[Note, ...]
    advice: tuple[tuple[Advice, bool], ...]  # with whether it is given; otherwise it is withheld
    lines: tuple[Line, ...]
    links: tuple[tuple[Link, tuple[Reason, ...]], ...]  # with why, where a condition or a concept says so
    doubts: tuple[str, ...]  # answers that disagree with the gate of their question

    def conclusion(self, diagnosis: str) -> Conclusion:
        return self.inference.conclusions[diagnosis]


def outcome(knowledge: Knowledge, findings: Findings, inference: Inference) -> Outcome:
    """The outcome of an inference over these findings."""
    valuation = Valuation(knowledge, findings)
    order = [c for c in ranked(knowledge, inference.conclusions) if is_listed(knowledge, c)]
    lines = tuple(_line(knowledge, valuation, c) for c in order)
    return Outcome(
        knowledge=knowledge,
        valuation=valuation,
        inference=inference,
        urgency=urgency_of(knowledge, inference),
        leading=leading_of(knowledge, inference),
        red_flags=tuple((f, reasons_for(f.when, valuation)) for f in flags_in_order(knowledge, inference.red_flags)),
        open_red_flags=tuple(f.id for f in knowledge.red_flags.values() if valuation.of(f.when) is None),
        notes=tuple(
            (n, reasons_for(n.when, valuation))
            for n in knowledge.notes.values()
            if n.id in inference.said and not _yields(n, inference)
        ),
        scope=tuple(n for n in knowledge.scope.values() if n.id in inference.said),
        advice=tuple(
            (a, a.id in inference.said and a.unless_id not in inference.said)
            for line in lines
            for a in knowledge.advice.values()
            if a.diagnosis == line.conclusion.diagnosis and line.conclusion.level in AT_LEAST_POSSIBLE
        ),
        lines=lines,
        links=tuple(_links(knowledge, valuation, inference)),
        doubts=_doubts(knowledge, valuation),
    )


def _yields(note: Note, inference: Inference) -> bool:
    """Whether a note leaves it to the diagnosis that it is about, which is possible and says more. A note that does not say
    that it yields never does: nothing that matters for safety is lost for being about a diagnosis."""
    conclusion = inference.conclusions.get(note.about)
    return note.yields == "yes" and conclusion is not None and conclusion.level in AT_LEAST_POSSIBLE


def _links(knowledge: Knowledge, valuation: Valuation, inference: Inference) -> Iterator[tuple[Link, tuple[Reason, ...]]]:
    """The links both of whose ends are there: a diagnosis at possible or above, a concept that is yes.

    They follow from conclusions, and nothing follows from them: so they are read off here, not fired."""
    for link in knowledge.links.values():
        ends = (link.cause, link.effect)
        levels = [inference.conclusions[end].level for end in ends if end in knowledge.diagnoses]
        concepts = [Is(end) for end in ends if end in knowledge.concepts]
        condition = All((*concepts, link.when))
        if valuation.of(condition) is True and all(level in AT_LEAST_POSSIBLE for level in levels):
            yield link, reasons_for(condition, valuation)


def _line(knowledge: Knowledge, valuation: Valuation, conclusion: Conclusion) -> Line:
    evidence = tuple(
        Evidence(
            rule,
            knowledge.weighing.points(rule.then) if rule.id in conclusion.counted else 0,
            reasons_for(rule.when, valuation),
        )
        for rule in (knowledge.rules[r] for r in conclusion.fired)
    )
    return Line(conclusion, evidence, _missing(knowledge, valuation, conclusion))


def _missing(knowledge: Knowledge, valuation: Valuation, conclusion: Conclusion) -> tuple[str, ...]:
    """What would settle the diagnosis, the weightiest rules first. For one that must not be missed, what would exclude it
    counts, too; for one of exclusion, what is still to be excluded."""
    diagnosis = knowledge.diagnoses[conclusion.diagnosis]
    open_rules = [
        r
        for r in knowledge.rules_of[conclusion.diagnosis]
        if valuation.of(r.when) is None and (r.is_for or diagnosis.tier == DO_NOT_MISS)
    ]
    weight = {"establishes": 9, "excludes": 9}
    open_rules.sort(key=lambda r: (-weight.get(r.then, abs(knowledge.weighing.points(r.then))), r.id))
    names: dict[str, None] = {}
    for condition in (*diagnosis.gates, *(r.when for r in open_rules)):
        for name in missing(condition, valuation):
            if valuation.arises(name):
                names[name] = None
    return tuple(names)


def _doubts(knowledge: Knowledge, valuation: Valuation) -> tuple[str, ...]:
    doubts = []
    for name in valuation.findings:
        gate = knowledge.findings[name].ask_when
        answer = valuation.findings[name]
        if gate is not None and valuation.of(gate) is False and answer.truth is not False and not answer.derived:
            doubts.append(
                f"'{name}' is answered, though its question would not have been asked; the answer counts, please check"
            )
    return tuple(doubts)

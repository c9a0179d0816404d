"""Why: which findings, with their values, through which concepts and scores; from knowledge and answers, not from RETE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..knowledge.model import All, AnyOf, AtLeast, Condition, Not, leaves
from ..knowledge.quantities import in_words, plain
from ..knowledge.truth import Valuation


@dataclass(frozen=True)
class Reason:
    """One step of a justification: a finding with its value, or a concept or score with the reasons it rests on."""

    name: str
    kind: str  # finding, concept, score
    value: str
    reasons: tuple[Reason, ...] = ()


def reasons_for(condition: Condition, valuation: Valuation, wanted: bool = True) -> tuple[Reason, ...]:
    """The reasons that make a decided condition yes (or, not `wanted`, no); () when it is not so decided."""
    if valuation.of(condition) is not wanted:
        return ()
    if isinstance(condition, Not):
        return reasons_for(condition.child, valuation, not wanted)
    if isinstance(condition, (All, AnyOf, AtLeast)):
        found: dict[tuple[str, str], Reason] = {}
        for child in condition.children:
            for reason in reasons_for(child, valuation, wanted):
                found[reason.name, reason.value] = reason
        return tuple(found.values())
    return (_leaf_reason(condition, valuation),)


def _leaf_reason(leaf: Condition, valuation: Valuation) -> Reason:
    (only,) = leaves(leaf)
    name = only.name
    knowledge = valuation.knowledge
    if name in knowledge.concepts:
        truth = valuation.truth_of(name)
        assert truth is not None
        inner = reasons_for(knowledge.concepts[name].when, valuation, truth)
        return Reason(name, "concept", _yes_no(truth), inner)
    if name in knowledge.scores:
        score = knowledge.scores[name]
        found: dict[str, Reason] = {}
        for item in score.counted:
            truth = valuation.of(item.when)
            if truth is not None:
                for reason in reasons_for(item.when, valuation, truth):
                    found[reason.name] = reason
        return Reason(name, "score", in_words(valuation.scores[name], "points"), tuple(found.values()))
    finding = knowledge.findings[name]
    if valuation.closed(name):
        assert finding.ask_when is not None
        inner = reasons_for(finding.ask_when, valuation, False)
        return Reason(name, "concept", "no", inner)  # a derived no, shown with what it follows from
    return Reason(name, "finding", value_in_words(valuation, name))


def value_in_words(valuation: Valuation, name: str) -> str:
    """A known finding's value as the user would write it, in the canonical unit."""
    answer = valuation.findings[name]
    finding = valuation.knowledge.findings[name]
    if answer.quantity is not None and finding.scale is not None:
        words = in_words(answer.quantity, finding.scale.unit)
        if answer.reference is not None and answer.reference != finding.scale.reference:
            words += f" ({plain(answer.reference[0])} to {plain(answer.reference[1])})"
        return words
    return answer.choice or _yes_no(bool(answer.truth))


def findings_of(reasons: tuple[Reason, ...]) -> Iterator[tuple[str, str]]:
    """The findings at the bottom of a justification, with their values, each once."""
    seen = set()
    stack = list(reversed(reasons))
    while stack:
        reason = stack.pop()
        if reason.kind == "finding":
            if reason.name not in seen:
                seen.add(reason.name)
                yield reason.name, reason.value
        else:
            stack.extend(reversed(reason.reasons))


def through(reasons: tuple[Reason, ...]) -> Iterator[Reason]:
    """The concepts and scores that a justification passes through, outermost first, each once."""
    seen = set()
    stack = list(reversed(reasons))
    while stack:
        reason = stack.pop()
        if reason.kind != "finding" and reason.name not in seen:
            seen.add(reason.name)
            yield reason
        stack.extend(reversed(reason.reasons))


def _yes_no(truth: bool) -> str:
    return "yes" if truth else "no"


__all__ = ["Reason", "findings_of", "reasons_for", "through", "value_in_words"]

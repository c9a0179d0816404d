"""The meaning worked out in plain Python, without an inference engine: what Experta is held equal to."""

from __future__ import annotations

from ..knowledge.model import Findings, Knowledge
from ..knowledge.truth import Valuation
from .weighing import Conclusion, Inference, Standing, weigh


def standing(knowledge: Knowledge, valuation: Valuation, diagnosis: str) -> Standing:
    """What is decided about one diagnosis."""
    entry = knowledge.diagnoses[diagnosis]
    truths = {rule.id: valuation.of(rule.when) for rule in knowledge.rules_of[diagnosis]}
    return Standing(
        fired=frozenset(r for r, truth in truths.items() if truth is True),
        open=frozenset(r for r, truth in truths.items() if truth is None),
        needs=True if entry.needs is None else valuation.of(entry.needs),
        likely_needs=True if entry.likely_needs is None else valuation.of(entry.likely_needs),
    )


def conclusion_about(knowledge: Knowledge, valuation: Valuation, diagnosis: str) -> Conclusion:
    """What follows about one diagnosis."""
    return weigh(knowledge, knowledge.diagnoses[diagnosis], standing(knowledge, valuation, diagnosis))


def infer(knowledge: Knowledge, findings: Findings) -> Inference:
    """What follows from the findings."""
    valuation = Valuation(knowledge, findings)
    notes = {**knowledge.notes, **knowledge.scope}
    said = {**{n: note.when for n, note in notes.items()}, **{a.id: a.when for a in knowledge.advice.values()}}
    said |= {a.unless_id: a.unless for a in knowledge.advice.values() if a.unless is not None}
    return Inference(
        conclusions={d: conclusion_about(knowledge, valuation, d) for d in knowledge.diagnoses},
        red_flags=tuple(f.id for f in knowledge.red_flags.values() if valuation.of(f.when) is True),
        said=frozenset(id for id, when in said.items() if valuation.of(when) is True),
    )

"""The meaning worked out in plain Python, without an inference engine: what Experta is held equal to."""

from __future__ import annotations

from collections.abc import Mapping

from ..knowledge.model import Diagnosis, Findings, Knowledge
from ..knowledge.truth import Valuation
from .weighing import Bar, Conclusion, Inference, Standing, bars_to, weigh

Conclusions = Mapping[str, Conclusion]


def standing(knowledge: Knowledge, valuation: Valuation, diagnosis: str, others: Conclusions | None = None) -> Standing:
    """What is decided about one diagnosis. `others`, for one of exclusion: what is concluded about all that are not, where
    that has been worked out."""
    entry = knowledge.diagnoses[diagnosis]
    truths = {rule.id: valuation.of(rule.when) for rule in knowledge.rules_of[diagnosis]}
    return Standing(
        fired=frozenset(r for r, truth in truths.items() if truth is True),
        open=frozenset(r for r, truth in truths.items() if truth is None),
        needs=True if entry.needs is None else valuation.of(entry.needs),
        likely_needs=True if entry.likely_when is None else valuation.of(entry.likely_when),
        bars=_bars(knowledge, valuation, entry, others) if entry.is_of_exclusion else (),
    )


def _bars(knowledge: Knowledge, valuation: Valuation, entry: Diagnosis, others: Conclusions | None) -> tuple[Bar, ...]:
    found = _before_exclusion(knowledge, valuation) if others is None else others
    return bars_to(
        entry,
        lambda name: valuation.truth_of(name) is True,
        fired_flags(knowledge, valuation),
        [found[d] for d in knowledge.before_exclusion],
    )


def fired_flags(knowledge: Knowledge, valuation: Valuation) -> tuple[str, ...]:
    """The red flags that fired."""
    return tuple(f.id for f in knowledge.red_flags.values() if valuation.of(f.when) is True)


def _before_exclusion(knowledge: Knowledge, valuation: Valuation) -> dict[str, Conclusion]:
    return {d: conclusion_about(knowledge, valuation, d) for d in knowledge.before_exclusion}


def conclusion_about(
    knowledge: Knowledge, valuation: Valuation, diagnosis: str, others: Conclusions | None = None
) -> Conclusion:
    """What follows about one diagnosis; `others` as for `standing`."""
    return weigh(knowledge, knowledge.diagnoses[diagnosis], standing(knowledge, valuation, diagnosis, others))


def infer(knowledge: Knowledge, findings: Findings) -> Inference:
    """What follows from the findings."""
    valuation = Valuation(knowledge, findings)
    notes = {**knowledge.notes, **knowledge.scope}
    said = {**{n: note.when for n, note in notes.items()}, **{a.id: a.when for a in knowledge.advice.values()}}
    said |= {a.unless_id: a.unless for a in knowledge.advice.values() if a.unless is not None}
    others = _before_exclusion(knowledge, valuation)
    last = {d: conclusion_about(knowledge, valuation, d, others) for d in knowledge.of_exclusion}
    return Inference(
        conclusions={d: (others if d in others else last)[d] for d in knowledge.diagnoses},
        red_flags=fired_flags(knowledge, valuation),
        said=frozenset(id for id, when in said.items() if valuation.of(when) is True),
    )

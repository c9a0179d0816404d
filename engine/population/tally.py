"""A run over many patients in plain counts, and how well it agrees with what an analyst knows of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..inference.outcome import Outcome
from ..inference.weighing import Conclusion
from ..knowledge.model import Knowledge
from ..knowledge.proportions import wilson
from ..knowledge.truth import Valuation, missing

NONE = ""  # where a diagnosis is expected: none is leading; where a label is: the patient has none
STILL_OPEN = ("undecided", "not assessed")  # levels that wait for something


@dataclass
class Tally:
    """What has been counted so far. Ids are those of the knowledge base; labels and columns are the table's own words."""

    rows: int = 0  # read
    evaluated: int = 0
    rejected: int = 0
    urgency: Counter[str] = field(default_factory=Counter)
    leading: Counter[str] = field(default_factory=Counter)  # by diagnosis, `NONE` among them
    levels: Counter[tuple[str, str]] = field(default_factory=Counter)  # by diagnosis and level
    red_flags: Counter[str] = field(default_factory=Counter)  # that fired
    rules: Counter[str] = field(default_factory=Counter)  # that fired
    known: Counter[str] = field(default_factory=Counter)  # patients in whom the finding is known
    waiting: Counter[str] = field(default_factory=Counter)  # patients of whom a diagnosis waits for the finding
    bad: Counter[tuple[str, str]] = field(default_factory=Counter)  # values, by column ('' the row as a whole) and reason
    unusual: Counter[str] = field(default_factory=Counter)  # values of those evaluated outside the usual range, by finding
    examples: dict[tuple[str, str], str] = field(
        default_factory=dict
    )  # of `bad`, the first value of each kind; never on a page
    labelled: Counter[tuple[str, str]] = field(default_factory=Counter)  # by label and leading diagnosis

    def add(self, other: Tally) -> None:
        """All that `other` has counted is counted here as well."""
        for name, count in vars(other).items():
            mine = getattr(self, name)
            if isinstance(count, Counter):
                mine.update(count)
            elif isinstance(count, dict):
                setattr(self, name, {**count, **mine})
            else:
                setattr(self, name, mine + count)

    def refuse(self, column: str, reason: str, value: str) -> None:
        """One more value of the column ('' the row as a whole) could not be used."""
        self.bad[column, reason] += 1
        self.examples.setdefault((column, reason), value)

    def count(self, outcome: Outcome, label: str = NONE) -> None:
        """One more row has been read, and this is what followed. Bad and unusual values are known to its reader alone."""
        inference, valuation = outcome.inference, outcome.valuation
        self.rows += 1
        self.evaluated += 1
        self.urgency[outcome.urgency] += 1
        self.leading[outcome.leading] += 1
        self.levels.update((c.diagnosis, c.level) for c in inference.conclusions.values())
        self.red_flags.update(inference.red_flags)
        self.rules.update(rule for c in inference.conclusions.values() for rule in c.fired)
        self.known.update(_known(valuation))
        self.waiting.update({name for c in inference.conclusions.values() for name in _waited_for(c, valuation)})
        if label != NONE:
            self.labelled[label, outcome.leading] += 1


def _known(valuation: Valuation) -> Iterator[str]:
    """The findings that are answered, derived, or no because their gate is."""
    yield from valuation.findings
    yield from (name for name in valuation.decided if valuation.closed(name))


def _waited_for(conclusion: Conclusion, valuation: Valuation) -> Iterator[str]:
    """The findings that an open rule for the diagnosis waits for, while its level still waits for something: unknown ones,
    and censored values that do not decide."""
    if conclusion.level in STILL_OPEN:
        for rule in valuation.knowledge.rules_of[conclusion.diagnosis]:
            if rule.is_for:
                yield from (name for name in missing(rule.when, valuation) if valuation.arises(name))


# Agreement with labels -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    number: int
    of: int

    @property
    def value(self) -> float:
        """From 0 to 1; 0 of nothing."""
        return self.number / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval by Wilson's score."""
        return wilson(self.number, self.of)


@dataclass(frozen=True)
class Accuracy:
    """Of the labelled patients with a diagnosis, in how many it is leading; of those without it, in how many it is not."""

    diagnosis: str
    sensitivity: Share
    specificity: Share


@dataclass(frozen=True)
class Confusion:
    """Labels against leading diagnoses; `NONE` is the last of these."""

    labels: tuple[str, ...]  # diagnoses in the order of the knowledge base
    foreign: tuple[str, ...]  # labels that are no diagnosis of it, the most frequent first
    leading: tuple[str, ...]
    counts: Counter[tuple[str, str]]

    def row(self, label: str) -> tuple[int, ...]:
        """How many patients with the label have each leading diagnosis."""
        return tuple(self.counts[label, leading] for leading in self.leading)


def confusion(knowledge: Knowledge, tally: Tally) -> Confusion:
    """Every label against every diagnosis that is a label or leading for a labelled patient. A count of 0 is none."""
    labels = _totals(tally, 0)
    named = labels.keys() | _totals(tally, 1).keys()
    foreign = labels.keys() - knowledge.diagnoses.keys()
    return Confusion(
        labels=tuple(d for d in knowledge.order if d in labels),
        foreign=tuple(sorted(foreign, key=lambda label: (-labels[label], label))),
        leading=(*(d for d in knowledge.order if d in named), NONE),
        counts=tally.labelled,
    )


def _totals(tally: Tally, part: int) -> Counter[str]:
    """The labelled patients by label (0) or by leading diagnosis (1)."""
    totals: Counter[str] = Counter()
    for pair, number in (+tally.labelled).items():
        totals[pair[part]] += number
    return totals


def accuracies(knowledge: Knowledge, tally: Tally) -> tuple[Accuracy, ...]:
    """One for each diagnosis that is a label or leading for a labelled patient, in the order of the knowledge base. A label
    that is no diagnosis here is a patient without any of them."""
    labels, leading, both = _totals(tally, 0), _totals(tally, 1), tally.labelled
    total = both.total()
    return tuple(
        Accuracy(
            diagnosis=d,
            sensitivity=Share(both[d, d], labels[d]),
            specificity=Share(total - labels[d] - (leading[d] - both[d, d]), total - labels[d]),
        )
        for d in knowledge.order
        if d in labels or d in leading
    )


def agreement(knowledge: Knowledge, tally: Tally) -> Share:
    """Of the patients whose label is a diagnosis here, in how many it is leading."""
    known = {pair: n for pair, n in tally.labelled.items() if pair[0] in knowledge.diagnoses}
    return Share(sum(n for (label, leading), n in known.items() if label == leading), sum(known.values()))

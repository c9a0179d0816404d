"""What a question is for: the rules that wait for it, and what each answer would do, found by trying it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from ..inference.bounds import Horizon
from ..inference.reference import infer
from ..inference.weighing import Conclusion, highest, is_listed, ranked
from ..interview.consultation import Consultation, served_by
from ..knowledge.cases import derived_value
from ..knowledge.model import AT_LEAST_POSSIBLE, CHOICE, Answer, Condition, Finding, Findings, Knowledge, Scale
from ..knowledge.quantities import Interval, amount, plain, rounded
from ..knowledge.truth import Valuation, leaf_truth, names_in
from ..report.paragraphs import Paragraph
from ..report.words import counted, lowered

MOST_RULES = 6
MOST_EFFECTS = 3
NOTHING = "nothing changes yet"


@dataclass(frozen=True)
class Glance:
    """What a set of answers comes to, in short."""

    knowledge: Knowledge
    urgency: str
    leading: str
    red_flags: tuple[str, ...]
    ranked: tuple[Conclusion, ...]

    def conclusion(self, diagnosis: str) -> Conclusion:
        """What is concluded about one diagnosis."""
        return next(c for c in self.ranked if c.diagnosis == diagnosis)


def glance(state: Consultation) -> Glance:
    """What the answers come to; quicker than the whole outcome, and the same."""
    knowledge = state.knowledge
    inference = infer(knowledge, state.findings)
    order = ranked(knowledge, inference.conclusions)
    first = next((c for c in order if is_listed(knowledge, c)), None)
    flags = [knowledge.red_flags[f].urgency for f in inference.red_flags]
    return Glance(
        knowledge=knowledge,
        urgency=highest([*flags, *(c.urgency for c in order)]),
        leading=first.diagnosis if first is not None and first.level in AT_LEAST_POSSIBLE else "",
        red_flags=inference.red_flags,
        ranked=order,
    )


def effects(before: Glance, after: Glance) -> tuple[str, ...]:
    """What differs between two glances, a phrase each, the gravest first; () when nothing does."""
    knowledge = before.knowledge
    flags = knowledge.red_flags
    said = [f"RED FLAG, {flags[f].urgency}: {flags[f].title}" for f in after.red_flags if f not in before.red_flags]
    said += [f"no longer a red flag: {flags[f].title}" for f in before.red_flags if f not in after.red_flags]
    if before.urgency != after.urgency:
        said.append(f"urgency {before.urgency} -> {after.urgency}")
    if before.leading != after.leading:
        said.append("leading: " + (knowledge.diagnoses[after.leading].title if after.leading else "none"))
    moved, nudged = [], []
    for now in after.ranked:
        then = before.conclusion(now.diagnosis)
        title = knowledge.diagnoses[now.diagnosis].title
        if then.level != now.level:
            moved.append(f"{title}: {then.level} -> {now.level}")
        elif then.points != now.points:
            nudged.append(f"{title} {now.points - then.points:+d}")
    return (*said, *moved, *nudged)


def in_short(said: tuple[str, ...], most: int = MOST_EFFECTS) -> str:
    """The first effects in one line; that there are none is said, too."""
    if not said:
        return NOTHING
    more = len(said) - most
    return "; ".join(said[:most]) + (f"; and {more} more" if more > 0 else "")


def purpose_lines(state: Consultation, findings: tuple[Finding, ...], horizon: Horizon) -> tuple[Paragraph, ...]:
    """Why these are asked: the rules still open that wait for them, and for each what each answer would do."""
    knowledge = state.knowledge
    valuation = Valuation(knowledge, state.findings)
    served = {id for finding in findings for id in served_by(knowledge, finding.name)}
    ruled = _ruled_by(served, knowledge)
    waiting = [(title, condition) for title, condition in ruled if valuation.of(condition) is None]
    lines = [Paragraph(_served_in_words(len(waiting), len(ruled) - len(waiting)), indent=2)]
    most = MOST_RULES if len(findings) == 1 else MOST_RULES // 2
    for title, condition in waiting[:most]:
        names = beneath(knowledge, condition)
        known = sum(1 for name in names if name in valuation.findings or valuation.closed(name))
        lines.append(Paragraph(f"{title.rstrip('.')} ({known} of {counted(len(names), 'finding')} known)", "- ", 4))
    if len(waiting) > most:
        lines.append(Paragraph(f"and {len(waiting) - most} more", indent=4))
    before = glance(state)
    if len(findings) == 1:
        lines += [Paragraph(f"{label}: {said}", indent=2) for label, said in tried(state, findings[0], before, horizon)]
        return tuple(lines)
    for number, finding in enumerate(findings, 1):
        answers = tried(state, finding, before, horizon, 2)
        said = "; ".join(f"{label}: {what}" for label, what in answers)
        if all(what == NOTHING for _, what in answers):
            said = "by itself neither answer changes anything yet"
        lines.append(Paragraph(f"{lowered(finding.title)}. {said}", f"{number}  ", 2))
    return tuple(lines)


def _served_in_words(waiting: int, decided: int) -> str:
    already = f" ({decided} more already decided)" if decided else ""
    if not waiting:
        return "every rule that this serves is decided already" if decided else "no rule rests on this"
    return f"this serves {counted(waiting, 'rule')} still open{already}:"


def _ruled_by(served: set[str], knowledge: Knowledge) -> list[tuple[str, Condition]]:
    """Titles and conditions of red flags, then of rules, the weightiest first, then of what a level needs."""
    flags = [(f"Red flag: {f.title}", f.when) for f in knowledge.red_flags.values() if f.id in served]
    rules = sorted(
        (r for r in knowledge.rules.values() if r.id in served),
        key=lambda r: (r.then not in ("establishes", "excludes"), -abs(knowledge.weighing.points(r.then)), r.id),
    )
    ruled = [(f"{knowledge.diagnoses[r.diagnosis].title}: {r.title}", r.when) for r in rules]
    needs = [
        (f"{d.title}: what it needs to be {level}", condition)
        for d in knowledge.diagnoses.values()
        if d.id in served
        for level, condition in (("possible", d.needs), ("likely", d.likely_when))
        if condition is not None
    ]
    return [*flags, *ruled, *needs]


def beneath(knowledge: Knowledge, condition: Condition) -> tuple[str, ...]:
    """The findings that a condition rests on in the end, through concepts and scores, each once."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    stack = list(reversed(names_in(condition)))
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        inner: Iterable[str] = ()
        if name in knowledge.concepts:
            inner = names_in(knowledge.concepts[name].when)
        elif name in knowledge.scores:
            inner = [n for item in knowledge.scores[name].counted for n in names_in(item.when)]
        else:
            scale = knowledge.findings[name].scale
            if scale is not None and scale.derived is not None:
                inner = scale.derived.inputs
            else:
                found[name] = None
        stack.extend(reversed(list(inner)))
    return tuple(found)


# Trying answers ------------------------------------------------------------------------------------------------------

_REFUSED = "cannot be beside the other answers"


def tried(
    state: Consultation, finding: Finding, before: Glance, horizon: Horizon, most: int = MOST_EFFECTS
) -> tuple[tuple[str, str], ...]:
    """Each answer and what it would do; of a quantity, ranges of values that do the same."""

    def effect(words: str) -> str:
        if state.problems_with(finding.name, words).errors:
            return _REFUSED
        return in_short(effects(before, glance(state.answered(finding.name, words))), most)

    if finding.kind == CHOICE:
        return tuple((wording, effect(choice)) for choice, wording in finding.choices)
    if finding.scale is not None:
        return tuple(_ranges(finding.scale, _beginnings(state, finding, finding.scale, horizon), effect))
    return tuple((words, effect(words)) for words in ("yes", "no"))


def _ranges(scale: Scale, beginnings: list[Decimal], effect: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Ranges of values within which the effect is the same, given where what is read off the value changes."""
    low, high = scale.plausible
    runs: list[tuple[Decimal, Decimal, str]] = []
    for first, following in zip(beginnings, [*beginnings[1:], None], strict=True):
        last = high if following is None else following - _step(scale)
        said = effect(f"{plain(first)} {scale.unit}")
        if runs and runs[-1][2] == said:
            first = runs.pop()[0]
        runs.append((first, last, said))
    for first, last, said in runs:
        if said == _REFUSED:
            continue
        if (first, last) == (low, high):
            label = "any value"
        elif first == low:
            label = f"up to {amount(last, scale.unit)}"
        elif last == high:
            label = f"{amount(first, scale.unit)} or more"
        else:
            label = amount(first, scale.unit) if first == last else f"{plain(first)} to {amount(last, scale.unit)}"
        yield label, said


def _beginnings(state: Consultation, finding: Finding, scale: Scale, horizon: Horizon) -> list[Decimal]:
    """The least value, and each at which some comparison turns out otherwise than just below: of the quantity itself, or
    of one that follows from it and from other answers."""
    low, high = scale.plausible
    step = _step(scale)
    reading = _Reading(state.left_unknown(finding.name).findings, finding, scale, horizon)

    def between(first: Decimal, last: Decimal) -> Iterator[Decimal]:
        if reading.at(first) == reading.at(last):
            return
        if last - first <= step:
            yield last
            return
        middle = rounded((first + last) / 2, scale.decimals)
        yield from between(first, middle)
        yield from between(middle, last)

    turns = {v for turn in (rounded(t, scale.decimals) for t in reading.turns) for v in (turn - step, turn, turn + step)}
    ends = sorted({low, high, *(v for v in turns if low < v < high)})
    return [low, *(v for first, last in itertools.pairwise(ends) for v in between(first, last))]


class _Reading:
    """What is read off a quantity beside the other answers. From one of its `turns` to the next, whatever follows from it
    only rises or only falls, so that what reads alike at both ends of a stretch reads alike all along it."""

    def __init__(self, findings: Findings, finding: Finding, scale: Scale, horizon: Horizon) -> None:
        self._findings = findings
        self._name = finding.name
        self._scale = scale
        self._tests = horizon.tests
        self._exact = {n: a.quantity.exact for n, a in findings.items() if a.quantity is not None}
        self._follows = tuple(self._following(horizon.knowledge))
        self._read: dict[Decimal, tuple[object, ...]] = {}

    def _following(self, knowledge: Knowledge) -> Iterator[tuple[str, Scale, tuple[str, ...]]]:
        """The quantities that follow from this one and what is known, each after those that it follows from."""
        derived = [(f.name, f.scale) for f in knowledge.findings.values() if f.scale is not None]
        there = {self._name}
        known = {n for n, value in self._exact.items() if value is not None} | there
        found = True
        while found:
            found = False
            for name, scale in derived:
                inputs = () if scale.derived is None else scale.derived.inputs
                if name not in there and not there.isdisjoint(inputs) and known.issuperset(inputs):
                    there.add(name)
                    known.add(name)
                    found = True
                    yield name, scale, inputs

    @property
    def turns(self) -> set[Decimal]:
        """Where what follows may rise on one side and fall on the other: at another input, at nothing."""
        others = {self._exact.get(n) for _, _, inputs in self._follows for n in inputs if n != self._name}
        return {Decimal(0), *(value for value in others if value is not None)}

    def at(self, value: Decimal) -> tuple[object, ...]:
        """How every comparison turns out that the value has a say in."""
        if value not in self._read:
            self._read[value] = tuple(self._comparisons(value))
        return self._read[value]

    def _comparisons(self, value: Decimal) -> Iterator[object]:
        yield from self._compared(self._name, self._scale, value)
        values = {**self._exact, self._name: value}
        for name, scale, inputs in self._follows:
            known = [v for v in (values[n] for n in inputs) if v is not None]
            follows = derived_value(replace(scale, plausible=_ANYWHERE), known) if len(known) == len(inputs) else None
            values[name] = follows
            yield follows is None
            if follows is not None:
                yield from self._compared(name, scale, follows)

    def _compared(self, name: str, scale: Scale, value: Decimal) -> Iterator[object]:
        """With what is plausible, with what is stated or follows from other answers, and with every limit."""
        stated = self._findings.get(name)
        ends = [*scale.plausible]
        if stated is not None and stated.quantity is not None:
            ends += [end for end in (stated.quantity.low, stated.quantity.high) if end is not None]
        yield from ((value > end) - (value < end) for end in ends)
        reference = scale.reference if stated is None else stated.reference
        answer = Answer(quantity=Interval(value, value), reference=reference)
        yield from (leaf_truth(leaf, {name: answer}) for leaf in self._tests.get(name, ()))


_ANYWHERE = (Decimal("-Infinity"), Decimal("Infinity"))


def _step(scale: Scale) -> Decimal:
    return Decimal(1).scaleb(-scale.decimals)

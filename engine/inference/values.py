"""The values that a finding could have instead: few, and any other does what one of them does."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ..knowledge.model import (
    CHOICE,
    YES_NO,
    Answer,
    Derivation,
    Finding,
    Findings,
    Scale,
)
from ..knowledge.quantities import Interval, rounded
from ..knowledge.truth import leaf_truth
from .bounds import cells, limits_of
from .network import Network

Cell = tuple[Decimal, Decimal, Decimal]  # lowest, nearest to the present value, highest


class Values:
    """The other values of each finding of a network whose conditions are all in it."""

    def __init__(self, net: Network, findings: Findings) -> None:
        self.net = net
        self.start = findings
        self._alone: dict[str, tuple[Answer, ...]] = {}
        self._cells: dict[str, tuple[Cell, ...]] = {}

    def answers(self, name: str, left: int, chosen: Collection[str]) -> tuple[Answer, ...]:
        """Every other answer of a finding that is worth trying, while `chosen` are changed and so many changes are left."""
        if self.is_input(name):
            return self._as_input(name, left, chosen)
        if name not in self._alone:
            self._alone[name] = self._by_itself(name)
        return self._alone[name]

    def is_input(self, name: str) -> bool:
        """Whether other quantities are derived from it."""
        return any(name in base for base in self.net.bases.values())

    def scale(self, name: str) -> Scale:
        """The scale of a quantity."""
        scale = self.net.knowledge.findings[name].scale
        assert scale is not None
        return scale

    def nice(self, name: str) -> Decimal:
        """The value that a change stays near to: the present one, or what is usual."""
        now = self.start.get(name)
        if now is not None and now.quantity is not None:
            return next(e for e in (now.quantity.low, now.quantity.high) if e is not None)
        scale = self.scale(name)
        low, high = self._reference(name) or scale.usual or scale.plausible
        return rounded((low + high) / 2, scale.decimals)

    def cells(self, name: str) -> tuple[Cell, ...]:
        """Stretches of values in which all comparisons come out alike; rising."""
        if name not in self._cells:
            nice = self.nice(name)
            told = self.net.leaves_on.get(name, [])
            points = _grid(self.scale(name), [*self.scale(name).plausible, *limits_of(told, self._reference(name)), nice])
            groups = itertools.groupby(points, lambda v: [leaf_truth(x, {name: self._quantity(name, v)}) for x in told])
            stretches = [list(group) for _, group in groups]
            self._cells[name] = tuple((s[0], min(max(nice, s[0]), s[-1]), s[-1]) for s in stretches)
        return self._cells[name]

    def _by_itself(self, name: str) -> tuple[Answer, ...]:
        """Every other answer; of a quantity, one of each stretch in which all comparisons come out alike."""
        finding = self.net.knowledge.findings[name]
        now = self.start.get(name)
        if finding.kind == YES_NO:
            return tuple(Answer(truth=t) for t in (True, False) if now is None or now.truth is not t)
        if finding.kind == CHOICE:
            return tuple(Answer(choice=c) for c, _ in finding.choices if now is None or now.choice != c)
        present = self._present(name)
        return self._nearest_first(
            name, [near for low, near, high in self.cells(name) if present is None or not low <= present <= high]
        )

    def _nearest_first(self, name: str, values: Iterable[Decimal]) -> tuple[Answer, ...]:
        nice = self.nice(name)
        return tuple(self._quantity(name, v) for v in sorted(values, key=lambda v: (abs(v - nice), v)))

    def _quantity(self, name: str, value: Decimal) -> Answer:
        return Answer(quantity=Interval(value, value), reference=self._reference(name))

    def _reference(self, name: str) -> tuple[Decimal, Decimal] | None:
        now = self.start.get(name)
        return now.reference if now is not None else self.scale(name).reference

    def _present(self, name: str) -> Decimal | None:
        now = self.start.get(name)
        return now.quantity.exact if now is not None and now.quantity is not None else None

    def _as_input(self, name: str, left: int, chosen: Collection[str]) -> tuple[Answer, ...]:
        """Values of a quantity from which others are derived: at the ends of its own stretches, and on both sides of where
        a derived one crosses a limit, for what its other inputs are and for the ends of what they could become."""
        net = self.net
        wanted = [v for cell in self.cells(name) for v in cell]
        above = [net.knowledge.findings[derived] for derived, base in net.bases.items() if name in base]
        is_open = False
        for finding in above:
            partners = [n for n in net.bases[finding.name] if n != name]
            choices = []
            for partner in partners:
                known = net.exact(partner)
                values = [known] if known is not None else []
                if net.can_change(partner) and partner not in chosen and left > 1:
                    is_open = True
                    values += [v for cell in self.cells(partner) for v in cell]
                choices.append(dict.fromkeys(values))
            for others in itertools.product(*choices):
                at = dict(zip(partners, others, strict=True))
                wanted += [v for target in self._targets(finding) for v in self._solved(finding, name, target, at)]
        present = self._present(name)
        answers = self._nearest_first(name, (v for v in _grid(self.scale(name), wanted) if v != present))
        return answers if is_open else tuple(self._one_of_each(name, answers, above))

    def _targets(self, finding: Finding) -> list[Decimal]:
        """Where a derived quantity crosses a limit, and how far rounding reaches there."""
        name = finding.name
        half = Decimal(1).scaleb(-self.scale(name).decimals) / 2
        limits = [*self.scale(name).plausible, *limits_of(self.net.leaves_on.get(name, ()), self._reference(name))]
        stated = None if name in self.net.worked_out else self.net.exact(name)
        limits += [] if stated is None else [stated]
        return [target for limit in dict.fromkeys(limits) for target in (limit - half, limit, limit + half)]

    def _solved(self, finding: Finding, name: str, target: Decimal, others: Mapping[str, Decimal]) -> Iterator[Decimal]:
        """The values of `name` for which the derived quantity is at the target."""
        net = self.net
        derived = self.scale(finding.name).derived
        assert derived is not None
        inner = [n for n in derived.inputs if n == name or (n in net.worked_out and name in net.bases[n])]
        values = [None if n in inner else others.get(n, net.exact(n)) for n in derived.inputs]
        for input_name in inner:
            for value in _inverse(derived, derived.inputs.index(input_name), target, values):
                if input_name == name:
                    yield value
                else:
                    yield from self._solved(net.knowledge.findings[input_name], name, value, others)

    def _one_of_each(self, name: str, answers: Iterable[Answer], above: list[Finding]) -> Iterator[Answer]:
        """The first of all answers with which everything comes out alike."""
        net = self.net
        told = [leaf for n in (name, *(f.name for f in above)) for leaf in net.leaves_on.get(n, ())]
        seen: set[tuple[object, ...]] = set()
        for answer in answers:
            take_back = net.change(name, answer)
            alike = (*(leaf_truth(leaf, net.values) for leaf in told), *(net.agrees(f.name) for f in above))
            take_back()
            if alike not in seen:
                seen.add(alike)
                yield answer


def _grid(scale: Scale, wanted: Iterable[Decimal]) -> tuple[Decimal, ...]:
    """The plausible values on either side of those wanted and next to them, to the decimals of the scale; rising."""
    step = Decimal(1).scaleb(-scale.decimals)
    low, high = scale.plausible
    near = [v for v in wanted if low - step <= v <= high + step]
    return cells(scale, (v.quantize(step, how) for v in near for how in (ROUND_FLOOR, ROUND_CEILING)))


def _inverse(how: Derivation, number: int, target: Decimal, values: list[Decimal | None]) -> Iterator[Decimal]:
    """The values of one input with which the derived quantity is at the target; the other inputs are given."""
    others = [v for i, v in enumerate(values) if i != number and v is not None]
    if len(others) < len(values) - 1:
        return
    if how.how == "difference":
        yield target + others[0] if number == 0 else others[0] - target
    elif how.how == "absolute_difference":
        yield others[0] + target
        yield others[0] - target
    elif how.how == "ratio":
        if number == 0:
            yield target * others[0]
        elif target:
            yield others[0] / target
    elif how.how == "linear":
        factors = [f for i, f in enumerate(how.factors) if i != number]
        rest = sum((f * v for f, v in zip(factors, others, strict=True)), how.constant)
        if how.factors[number]:
            yield (target - rest) / how.factors[number]
    else:  # the smaller or larger of several
        yield target

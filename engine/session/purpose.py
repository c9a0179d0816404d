"""What a question is for: the rules that wait for it, and what each answer would do, found by trying it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from ..inference.reference import infer
from ..inference.weighing import Conclusion, highest, is_listed, ranked
from ..interview.consultation import Consultation, served_by
from ..knowledge.checks import conditions_of
from ..knowledge.model import (
    AT_LEAST_POSSIBLE,
    CHOICE,
    Compare,
    Condition,
    Finding,
    Knowledge,
    OutOfRange,
    Scale,
    TimesUpperLimit,
    leaves,
)
from ..knowledge.quantities import plain, rounded
from ..knowledge.truth import Valuation, names_in
from .wording import Paragraph, counted, lowered

MOST_RULES = 6
MOST_EFFECTS = 3
NOTHING = "nothing changes yet"
STEPS_WITHOUT_LIMITS = 8  # between the values tried of a quantity that no rule compares by itself


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


def purpose_lines(state: Consultation, findings: tuple[Finding, ...]) -> tuple[Paragraph, ...]:
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
        lines += [Paragraph(f"{label}: {said}", indent=2) for label, said in tried(state, findings[0], before)]
        return tuple(lines)
    for number, finding in enumerate(findings, 1):
        answers = tried(state, finding, before, 2)
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
        for level, condition in (("possible", d.needs), ("likely", d.likely_needs))
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


def tried(state: Consultation, finding: Finding, before: Glance, most: int = MOST_EFFECTS) -> tuple[tuple[str, str], ...]:
    """Each answer and what it would do; of a quantity, ranges of values that do the same."""

    def effect(words: str) -> str:
        if state.problems_with(finding.name, words).errors:
            return _REFUSED
        return in_short(effects(before, glance(state.answered(finding.name, words))), most)

    if finding.kind == CHOICE:
        return tuple((wording, effect(choice)) for choice, wording in finding.choices)
    if finding.scale is not None:
        return tuple(_ranges(finding.scale, set(_limits(state.knowledge, finding)), effect))
    return tuple((words, effect(words)) for words in ("yes", "no"))


def _ranges(scale: Scale, limits: set[Decimal], effect: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Ranges of values within which the effect is the same. Between two limits it can only be so; where the quantity is but
    a part of what is compared, values are sampled, and the ends of the ranges searched for."""
    low, high = scale.plausible
    step = Decimal(1).scaleb(-scale.decimals)
    values = {v for limit in limits for v in (limit - step, limit, limit + step) if low <= v <= high} | {low, high}
    if not limits:
        start, end = scale.usual or scale.plausible
        values |= {
            rounded(start + (end - start) * n / STEPS_WITHOUT_LIMITS, scale.decimals) for n in range(STEPS_WITHOUT_LIMITS)
        }
        values |= {start, end}

    def at(value: Decimal) -> str:
        return effect(f"{plain(value)} {scale.unit}")

    runs: list[tuple[Decimal, Decimal, str]] = []
    for value in sorted(values):
        said = at(value)
        if runs and runs[-1][2] == said:
            runs[-1] = (runs[-1][0], value, said)
            continue
        if runs:
            first, last, before = runs[-1]
            beginning = value
            while beginning - last > step:
                middle = rounded((last + beginning) / 2, scale.decimals)
                if middle in (last, beginning):
                    break
                last, beginning = (middle, beginning) if at(middle) == before else (last, middle)
            runs[-1] = (first, last, before)
            runs.append((beginning, value, said))
        else:
            runs.append((value, value, said))
    for first, last, said in runs:
        if said == _REFUSED:
            continue
        if (first, last) == (low, high):
            label = "any value"
        elif first == low:
            label = f"up to {plain(last)} {scale.unit}"
        elif last == high:
            label = f"{plain(first)} {scale.unit} or more"
        else:
            label = f"{plain(first)} {scale.unit}" if first == last else f"{plain(first)} to {plain(last)} {scale.unit}"
        yield label, said


def _limits(knowledge: Knowledge, finding: Finding) -> Iterator[Decimal]:
    """The numbers that conditions compare the quantity with."""
    assert finding.scale is not None
    reference = finding.scale.reference
    for _, condition, _ in conditions_of(knowledge):
        for leaf in leaves(condition):
            if leaf.name != finding.name:
                continue
            if isinstance(leaf, Compare):
                yield leaf.limit
            elif isinstance(leaf, OutOfRange) and reference is not None:
                yield reference[0] if leaf.side == "below" else reference[1]
            elif isinstance(leaf, TimesUpperLimit) and reference is not None:
                yield (leaf.factor * reference[1]).quantize(Decimal(1).scaleb(-finding.scale.decimals))

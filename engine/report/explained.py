"""Explanations as paragraphs, which any printer can wrap to its width, and as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ..inference.counterfactual import Smallest
from ..inference.explanation import (
    CONCEPT,
    DIAGNOSIS,
    FINDING,
    ITEM,
    NOT_KNOWN,
    RED_FLAG,
    SCORE,
    Barrier,
    Cap,
    Changes,
    Fired,
    How,
    Lack,
    Moved,
    Silent,
    Step,
    WhyNot,
)
from ..knowledge.model import AT_LEAST_POSSIBLE
from ..knowledge.quantities import plain
from .paragraphs import Paragraph
from .phrases import cited
from .words import counted, mark_of, standing_and_urgency

_STEP = 2  # columns that a level of a tree moves to the right


def _at(indent: int, mark: str, text: str) -> Paragraph:
    return Paragraph(text, f"{mark} " if mark else "", indent)


# How it was reached --------------------------------------------------------------------------------------------------


def how_paragraphs(account: How) -> tuple[Paragraph, ...]:
    """How a subject came to stand where it stands, as a tree down to the findings."""
    return tuple(_how(account))


def _how(account: How) -> Iterator[Paragraph]:
    if account.kind != DIAGNOSIS:
        yield _at(0, "", f"{account.title.rstrip('.')}: {account.state}")
        yield from _steps(account.steps, _STEP)
        if account.lacks:
            heading = "What could still add to it:" if account.kind == SCORE else "What it still lacks:"
            yield _at(_STEP, "", heading)
            yield from _parts(account.lacks, _STEP, set())
        return
    yield _at(0, "", f"{account.title}: {account.state}, {counted(account.points, 'point')}")
    for heading, fired in (("For it:", account.speaking_for), ("Against it:", account.against)):
        if fired:
            yield _at(_STEP, "", heading)
            for each in fired:
                yield from _fired(each)
    if not account.speaking_for and not account.against:
        yield _at(_STEP, "", "No rule about it has fired.")
    expanded: set[str] = set()
    for cap in account.caps:
        yield from _cap(cap, expanded)
    yield from _barred(account.barred_by)
    if account.links:
        yield _at(_STEP, "", "Linked with what else is found:")
        for link in account.links:
            yield _at(_STEP, "~", f"{link.title.rstrip('.')} [{', '.join(link.source)}]")


def rule_said(fired: Fired) -> str:
    """A rule that fired, in words."""
    rule = fired.rule
    scope = f" Scope: {rule.scope.rstrip('.')}." if rule.scope else ""
    return f"{rule.title.rstrip('.')} ({rule.then}; {rule.id}).{scope}"


def outdone_said(fired: Fired) -> str:
    """Why it counts for nothing; '' where it counts."""
    if not fired.outdone_by:
        return ""
    return f"counts for nothing beside {fired.outdone_by}, of the same cluster ({fired.rule.cluster})"


def _fired(fired: Fired) -> Iterator[Paragraph]:
    yield _at(_STEP, mark_of(fired.rule, fired.points), f"{rule_said(fired)} {cited(fired.rule.source)}")
    if fired.outdone_by:
        yield _at(_STEP + 4, "", outdone_said(fired))
    yield from _steps(fired.steps, _STEP + 4)


def steps_said(steps: tuple[Step, ...]) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """Each step in words, with those under it; the items of a score that are no and add nothing stand together in one."""
    idle = [s.title for s in steps if s.points is not None and not s.points and s.value == "no" and not s.steps]
    for step in steps:
        if len(idle) > 1 and step.title in idle:
            continue
        adds = "" if step.points is None or not step.points else f" ({score_points(step.points)})"
        yield f"{step.title}: {step.value}{adds}{', because' if step.steps else ''}", step.steps
    if len(idle) > 1:
        yield f"no, adding nothing: {'; '.join(idle)}", ()


def _steps(steps: tuple[Step, ...], indent: int) -> Iterator[Paragraph]:
    for said, inner in steps_said(steps):
        yield _at(indent, "-", said)
        yield from _steps(inner, indent + _STEP)


def cap_said(cap: Cap) -> str:
    """How a condition on a diagnosis stands, and at which level it holds it."""
    if cap.kind == "needs_no":
        what = "It is a diagnosis of exclusion, and what it needs no of"
        states = {True: "is known not to be there", False: "is there", None: "is not known not to be there"}
    else:
        what = "What it needs" if cap.kind == "needs" else "What 'likely' needs"
        states = {True: "is there", False: "is known not to be there", None: "is not known to be there"}
    return f"{what} {states[cap.truth]}" + ("" if cap.is_met else f", so it is at most {cap.at_most}")


def _cap(cap: Cap, expanded: set[str]) -> Iterator[Paragraph]:
    yield _at(_STEP, "", f"{cap_said(cap)}:")
    if cap.is_met:
        yield from _steps(cap.steps, _STEP)
    for lack in cap.lacks:
        yield from _lack(lack, _STEP, expanded)


def _barred(barriers: tuple[Barrier, ...]) -> Iterator[Paragraph]:
    """What else is found: what it needs no of stands among its caps already."""
    others = [b for b in barriers if b.kind in (RED_FLAG, DIAGNOSIS)]
    if others:
        yield _at(_STEP, "", "It is a diagnosis of exclusion, and something else is found, so it is not supported:")
        for barrier in others:
            said = "red flag" if barrier.kind == RED_FLAG else "likely or above"
            yield _at(_STEP, "x", f"{barrier.title.rstrip('.')} ({said}; {barrier.id})")


# Why it was not ------------------------------------------------------------------------------------------------------


def why_not_paragraphs(account: WhyNot, most: int | None = None) -> tuple[Paragraph, ...]:
    """Why a diagnosis has not reached a level: what speaks against it, what holds it down, what each silent rule lacks;
    of these at most so many."""
    return tuple(_why_not(account, most))


def _why_not(account: WhyNot, most: int | None) -> Iterator[Paragraph]:
    expanded: set[str] = set()
    standing = f"{account.title}: {account.level}, {counted(account.points, 'point')}"
    if account.is_reached:
        yield _at(0, "", f"{standing}; '{account.aim}' is reached.")
        return
    needed = f", which takes {counted(account.needed_points, 'point')}" if account.needed_points is not None else ""
    yield _at(0, "", f"{standing}; not {account.aim}{needed}.")
    if account.excluded_by:
        yield _at(_STEP, "", "It is excluded:")
        for fired in account.excluded_by:
            yield from _fired(fired)
    for cap in account.caps:
        yield from _cap(cap, expanded)
    yield from _barred(account.barred_by)
    if account.against:
        yield _at(_STEP, "", "Against it:")
        for fired in account.against:
            yield from _fired(fired)
    if account.outdone:
        yield _at(_STEP, "", "Fired, but counts for nothing:")
        for fired in account.outdone:
            yield _at(
                _STEP,
                mark_of(fired.rule, 0),
                f"{fired.rule.title.rstrip('.')} ({fired.rule.id}), beside {fired.outdone_by}",
            )
    if account.silent:
        heading = "Rules for it that have not fired, the weightiest first (? may still fire, x cannot as things are known):"
        yield _at(_STEP, "", heading)
        for silent in account.silent[:most]:
            yield from _silent(silent, expanded)
        left_out = len(account.silent[:0] if most is None else account.silent[most:])
        if left_out:
            yield _at(_STEP, "", f"and {left_out} more, no weightier")
    else:
        yield _at(_STEP, "", "Every rule for it has fired.")


def _silent(silent: Silent, expanded: set[str]) -> Iterator[Paragraph]:
    rule = silent.rule
    adds = "" if rule.then == "establishes" else f", would add {silent.would_add}"
    yield _at(_STEP, _open_mark(silent.is_open), f"{rule.title.rstrip('.')} ({rule.then}{adds}; {rule.id})")
    for lack in silent.lacks:
        yield from _lack(lack, _STEP + 2, expanded)


def _lack(lack: Lack, indent: int, expanded: set[str]) -> Iterator[Paragraph]:
    """What is lacking as a tree; what a concept or score lacks is written out once, and is 'as above' from then on."""
    mark = _open_mark(lack.is_open)
    if lack.kind == FINDING:
        yield _at(indent, mark, in_one_line(lack))
    elif lack.kind in (CONCEPT, SCORE):
        said = f"{lack.title.rstrip('.')}: {lack.seen}, needed {lack.needed}"
        known = f"{lack.name} {lack.needed}" in expanded
        expanded.add(f"{lack.name} {lack.needed}")
        yield _at(indent, mark, f"{said}, as above" if known else f"{said}; for that:" if lack.parts else said)
        if not known:
            yield from _parts(lack.parts, indent + _STEP, expanded)
    else:
        so_far = f" ({lack.seen})" if lack.seen else ""
        parts = tuple(_parts(lack.parts, indent + _STEP, expanded))
        if len(parts) == 1:
            yield _at(indent, mark, f"{lack.needed}{so_far}, {parts[0].text}")
        else:
            yield _at(indent, mark, f"{lack.needed}{so_far}:")
            yield from parts


def _parts(parts: tuple[Lack, ...], indent: int, expanded: set[str]) -> Iterator[Paragraph]:
    """Plain findings that lack the same stand together in one paragraph; anything else has its own."""
    groups: dict[tuple[bool, str, str, str], list[Lack]] = {}
    rest: list[Lack] = []
    for part in parts:
        inner = part.parts[0] if part.kind == ITEM else part
        if inner.kind == FINDING and not inner.from_what and inner.needed in ("yes", "no"):
            groups.setdefault((inner.is_open, _seen(inner), inner.needed, _worth(part)), []).append(inner)
        else:
            rest.append(part)
    for (is_open, seen, needed, worth), members in groups.items():
        if len(members) == 1:
            yield _at(indent, _open_mark(is_open), in_one_line(members[0]) + worth)
        else:
            listed = "; ".join(m.title for m in members)
            each = f"{worth} each" if worth else ""
            yield _at(indent, _open_mark(is_open), f"{seen}, needed {needed}{each}: {listed}")
    for part in rest:
        first, *others = _lack(part.parts[0] if part.kind == ITEM else part, indent, expanded)
        yield replace(first, text=first.text + _worth(part))
        yield from others


def _worth(part: Lack) -> str:
    return "" if part.points is None else f" ({score_points(part.points)})"


def _open_mark(is_open: bool) -> str:
    return "?" if is_open else "x"


def in_one_line(lack: Lack) -> str:
    """A finding with the value seen and the value needed."""
    worked_out = f" (worked out from: {'; '.join(lack.from_what)})" if lack.from_what and lack.seen == NOT_KNOWN else ""
    return f"{lack.title}{worked_out}: {_seen(lack)}, needed {lack.needed}"


def _seen(lack: Lack) -> str:
    """The value seen; where only a closed gate says no, with what closes it."""
    return f"{lack.seen} while '{'; '.join(_gates(lack.parts))}'" if lack.parts else lack.seen


def _gates(parts: tuple[Lack, ...]) -> Iterator[str]:
    for part in parts:
        if part.title:
            yield f"{part.title}: {part.seen}"
        else:
            yield from _gates(part.parts)


# What if -------------------------------------------------------------------------------------------------------------


def change_paragraphs(changes: Changes, titles: dict[str, str]) -> tuple[Paragraph, ...]:
    """What would be otherwise; `titles` are those of the diagnoses."""
    return tuple(_changes(changes, titles))


def _changes(changes: Changes, titles: dict[str, str]) -> Iterator[Paragraph]:
    if changes.is_empty:
        yield _at(0, "", "Nothing would change: no level, points, urgency, red flag, note or advice.")
        return
    if changes.urgency is not None:
        yield _at(0, "", f"Urgency: {changes.urgency[0].upper()} -> {changes.urgency[1].upper()}")
    if changes.leading is not None:
        first, then = (titles.get(d, "none") for d in changes.leading)
        yield _at(0, "", f"Leading: {first} -> {then}")
    for flag in changes.red_flags_begun:
        yield _at(0, "!!", f"Red flag, {flag.urgency.upper()}: {flag.title}. Do: {flag.action}")
    for flag in changes.red_flags_ended:
        yield _at(0, "-", f"No longer a red flag: {flag.title}")
    for moved in changes.moved:
        yield _at(0, "", f"{moved.title}: {_from_to(moved)}")
    for note in changes.notes_begun:
        yield _at(0, "*", f"{note.title.rstrip('.')}. {note.text}")
    for note in changes.notes_ended:
        yield _at(0, "-", f"No longer noted: {note.title}")
    for advice in changes.advice_begun:
        yield _at(0, "*", f"Advice given: {advice.text}")
    for advice in changes.advice_ended:
        yield _at(0, "-", f"Advice no longer given: {advice.text}")


def _from_to(moved: Moved) -> str:
    before, after = standing_and_urgency(moved.before), standing_and_urgency(moved.after)
    if before != after:
        return f"{before} -> {after}"
    return f"{before}, points {moved.before.points:+d} -> {moved.after.points:+d}"  # the level does not show them


# The smallest change -------------------------------------------------------------------------------------------------


def smallest_paragraphs(found: Smallest) -> tuple[Paragraph, ...]:
    """The smallest sets of findings to be otherwise that would bring a diagnosis to a level, or that there is none."""
    return tuple(_smallest(found))


_AIMS = {
    "established": "established",
    "likely": "at least likely",
    "possible": "at least possible",
    "unlikely": "at most unlikely",
    "excluded": "excluded",
}


def _smallest(found: Smallest) -> Iterator[Paragraph]:
    aim = _AIMS[found.aim]
    if found.size == 0:
        yield _at(0, "", f"{found.title} is {found.level}: that is {aim}, as it stands.")
        return
    if found.no_rule:
        verb = "establish" if found.aim in AT_LEAST_POSSIBLE else "exclude"
        yield _at(0, "", f"No change of findings would make it {aim}: no rule of its own could {verb} it.")
        return
    if found.size is None:
        yield _at(0, "", f"No change of up to {_NUMBERS[found.most]} findings would make it {aim}.")
        return
    what = "one finding" if found.size == 1 else f"{_NUMBERS[found.size]} findings"
    more = found.count - len(found.sets)
    many = f"{found.count} such changes" if found.is_counted else f"more than {found.count} such changes"
    how_many = "the only one" if found.count == 1 else f"{many}, {'of which these' if more else 'these'}"
    yield _at(0, "", f"The smallest change that would make it {aim} is of {what}; {how_many}:")
    for number, changes in enumerate(found.sets, 1):
        for position, change in enumerate(changes):
            said = f"{change.title}: {change.within or change.after} (now {change.before})"
            yield _at(_STEP if not position else _STEP + 3, f"{number}." if not position else "", said)


_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


# As data -------------------------------------------------------------------------------------------------------------


def how_record(account: How) -> dict[str, Any]:
    """How a subject came to stand where it stands, as plain data."""
    return {
        "id": account.id,
        "kind": account.kind,
        "title": account.title,
        "state": account.state,
        "points": account.points,
        "for": [_fired_record(f) for f in account.speaking_for],
        "against": [_fired_record(f) for f in account.against],
        "caps": [_cap_record(c) for c in account.caps],
        "barred_by": [_barrier_record(b) for b in account.barred_by],
        "links": [link.id for link in account.links],
        "because": [_step_record(s) for s in account.steps],
        "lacks": [_lack_record(x) for x in account.lacks],
    }


def why_not_record(account: WhyNot) -> dict[str, Any]:
    """Why a diagnosis has not reached a level, as plain data."""
    return {
        "aim": account.aim,
        "reached": account.is_reached,
        "needed_points": account.needed_points,
        "silent": [
            {
                "rule": s.rule.id,
                "title": s.rule.title,
                "strength": s.rule.then,
                "open": s.is_open,
                "would_add": s.would_add,
                "lacks": [_lack_record(x) for x in s.lacks],
            }
            for s in account.silent
        ],
        "outdone": [_fired_record(f) for f in account.outdone],
        "against": [_fired_record(f) for f in account.against],
        "excluded_by": [_fired_record(f) for f in account.excluded_by],
        "caps": [_cap_record(c) for c in account.caps],
        "barred_by": [_barrier_record(b) for b in account.barred_by],
    }


def smallest_record(found: Smallest) -> dict[str, Any]:
    """The smallest changes as plain data; `size` is null where no change of up to `most` findings would do; with `no_rule`
    no change of however many would, since no rule of its own could lead there."""
    return {
        "aim": found.aim,
        "reached": found.size == 0,
        "no_rule": found.no_rule,
        "most": found.most,
        "size": found.size,
        "count": found.count,
        "counted": found.is_counted,
        "changes": [
            [
                {"finding": c.finding, "title": c.title, "before": c.before, "after": c.after, "within": c.within or None}
                for c in changes
            ]
            for changes in found.sets
        ],
    }


def _fired_record(fired: Fired) -> dict[str, Any]:
    return {
        "rule": fired.rule.id,
        "title": fired.rule.title,
        "strength": fired.rule.then,
        "counted": fired.points,
        "outdone_by": fired.outdone_by or None,
        "because": [_step_record(s) for s in fired.steps],
        "source": list(fired.rule.source),
    }


def _cap_record(cap: Cap) -> dict[str, Any]:
    return {
        "kind": cap.kind,
        "met": cap.truth,
        "at_most": None if cap.is_met else cap.at_most,
        "because": [_step_record(s) for s in cap.steps],
        "lacks": [_lack_record(x) for x in cap.lacks],
    }


def _barrier_record(barrier: Barrier) -> dict[str, Any]:
    return {"kind": barrier.kind, "id": barrier.id, "title": barrier.title}


def _step_record(step: Step) -> dict[str, Any]:
    record: dict[str, Any] = {"name": step.name, "title": step.title, "kind": step.kind, "value": step.value}
    if step.points is not None:
        record["points"] = plain(step.points)
    if step.steps:
        record["because"] = [_step_record(s) for s in step.steps]
    return record


def _lack_record(lack: Lack) -> dict[str, Any]:
    record: dict[str, Any] = {"kind": lack.kind, "open": lack.is_open}
    if lack.name:
        record |= {"name": lack.name, "title": lack.title, "seen": lack.seen}
    if lack.needed:
        record["needed"] = lack.needed
    if lack.count:
        record |= {"still": lack.count, "so_far": lack.so_far}
    if lack.points is not None:
        record["points"] = plain(lack.points)
    if lack.parts:
        record["parts"] = [_lack_record(p) for p in lack.parts]
    return record


# Shared --------------------------------------------------------------------------------------------------------------


def score_points(points: Decimal) -> str:
    """Points of a score, with their sign."""
    return f"{'+' if points > 0 else ''}{plain(points)}"


__all__ = [
    *("cap_said", "change_paragraphs", "how_paragraphs", "how_record", "in_one_line", "outdone_said", "rule_said"),
    *("score_points", "smallest_paragraphs", "smallest_record", "steps_said", "why_not_paragraphs", "why_not_record"),
]

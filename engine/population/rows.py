"""Patients whose answers are read already, as the columns that a plan reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..knowledge.model import CHOICE, QUANTITY, YES_NO, Answer, Finding, Findings, Knowledge
from .steps import FAR, ends, half_steps


def columns_of(knowledge: Knowledge, patients: Sequence[Findings]) -> tuple[dict[str, list[Any]], dict[str, bool]]:
    """The columns, and what is `present` in them (see `columnar.Compiler`). What the plan derives is left out."""
    each = ((name, answer) for findings in patients for name, answer in findings.items())
    known = sorted({name for name, answer in each if stated(knowledge.findings[name], answer) is not None})
    columns: dict[str, list[Any]] = {}
    present: dict[str, bool] = {}
    for name in known:
        finding = knowledge.findings[name]
        answers = [stated(finding, findings.get(name)) for findings in patients]
        own = any(answer is not None and has_own(finding, answer) for answer in answers)
        present[name] = own
        columns.update(columns_for(finding, answers, own))
    return columns, present


def unusual_in(knowledge: Knowledge, patients: Iterable[Findings]) -> Counter[str]:
    """Of each quantity, in how many patients the number given is outside its usual range."""
    found: Counter[str] = Counter()
    for findings in patients:
        for name, answer in findings.items():
            scale = knowledge.findings[name].scale
            if scale is None or scale.usual is None or answer.derived or answer.quantity is None:
                continue
            number = answer.quantity.high if answer.quantity.low is None else answer.quantity.low
            if number is not None and not scale.usual[0] <= number <= scale.usual[1]:
                found[name] += 1
    return found


def stated(finding: Finding, answer: Answer | None) -> Answer | None:
    """The answer, unless all that it says is derived: a laboratory's own reference interval never is."""
    return None if answer is None or (answer.derived and not has_own(finding, answer)) else answer


def has_own(finding: Finding, answer: Answer) -> bool:
    """Whether the laboratory brought a reference interval of its own."""
    return finding.scale is not None and answer.reference != finding.scale.reference


def columns_for(finding: Finding, answers: Iterable[Answer | None], own: bool) -> Mapping[str, list[Any]]:
    """The columns of one finding; with reference intervals where `own`."""
    name = finding.name
    each = list(answers)
    if finding.kind == YES_NO:
        return {
            f"{name}/yes": [answer is not None and answer.truth is True for answer in each],
            f"{name}/no": [answer is not None and answer.truth is False for answer in each],
        }
    if finding.kind == CHOICE:
        return {name: [None if answer is None else answer.choice for answer in each]}
    assert finding.kind == QUANTITY and finding.scale is not None
    decimals = finding.scale.decimals
    steps = [(-FAR, FAR) if a is None or a.quantity is None else ends(a.quantity, decimals) for a in each]
    columns: dict[str, list[Any]] = {f"{name}/low": [s[0] for s in steps], f"{name}/high": [s[1] for s in steps]}
    if own:
        assert finding.scale.reference is not None
        for number, end in enumerate(("from", "to")):
            usual = finding.scale.reference[number]
            columns[f"{name}/{end}"] = [
                half_steps(usual if a is None or a.reference is None else a.reference[number], decimals) for a in each
            ]
    return columns

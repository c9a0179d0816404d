"""Accuracy over patients whose answer is known, as text: shares with 95 % intervals, urgency against urgency, each miss."""

from __future__ import annotations

from collections.abc import Sequence

from ..knowledge.model import URGENCIES
from ..knowledge.proportions import wilson
from .regression import Judged, hits, urgency_table


def accuracy_lines(judged: Sequence[Judged], bare: Sequence[Judged]) -> list[str]:
    """The tables; `bare` are the same patients without the results of confirmatory tests."""
    inside = [j for j in judged if j.within]
    inside_bare = [j for j in bare if j.within]
    outside = [j for j in judged if not j.within]
    lines = [
        "",
        f"Patients whose answer is known: {len(judged)}; with a diagnosis that is in the knowledge base: {len(inside)}.",
        "Only diagnoses at possible or above count. 95 % intervals by Wilson's score.",
        "",
        f"{'':34}{'top-1':>22}{'top-3':>24}",
    ]
    for title, group, lenient in (
        ("with alternatives", inside, True),
        ("strictly", inside, False),
        ("with alternatives, no confirmation", inside_bare, True),
        ("strictly, no confirmation", inside_bare, False),
    ):
        lines.append(f"{title:<34}{_share(*hits(group, 1, lenient)):>22}{_share(*hits(group, 3, lenient)):>24}")
    lines += ["", "Urgency: theirs down, ours across.", f"{'':12}" + "".join(f"{u:>12}" for u in URGENCIES)]
    table = urgency_table(judged)
    for theirs in URGENCIES:
        row = [len(table.get((theirs, ours), ())) for ours in URGENCIES]
        if any(row):
            lines.append(f"{theirs:<12}" + "".join(f"{n:>12}" for n in row))
    under = [n for (t, o), names in table.items() if t == "emergency" and o != "emergency" for n in names]
    over = [n for (t, o), names in table.items() if t != "emergency" and o == "emergency" for n in names]
    lines += ["", f"Emergencies triaged lower ({len(under)}): {', '.join(sorted(under)) or 'none'}"]
    lines += [f"Non-emergencies called emergency ({len(over)}): {', '.join(sorted(over)) or 'none'}"]
    missed = [j for j in inside if j.lenient == 0 or j.lenient > 1]
    lines += ["", f"Not first ({len(missed)}):"]
    for j in missed:
        where = f"rank {j.lenient}" if j.lenient else "not listed at possible or above"
        level = j.outcome.conclusion(j.case.diagnosis).level
        lines.append(f"  {j.case.name}: {j.case.diagnosis} is {level}, {where}; leading {j.outcome.leading or 'none'}")
    lines += ["", f"Answer beyond the document ({len(outside)}):"]
    for j in outside:
        about = sorted({n.about for n, _ in j.outcome.notes})
        said = f"note on {', '.join(about)}" if about else "no note"
        lines.append(f"  {j.case.name}: {j.case.diagnosis}; leading {j.outcome.leading or 'none'}; {said}")
    return lines


def _share(successes: int, total: int) -> str:
    low, high = wilson(successes, total)
    share = f"{100 * successes / total:.0f} %" if total else "-"
    return f"{successes}/{total} {share} ({100 * low:.0f}-{100 * high:.0f})"

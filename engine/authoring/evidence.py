"""The page docs/evidence.md: every row of the evidence, and what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ..knowledge.cases import Case
from ..knowledge.model import Knowledge
from .killing import Trial
from .masks import Mask
from .reference import users_in

_TITLES = {"IC": "Intermediate concepts", "RF": "Red flags"}


def evidence_page(knowledge: Knowledge, cases: Sequence[Case]) -> str:
    """Markdown: for each row, the things that code it and how many cases make them fire or name them; or why it is not
    coded."""
    used, users = _used(knowledge, cases), users_in(knowledge)
    lines = [
        "# What became of the evidence",
        "",
        "Generated from `rules/` and `tests/cases/`; a test holds this page to them. To write it anew:",
        "`crampdx evidence tests/cases > docs/evidence.md`.",
        "",
        "Each row is one piece of evidence that rules are written from: its strength for (`P S M W`) or against (`-`; `X`",
        "excludes, `N` has no value), the things that code it with the number of regression cases that exercise them (a",
        "link, which concludes nothing, has none), or the reason why nothing does.",
        "",
    ]
    groups: dict[str, list[str]] = {}
    for row in knowledge.register.values():
        groups.setdefault(_group(row.id), []).append(row.id)
    coded = sum(1 for row in knowledge.register if users.get(row))
    reasons = sum(1 for row in knowledge.register.values() if row.not_coded)
    lines += [f"{len(knowledge.register)} rows: {coded} coded, {reasons} not coded with a reason.", ""]
    for group in sorted(groups, key=lambda g: (g in _TITLES, len(g), g)):
        lines += [f"## {section_of(groups[group][0])}", ""]
        lines += ["| row | finding | strength | coded by (cases) |", "|---|---|---|---|"]
        for id in sorted(groups[group]):
            row = knowledge.register[id]
            by = [
                f"`{user}`" + ("" if user in knowledge.links else f" ({used[user].bit_count()})")
                for user in users.get(id, ())
            ]
            what = ", ".join(by) if by else f"not coded: {row.not_coded}" if row.not_coded else "NOT LISTED"
            lines.append(f"| {id} | {_cell(row.finding)} | {row.strength} | {_cell(what)} |")
        lines.append("")
    return "\n".join(lines)


def _used(knowledge: Knowledge, cases: Sequence[Case]) -> Mapping[str, Mask]:
    """By the id of anything, the cases in which it fires or is yes, or which expect something of it."""
    trial = Trial(knowledge, cases)
    used: dict[str, Mask] = defaultdict(int)
    for id, truths in (*trial.truths.items(), *trial.reading.decided.items()):
        used[id] |= truths.yes
    for id, by_wanted in trial.expectations.items():
        for expecting in by_wanted.values():
            used[id] |= expecting
    return used


def section_of(row: str) -> str:
    """The heading under which a row stands on the page."""
    return _TITLES.get(_group(row), _group(row))


def _group(row: str) -> str:
    return row[:2] if row[:2] in _TITLES else row.split("-")[0].rstrip("b")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

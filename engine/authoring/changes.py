"""What a change of the knowledge changes: in the files, for patients, and over the regression cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..inference.reference import infer
from ..knowledge.cases import Case
from ..knowledge.model import AT_LEAST_POSSIBLE, Knowledge
from ..proof.differing import ABSENT, NOT_DECIDED, Witness, concluded, differ, measured_otherwise, read_by_both, witnesses
from .casefile import case_text

_SHELVES = {
    "findings": "finding",
    "impossible": "impossible combination",
    "concepts": "concept",
    "scores": "score",
    "rules": "rule",
    "red_flags": "red flag",
    "notes": "note",
    "scope": "scope notice",
    "advice": "advice",
    "links": "link",
    "diagnoses": "diagnosis",
    "sources": "source",
    "register": "row of the evidence",
}
_WHOLE = {"tiers": "the document's list", "weighing": "the weighing", "topics": "the order of questions"}
# What is shown or asked, and what nothing is concluded from.
_TEXT = frozenset(
    (
        *("title", "ask", "summary", "icd10", "next_steps", "action", "text", "withheld", "about", "scope", "source"),
        *("evidence", "known_by", "also_called", "confirmatory", "fixed", "was", "asserted_only", "citation", "checked"),
        *("doi", "pmid", "ref", "finding", "strength", "refs", "not_coded", "heading", "topics", "yields"),
    )
)


@dataclass(frozen=True)
class Edit:
    """One thing that is written otherwise in the new knowledge base."""

    kind: str
    id: str  # '' where there is only one of the kind
    what: tuple[str, ...]  # the keys that differ; ('new',) or ('gone',)

    @property
    def text_only(self) -> bool:
        """Whether nothing is concluded from what differs."""
        return self.kind in ("source", "row of the evidence", "the order of questions") or set(self.what) <= _TEXT

    def __str__(self) -> str:
        named = f"{self.kind} {self.id}".rstrip()
        return f"{named}: {', '.join(self.what)}" + (" (text only, changes nothing)" if self.text_only else "")


@dataclass(frozen=True)
class Changes:
    """What differs between two knowledge bases."""

    edits: tuple[Edit, ...]
    otherwise: tuple[str, ...]  # findings whose answers mean something else now, about which nothing can be said
    witnesses: tuple[Witness, ...]
    cases: int
    moved: Mapping[str, int]  # by subject, the cases for which its conclusion differs
    cases_moved: int

    @property
    def any(self) -> bool:
        """Whether something differs for some patient, or could."""
        return bool(self.witnesses or self.otherwise)


def changes(old: Knowledge, new: Knowledge, cases: Iterable[Case]) -> Changes:
    """Everything that differs; the cases are read by the new knowledge base."""
    found = tuple(witnesses(old, new))
    subjects = [witness.subject for witness in found]
    moved: Counter[str] = Counter()
    held = tuple(cases)
    cases_moved = 0
    for case in held if subjects else ():
        differs = _moved(old, new, case, subjects)
        moved.update(differs)
        cases_moved += bool(differs)
    return Changes(tuple(edits(old, new)), measured_otherwise(old, new), found, len(held), dict(moved), cases_moved)


def edits(old: Knowledge, new: Knowledge) -> Iterator[Edit]:
    """What is written otherwise, in the order of the knowledge base."""
    for shelf, kind in _SHELVES.items():
        before, after = getattr(old, shelf), getattr(new, shelf)
        for id in sorted({*before, *after}):
            if id not in before or id not in after:
                yield Edit(kind, id, ("new" if id in after else "gone",))
            elif before[id] != after[id]:
                yield Edit(kind, id, _differing(before[id], after[id]))
    for attribute, kind in _WHOLE.items():
        if getattr(old, attribute) != getattr(new, attribute):
            yield Edit(kind, "", _differing(old.weighing, new.weighing) if attribute == "weighing" else ("order",))


def change_lines(found: Changes) -> Iterator[str]:
    """All of it in words, what changes for patients last."""
    yield from (str(edit) for edit in found.edits)
    for name in found.otherwise:
        yield f"finding {name}: its answers mean something else now; patients for whom it is known are not compared"
    if not found.edits:
        yield "nothing is written otherwise"
    yield ""
    if not found.witnesses:
        yield "no conclusion differs for any patient that both can read"
        return
    for witness in found.witnesses:
        if witness.before == NOT_DECIDED:
            yield f"{witness.subject}: not decided in time whether it differs"
            continue
        known = ", ".join(f"{finding} {words}" for finding, words in witness.patient.items())
        yield f"{witness.subject}: {witness.before} -> {witness.after}"
        yield f"    as in a patient with {known or 'nothing known'}"
    yield ""
    share = ", ".join(f"{subject} {count}" for subject, count in found.moved.items())
    yield f"{found.cases_moved} of {found.cases} cases move" + (f": {share}" if share else "")


def change_record(found: Changes, old: Knowledge, new: Knowledge) -> dict[str, Any]:
    """All of it as plain data."""
    return {
        "old": old.hash,
        "new": new.hash,
        "edits": [{"kind": e.kind, "id": e.id, "what": list(e.what), "text_only": e.text_only} for e in found.edits],
        "not_compared": list(found.otherwise),
        "conclusions": [
            {"subject": w.subject, "before": w.before, "after": w.after, "patient": dict(w.patient)} for w in found.witnesses
        ],
        "cases": found.cases,
        "cases_moved": found.cases_moved,
        "moved": dict(found.moved),
    }


def witness_cases(found: Changes, new: Knowledge) -> str:
    """The witnesses as a case file that expects what the new knowledge base concludes."""
    return "".join(
        case_text(
            f"{witness.subject}: {witness.after}, and before {witness.before}",
            witness.patient,
            {witness.subject: _expected(witness, new)},
        )
        for witness in found.witnesses
        if ABSENT != witness.after != NOT_DECIDED
    )


def _expected(witness: Witness, new: Knowledge) -> str:
    if witness.after != "not shown":
        return witness.after
    _, after = read_by_both(witness.patient, new, new) or ({}, {})
    level = infer(new, after).conclusions[new.advice[witness.subject].diagnosis].level
    return "withheld" if level in AT_LEAST_POSSIBLE else "silent"


def _differing(before: object, after: object) -> tuple[str, ...]:
    names = [f.name for f in fields(before) if f.compare]  # type: ignore[arg-type]
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))


def _moved(old: Knowledge, new: Knowledge, case: Case, subjects: Iterable[str]) -> list[str]:
    """The subjects about which the two conclude differently in this case."""
    read = read_by_both({name: scalar.text for name, scalar in case.given.items()}, old, new)
    if read is None:
        return []
    before, after = infer(old, read[0]), infer(new, read[1])
    return [s for s in subjects if differ(concluded(s, old, before), concluded(s, new, after))]

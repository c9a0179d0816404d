"""Looking things up: where each id was written, what the author wrote there, and who uses it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from ..knowledge.canonical import digest
from ..knowledge.checks import resting
from ..knowledge.model import Knowledge
from ..knowledge.problems import Place


def everything(knowledge: Knowledge) -> dict[str, Place]:
    """Every id of the knowledge base and where it was written."""
    places: dict[str, Place] = {}
    for things in (
        knowledge.findings,
        knowledge.impossible,
        knowledge.concepts,
        knowledge.scores,
        knowledge.rules,
        knowledge.red_flags,
        knowledge.notes,
        knowledge.scope,
        knowledge.advice,
        knowledge.links,
        knowledge.diagnoses,
        knowledge.sources,
        knowledge.register,
    ):
        places.update({id: thing.place for id, thing in things.items()})
    return places


def written(text: str, place: Place, whole: bool = False) -> str:
    """The author's lines for the entry at `place`: its line and all that is indented under it; or the whole file."""
    lines = text.splitlines()
    if whole:
        return text.rstrip("\n")
    start = place.line - 1
    indent = place.column - 1
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent):
        end += 1
    return "\n".join(line[indent:] for line in lines[start:end]).rstrip()


def review_of(knowledge: Knowledge, id: str) -> str:
    """The digest of a thing and how its review stands; '' for what is not reviewed (a finding, a source, ...)."""
    if id not in knowledge.sourced:
        return ""
    return f"digest {digest(knowledge.sourced[id])}, {review_state(knowledge, id)}"


def review_state(knowledge: Knowledge, id: str) -> str:
    """How the review of a thing that can be reviewed stands."""
    review = knowledge.reviews.get(id)
    if review is None:
        return "not reviewed"
    if id in knowledge.reviewed:
        return f"reviewed {review.date} ({review.role})"
    return f"changed since its review of {review.date} ({review.role})"


def users_in(knowledge: Knowledge) -> Mapping[str, tuple[str, ...]]:
    """By the id of a thing, source or row, the ids of what rests on it: conditions that name it, things that cite it."""
    found: dict[str, set[str]] = defaultdict(set)
    for owner, name, _ in resting(knowledge):
        found[name].add(owner)
    for link in knowledge.links.values():
        found[link.cause].add(link.id)
        found[link.effect].add(link.id)
    for name, thing in knowledge.sourced.items():
        for cited in (*thing.source, *thing.evidence):
            found[cited].add(name)
    return {id: tuple(sorted(users - {id})) for id, users in found.items()}

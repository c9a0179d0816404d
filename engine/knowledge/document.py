"""The source document alone: a knowledge base without the diagnoses from beyond it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

from .model import Knowledge, with_hash

Thing = TypeVar("Thing")


def document_only(knowledge: Knowledge) -> Knowledge:
    """The knowledge base without every diagnosis of origin beyond, its rules, scores and advice, and the links that one of
    these takes part in. All else stays: findings, concepts, red flags, notes. `left_out` holds the ids of what is gone.

    Nothing that stays rests on what is gone: `checks.check_beyond` refuses a knowledge base where it would."""
    beyond = knowledge.beyond
    shelves = {
        "diagnoses": {id for id in knowledge.diagnoses if id in beyond},
        "rules": {id for id, rule in knowledge.rules.items() if rule.diagnosis in beyond},
        "scores": {id for id, score in knowledge.scores.items() if score.diagnosis in beyond},
        "advice": {id for id, advice in knowledge.advice.items() if advice.diagnosis in beyond},
        "links": {id for id, link in knowledge.links.items() if {link.cause, link.effect} & beyond},
    }
    kept: dict[str, Any] = {shelf: _without(getattr(knowledge, shelf), gone) for shelf, gone in shelves.items()}
    left_out = frozenset(id for gone in shelves.values() for id in gone)
    return with_hash(replace(knowledge, **kept, left_out=left_out, is_document_only=True))


def _without(things: Mapping[str, Thing], gone: set[str]) -> Mapping[str, Thing]:
    return MappingProxyType({id: thing for id, thing in things.items() if id not in gone})

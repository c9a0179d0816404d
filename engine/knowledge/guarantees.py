"""What authors promise of a knowledge base, each promise tied to a hazard: read here, proved by `engine/authoring/proof.py`.

A promise is a claim about the knowledge and no part of it: it changes no conclusion, nor the knowledge hash.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Union

from . import yamltext
from .conditions import Names, read_condition
from .model import LEVELS, URGENCIES, Condition, Knowledge
from .parser import KEBAB, Fields
from .problems import Place, Problems, shown
from .truth import names_in

KEYS = ("title", "hazard", "whenever", "then")
_LEVEL = re.compile(r"(?P<id>\S+) at least (?P<level>.+?)(?P<unless> unless excluded)?")
_URGENCY = re.compile(r"urgency at least (?P<urgency>.+)")
_WITHHELD = re.compile(r"advice (?P<id>\S+) withheld")
_FIRES = re.compile(r"red flag (?P<id>\S+) fires")
_FORMS = (
    "write 'urgency at least emergency', 'DIAGNOSIS at least possible', 'DIAGNOSIS at least possible unless excluded', "
    "'advice ID withheld' or 'red flag ID fires'"
)


@dataclass(frozen=True)
class LevelPromise:
    """The diagnosis is at the level or above, or excluded where that is allowed."""

    diagnosis: str
    level: str
    unless_excluded: bool = False

    def __str__(self) -> str:
        return f"{self.diagnosis} at least {self.level}" + (" unless excluded" if self.unless_excluded else "")


@dataclass(frozen=True)
class UrgencyPromise:
    """The overall urgency is this one or higher."""

    urgency: str

    def __str__(self) -> str:
        return f"urgency at least {self.urgency}"


@dataclass(frozen=True)
class WithheldPromise:
    """The advice is not given."""

    advice: str

    def __str__(self) -> str:
        return f"advice {self.advice} withheld"


@dataclass(frozen=True)
class FlagPromise:
    """The red flag fires, so that its action is told."""

    flag: str

    def __str__(self) -> str:
        return f"red flag {self.flag} fires"


Promise = Union[LevelPromise, UrgencyPromise, WithheldPromise, FlagPromise]


@dataclass(frozen=True)
class Guarantee:
    """Whenever the condition is known yes, the promise is kept; `hazard` says what a broken one could do to a patient."""

    id: str
    title: str
    hazard: str
    whenever: Condition
    promise: Promise
    place: Place = field(compare=False)


def read_guarantees(text: str, file: str, knowledge: Knowledge, problems: Problems) -> tuple[Guarantee, ...]:
    """The guarantees of a file that can be held to the knowledge, in their order; what is wrong with the others stands in
    `problems`. One that names what the knowledge leaves out is left out with it."""
    node = None if yamltext.is_bare(text) else yamltext.read_yaml(text, file, problems)
    if node is None:
        return ()
    if not isinstance(node, yamltext.Mapping):
        problems.add(node.place, "not-a-mapping", "guarantees must be a mapping of 'id: ...' entries")
        return ()
    scores = frozenset(knowledge.scores) | knowledge.left_out
    names = Names(knowledge.findings, frozenset(knowledge.concepts), scores, knowledge.renamed)
    found: dict[str, Guarantee] = {}
    for key, inner in node.entries:
        guarantee = _guarantee(key, inner, knowledge, names, problems)
        if guarantee is not None:
            found[guarantee.id] = guarantee
    return tuple(found.values())


def _guarantee(
    key: yamltext.Scalar, node: yamltext.Node, knowledge: Knowledge, names: Names, problems: Problems
) -> Guarantee | None:
    fields = Fields(node, f"guarantee {shown(key.text)}", KEYS, problems)
    fields.need(*KEYS)
    if not KEBAB.fullmatch(key.text):
        problems.add(key.place, "name-style", f"{shown(key.text)} is not kebab-case", "lower-case words, no units")
    condition = fields.node("whenever")
    whenever = None if condition is None else read_condition(condition, names, problems)
    promise = _promise(fields, knowledge)
    if whenever is None or promise is None or knowledge.left_out & set(names_in(whenever)):
        return None
    return Guarantee(key.text, fields.text("title"), fields.text("hazard"), whenever, promise, key.place)


def _promise(fields: Fields, knowledge: Knowledge) -> Promise | None:
    text = fields.text("then")
    if not text:
        return None
    place, problems, out = fields.nodes["then"].place, fields.problems, knowledge.left_out
    if found := _URGENCY.fullmatch(text):
        return UrgencyPromise(found["urgency"]) if _known(found["urgency"], URGENCIES, "urgency", place, problems) else None
    if found := _WITHHELD.fullmatch(text):
        return (
            WithheldPromise(found["id"]) if _known(found["id"], knowledge.advice, "advice", place, problems, out) else None
        )
    if found := _FIRES.fullmatch(text):
        return FlagPromise(found["id"]) if _known(found["id"], knowledge.red_flags, "red flag", place, problems) else None
    if found := _LEVEL.fullmatch(text):
        known = _known(found["id"], knowledge.diagnoses, "diagnosis", place, problems, out)
        if _known(found["level"], LEVELS, "level", place, problems) and known:
            return LevelPromise(found["id"], found["level"], bool(found["unless"]))
        return None
    problems.add(place, "not-a-promise", f"{shown(text)} promises nothing", _FORMS)
    return None


def _known(
    name: str, names: Iterable[str], kind: str, place: Place, problems: Problems, left_out: frozenset[str] = frozenset()
) -> bool:
    known = tuple(names)
    if name not in known and name not in left_out:
        help = problems.did_you_mean(name, known) or (f"one of: {', '.join(known)}" if len(known) <= len(LEVELS) else "")
        problems.add(place, "unknown-promise", f"no {kind} is called {shown(name)}", help)
    return name in known

"""A folder, or a set of texts, becomes one frozen `Knowledge`; every fault of it is raised once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from . import yamltext
from .checks import FOR_DOUBTS, FOR_FAULTS
from .model import Knowledge, Weighing, with_hash
from .parser import Draft, parse
from .problems import ERROR, InvalidKnowledge, Place, Problems

NEEDED = ("rules/document.yaml", "rules/weighing.yaml")
GUARANTEES = "rules/guarantees.yaml"  # promises about the knowledge and no part of it: `guarantees.py` reads them
_REVIEWS = "rules/reviews.yaml"  # may hold comments alone: nothing has been reviewed yet
# What an unreadable file defines is missing everywhere else, which is no further fault.
_CONSEQUENCES = (
    *("unknown-name", "undefined-source", "unlisted-evidence"),
    *("unknown-diagnosis", "wrong-origin", "missing-file", "review-unknown"),
)
_STAND_IN = Weighing(weak=1, moderate=3, strong=6, possible=3, likely=6, unlikely=-3)  # to go on checking; never handed out

BUILT_IN = Path(__file__).resolve().parents[2]  # holds facts/ and rules/, in a checkout and installed


def load(folder: Path) -> Knowledge:
    """The knowledge base of a folder with `facts/` and `rules/`. Raises `InvalidKnowledge` with every fault."""
    knowledge, problems = read(folder, doubts=False)
    if knowledge is None or problems.errors:
        raise InvalidKnowledge(problems)
    return knowledge


def read(folder: Path, doubts: bool = True) -> tuple[Knowledge | None, Problems]:
    """As `load`, but hands back the faults, and the warnings where `doubts` are wanted; the knowledge is None where it
    cannot be built."""
    problems = Problems()
    texts, shown_as = texts_of(folder, problems)
    return from_texts(texts, problems, shown_as, doubts)


def texts_of(folder: Path, problems: Problems) -> tuple[dict[str, str], dict[str, str]]:
    """The files of a knowledge base by their names relative to it, and how each is called in a message; what cannot be read
    stands in `problems`."""
    texts: dict[str, str] = {}
    shown_as = {name: name if folder == BUILT_IN else _as_typed(folder / name) for name in NEEDED}
    for room in ("facts", "rules"):
        if not (folder / room).is_dir():
            problems.add(
                Place(str(folder / room), 1, 1),
                "no-such-folder",
                f"there is no folder '{room}' in {folder}",
                "a knowledge base is a folder with 'facts/' and 'rules/'",
            )
            continue
        files = sorted(p for suffix in ("*.yaml", "*.yml") for p in (folder / room).rglob(suffix))
        for path in files:
            relative = path.relative_to(folder).as_posix()
            file = relative if folder == BUILT_IN else _as_typed(path)
            try:
                data = path.read_bytes()
            except OSError as fault:
                problems.add(Place(file, 1, 1), "unreadable", f"cannot be read: {fault.strerror}")
                continue
            text = yamltext.decode(data, file, problems)
            if text is not None:
                texts[relative] = text
                shown_as[relative] = file
    return texts, shown_as


def _as_typed(path: Path) -> str:
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def from_texts(
    texts: Mapping[str, str], problems: Problems, shown_as: Mapping[str, str] | None = None, doubts: bool = True
) -> tuple[Knowledge | None, Problems]:
    """The knowledge base of texts by relative file name; None where faults leave nothing to check."""
    shown_as = shown_as or {}
    unread = any(p.severity == ERROR for p in problems.found)
    nodes: dict[str, yamltext.Node] = {}
    for name, text in sorted(texts.items()):
        if name == GUARANTEES:
            continue
        if name == _REVIEWS and yamltext.is_bare(text):
            continue
        node = yamltext.read_yaml(text, shown_as.get(name, name), problems)
        if node is not None:
            nodes[name] = node
        unread = unread or not isinstance(node, yamltext.Mapping)
    draft = parse(nodes, problems)
    for missing in NEEDED:
        if missing not in texts:
            problems.add(Place(shown_as.get(missing, missing), 1, 1), "missing-file", f"there is no {missing}")
    sound = not any(p.severity == ERROR for p in problems.found)
    knowledge = _freeze(draft, draft.weighing or _STAND_IN)
    for check in (*FOR_FAULTS, *FOR_DOUBTS) if sound and doubts else FOR_FAULTS:
        check(knowledge, problems)
    if unread:
        problems.found = [p for p in problems.found if p.code not in _CONSEQUENCES]
    return knowledge if sound else None, problems


def _freeze(draft: Draft, weighing: Weighing) -> Knowledge:
    def by_id(things: dict[str, Any]) -> Mapping[str, Any]:
        return MappingProxyType(dict(sorted(things.items())))

    parts: dict[str, Any] = {
        "findings": by_id(draft.findings),
        "impossible": by_id(draft.impossible),
        "concepts": by_id(draft.concepts),
        "scores": by_id(draft.scores),
        "rules": by_id(draft.rules),
        "red_flags": by_id(draft.red_flags),
        "notes": by_id(draft.notes),
        "scope": by_id(draft.scope),
        "advice": by_id(draft.advice),
        "diagnoses": by_id(draft.diagnoses),
        "sources": by_id(draft.sources),
        "register": by_id(draft.register),
        "tiers": tuple(draft.tiers),
        "weighing": weighing,
        "topics": tuple(draft.topics),
        "reviews": by_id(draft.reviews),
        "links": by_id(draft.links),
    }
    return with_hash(Knowledge(**parts))


__all__ = ["BUILT_IN", "GUARANTEES", "from_texts", "load", "read", "texts_of"]

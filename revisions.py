"""A knowledge base as it was at a git revision: read out of the repository, nothing is checked out."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from .shared import loaded
from .terminal import path_text

if TYPE_CHECKING:
    from .engine.knowledge.model import Knowledge


def knowledge_at(where: str) -> Knowledge:
    """The knowledge base of a folder, or of a git revision: `REVISION` of the one in the current folder, or
    `REVISION:FOLDER` with the folder as seen from here. Raises `UsageError` where there is none, and `InvalidKnowledge`."""
    if Path(where).is_dir():
        return loaded(Path(where))
    revision, _, folder = where.partition(":")
    if not revision or revision.startswith("-"):
        raise click.UsageError(f"'{path_text(where)}' is neither a folder nor a git revision")
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    if not commit:
        raise click.UsageError(f"'{path_text(where)}' is neither a folder nor a git revision of this repository")
    prefix = PurePosixPath(_git("rev-parse", "--show-prefix").decode().strip()) / folder
    texts = _texts(commit, prefix, where)
    if not texts:
        raise click.UsageError(f"there is no knowledge base in '{path_text(where)}': no facts/ and rules/")
    return _built(texts, where)


def _texts(commit: str, prefix: PurePosixPath, where: str) -> dict[str, bytes]:
    """The files of the knowledge base, by their names relative to it."""
    rooms = [str(prefix / room) for room in ("facts", "rules")]
    listed = _git("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, "--", *rooms)
    names = [name for name in listed.decode(errors="surrogateescape").split("\0") if name.endswith((".yaml", ".yml"))]
    return {PurePosixPath(n).relative_to(prefix).as_posix(): _git("cat-file", "blob", f"{commit}:{n}") for n in names}


def _built(texts: dict[str, bytes], where: str) -> Knowledge:
    from .engine.knowledge.loader import from_texts
    from .engine.knowledge.problems import InvalidKnowledge, Problems
    from .engine.knowledge.yamltext import decode

    problems = Problems()
    shown_as = {name: f"{where.partition(':')[0]}:{name}" for name in texts}
    decoded = {name: decode(data, shown_as[name], problems) for name, data in texts.items()}
    readable = {name: text for name, text in decoded.items() if text is not None}
    knowledge, problems = from_texts(readable, problems, shown_as, doubts=False)
    if knowledge is None or problems.errors:
        raise InvalidKnowledge(problems)
    return knowledge


def _git(*arguments: str) -> bytes:
    """What git prints; b'' where it fails."""
    try:
        return subprocess.run(("git", *arguments), capture_output=True, check=False).stdout
    except FileNotFoundError:
        raise click.UsageError("git is not installed; name a folder") from None

"""The journal of a session: every answer on disk before it is acknowledged, and read back whatever cut it short.

JSON Lines. The first line says what the file is; each later one holds what one step changed and what followed from it.
There are no names and no free text in it: findings by name, and their answers in the form that was accepted.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from ..inference.outcome import Outcome
from ..knowledge.cases import means_unknown, read_answer
from ..knowledge.model import CHOICE, QUANTITY, Knowledge
from ..knowledge.problems import InvalidInput, Place, Problems, shown
from .consultation import GROUPS, TYPED, Consultation

FORMAT, NUMBER = "crampdx journal", 1
SUFFIX = ".jsonl"
LONGEST = 16_000_000  # bytes; a session writes some hundred an answer
UNKNOWN = "unknown"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_MOST_OF_ONE_NAME = 1000


class InUse(OSError):
    """Another session has this journal open."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EWOULDBLOCK, "another session has this journal open", as_text(path))


# What a journal says ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Concluded:
    """What followed from the answers at one point, by the knowledge base of that time."""

    urgency: str
    leading: str  # '' for none
    levels: tuple[tuple[str, str], ...]  # diagnosis and level, sorted


@dataclass(frozen=True)
class Entry:
    """What one line says. None, and no answers, where the line does not speak of it."""

    answers: tuple[tuple[str, str | None], ...] = ()  # `unknown` was asked and is not known; None is taken back
    declined: tuple[str, ...] | None = None
    skipped: tuple[str, ...] | None = None
    topic: str | None = None
    knowledge: str | None = None  # the hash by which this and the later lines are judged; nothing concluded before stands
    concluded: Concluded | None = None
    ended: bool = False


@dataclass(frozen=True)
class Record:
    """A journal as it was read. `torn` says that its last line was cut short, and left out."""

    file: str
    version: str
    entries: tuple[Entry, ...]
    torn: bool
    length: int  # bytes, without a torn last line
    first_knowledge: str

    @cached_property
    def knowledge(self) -> str:
        """The hash of the knowledge base that judged last."""
        return next((e.knowledge for e in reversed(self.entries) if e.knowledge is not None), self.first_knowledge)

    @cached_property
    def concluded(self) -> Concluded | None:
        """What was concluded last, by the knowledge base that judged last; None when nothing was."""
        for entry in reversed(self.entries):
            if entry.concluded is not None or entry.knowledge is not None:
                return entry.concluded
        return None

    @property
    def ended(self) -> bool:
        """Whether the session came to its report, and nothing was answered since."""
        return bool(self.entries) and self.entries[-1].ended

    @property
    def answers(self) -> int:
        """How many findings are known, as things stood at the end."""
        return sum(1 for words in self.answered({}).values() if words != UNKNOWN)

    def answered(self, renamed: Mapping[str, str]) -> dict[str, str]:
        """Every answer that stood at the end, `unknown` among them, in the order given; under the present names."""
        answers: dict[str, str] = {}
        for entry in self.entries:
            for name, words in entry.answers:
                answers.pop(renamed.get(name, name), None)
                if words is not None:
                    answers[renamed.get(name, name)] = words
        return answers


@dataclass(frozen=True)
class LeftOut:
    """An answer that could not be taken over, and why."""

    finding: str
    words: str
    why: str


@dataclass(frozen=True)
class Restored:
    """The state that a journal leads to."""

    state: Consultation
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Difference:
    """A conclusion that is another one now. `subject` is `urgency`, `leading` or a diagnosis; '' stands for none."""

    subject: str
    then: str
    now: str


# Writing ------------------------------------------------------------------------------------------------------------


class Journal:
    """An open journal. Append-only, and held by one session at a time."""

    def __init__(self, path: Path, descriptor: int, length: int, held: Record) -> None:
        self.path = path
        self.held = held  # what it held when it was opened, and nobody else could write to it any more
        self._descriptor = descriptor
        self._length = length  # of what is known to be on disk
        self._sound = True  # whether the file ends there
        self._knowledge = held.knowledge  # the hash of the knowledge base that judged last
        self._state: Consultation | None = None  # what the journal holds; worked out when first needed
        self._concluded: Concluded | None = None  # what stands as concluded
        self._refused: tuple[str, ...] = ()  # answers that it holds, and that were not taken over though they can be read

    @classmethod
    def create(cls, folder: Path, name: str, knowledge: Knowledge, version: str) -> Journal:
        """A new journal in `folder`, which is made where it is missing; NAME.jsonl, NAME-2.jsonl where that exists.
        Folder and file are their owner's alone from the first moment. Raises OSError where that cannot be."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a journal's name: {shown(name)}")
        _make(folder)
        path, descriptor = _new_file(folder, name)
        try:
            os.fchmod(descriptor, 0o600)  # the user's mask may have taken away more than is wanted
            _lock(path, descriptor)
            journal = cls(path, descriptor, 0, Record(as_text(path), version, (), False, 0, knowledge.hash))
            journal._append({"format": FORMAT, "number": NUMBER, "crampdx": version, "knowledge": knowledge.hash})
            _sync(folder)
        except BaseException:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return journal

    @classmethod
    def resume(cls, path: Path) -> Journal:
        """The journal, open for more; a last line that was cut short is taken off the file. Raises InUse while another
        session has it, InvalidInput where it is none, OSError where it cannot be opened."""
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NONBLOCK)
        try:
            _lock(path, descriptor)
            if not os.path.samestat(os.fstat(descriptor), os.stat(path)):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), as_text(path))
            record = _read(path, descriptor)
            if record.torn:
                os.ftruncate(descriptor, record.length)
                os.fsync(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor, record.length, record)

    def record(self, state: Consultation, outcome: Outcome | None) -> None:
        """Writes one line with all in which `state` differs from what the journal holds, and `outcome`, what is concluded
        from it; without one nothing stands as concluded. Afterwards that is on disk. Nothing is written where nothing
        differs.

        Raises OSError where it cannot be written; the next call then writes what this one did not."""
        if self._state is None:
            self._take_up(state.knowledge)
        assert self._state is not None
        entry = _changes(self._state, state)
        if not entry:
            return
        found = None if outcome is None else concluded(outcome)
        same = self._knowledge == state.knowledge.hash
        stands = self._concluded if same else None
        if not same:
            # Later this knowledge base takes over all that it can read: what it could not hold beside the rest must be gone.
            back = [name for name in self._refused if name not in state.given and name not in state.passed]
            if back:
                entry["answers"] = {**entry.get("answers", {}), **dict.fromkeys(back)}
        if not same or (found is None and stands is not None):
            entry["knowledge"] = state.knowledge.hash
        if found is not None and found != stands:
            entry["concluded"] = {"urgency": found.urgency, "leading": found.leading or None, "levels": dict(found.levels)}
        self._append(entry)
        self._state, self._knowledge, self._concluded = state, state.knowledge.hash, found

    def _take_up(self, knowledge: Knowledge) -> None:
        """From now on the journal is compared with as this knowledge base takes it over."""
        found = restored(self.held, knowledge)
        known = (left for left in found.left_out if left.finding in knowledge.findings)
        self._refused = tuple(x.finding for x in known if _accepted(knowledge, x.finding, x.words) is not None)
        self._state, self._concluded = found.state, self.held.concluded

    def close(self, ended: bool = False) -> None:
        """Lets go of the file; with `ended`, a last line says that the session came to its report. May be called twice."""
        if self._descriptor < 0:
            return
        try:
            if ended:
                self._append({"ended": True})
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, entry: Mapping[str, Any]) -> None:
        if self._descriptor < 0:
            raise OSError(errno.EBADF, "the journal is closed", as_text(self.path))
        line = (json.dumps(entry, ensure_ascii=True, separators=(",", ":")) + "\n").encode("ascii")
        if self._length + len(line) > LONGEST:  # it could not be read again
            raise OSError(errno.EFBIG, "the journal is full", as_text(self.path))
        try:
            if os.fstat(self._descriptor).st_nlink == 0:
                raise FileNotFoundError(errno.ENOENT, "the journal has been removed")
            if not self._sound:  # what a write that failed has left must not become part of this line
                os.ftruncate(self._descriptor, self._length)
            self._sound = False
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError as fault:
            raise OSError(fault.errno, fault.strerror, as_text(self.path)) from fault
        self._sound = True
        self._length += len(line)


def concluded(outcome: Outcome) -> Concluded:
    """The part of an outcome that a journal keeps."""
    levels = ((d, c.level) for d, c in outcome.inference.conclusions.items())
    return Concluded(outcome.urgency, outcome.leading, tuple(sorted(levels)))


def _changes(before: Consultation, after: Consultation) -> dict[str, Any]:
    """In which `after` differs, as it is written; only words of the knowledge base, and answers as accepted."""
    knowledge = after.knowledge
    entry: dict[str, Any] = {}
    old, new = _entries(before), _entries(after)
    changed = {name: words for name, words in new.items() if old.get(name) != words and name in knowledge.findings}
    answers: dict[str, str | None] = {}
    for name, words in changed.items():
        accepted = _accepted(knowledge, name, words)
        if accepted is not None and (name not in old or _accepted(knowledge, name, old[name]) != accepted):
            answers[name] = accepted
    answers.update(dict.fromkeys((name for name in old if name not in new), None))
    if answers:
        entry["answers"] = answers
    if before.declined != after.declined:
        entry["declined"] = sorted(after.declined & set(GROUPS))
    topics = {topic.id for topic in knowledge.topics}
    if before.skipped != after.skipped:
        entry["skipped"] = sorted(after.skipped & topics)
    if before.topic != after.topic and after.topic in {"", *topics}:
        entry["topic"] = after.topic
    return entry


def _entries(state: Consultation) -> dict[str, str]:
    return {**dict.fromkeys(sorted(state.passed), UNKNOWN), **state.given}


def _accepted(knowledge: Knowledge, name: str, words: str) -> str | None:
    """The answer in the form that every reader takes it for; None where it is no answer."""
    if means_unknown(words):
        return UNKNOWN
    finding = knowledge.findings[name]
    answer = read_answer(finding, words, TYPED, Problems(), [])
    if answer is None:
        return None
    if finding.kind == QUANTITY:
        return answer.written
    return answer.choice if finding.kind == CHOICE else "yes" if answer.truth else "no"


def _make(folder: Path) -> None:
    """The folder, with the parents that are missing; what is made here is its owner's alone."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        if folder.parent == folder:
            break
        folder = folder.parent
    for path in reversed(missing):
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            if not path.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), as_text(path)) from None
            continue  # another session was quicker
        os.chmod(path, 0o700)
        _sync(path.parent)


def _new_file(folder: Path, name: str) -> tuple[Path, int]:
    for number in range(1, _MOST_OF_ONE_NAME):
        path = folder / f"{name}{'' if number == 1 else f'-{number}'}{SUFFIX}"
        with contextlib.suppress(FileExistsError):
            return path, os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
    raise FileExistsError(errno.EEXIST, "too many journals of this name", as_text(folder / name))


def _lock(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InUse(path) from None
    except OSError as fault:
        if fault.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):  # a file system without locks
            raise


def _sync(folder: Path) -> None:
    """The folder's list of files on disk, too: a file that nothing names is lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as fault:
        if fault.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that does not do this for folders
            raise
    finally:
        os.close(descriptor)


# Reading ------------------------------------------------------------------------------------------------------------


def read(path: Path) -> Record:
    """What the journal holds. A last line that was cut short is left out. Raises InvalidInput, every fault with its line,
    where the file is no journal or a line in it is damaged; OSError where it cannot be read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return _read(path, descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path, descriptor: int) -> Record:
    file = as_text(path)
    problems = Problems()
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        _fail(problems, Place(file, 1, 1), "not-a-journal", "this is not a file")
    data = _content(descriptor)
    if len(data) > LONGEST:
        _fail(problems, Place(file, 1, 1), "too-large", f"a journal has at most {LONGEST:,} bytes")
    length = _whole_lines(data)
    if not length:
        header, _, _ = data.partition(b"\n")
        cut = not header or header.startswith(b'{"format":"'[: len(header)])
        _fail(
            problems,
            Place(file, 1, 1),
            "no-header" if cut else "not-a-journal",
            "the journal ends within its first line: nothing had been recorded" if cut else "this is not a journal",
        )
    lines = data[:length].split(b"\n")[:-1]
    version, knowledge = _header(lines[0], Place(file, 1, 1), problems)
    entries = []
    for number, line in enumerate(lines[1:], 2):
        entry = _entry(line, Place(file, number, 1), problems)
        if entry is not None:
            entries.append(entry)
    if problems.errors:
        problems.texts[file] = tuple(line.decode("utf-8", "replace") for line in lines)
        raise InvalidInput(problems)
    return Record(file, version, tuple(entries), length < len(data), length, knowledge)


def _content(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    parts: list[bytes] = []
    size = 0
    while size <= LONGEST and (part := os.read(descriptor, 1 << 20)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _whole_lines(data: bytes) -> int:
    """The length without a last line that was cut short."""
    end = data.rfind(b"\n") + 1
    start = data.rfind(b"\n", 0, max(end - 1, 0)) + 1
    # Zeros stand where a block of the line never reached the disk before the power went.
    return start if start and b"\0" in data[start:end] else end


def _fail(problems: Problems, place: Place, code: str, message: str, help: str = "") -> NoReturn:
    problems.add(place, code, message, help)
    raise InvalidInput(problems)


def _header(line: bytes, place: Place, problems: Problems) -> tuple[str, str]:
    """Version and knowledge hash. Raises InvalidInput: of a file that is no journal no other line says anything."""
    found = _object(line, place, Problems())
    if found is None or found.get("format") != FORMAT or not isinstance(found.get("number"), int):
        _fail(problems, place, "not-a-journal", "this is not a journal", "`crampdx journal list` shows those there are")
    if found["number"] > NUMBER:
        said = f"written by a newer crampdx: format {found['number']}, this one reads {NUMBER}"
        _fail(problems, place, "newer-format", said, "use the version that wrote it, or a later one")
    version, knowledge = found.get("crampdx"), found.get("knowledge")
    if not isinstance(version, str) or not isinstance(knowledge, str):
        _fail(problems, place, "damaged-line", "the first line lacks the version or the knowledge base")
    return version, knowledge


def _object(line: bytes, place: Place, problems: Problems) -> dict[str, Any] | None:
    try:
        found = json.loads(line.decode("utf-8"))
    except json.JSONDecodeError as fault:
        problems.add(Place(place.file, place.line, fault.colno), "damaged-line", f"this line is damaged: {fault.msg}")
    except (ValueError, RecursionError):
        problems.add(place, "damaged-line", "this line is damaged")
    else:
        if isinstance(found, dict):
            return found
        problems.add(place, "damaged-line", "this line is damaged: not an object")
    return None


def _entry(line: bytes, place: Place, problems: Problems) -> Entry | None:
    found = _object(line, place, problems)
    if found is None:
        return None
    try:
        return Entry(**dict(_parts(found)))
    except _Unfit as fault:
        problems.add(place, "damaged-line", f"this line is damaged: {fault} is not of this format")
        return None


class _Unfit(Exception):
    """A part of a line is not what it should be."""


def _parts(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in found.items():
        match key, value:
            case "answers", dict() if all(v is None or isinstance(v, str) for v in value.values()):
                yield key, tuple(value.items())
            case "declined" | "skipped", list() if all(isinstance(v, str) for v in value):
                yield key, tuple(value)
            case "topic" | "knowledge", str():
                yield key, value
            case "ended", True:
                yield key, True
            case "concluded", {"urgency": str(urgency), "leading": str() | None as leading, "levels": dict(levels)} if all(
                isinstance(v, str) for v in levels.values()
            ):
                yield key, Concluded(urgency, leading or "", tuple(sorted(levels.items())))
            case _:
                raise _Unfit(shown(key))


def restored(record: Record, knowledge: Knowledge) -> Restored:
    """The state at the end of the journal, by this knowledge base, and the answers that it cannot take over.

    By the knowledge base that judged last, every readable answer is as it was. By another one, each is taken over, in the
    order given, that it can read and that is possible beside those before."""
    same = record.knowledge == knowledge.hash
    given: dict[str, str] = {}
    passed: set[str] = set()
    left_out = []
    for name, words in record.answered(knowledge.renamed).items():
        if name not in knowledge.findings:
            left_out.append(LeftOut(name, words, "there is no such finding any more"))
        elif means_unknown(words):
            passed.add(name)
        else:
            problems = Problems()
            if same:
                read_answer(knowledge.findings[name], words, TYPED, problems, [])
            else:
                problems = Consultation(knowledge, given).problems_with(name, words)
            if problems.errors:
                left_out.append(LeftOut(name, words, "; ".join(p.message for p in problems.errors)))
            else:
                given[name] = words
    topics = {topic.id for topic in knowledge.topics}
    last: dict[str, Any] = {"declined": (), "skipped": (), "topic": ""}
    for entry in record.entries:
        for part in last:
            if getattr(entry, part) is not None:
                last[part] = getattr(entry, part)
    state = Consultation(
        knowledge,
        MappingProxyType(given),
        frozenset(passed),
        frozenset(last["declined"]) & set(GROUPS),
        frozenset(last["skipped"]) & topics,
        last["topic"] if last["topic"] in topics else "",
    )
    return Restored(state, tuple(left_out))


def differences(then: Concluded, now: Concluded) -> tuple[Difference, ...]:
    """Every conclusion that is another one now: urgency, leading, then the levels by diagnosis."""
    old = {"urgency": then.urgency, "leading": then.leading, **dict(then.levels)}
    new = {"urgency": now.urgency, "leading": now.leading, **dict(now.levels)}
    return tuple(Difference(s, old.get(s, ""), new.get(s, "")) for s in {**old, **new} if old.get(s, "") != new.get(s, ""))


# The folder ---------------------------------------------------------------------------------------------------------


def folder(environ: Mapping[str, str], home: Path) -> Path:
    """Where journals are kept: under the XDG state folder, which counts only as an absolute path."""
    state = environ.get("XDG_STATE_HOME", "")
    base = Path(state) if os.path.isabs(state) else home / ".local" / "state"
    return base / "crampdx" / "journals"


def journals(folder: Path) -> tuple[Path, ...]:
    """The journals of the folder, the one last written to first; none where there is no folder."""
    found: list[tuple[int, str, Path]] = []
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.suffix == SUFFIX and path.is_file():
                found.append((path.stat().st_mtime_ns, path.name, path))
    return tuple(path for _, _, path in sorted(found, reverse=True))


def newest(folder: Path) -> Path | None:
    """The journal last written to of those that can be read and hold anything; None when there is none."""
    for path in journals(folder):
        with contextlib.suppress(InvalidInput, OSError):
            if read(path).entries:
                return path
    return None


def named(folder: Path, name: str) -> Path | None:
    """The path of the journal of this name in the folder, whether it exists or not; None where the name would lead out
    of the folder or cannot be a journal's."""
    bare = name.removesuffix(SUFFIX)
    return folder / f"{bare}{SUFFIX}" if _NAME.fullmatch(bare) else None


def delete(path: Path) -> None:
    """Removes the journal from the disk. Raises InUse while a session has it."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(PermissionError):  # one that cannot be read can be removed all the same
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            stack.callback(os.close, descriptor)
            _lock(path, descriptor)
        path.unlink()
    _sync(path.parent)


def as_text(path: str | Path) -> str:
    """The path so that it can be printed, also where its bytes are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")

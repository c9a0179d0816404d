"""The journal: every answer on disk before it is acknowledged, read back whatever cut it short, and judged anew."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import runpy
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from crampdx import __version__
from crampdx.cli import main
from crampdx.engine.inference.outcome import Outcome, outcome
from crampdx.engine.inference.reference import infer
from crampdx.engine.interview import journal as module
from crampdx.engine.interview.consultation import Consultation
from crampdx.engine.interview.journal import (
    FORMAT,
    LONGEST,
    Concluded,
    Difference,
    InUse,
    Journal,
    concluded,
    delete,
    differences,
    folder,
    journals,
    named,
    newest,
    read,
    restored,
)
from crampdx.engine.knowledge.loader import BUILT_IN
from crampdx.engine.knowledge.model import CHOICE, YES_NO, Knowledge
from crampdx.engine.knowledge.problems import InvalidInput
from crampdx.engine.knowledge.quantities import plain
from crampdx.engine.session.dialogue import Dialogue

from at_hand import ROOT, built_in
from small_worlds import dumped, small_knowledge

EXAMPLES = int(os.environ.get("CRAMPDX_EXAMPLES", "300"))
SEED = int(os.environ.get("CRAMPDX_SEED", "20261122"))
SETTINGS = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def judged(state: Consultation) -> Outcome:
    """What follows from the answers, by the reference meaning."""
    return outcome(state.knowledge, state.findings, infer(state.knowledge, state.findings))


def answered(knowledge: Knowledge, **answers: str) -> Consultation:
    state = Consultation(knowledge)
    for name, words in answers.items():
        state = state.left_unknown(name) if words == "unknown" else state.answered(name, words)
    return state


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Random sessions -----------------------------------------------------------------------------------------------------


def words_for(knowledge: Knowledge, name: str, draw: Callable[[int], int]) -> str:
    """An answer to the finding, in one of the ways in which it may be written."""
    finding = knowledge.findings[name]
    if finding.kind == YES_NO:
        return ("yes", "no", "Yes", " NO ")[draw(4)]
    if finding.kind == CHOICE:
        return finding.choices[draw(len(finding.choices))][0].replace("_", " ")
    assert finding.scale is not None
    low, high = finding.scale.usual or finding.scale.plausible
    number = plain(low + (high - low) * draw(9) / 8)
    return f"{('', '> ', '<=')[draw(3)]}{number}  {finding.scale.unit}"


def next_state(state: Consultation, draw: Callable[[int], int]) -> Consultation:
    """The state after one random step: an answer, several, one taken back, a group declined or reopened, a topic."""
    knowledge = state.knowledge
    names = list(knowledge.findings)[::9]
    topics = [topic.id for topic in knowledge.topics]
    step = draw(8)
    if step < 3:
        for _ in range(1 + draw(4)):
            name = names[draw(len(names))]
            state = state.answered(name, words_for(knowledge, name, draw))
        return state
    if step == 3:
        return state.left_unknown(*(names[draw(len(names))] for _ in range(1 + draw(3))))
    if step == 4:
        return state.without(("tests", "examination")[draw(2)])
    if step == 5:
        return state.skipping(topics[draw(len(topics))])
    if step == 6:
        return state.reopened((*state.declined, *state.skipped, "tests")[draw(len(state.declined) + len(state.skipped) + 1)])
    taken = [n for n in state.given if draw(3)]  # a state from before, or another one altogether
    other = Consultation(knowledge, {n: state.given[n] for n in taken}, state.passed - {names[draw(len(names))]})
    return other.at(topics[draw(len(topics))])


def same(one: Consultation, other: Consultation) -> bool:
    """Whether two states ask and answer alike, however their answers were typed."""
    parts = ("findings", "warnings", "passed", "declined", "skipped", "topic")
    return all(getattr(one, part) == getattr(other, part) for part in parts) and set(one.given) == set(other.given)


@seed(SEED)
@SETTINGS
@given(st.lists(st.integers(0, 5039), min_size=60, max_size=60), st.integers(1, 8), st.data())
def test_reading_back_gives_the_last_state_whatever_the_cut(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], steps: int, data: st.DataObject
) -> None:
    """Cut at any byte, a journal gives the state of its last whole line, and what was concluded from that state and no
    other; whole, the last state; and it can be gone on with."""
    knowledge = built_in()
    supply = iter(numbers * 20)
    where = tmp_path_factory.mktemp("journals", numbered=True)
    journal = Journal.create(where, "session", knowledge, "1")
    states = [Consultation(knowledge)]
    stood: list[Concluded | None] = [None]
    sizes = [journal.path.stat().st_size]
    for _ in range(steps):
        after = next_state(states[-1], lambda below: next(supply) % below)
        follows = judged(after) if next(supply) % 4 else None
        journal.record(after, follows)
        if journal.path.stat().st_size > sizes[-1]:
            states.append(after)
            stood.append(None if follows is None else concluded(follows))
            sizes.append(journal.path.stat().st_size)
        else:
            assert same(after, states[-1])
    journal.close()
    whole = journal.path.read_bytes()
    assert same(restored(read(journal.path), knowledge).state, states[-1])
    for _ in range(4):
        cut = data.draw(st.one_of(st.integers(0, len(whole)), st.sampled_from(sizes).map(lambda at: at - 1)))
        torn = where / "torn.jsonl"
        torn.write_bytes(whole[:cut])
        if cut < sizes[0]:
            with pytest.raises(InvalidInput, match="nothing had been recorded"):
                read(torn)
            continue
        kept = max(n for n, size in enumerate(sizes) if size <= cut)
        record = read(torn)
        assert record.torn == (cut != sizes[kept])
        assert same(restored(record, knowledge).state, states[kept])
        assert record.concluded == stood[kept]
        assert not restored(record, knowledge).left_out
        again = Journal.resume(torn)
        assert torn.stat().st_size == sizes[kept]
        again.record(states[-1], judged(states[-1]))
        again.close()
        assert same(restored(read(torn), knowledge).state, states[-1])


# What is written -----------------------------------------------------------------------------------------------------


def test_a_line_for_each_step_and_none_for_no_change(tmp_path: Path, knowledge: Knowledge) -> None:
    """One line says all that a step changed and what followed; a step that changes nothing writes nothing."""
    journal = Journal.create(tmp_path, "one", knowledge, "9.9")
    state = answered(knowledge, leg_cramps="yes", age="66 years").without("tests").skipping(knowledge.topics[0].id)
    for _ in range(2):
        journal.record(state, judged(state))
    later = state.left_unknown("age").reopened("tests").at(knowledge.topics[1].id)
    journal.record(later, judged(state))
    journal.close(ended=True)
    header, first, second, last = lines(journal.path)
    assert header == {"format": FORMAT, "number": 1, "crampdx": "9.9", "knowledge": knowledge.hash}
    assert first["answers"] == {"leg_cramps": "yes", "age": "66 years"}
    assert (first["declined"], first["skipped"]) == (["tests"], [knowledge.topics[0].id])
    assert first["concluded"]["urgency"] == "routine"
    assert set(first["concluded"]["levels"]) == set(knowledge.diagnoses)
    assert (second["answers"], second["declined"]) == ({"age": "unknown"}, [])
    assert second["topic"] == knowledge.topics[1].id
    assert "concluded" not in second  # as before
    assert read(journal.path).concluded == concluded(judged(state))
    assert last == {"ended": True}


def test_an_answer_taken_back_is_gone(tmp_path: Path, knowledge: Knowledge) -> None:
    """A finding that is neither answered nor passed any more is written as taken back, and is open when read."""
    journal = Journal.create(tmp_path, "one", knowledge, "1")
    journal.record(answered(knowledge, leg_cramps="yes", age="66 years"), None)
    journal.record(answered(knowledge, leg_cramps="yes"), None)
    assert lines(journal.path)[-1]["answers"] == {"age": None}
    assert dict(restored(read(journal.path), knowledge).state.given) == {"leg_cramps": "yes"}


def test_answers_from_a_case_file_are_written_with_the_first_step(tmp_path: Path, knowledge: Knowledge) -> None:
    """What a session started from is in its journal, too, though nobody typed it here."""
    journal = Journal.create(tmp_path, "one", knowledge, "1")
    start = answered(knowledge, leg_cramps="yes", age="66 years")
    journal.record(start.answered("sex", "male"), None)
    assert read(journal.path).answers == 3


def test_neither_names_nor_free_text_get_in(tmp_path: Path, knowledge: Knowledge) -> None:
    """Only answers that are accepted, in their accepted form; whatever else a state may hold stays out."""
    journal = Journal.create(tmp_path, "one", knowledge, "1")
    state = answered(knowledge, leg_cramps=" YES ", sex="Male", age=" 66   years", pain_at_rest="Mrs Miller says so")
    state = state.answered("miller", "yes").without("miller").skipping("miller").at("miller")
    journal.record(state, None)
    assert lines(journal.path)[1]["answers"] == {"leg_cramps": "yes", "sex": "male", "age": "66 years"}
    assert b"iller" not in journal.path.read_bytes()
    assert set(restored(read(journal.path), knowledge).state.given) == {"leg_cramps", "sex", "age"}


def test_every_regression_case_is_read_back_with_the_same_findings(
    tmp_path: Path, knowledge: Knowledge, all_cases: tuple[Any, ...]
) -> None:
    """Whatever a case file can give, the journal gives back, warnings included."""
    journal = Journal.create(tmp_path, "one", knowledge, "1")
    for case in all_cases[::7]:
        state = answered(knowledge, **{n: scalar.text for n, scalar in case.given.items()})
        journal.record(state, None)
        kept = restored(read(journal.path), knowledge)
        assert same(kept.state, state), case.name
        assert not kept.left_out
        assert kept.state.findings == case.findings, case.name


def test_each_line_is_on_disk_before_record_returns(
    tmp_path: Path, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced after each line with the whole line in it, and the folder once the file is there."""
    synced: list[tuple[bool, int]] = []

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        synced.append((stat.S_ISDIR(found.st_mode), found.st_size))

    monkeypatch.setattr(module.os, "fsync", fsync)
    journal = Journal.create(tmp_path, "one", knowledge, "1")
    assert [is_folder for is_folder, _ in synced] == [False, True]
    del synced[:]
    for age in ("66 years", "67 years"):
        journal.record(answered(knowledge, age=age), None)
        assert synced.pop() == (False, journal.path.stat().st_size)
        assert not synced
        assert journal.path.read_bytes().endswith(b"\n")


def test_without_an_outcome_what_was_concluded_before_does_not_stand(tmp_path: Path, knowledge: Knowledge) -> None:
    """Nothing passes for concluded from answers that it was not concluded from; the next line says what does follow, though
    it be what had followed before."""
    state = answered(knowledge, leg_cramps="yes")
    path = kept_in(tmp_path, state)
    journal = Journal.resume(path)
    journal.record(state.answered("age", "66 years"), None)
    assert read(path).concluded is None
    journal.record(state.answered("age", "67 years"), judged(state))
    assert read(path).concluded == concluded(judged(state))


# Files and folders ---------------------------------------------------------------------------------------------------


@contextmanager
def mask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_folders_and_files_are_their_owners_alone(tmp_path: Path, knowledge: Knowledge, umask: int) -> None:
    """0700 for every folder that is made and 0600 for the file, under any mask; a folder that was there stays as it is."""
    there = tmp_path / "there"
    there.mkdir()
    there.chmod(0o755)
    with mask(umask):
        journal = Journal.create(there / "a" / "b", "one", knowledge, "1")
        journal.record(answered(knowledge, leg_cramps="yes"), None)
    assert [mode(p) for p in (journal.path, there / "a" / "b", there / "a", there)] == [0o600, 0o700, 0o700, 0o755]
    assert read(journal.path).answers == 1


def test_nothing_is_ever_open_to_others(tmp_path: Path, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its first byte the file is already readable by its owner alone, and so is each folder as it is made, even if the
    mask allows all."""
    seen: list[int] = []
    write = os.write

    def watched(descriptor: int, data: bytes) -> int:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return write(descriptor, data)

    opened: list[tuple[int, int]] = []
    plain_open = os.open

    def opening(path: Any, flags: int, mode: int = 0o777) -> int:
        opened.append((flags, mode))
        return plain_open(path, flags, mode)

    monkeypatch.setattr(module.os, "write", watched)
    monkeypatch.setattr(module.os, "open", opening)
    made: list[int] = []
    plain_mkdir = os.mkdir

    def making(path: Any, mode: int = 0o777) -> None:
        made.append(mode)
        plain_mkdir(path, mode)

    monkeypatch.setattr(module.os, "mkdir", making)
    with mask(0):
        Journal.create(tmp_path / "a" / "b", "one", knowledge, "1")
    assert made == [0o700, 0o700]
    assert set(seen) == {0o600}
    assert [m for flags, m in opened if flags & os.O_CREAT] == [0o600]
    assert all(flags & os.O_EXCL for flags, _ in opened if flags & os.O_CREAT)


def test_an_existing_file_is_never_written_over(tmp_path: Path, knowledge: Knowledge) -> None:
    """The same name twice: a second file, and the first is untouched; a link that leads nowhere is not followed."""
    first = Journal.create(tmp_path, "one", knowledge, "1")
    before = first.path.read_bytes()
    (tmp_path / "one-2.jsonl").symlink_to(tmp_path / "elsewhere")
    second = Journal.create(tmp_path, "one", knowledge, "1")
    assert (first.path.name, second.path.name) == ("one.jsonl", "one-3.jsonl")
    assert first.path.read_bytes() == before
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "a\0b", "\u00e4", "-a"])
def test_a_name_never_leads_out_of_the_folder(tmp_path: Path, knowledge: Knowledge, name: str) -> None:
    """No separators, dots or other oddities, neither to write nor to find."""
    assert named(tmp_path, name) is None
    with pytest.raises(ValueError, match="not a journal's name"):
        Journal.create(tmp_path, name, knowledge, "1")
    assert named(tmp_path, "one") == named(tmp_path, "one.jsonl") == tmp_path / "one.jsonl"


def test_where_journals_are_kept() -> None:
    """Under the XDG state folder where that is an absolute path; under the home folder otherwise."""
    home = Path("/home/zo\u00eb")
    usual = home / ".local" / "state" / "crampdx" / "journals"
    assert folder({}, home) == usual
    assert folder({"XDG_STATE_HOME": ""}, home) == usual
    assert folder({"XDG_STATE_HOME": "state"}, home) == usual
    assert folder({"XDG_STATE_HOME": "/s"}, home) == Path("/s/crampdx/journals")


def test_a_home_that_is_not_ascii_and_a_linked_folder(tmp_path: Path, knowledge: Knowledge) -> None:
    """Letters of any kind, bytes that are no letters at all, and a link in the place of the folder."""
    for home in ("zo\u00eb \u65e5\u672c", os.fsdecode(b"\xff\xfe")):
        where = folder({}, tmp_path / home)
        journal = Journal.create(where, "one", knowledge, "1")
        journal.record(answered(knowledge, leg_cramps="yes"), None)
        journal.close()
        assert read(journal.path).answers == 1
        assert module.as_text(journal.path).encode("utf-8")
    (tmp_path / "link").symlink_to(where, target_is_directory=True)
    second = Journal.create(tmp_path / "link", "two", knowledge, "1")
    second.close()
    assert {p.name for p in journals(tmp_path / "link")} == {"one.jsonl", "two.jsonl"}
    Journal.resume(tmp_path / "link" / "one.jsonl").close()


def test_where_no_journal_can_be_the_fault_can_be_caught(tmp_path: Path, knowledge: Knowledge) -> None:
    """A file in the place of a folder, and a disk without room: an OSError that names the path; no file is left behind."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory") as fault:
        Journal.create(tmp_path / "file" / "journals", "one", knowledge, "1")
    assert "file" in str(fault.value.filename)
    with room(20), pytest.raises(OSError, match=r"one\.jsonl"):
        Journal.create(tmp_path / "journals", "one", knowledge, "1")
    assert journals(tmp_path / "journals") == ()


@contextmanager
def room(bytes_left: int) -> Iterator[None]:
    """No file may grow beyond this: the write that would is cut short, and the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_after_a_full_disk_the_next_line_holds_what_could_not_be_written(tmp_path: Path, knowledge: Knowledge) -> None:
    """A line that was half written does not spoil the next one, and no answer is missing once there is room again."""
    journal = Journal.create(tmp_path, "one", knowledge, "1")
    journal.record(answered(knowledge, leg_cramps="yes"), None)
    size = journal.path.stat().st_size
    with room(size + 9), pytest.raises(OSError, match=r"one\.jsonl"):
        journal.record(answered(knowledge, leg_cramps="yes", age="66 years"), None)
    assert size < journal.path.stat().st_size <= size + 9
    assert restored(read(journal.path), knowledge).state == answered(knowledge, leg_cramps="yes")
    final = answered(knowledge, leg_cramps="yes", age="66 years", sex="male")
    journal.record(final, None)
    assert restored(read(journal.path), knowledge).state == final
    assert not read(journal.path).torn


def test_a_journal_never_outgrows_what_can_be_read(
    tmp_path: Path, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line that would make it too long is refused like a full disk, and not begun; one that still fits is written."""
    journal = Journal.create(tmp_path, "one", knowledge, "1")
    state = answered(knowledge, leg_cramps="yes")
    journal.record(state, None)
    before = journal.path.read_bytes()
    line = len(b'{"answers":{"age":"66 years"}}\n')
    monkeypatch.setattr(module, "LONGEST", len(before) + line - 1)
    with pytest.raises(OSError, match=r"the journal is full: .*one\.jsonl"):
        journal.record(state.answered("age", "66 years"), None)
    assert journal.path.read_bytes() == before
    monkeypatch.setattr(module, "LONGEST", len(before) + line)
    journal.record(state.answered("age", "66 years"), None)
    assert read(journal.path).answers == 2


def test_a_sync_that_fails_is_no_success(tmp_path: Path, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may not be on disk is written again by the next call, once."""
    journal = Journal.create(tmp_path, "one", knowledge, "1")
    state = answered(knowledge, leg_cramps="yes")
    fsync = os.fsync

    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(module.os, "fsync", failing)
    with pytest.raises(OSError, match="Input/output error"):
        journal.record(state, None)
    monkeypatch.setattr(module.os, "fsync", fsync)
    journal.record(state, None)
    assert len(lines(journal.path)) == 2


def test_a_journal_that_was_removed_meanwhile_is_said(tmp_path: Path, knowledge: Knowledge) -> None:
    """Writing to a file that nothing names any more would lose the answers in silence."""
    journal = Journal.create(tmp_path, "one", knowledge, "1")
    journal.path.unlink()
    with pytest.raises(FileNotFoundError, match="removed"):
        journal.record(answered(knowledge, leg_cramps="yes"), None)


def test_two_sessions_cannot_have_one_journal(tmp_path: Path, knowledge: Knowledge) -> None:
    """The second is refused, and so is deleting, until the first lets go; other journals are not held up."""
    first = Journal.create(tmp_path, "one", knowledge, "1")
    Journal.create(tmp_path, "two", knowledge, "1")
    for attempt in (Journal.resume, delete):
        with pytest.raises(InUse, match="another session has this journal open") as fault:
            attempt(first.path)
        assert isinstance(fault.value, OSError)
    first.close()
    first.close()
    resumed = Journal.resume(first.path)
    with pytest.raises(InUse):
        Journal.resume(first.path)
    resumed.close()
    delete(first.path)
    assert [p.stem for p in journals(tmp_path)] == ["two"]


def test_the_one_last_written_to_comes_first(tmp_path: Path, knowledge: Knowledge) -> None:
    """Whatever it is called; `newest` passes over those that cannot be read or hold nothing."""
    assert journals(tmp_path / "nowhere") == ()
    assert newest(tmp_path) is None
    for number, name in enumerate(("c", "a", "b", "d")):
        journal = Journal.create(tmp_path, name, knowledge, "1")
        if name != "b":
            journal.record(answered(knowledge, leg_cramps="yes"), None)
        journal.close()
        if name == "d":
            journal.path.write_text("not a journal\n")
        os.utime(journal.path, (1_000_000 + number, 1_000_000 + number))
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "folder.jsonl").mkdir()
    assert [p.stem for p in journals(tmp_path)] == ["d", "b", "a", "c"]
    assert newest(tmp_path) == tmp_path / "a.jsonl"


# Reading what is no sound journal -------------------------------------------------------------------------------------

HEADER = (
    json.dumps({"format": FORMAT, "number": 1, "crampdx": "1", "knowledge": "x"}, separators=(",", ":")).encode() + b"\n"
)
LINE = b'{"answers":{"leg_cramps":"yes"}}\n'


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (b"", "no-header", "nothing had been recorded"),
        (HEADER[:-1], "no-header", "nothing had been recorded"),
        (b"\x7fELF\x02\x01\x01\x00" * 100, "not-a-journal", "not a journal"),
        (b"\n\n\n", "not-a-journal", "not a journal"),
        (b"case: A patient\ngiven:\n", "not-a-journal", "not a journal"),
        (b'{"format":"other"}\n', "not-a-journal", "not a journal"),
        (b'{"format":"crampdx journal","number":"1"}\n', "not-a-journal", "not a journal"),
        (b"[" * 100_000 + b"\n", "not-a-journal", "not a journal"),
        (HEADER.replace(b":1,", b":2,"), "newer-format", "written by a newer crampdx: format 2, this one reads 1"),
        (b'{"format":"crampdx journal","number":1}\n', "damaged-line", "lacks the version"),
    ],
)
def test_what_is_no_journal_is_said_once(tmp_path: Path, data: bytes, code: str, message: str) -> None:
    """One fault, at the first line, that says what the file is instead."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(data)
    for attempt in (read, Journal.resume):
        with pytest.raises(InvalidInput) as fault:
            attempt(path)
        (problem,) = fault.value.problems
        assert (problem.place.line, problem.code) == (1, code)
        assert message in problem.message
    assert path.read_bytes() == data


DAMAGED = [
    b"{]",
    b"",
    b"\xff\xfe",
    b"[1]",
    b"\0\0",
    b"9" * 5000,
    b"[" * 100_000,
    b'{"answers":[]}',
    b'{"answers":{"a":1}}',
    b'{"declined":"tests"}',
    b'{"skipped":[1]}',
    b'{"topic":null}',
    b'{"ended":false}',
    b'{"knowledge":1}',
    b'{"concluded":{"urgency":"soon","levels":{}}}',
    b'{"concluded":{"urgency":"soon","leading":null,"levels":{"a":1}}}',
    b'{"surprise":1}',
]


@pytest.mark.parametrize("damage", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_line_is_a_fault_with_its_place(tmp_path: Path, damage: bytes) -> None:
    """A line in the middle that is not as it was written is never passed over; all of them are named in one run."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(HEADER + LINE + damage + b"\n" + LINE + damage + b"\n" + LINE)
    with pytest.raises(InvalidInput) as fault:
        read(path)
    assert [(p.place.line, p.code) for p in fault.value.problems] == [(3, "damaged-line"), (5, "damaged-line")]
    assert str(fault.value).startswith(f"{path}:3:")


def test_a_last_line_of_which_a_block_was_lost_counts_as_cut_short(tmp_path: Path) -> None:
    """Zeros where the power went before the disk had all; the lines before stand."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(HEADER + LINE + b"\0" * 20 + LINE)
    record = read(path)
    assert (record.torn, record.answers) == (True, 1)
    Journal.resume(path).close()
    assert path.read_bytes() == HEADER + LINE


def test_huge_files_folders_and_pipes_are_refused(tmp_path: Path) -> None:
    """Without reading them to the end, and without waiting for somebody to write."""
    huge = tmp_path / "huge.jsonl"
    huge.write_bytes(HEADER)
    os.truncate(huge, LONGEST + 1)
    os.mkfifo(tmp_path / "pipe.jsonl")
    for path, message in ((huge, "at most"), (tmp_path, "not a file"), (tmp_path / "pipe.jsonl", "not a file")):
        with pytest.raises(InvalidInput, match=message):
            read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nowhere.jsonl")


# Another knowledge base ----------------------------------------------------------------------------------------------


def world_texts(**changed: Any) -> dict[str, str]:
    """The files of a small knowledge base; a finding may be changed, or left out by None, as may one of its keys."""
    level = {"kind": "quantity", "unit": "u", "decimals": "1", "plausible": "0 to 60", "known_by": "laboratory"}
    findings: dict[str, Any] = {
        "ache": {"kind": "yes-no", "known_by": "patient"},
        "bruise": {"kind": "yes-no", "known_by": "patient"},
        "colour": {"kind": "choice", "known_by": "patient", "choices": {"pale": "Pale", "deep_red": "Deep red"}},
        "level": level,
    }
    rule = {
        "title": "A rule",
        "when": changed.pop("when", "ache"),
        "then": changed.pop("then", "supports"),
        "source": "expert",
    }
    no_way = {"title": "Never both", "when": {"all": ["ache", "bruise"]}}
    texts = {"facts/impossible.yaml": dumped({"never-both": no_way})} if changed.pop("impossible", False) else {}
    for name, new in changed.items():
        findings[name] = {**findings.get(name, {}), **new} if new is not None else None
    kept = {
        name: {"title": "A thing", "ask": "Is it so?", **{key: value for key, value in f.items() if value is not None}}
        for name, f in findings.items()
        if f is not None
    }
    tiers = (("most_likely", ["alpha"]), ("other_likely", []), ("do_not_miss", []), ("rare", []))
    return {
        **texts,
        "facts/all.yaml": dumped(kept),
        "rules/weighing.yaml": "points:\n  weak: 1\n  moderate: 3\n  strong: 6\n"
        "levels:\n  possible: 3\n  likely: 6\n  unlikely: -3\n",
        "rules/document.yaml": dumped({tier: {"heading": tier, "diagnoses": ds} for tier, ds in tiers}),
        "rules/most_likely/alpha.yaml": dumped(
            {"title": "Alpha", "summary": "A diagnosis", "urgency": {"likely": "soon"}, "rules": {"alpha-0": rule}}
        ),
    }


def world(**changed: Any) -> Knowledge:
    """The small knowledge base of these files."""
    return small_knowledge(world_texts(**changed))


def kept_in(path: Path, state: Consultation) -> Path:
    journal = Journal.create(path, "one", state.knowledge, "1")
    journal.record(state, judged(state))
    journal.close()
    return journal.path


ALL = {"ache": "yes", "bruise": "no", "colour": "deep red", "level": "50 u"}


@pytest.mark.parametrize(
    ("changes", "lost", "why"),
    [
        ({"bruise": None}, "bruise", "no such finding"),
        ({"level": {"plausible": "0 to 40"}}, "level", "outside the plausible 0 to 40 u"),
        ({"level": {"unit": "v"}}, "level", "not measured in 'u'"),
        ({"colour": {"choices": {"pale": "Pale", "blue": "Blue"}}}, "colour", "no choice 'deep_red'"),
        ({"colour": {"kind": "yes-no", "choices": None}}, "colour", "yes or no"),
    ],
)
def test_an_answer_that_cannot_be_taken_over_is_named(tmp_path: Path, changes: Any, lost: str, why: str) -> None:
    """Gone, no longer readable or implausible: named with its reason; all others are taken over."""
    path = kept_in(tmp_path, answered(world(), **ALL))
    found = restored(read(path), world(**changes))
    assert [left.finding for left in found.left_out] == [lost]
    assert why in found.left_out[0].why
    assert set(found.state.given) == set(ALL) - {lost}


def test_answers_that_have_become_impossible_together(tmp_path: Path) -> None:
    """The answer given later is named; by the same knowledge base all would be as it was."""
    old = world()
    state = answered(old, bruise="yes", ache="yes")
    path = kept_in(tmp_path, state)
    found = restored(read(path), world(impossible=True))
    assert [(left.finding, left.words) for left in found.left_out] == [("ache", "yes")]
    assert "Never both" in found.left_out[0].why
    assert restored(read(path), old) == module.Restored(state, ())


def test_an_answer_that_was_not_taken_over_does_not_come_back(tmp_path: Path) -> None:
    """A session went on without it, under a knowledge base by which it was not possible: read again by the same, the journal
    gives the state in which that session ended, whether the answer was given anew or not."""
    old, new = world(), world(impossible=True)
    for number, anew in enumerate(({}, {"ache": "no"})):
        path = kept_in(tmp_path / str(number), answered(old, bruise="yes", ache="yes"))
        journal = Journal.resume(path)
        state = restored(journal.held, new).state
        for name, words in {"level": "50 u", **anew}.items():
            state = state.answered(name, words)
            journal.record(state, judged(state))
        journal.close()
        assert dict(state.given) == {"bruise": "yes", "level": "50 u", **anew}
        assert restored(read(path), new) == module.Restored(state, ())
        assert read(path).concluded == concluded(judged(state))


def test_the_answers_of_a_session_stand_even_where_they_disagree(tmp_path: Path) -> None:
    """Judged by the same knowledge base nothing is dropped, not even answers that cannot hold together."""
    state = answered(world(impossible=True), bruise="yes", ache="yes")
    assert restored(read(kept_in(tmp_path, state)), state.knowledge) == module.Restored(state, ())


def test_a_renamed_finding_keeps_its_answer(tmp_path: Path) -> None:
    """The last answer counts under whichever name; one that was taken back is gone under both."""
    path = kept_in(tmp_path, answered(world(), ache="yes", bruise="unknown"))
    new = world(ache=None, pain={"kind": "yes-no", "known_by": "patient", "was": ["ache"]}, then="supports", when="pain")
    found = restored(read(path), new)
    assert (dict(found.state.given), found.state.passed, found.left_out) == ({"pain": "yes"}, frozenset({"bruise"}), ())
    journal = Journal.resume(path)
    journal.record(found.state.answered("pain", "no"), None)
    assert dict(restored(read(path), new).state.given) == {"pain": "no"}
    journal.record(Consultation(new), None)
    journal.close()
    assert dict(restored(read(path), new).state.given) == {}


def test_a_session_goes_on_under_another_knowledge_base(tmp_path: Path) -> None:
    """From then on the journal is judged by the new one; what could not be taken over stays in it and comes back."""
    old, new = world(), world(level=None, then="strongly supports")
    path = kept_in(tmp_path, answered(old, ache="no", level="50 u"))
    journal = Journal.resume(path)
    state = restored(read(path), new).state.answered("ache", "yes")
    journal.record(state, judged(state))
    journal.close()
    record = read(path)
    assert record.knowledge == new.hash
    assert record.concluded == concluded(judged(state))
    assert record.concluded.urgency == "soon"
    assert restored(record, new).state == state
    assert dict(restored(record, old).state.given) == {"ache": "yes", "level": "50 u"}


def test_what_was_concluded_by_another_knowledge_base_does_not_stand(tmp_path: Path) -> None:
    """A line of the new one without conclusions does not pass for one with the old conclusions."""
    path = kept_in(tmp_path, answered(world(), ache="yes"))
    assert read(path).concluded is not None
    journal = Journal.resume(path)
    journal.record(answered(world(level=None), ache="no"), None)
    assert read(path).concluded is None
    journal.record(answered(world(level=None), ache="no", bruise="yes"), None)
    assert ["knowledge" in line for line in lines(path)[2:]] == [True, False]


def test_topics_and_groups_that_are_gone_are_no_obstacle(tmp_path: Path, knowledge: Knowledge) -> None:
    """Skipped topics and the present one are forgotten where the knowledge base has them no more."""
    topic = knowledge.topics[2].id
    path = kept_in(tmp_path, Consultation(knowledge).without("tests").skipping(topic).at(topic).left_unknown("age"))
    found = restored(read(path), world())
    assert found.state == Consultation(world(), declined=frozenset({"tests"}))
    assert [(left.finding, left.words) for left in found.left_out] == [("age", "unknown")]


def test_differences_are_those_of_every_conclusion() -> None:
    """Urgency, leading, and each level, also of a diagnosis that only one of the two knows."""
    then = Concluded("soon", "alpha", (("alpha", "likely"), ("beta", "possible"), ("gamma", "excluded")))
    now = Concluded("routine", "", (("alpha", "possible"), ("beta", "possible"), ("delta", "undecided")))
    assert differences(then, then) == ()
    assert differences(then, now) == (
        Difference("urgency", "soon", "routine"),
        Difference("leading", "alpha", ""),
        Difference("alpha", "likely", "possible"),
        Difference("gamma", "excluded", ""),
        Difference("delta", "", "undecided"),
    )


# The commands --------------------------------------------------------------------------------------------------------


@pytest.fixture(name="state_folder")
def _state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "crampdx" / "journals"


def crampdx(*arguments: str, input: str = "") -> Result:
    return CliRunner().invoke(main, list(arguments), input=input)


PATIENT = {"leg_cramps": "yes", "age": "66 years", "amyloid_type_identified": "yes", "congo_red_positive_tissue": "yes"}


def a_session(where: Path, name: str = "one", ended: bool = True, **answers: str) -> Consultation:
    """Leaves a journal of these answers."""
    knowledge = built_in()
    journal = Journal.create(where, name, knowledge, __version__)
    state = answered(knowledge, **(answers or PATIENT))
    journal.record(state, judged(state))
    journal.close(ended)
    return state


def test_list_without_a_journal_says_where_there_is_none(state_folder: Path) -> None:
    """Exit 5, and the folder; neither listing nor deleting makes it."""
    for arguments in (("journal", "list"), ("journal", "delete", "--all", "--yes")):
        done = crampdx(*arguments)
        assert (done.exit_code, done.stdout) == (5, "")
        assert f"no journal in {state_folder}" in done.stderr
    assert not state_folder.exists()


def test_list_shows_each_journal_and_the_folder(state_folder: Path, knowledge: Knowledge) -> None:
    """Newest first: name, answers, urgency, knowledge base, whether it came to its end; damaged ones, too."""
    a_session(state_folder, "first")
    a_session(state_folder, "second", ended=False, leg_cramps="yes", age="unknown")
    other = world()
    journal = Journal.create(state_folder, "third", other, "1")
    journal.close()
    (state_folder / "fourth.jsonl").write_text("{}\n")
    for number, name in enumerate(("first", "second", "third", "fourth")):
        os.utime(state_folder / f"{name}.jsonl", (1_000_000 + number, 1_000_000 + number))
    done = crampdx("journal", "list")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "fourth\tcannot be read: this is not a journal",
        f"third\t0 answers\tnothing concluded\tknowledge {other.hash}\tnot ended\tanother knowledge base",
        f"second\t1 answer\troutine\tknowledge {knowledge.hash}\tnot ended",
        f"first\t4 answers\tsoon\tknowledge {knowledge.hash}\tended",
    ]
    assert done.stderr == f"4 journals in {state_folder}\n"


def test_delete_asks_first(state_folder: Path) -> None:
    """Without a terminal to ask on nothing is deleted, unless --yes says so; names may have the ending or not."""
    for name in ("a", "b", "c"):
        a_session(state_folder, name)
    refused = crampdx("journal", "delete", "a")
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert len(journals(state_folder)) == 3
    done = crampdx("journal", "delete", "--yes", "a", "b.jsonl", "a")
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"2 journals deleted from {state_folder}" in done.stderr
    assert [p.stem for p in journals(state_folder)] == ["c"]
    assert crampdx("journal", "delete", "--all", "c").exit_code == 2
    assert crampdx("journal", "delete", "--all", "--yes").exit_code == 0
    assert journals(state_folder) == ()


@pytest.mark.parametrize(("typed", "left"), [("y", 0), ("n", 1), ("", 1)])
def test_delete_on_a_terminal(state_folder: Path, typed: str, left: int) -> None:
    """Shows what it is about to delete; only yes deletes."""
    a_session(state_folder, "one")
    child = pexpect.spawn(sys.executable, ["-m", "crampdx.cli", "journal", "delete", "one"], encoding="utf-8", timeout=60)
    child.expect_exact("  one")
    child.expect_exact("Delete 1 journal for good?")
    child.sendline(typed)
    child.expect_exact("1 journal deleted" if not left else "nothing is deleted")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert len(journals(state_folder)) == left


def test_delete_knows_only_names_within_the_folder(state_folder: Path) -> None:
    """Separators are refused; for a misspelt name the near one is told; nothing is deleted unless all names are right."""
    a_session(state_folder, "20261122T151419Z")
    outside = state_folder.parent / "outside.jsonl"
    outside.write_text("")
    for name in ("../outside", str(outside), "..", "a/b", "\x1b[2J"):
        done = crampdx("journal", "delete", "--yes", "20261122T151419Z", name)
        assert done.exit_code == 2
        assert "is not the name of a journal" in done.stderr
        assert "\x1b" not in done.stderr
    done = crampdx("journal", "delete", "--yes", "20261122T151419Z", "20261122T151418Z")
    assert done.exit_code == 5
    assert "did you mean '20261122T151419Z'?" in done.stderr
    assert outside.exists()
    assert len(journals(state_folder)) == 1


def test_a_journal_in_use_is_not_deleted(state_folder: Path) -> None:
    """The others are; exit 1 says that something was kept."""
    a_session(state_folder, "done")
    open_one = Journal.create(state_folder, "open", built_in(), "1")
    done = crampdx("journal", "delete", "--all", "--yes")
    assert done.exit_code == 1
    assert "kept: open: a session has it open" in done.stderr
    assert "1 journal deleted" in done.stderr
    assert journals(state_folder) == (open_one.path,)
    open_one.close()


def test_a_damaged_journal_can_be_deleted(state_folder: Path) -> None:
    """What cannot be read can be removed."""
    state_folder.mkdir(parents=True)
    (state_folder / "bad.jsonl").write_bytes(b"\0")
    assert crampdx("journal", "delete", "bad", "--yes").exit_code == 0
    assert journals(state_folder) == ()


def test_replay_gives_the_report_of_the_answers(state_folder: Path, knowledge: Knowledge) -> None:
    """By path or by name, the same bytes as the report on the same answers in a case file; nothing is written."""
    state = a_session(state_folder, "one")
    before = (state_folder / "one.jsonl").read_bytes()
    by_name = crampdx("replay", "one")
    by_path = crampdx("replay", str(state_folder / "one.jsonl"))
    assert (by_name.exit_code, by_name.stderr) == (0, "")
    assert by_name.stdout == by_path.stdout
    case = state_folder / "case.yaml"
    case.write_text(dumped({"case": "Consultation", "given": dict(state.given)}), encoding="utf-8")
    diagnosed = crampdx("diagnose", str(case)).stdout
    assert by_name.stdout.startswith(diagnosed)
    assert by_name.stdout[len(diagnosed) :].startswith("\nIn short: SOON")
    assert (state_folder / "one.jsonl").read_bytes() == before


def test_replay_as_json_is_what_diagnose_gives(state_folder: Path, tmp_path: Path) -> None:
    """The same envelope and case; beside them what the journal says of itself."""
    state = a_session(state_folder, "one")
    case = tmp_path / "case.yaml"
    case.write_text(dumped({"case": "Consultation", "given": dict(state.given)}), encoding="utf-8")
    document = json.loads(crampdx("replay", "one", "--format", "json").stdout)
    assert document.pop("journal") == {
        "version": __version__,
        "knowledge": built_in().hash,
        "ended": True,
        "left_out": [],
        "differences": [],
    }
    assert document == json.loads(crampdx("diagnose", str(case), "--format", "json").stdout)


def test_replay_of_what_is_not_there(state_folder: Path) -> None:
    """A near name is told; a path that leads nowhere is an error; neither is a traceback."""
    a_session(state_folder, "20261122T151419Z")
    near = crampdx("replay", "20261122T15141Z")
    assert near.exit_code == 5
    assert "did you mean '20261122T151419Z'?" in near.stderr
    nowhere = crampdx("replay", "./nowhere.jsonl")
    assert nowhere.exit_code == 2
    assert "No such file" in nowhere.stderr


def test_replay_of_a_damaged_journal_names_the_line(state_folder: Path) -> None:
    """`file:line:column`, the line and exit 4; the JSON document has the fault, too."""
    a_session(state_folder, "one")
    path = state_folder / "one.jsonl"
    path.write_bytes(path.read_bytes() + b'{"answers":oops}\n' + LINE)
    done = crampdx("replay", "one")
    assert (done.exit_code, done.stdout) == (4, "")
    assert f"{path}:4:12: error[damaged-line]" in done.stderr
    assert '    4 | {"answers":oops}' in done.stderr
    document = crampdx("replay", "one", "--format", "json")
    assert document.exit_code == 4
    (problem,) = json.loads(document.stdout)["problems"]
    assert (problem["line"], problem["code"]) == (4, "damaged-line")


@pytest.mark.parametrize("typed", ["1\nquit\n", "1\n"])
def test_what_could_be_written_only_at_the_end_is_judged_like_the_rest(
    state_folder: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    """No room for the answer until the session closes: the journal then holds it with what follows from it, and `replay` by the
    same knowledge base finds no difference."""
    before = concluded(judged(a_session(state_folder, "one", ended=False, leg_cramps="yes")))
    append, left = Journal._append, 1 + typed.count("\n")  # the first for the topic that is opened

    def failing(self: Journal, entry: dict[str, Any]) -> None:
        nonlocal left
        if left:
            left -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        append(self, entry)

    monkeypatch.setattr(Journal, "_append", failing)
    done = crampdx("consult", "--resume", "one", input=typed)
    assert (done.exit_code, left) == (0, 0)
    assert "No space left on device" in done.stderr
    assert len(lines(state_folder / "one.jsonl")) == 4  # header, the session before, this one, its end
    record = read(state_folder / "one.jsonl")
    assert record.answers == 2
    assert record.concluded == concluded(judged(restored(record, built_in()).state)) != before
    again = crampdx("replay", "one")
    assert (again.exit_code, again.stderr) == (0, "")
    assert done.stdout.endswith(again.stdout)


def test_a_fault_of_ours_costs_no_answer(state_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what follows from an answer cannot be worked out, the answer is kept, and nothing stands as concluded."""
    a_session(state_folder, "one", ended=False, leg_cramps="yes")
    whole = Dialogue.outcome

    def failing(self: Dialogue) -> Outcome:
        if len(self.state.given) > 1:
            raise ZeroDivisionError
        return whole(self)

    monkeypatch.setattr(Dialogue, "outcome", failing)
    done = crampdx("consult", "--resume", "one", input="1\nquit\n")
    assert done.exit_code == 70
    assert "internal error: ZeroDivisionError" in done.stderr
    record = read(state_folder / "one.jsonl")
    assert (record.answers, record.concluded) == (2, None)


def test_replay_says_when_the_last_line_was_cut_short(state_folder: Path) -> None:
    """The report is on the answers before; the file is left as it is."""
    a_session(state_folder, "one")
    path = state_folder / "one.jsonl"
    path.write_bytes(path.read_bytes() + b'{"answers":{"leg_')
    done = crampdx("replay", "one")
    assert done.exit_code == 0
    assert "cut short" in done.stderr
    assert path.read_bytes().endswith(b"leg_")


def test_a_journal_of_another_knowledge_base_is_judged_anew(state_folder: Path, tmp_path: Path) -> None:
    """With --knowledge: which answers could not be taken over, what was concluded then and now, and exit 1."""
    a_session(state_folder, "one")
    new = tmp_path / "knowledge"
    for room_ in ("facts", "rules"):
        shutil.copytree(BUILT_IN / room_, new / room_)
    same_hash = crampdx("replay", "one", "--knowledge", str(new))
    assert (same_hash.exit_code, same_hash.stderr) == (0, "")
    weighing = new / "rules" / "weighing.yaml"
    weighing.write_text(re.sub(r"possible: \d+", "possible: 1", weighing.read_text()))
    for path in (new / "rules").rglob("*.yaml"):  # no limit may lie outside what is plausible
        path.write_text(re.sub(r"\bage > [78]\d years", "age > 60 years", path.read_text()))
    history = next(p for p in (new / "facts").glob("*.yaml") if re.search(r"^age:", p.read_text(), re.MULTILINE))
    text, changed = re.subn(
        r"(^age:\n(?:  .*\n)*?  plausible: ).*", r"\g<1>0 to 65", history.read_text(), flags=re.MULTILINE
    )
    assert changed == 1
    history.write_text(re.sub(r"(^age:\n(?:  .*\n)*?)  usual: .*\n", r"\1", text, flags=re.MULTILINE))
    done = crampdx("replay", "one", "--knowledge", str(new))
    assert "judged anew" in done.stderr, done.stderr
    assert "not taken over: age, 66 years: 'age': 66 years is outside the plausible 0 to 65 years" in done.stderr
    document = json.loads(crampdx("replay", "one", "--knowledge", str(new), "--format", "json").stdout)
    assert [left["finding"] for left in document["journal"]["left_out"]] == ["age"]
    changes = document["journal"]["differences"]
    assert done.exit_code == (1 if changes else 0) == 1
    for change in changes:
        title = built_in().diagnoses[change["subject"]].title
        assert f"{title}: then {change['then']}, now {change['now']}" in done.stderr


def test_replay_tells_each_conclusion_that_differs(state_folder: Path, tmp_path: Path) -> None:
    """Urgency, leading and levels, with titles; none where nothing leads; exit 1."""
    old, new = world(then="strongly supports"), tmp_path / "knowledge"
    state = answered(old, ache="yes", colour="pale")
    kept_in(state_folder, state)
    for name, text in world_texts(then="weakly supports").items():
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        (new / name).write_text(text)
    done = crampdx("replay", "one", "--knowledge", str(new))
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-3:] == [
        "urgency: then soon, now routine",
        "leading: then Alpha, now none",
        "Alpha: then likely, now not supported",
    ]
    for name, text in world_texts(then="strongly supports", level=None).items():
        (new / name).write_text(text)
    alike = crampdx("replay", "one", "--knowledge", str(new))
    assert alike.exit_code == 0
    assert "every conclusion is as it was then" in alike.stderr


def test_going_on_passes_over_what_holds_nothing(state_folder: Path) -> None:
    """`--resume` by itself takes the session last answered, not one that was killed before its first answer."""
    done = crampdx("consult", "--resume")
    assert done.exit_code == 5
    assert f"no journal to go on with in {state_folder}" in done.stderr
    a_session(state_folder, "one", ended=False)
    Journal.create(state_folder, "two", built_in(), __version__).close()
    (state_folder / "three.jsonl").write_bytes(HEADER[:20])
    done = crampdx("consult", "--resume", input="quit\n")
    assert done.exit_code == 0
    assert f"journal: {state_folder / 'one.jsonl'} (health data: readable by you alone)" in done.stderr
    assert done.stdout.endswith(crampdx("replay", "one").stdout)


def test_a_session_that_is_going_on_elsewhere_is_not_gone_on_with(state_folder: Path) -> None:
    """A second `--resume` says so, and changes nothing."""
    a_session(state_folder, "one")
    held = Journal.resume(state_folder / "one.jsonl")
    before = held.path.read_bytes()
    done = crampdx("consult", "--resume", "one", input="none\nquit\n")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "another session has this journal open" in done.stderr
    assert held.path.read_bytes() == before
    held.close()


def test_going_on_begins_at_what_the_open_journal_held(state_folder: Path) -> None:
    """A torn last line is cut off and said, and what is answered next stands behind the last whole line."""
    a_session(state_folder, "one", ended=False, leg_cramps="yes")
    path = state_folder / "one.jsonl"
    path.write_bytes(path.read_bytes() + b'{"answers":{"leg_')
    done = crampdx("consult", "--resume", "one", input="no tests\nquit\n")
    assert done.exit_code == 0
    assert "cut short" in done.stderr
    state = restored(read(path), built_in()).state
    assert (dict(state.given), state.declined) == ({"leg_cramps": "yes"}, frozenset({"tests"}))


# Killed --------------------------------------------------------------------------------------------------------------


def test_killed_sessions_keep_what_was_acknowledged(tmp_path: Path) -> None:
    """Twenty sessions, each killed at a random moment and gone on with: every answer after which the next prompt had
    appeared is there, nothing is there that was not typed, and the report of `--resume` is the one that `replay` prints."""
    kill = runpy.run_path(str(ROOT / "benchmarks" / "kill.py"), run_name="kill")
    counts = kill["kill_many"](20, SEED, tmp_path)
    assert counts["killed"] == 20
    assert counts["reports compared"] >= 2  # a session killed before its journal was begun leaves none
    assert counts["lines acknowledged"] > 40

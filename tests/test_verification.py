"""A run's sample: each patient is as likely to be in it as any other, and Experta, in a process of its own, has the last word.
What a sample finds is tested with the columns, in `test_population.py`."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from planted import written
from test_bad_input import SMALL

from crampdx import verification
from crampdx.shared import DONE, INTERNAL, INTERRUPTED

# Which patients ------------------------------------------------------------------------------------------------------


def drawn(size: int, seed: int, parts: Sequence[int]) -> list[int]:
    """Which patients of a stream, in such parts, are drawn."""
    sample = verification.Sample(size, seed)
    found: list[int] = []
    before, to_come = 0, sum(parts)
    for height in parts:
        found += [before + number for number in sample.drawn(height, height / to_come if to_come else 1.0)]
        before += height
        to_come -= height
    return found


def test_a_patient_is_as_likely_to_be_verified_as_any_other() -> None:
    """Chi-squared over fixed seeds, of single patients and of neighbours; parts of any size make no difference."""
    stream, size, draws = 200, 8, 5_000
    parts = (1, 3, 0, 50, 6, 140)
    single: Counter[int] = Counter()
    neighbours = 0
    for seed in range(draws):
        chosen = drawn(size, seed, parts)
        assert len(set(chosen)) == size
        single.update(chosen)
        neighbours += sum(1 for number in chosen if number + 1 in chosen)
    wanted = draws * size / stream
    chi = sum((single[n] - wanted) ** 2 / wanted for n in range(stream)) / (1 - size / stream)
    assert abs(chi - (stream - 1)) < 4 * math.sqrt(2 * (stream - 1)), chi
    pairs = draws * (stream - 1) * (size / stream) * ((size - 1) / (stream - 1))
    assert abs(neighbours - pairs) < 4 * math.sqrt(pairs), (neighbours, pairs)


def test_a_sample_of_a_stream_whose_length_is_misjudged() -> None:
    """Never more than are asked for, and all of them where the end is larger than was thought."""
    for seed in range(50):
        sample = verification.Sample(8, seed)
        assert sum(len(sample.drawn(100, share)) for share in (0.9, 0.0, 0.5, 1.0)) == 8


def test_a_sample_of_a_stream_whose_length_nobody_knows() -> None:
    """As of a pipe: of each part half of what is left, and of a part that is shorter all; drawn from anywhere in it."""
    for seed in range(50):
        sample = verification.Sample(100, seed)
        drawn_ = [sample.drawn(1_000, 0.0) for _ in range(9)]
        assert [len(each) for each in drawn_] == [50, 25, 13, 6, 3, 2, 1, 0, 0]
        assert len(set(drawn_[0])) == 50 and max(drawn_[0]) > 500
    assert verification.Sample(100, 1).drawn(3, 0.0) == [0, 1, 2]


@pytest.mark.parametrize("stream", [0, 1, 7, 8])
def test_a_small_stream_is_verified_whole(stream: int) -> None:
    """No patient twice, none left out; and none at all where none is asked for."""
    assert sorted(drawn(8, 1, (stream,))) == list(range(stream))
    assert sorted(drawn(8, 1, (1,) * stream)) == list(range(stream))
    assert drawn(0, 1, (stream,)) == []


# A process of its own ------------------------------------------------------------------------------------------------

PATIENTS = 30
HAS_ENDED = "the process that verifies through Experta has ended, and nothing was written"
# What is run before the command; the first tells how each process has ended.
TOLD = """
import atexit, multiprocessing, sys
from crampdx import verification
begun = []
real = verification._Apart.__init__
def noted(self, knowledge):
    real(self, knowledge)
    begun.append(self._process)
verification._Apart.__init__ = noted
atexit.register(lambda: print(*(p.exitcode for p in begun), sep=",", file=sys.stderr))
"""
OTHERWISE = """
import crampdx.verification as v
real = v.expected
def expected(knowledge, inference):
    found = real(knowledge, inference)
    return {**found, "urgency": "emergency" if found["urgency"] == "routine" else "routine"}
v.expected = expected
"""
FALLS = """
import os, crampdx.verification as v
v.expected = lambda knowledge, inference: os._exit(3)
"""
SLOW = """
import os, time, crampdx.verification as v
v.expected = lambda knowledge, inference: print(os.getpid(), flush=True) or time.sleep({seconds})
"""


def command(folder: Path, before: str, *options: str) -> list[str]:
    written(SMALL, folder / "knowledge")
    rows = "".join(f"p{n},{'yes' if n % 2 else 'no'}\n" for n in range(PATIENTS))
    (folder / "t.csv").write_text(f"id,calf_pain\n{rows}", "utf-8")
    code = f"{before}\nfrom crampdx.cli import main; main()"
    return [sys.executable, "-c", code, "batch", "t.csv", "--output", "out.csv", "--knowledge", "knowledge", *options]


def ran(folder: Path, before: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, before, *options), cwd=folder, capture_output=True, text=True, timeout=60)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_sample_is_verified_by_a_process_that_ends_with_the_run(tmp_path: Path) -> None:
    done = ran(tmp_path, TOLD, "--verify", "7")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (DONE, str(-signal.SIGTERM)), done.stderr
    assert "7 rows verified through Experta" in done.stderr
    assert left(tmp_path) == ["knowledge", "out.csv", "t.csv"]


def test_no_process_is_begun_for_no_sample(tmp_path: Path) -> None:
    done = ran(tmp_path, TOLD, "--verify", "0")
    assert (done.returncode, done.stderr.splitlines()[-1], "verified" in done.stderr) == (DONE, "", False)


def test_what_the_process_concludes_otherwise_stops_the_run(tmp_path: Path) -> None:
    done = ran(tmp_path, OTHERWISE)
    assert done.returncode == INTERNAL
    assert "'urgency' is " in done.stderr and " by Experta; this is a bug, and nothing was written" in done.stderr
    assert left(tmp_path) == ["knowledge", "t.csv"]


def test_a_process_that_ends_too_early_stops_the_run(tmp_path: Path) -> None:
    done = ran(tmp_path, FALLS)
    assert (done.returncode, done.stderr) == (INTERNAL, f"{HAS_ENDED}\n")
    assert left(tmp_path) == ["knowledge", "t.csv"]


def test_beside_threads_nothing_is_forked(tmp_path: Path) -> None:
    """A lock that one of them holds would be held in the new process for good."""
    thread = "import threading, time; threading.Thread(target=time.sleep, args=(3,), daemon=True).start()\n"
    done = ran(tmp_path, thread + TOLD, "--verify", "7")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (DONE, ""), done.stderr
    assert "7 rows verified through Experta" in done.stderr


def is_there(number: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return Path(f"/proc/{number}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("end", "seconds", "code", "said"),
    [
        (signal.SIGINT, 600, INTERRUPTED, "interrupted"),  # as Ctrl-C: both are told
        (signal.SIGKILL, 1, -signal.SIGKILL, ""),  # what cannot be noticed: it finishes its patient, and finds nobody there
    ],
)
def test_however_the_run_ends_the_process_ends_too(
    end: signal.Signals, seconds: int, code: int, said: str, tmp_path: Path
) -> None:
    run = subprocess.Popen(
        command(tmp_path, SLOW.format(seconds=seconds)),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which the background of a shell ignores
    )
    assert run.stdout is not None
    number = int(run.stdout.readline())
    try:
        assert number != run.pid and is_there(number)
        if end == signal.SIGINT:
            os.kill(number, end)
        os.kill(run.pid, end)
        assert (run.wait(timeout=30), run.communicate(timeout=30)[1].strip()) == (code, said)
        deadline = time.monotonic() + 30
        while is_there(number) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not is_there(number)
    finally:
        if is_there(number):
            os.kill(number, signal.SIGKILL)
        run.kill()
        run.communicate()
    assert "out.csv" not in left(tmp_path)

"""Sessions killed at random moments (SIGKILL): is everything there that was acknowledged, and nothing that was not typed?

    python benchmarks/kill.py [KILLS] [SEED]

Each of the KILLS (200) processes is `crampdx consult` on a pipe, answered with random lines. After a random number of them
it is killed: at the moment a prompt has appeared, while it works on the next line, or while it starts. The same lines given
to the dialogue in this process say what the state must be. The next process goes on with the same journal by `--resume`, at
times with a piece of a line behind it, as a cut in the midst of writing would leave it; after some of them its report must
be what `crampdx replay` prints.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import IO

from crampdx.engine.interview.consultation import Consultation
from crampdx.engine.interview.journal import journals, read, restored
from crampdx.engine.interview.questions import Interviewer
from crampdx.engine.knowledge.loader import BUILT_IN, load
from crampdx.engine.knowledge.model import YES_NO, Knowledge
from crampdx.engine.session.dialogue import Dialogue

RUN = [sys.executable, "-m", "crampdx.cli"]
MOST_LINES = 12  # that a session is given before it is killed
IN_A_ROW = 5  # killed sessions of one journal, before it is looked at by `replay` and a new one is begun
PATIENCE = 120.0  # seconds that a prompt may take on a busy machine
LONGEST_WORK = 0.03  # seconds within which a line is worked on: the kill falls somewhere in them, early more often
LONGEST_START = 0.5  # seconds within which a session starts
PANEL = ("none", "?", "1", "1 2", "only 1", "2", "none", "no tests", "no examination", "skip topic", "why", "nonsense")


class Lost(AssertionError):
    """A journal does not hold what it must."""


def kill_many(kills: int, seed: int, state_home: Path) -> Counter[str]:
    """Kills so many sessions, and returns counts. Raises Lost at the first that has lost or invented something."""
    chance = random.Random(seed)
    knowledge = load(BUILT_IN)
    interviewer = Interviewer(knowledge)
    where = state_home / "crampdx" / "journals"
    counts: Counter[str] = Counter()
    state, path = Consultation(knowledge), None
    for number in range(1, kills + 1):
        before = set(journals(where))
        arguments = ["--resume", path.stem] if path is not None else []
        possible = _killed(arguments, Dialogue(knowledge, interviewer, state), chance, state_home, counts)
        if path is None:
            path = next(iter(set(journals(where)) - before), None)
        if path is None or not path.stat().st_size:  # killed before there was a journal, or a line in it
            if len(possible) > 1 or _answers(possible[0]) != _answers(Consultation(knowledge)):
                raise Lost(f"kill {number}: there is no journal")
            counts["killed before the journal was begun"] += 1
            state, path = Consultation(knowledge), None
            continue
        state = _found_in(path, knowledge, possible, f"kill {number}, {path}", counts)
        if chance.random() < 0.3:
            _cut_short(path, chance)
            counts["pieces of a line put behind"] += 1
        if number % IN_A_ROW == 0 or number == kills:
            _compare_reports(path, state_home)
            counts["reports compared"] += 1
            state, path = Consultation(knowledge), None
    return counts


def _killed(
    arguments: list[str], dialogue: Dialogue, chance: random.Random, state_home: Path, counts: Counter[str]
) -> list[Consultation]:
    """Runs a session and kills it; the states that its journal may hold: the acknowledged one, and the next if any."""
    environment = {**os.environ, "XDG_STATE_HOME": str(state_home), "COLUMNS": "80"}
    reply = dialogue.opening()
    with subprocess.Popen(
        [*RUN, "consult", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        bufsize=0,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if chance.random() < 0.15:
                time.sleep(chance.uniform(0, LONGEST_START))
                counts["killed while starting"] += 1
                return [dialogue.state]
            _wait_for(reply.prompt, process.stdout)
            for _ in range(chance.randrange(MOST_LINES)):
                typed = _line(dialogue, chance)
                process.stdin.write(typed.encode() + b"\n")
                reply = dialogue.reply(typed)
                _wait_for(reply.prompt, process.stdout)
                counts["lines acknowledged"] += 1
            possible = [dialogue.state]
            if chance.random() < 0.7:  # killed while it works
                typed = _line(dialogue, chance)
                process.stdin.write(typed.encode() + b"\n")
                time.sleep(LONGEST_WORK * chance.random() ** 3)
                dialogue.reply(typed)
                possible.append(dialogue.state)
        finally:
            process.send_signal(signal.SIGKILL)
            counts["killed"] += 1
    return possible


def _wait_for(prompt: str, stream: IO[bytes]) -> None:
    """Returns when this prompt has appeared as the last thing."""
    wanted = f"\n{prompt} > ".encode() if prompt else b"\n> "
    seen = b""
    until = time.monotonic() + PATIENCE
    while not seen.endswith(wanted):
        ready, _, _ = select.select([stream], [], [], max(0.0, until - time.monotonic()))
        part = os.read(stream.fileno(), 65536) if ready else b""
        if not part:
            raise Lost(f"the prompt {wanted!r} did not come, but: {seen.decode(errors='replace')[-2000:]}")
        seen += part


def _line(dialogue: Dialogue, chance: random.Random) -> str:
    """Something to type: mostly an answer to what is asked."""
    screen = dialogue.screen
    if screen is None:
        return chance.choice(("n", "review", "?"))
    if len(screen.findings) > 1:
        return chance.choice(PANEL)
    (finding,) = screen.findings
    if chance.random() < 0.2:
        return "?"
    if finding.kind == YES_NO:
        return chance.choice(("y", "n"))
    if finding.scale is None:
        return str(chance.randint(1, len(finding.choices)))
    low, high = finding.scale.usual or finding.scale.plausible
    return str(round(low + (high - low) * chance.randint(0, 8) / 8, finding.scale.decimals))


def _found_in(
    path: Path, knowledge: Knowledge, possible: list[Consultation], where: str, counts: Counter[str]
) -> Consultation:
    """The state that the journal leads to, which must be one of those."""
    record = read(path)
    found = restored(record, knowledge)
    if found.left_out:
        raise Lost(f"{where}: {found.left_out}")
    if possible[-1] is not possible[0] and _answers(found.state) == _answers(possible[-1]):
        counts["last line kept, though not acknowledged"] += _answers(possible[0]) != _answers(possible[-1])
    elif _answers(found.state) != _answers(possible[0]):
        raise Lost(f"{where}: expected {_answers(possible[0])}, found {_answers(found.state)}")
    elif len(possible) > 1 and _answers(possible[0]) != _answers(possible[-1]):
        counts["last line not kept, and not acknowledged"] += 1
    return found.state


def _cut_short(path: Path, chance: random.Random) -> None:
    """Leaves the beginning of one more line at the end, as if its writing had been cut short."""
    line = path.read_bytes().splitlines()[-1]
    with path.open("ab") as stream:
        stream.write(line[: chance.randint(1, len(line))])


def _answers(state: Consultation) -> tuple[object, ...]:
    return (dict(state.findings), state.warnings, state.passed, state.declined, state.skipped)


def _compare_reports(path: Path, state_home: Path) -> None:
    """`--resume` and then `quit` must end with what `replay` prints."""
    environment = {**os.environ, "XDG_STATE_HOME": str(state_home), "COLUMNS": "80"}
    resumed = subprocess.run([*RUN, "consult", "--resume", path.stem], input=b"quit\n", env=environment, capture_output=True)
    replayed = subprocess.run([*RUN, "replay", path.stem], env=environment, capture_output=True)
    if resumed.returncode or replayed.returncode:
        raise Lost(f"{path}: {resumed.stderr.decode()}{replayed.stderr.decode()}")
    if not replayed.stdout or not resumed.stdout.endswith(b"\n" + replayed.stdout):
        raise Lost(f"{path}: replay prints another report than --resume:\n{replayed.stdout.decode()}")


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20261122
    with tempfile.TemporaryDirectory() as folder:
        try:
            counts = kill_many(kills, seed, Path(folder))
        except Lost as fault:
            sys.exit(f"LOST: {fault}")
    for what, count in counts.items():
        print(f"{count:>6}  {what}")


if __name__ == "__main__":
    main()

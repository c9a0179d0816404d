"""A random sample of a run, reasoned about once more: one patient at a time, through Experta."""

from __future__ import annotations

import contextlib
import random
import signal
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import get_all_start_methods, get_context
from typing import TYPE_CHECKING, Any

from .shared import INTERNAL, Ended, reasoner_for

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from .engine.inference.reasoner import Reasoner
    from .engine.inference.weighing import Inference
    from .engine.knowledge.model import Findings, Knowledge

TAKING_TURNS = 0.0005  # seconds that a thread of Python has to itself while another waits
Concluded = dict[str, Any]  # about one patient: what the columns of a result hold


class Disagreement(Ended):
    """Experta concludes otherwise than the columns, or cannot say."""

    exit_code = INTERNAL


class Sample:
    """So many patients of a stream of about known length, each as likely as any other."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self._left = size
        self._chance = random.Random(seed)

    def drawn(self, height: int, share: float) -> list[int]:
        """Which of so many patients, who are this share of all that are still to come: from them to the last. A share of 0
        is one that nobody knows, as of a pipe: half of what is left, so that there are some for whoever comes after."""
        if not height:
            return []
        to_come = max(height, round(height / share)) if share > 0 else height
        size = self._left if share > 0 else -(-self._left // 2)
        found = sorted(n for n in self._chance.sample(range(to_come), min(size, to_come)) if n < height)
        self._left -= len(found)
        return found


class Verification:
    """Reasons once more about patients through Experta, beside the run; with it the run ends.

    Experta is all Python: in the same process, what computes the columns would wait for it between any two steps. So it has
    a process of its own where one can be forked, which is before anything has started threads."""

    def __init__(self, knowledge: Knowledge, sample: Sample) -> None:
        self.sample = sample
        self.patients: list[str] = []
        can_fork = "fork" in get_all_start_methods() and threading.active_count() == 1 and "polars" not in sys.modules
        self._experta = _Apart(knowledge) if can_fork and sample.size else _Beside(knowledge)
        self._pool = ThreadPoolExecutor(1)  # an engine holds one patient at a time
        self._waiting: list[Future[None]] = []

    def __enter__(self) -> Verification:
        return self

    def __exit__(self, *_: object) -> None:
        self._experta.end()
        self._pool.shutdown(cancel_futures=True)

    def add(self, row: dict[str, Any], findings: Findings) -> None:
        """One more; raises `Disagreement` where Experta concluded anything else about one of those before."""
        self.patients.append(row["id"])
        self._waiting.append(self._pool.submit(self._verify, row, findings))
        while self._waiting[0].done():
            self._waiting.pop(0).result()
            if not self._waiting:
                return

    def end(self) -> None:
        """All are verified. Raises `Disagreement`."""
        for future in self._waiting:
            future.result()

    def _verify(self, row: dict[str, Any], findings: Findings) -> None:
        for name, value in self._experta.conclude(findings).items():
            if row[name] != value:
                raise Disagreement(
                    f"{row['file']}: patient {row['id']}: '{name}' is {row[name]!r} by columns and {value!r} by "
                    "Experta; this is a bug, and nothing was written"
                )


class _Beside:
    """Experta in this process."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self._reasoner: Reasoner | None = None
        self._interval = sys.getswitchinterval()

    def conclude(self, findings: Findings) -> Concluded:
        if self._reasoner is None:
            sys.setswitchinterval(min(self._interval, TAKING_TURNS))
            self._reasoner = reasoner_for(self.knowledge)
        return expected(self.knowledge, self._reasoner.infer(findings))

    def end(self) -> None:
        sys.setswitchinterval(self._interval)


class _Apart:
    """Experta in a process of its own, which ends with this one, however this one ends."""

    def __init__(self, knowledge: Knowledge) -> None:
        fork = get_context("fork")
        self._pipe, theirs = fork.Pipe()
        self._process = fork.Process(target=_reason, args=(theirs, self._pipe, knowledge), daemon=True)
        self._process.start()
        theirs.close()

    def conclude(self, findings: Findings) -> Concluded:
        """Raises `Disagreement` where the process has ended."""
        try:
            self._pipe.send(dict(findings))  # what cannot be changed cannot be sent
            found: Concluded = self._pipe.recv()
        except (EOFError, OSError) as fault:
            raise Disagreement("the process that verifies through Experta has ended, and nothing was written") from fault
        return found

    def end(self) -> None:
        """Also where it is in the middle of a patient."""
        self._process.terminate()
        self._process.join()


def _reason(pipe: Connection, other_end: Connection, knowledge: Knowledge) -> None:
    """What the process does until it is ended, or nobody is at the other end."""
    other_end.close()
    for number in (signal.SIGINT, signal.SIGHUP):  # whoever started it is told as well, and ends it
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    reasoner = reasoner_for(knowledge)
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(expected(knowledge, reasoner.infer(pipe.recv())))


def expected(knowledge: Knowledge, inference: Inference) -> Concluded:
    """The columns of a result, from an inference."""
    from .engine.inference.weighing import flags_in_order, leading_of, urgency_of
    from .engine.population.columnar import JOINT, points_of

    fired = {rule for conclusion in inference.conclusions.values() for rule in conclusion.fired}
    found: Concluded = {
        "urgency": urgency_of(knowledge, inference),
        "red_flags": JOINT.join(flag.id for flag in flags_in_order(knowledge, inference.red_flags)),
        "leading": leading_of(knowledge, inference),
        "rules": JOINT.join(rule for rule in knowledge.rules if rule in fired),
    }
    for conclusion in inference.conclusions.values():
        found[conclusion.diagnosis] = conclusion.level
        found[points_of(conclusion.diagnosis)] = conclusion.points
    return found

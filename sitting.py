"""A session at the keyboard: the loop of prompts and answers, its journal, and the answers as a case file."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import __version__
from .terminal import Lines, new_console, path_text, say, tell

if TYPE_CHECKING:
    from .engine.inference.outcome import Outcome
    from .engine.interview.consultation import Consultation
    from .engine.interview.journal import Journal
    from .engine.knowledge.cases import Case
    from .engine.knowledge.model import Knowledge
    from .engine.session.dialogue import Dialogue

SESSION = "Consultation"  # a session's title in its report: journals hold no names


def hold(dialogue: Dialogue, terminal: Lines, kept: Kept, title: str, save: Path | None) -> bool:
    """Holds the session to its end, then closes its journal, and saves what was answered where that is wanted. Says whether
    it came to its end; it did not where it was interrupted."""
    start = dialogue.state.entries()
    finished = False
    try:
        _talk(dialogue, terminal, kept, title)
        finished = True
    except (click.Abort, KeyboardInterrupt):
        pass
    finally:  # whatever happens: a fault of ours must not cost the answers
        kept.close(dialogue.state, dialogue.outcome, ended=finished)
        if save is not None and dialogue.state.entries() != start:
            _keep(dialogue.state, save, title)
    return finished


def _talk(dialogue: Dialogue, terminal: Lines, kept: Kept, title: str) -> None:
    """Puts what the dialogue says, and gives it what is typed; each change is in the journal before it is acknowledged."""
    reply = dialogue.opening()
    while True:
        kept.record(dialogue.state, dialogue.outcome)
        if reply.report is not None:
            from .engine.report.text import print_outcome

            print_outcome(new_console(terminal.plain), "So far", reply.report, __version__, dialogue.state.warnings)
        if reply.save is not None:
            try:
                _keep(dialogue.state, Path(reply.save or "consultation.yaml").expanduser(), title)
            except RuntimeError:  # a home that is nobody's
                tell(f"there is no such folder: {path_text(reply.save)}")
        terminal.show(reply.paragraphs)
        if reply.ended:
            return
        typed = terminal.read(reply.prompt)
        if typed is None:
            return
        reply = dialogue.reply(typed)


class Kept:
    """The journal of a session, or that there is none; whatever goes wrong with it is said, and the session goes on."""

    def __init__(self, knowledge: Knowledge, folder: Path, resumed: Path | None, wanted: bool, saved: bool) -> None:
        from .engine.interview.journal import Journal, as_text

        self.journal: Journal | None = None
        self.is_sound = False  # all that was answered is on disk
        self.anything = resumed is not None
        self.wanted = wanted
        if not wanted:
            if not saved:
                tell("no journal: nothing is kept of what you answer, unless you type 'save'")
            return
        if resumed is not None:
            self.journal = Journal.resume(resumed)
        else:
            stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
            try:
                self.journal = Journal.create(folder, f"{stamp}-{os.getpid()}", knowledge, __version__)
            except OSError as fault:
                self._failed(fault)
                return
        self.is_sound = True
        tell(f"journal: {as_text(self.journal.path)} (health data: readable by you alone)")

    def record(self, state: Consultation, outcome: Callable[[], Outcome]) -> None:
        """Writes what is new. Where that fails it is said once, and tried again with the next answer."""
        self.anything = self.anything or _holds_answers(state)
        if self.journal is None or not self.anything:
            return
        try:
            self.journal.record(state, outcome())
        except OSError as fault:
            if self.is_sound:
                self._failed(fault)
            self.is_sound = False
            return
        if not self.is_sound:
            tell("the journal is written again; nothing is missing from it")
        self.is_sound = True

    def _failed(self, fault: OSError) -> None:
        where = f"{path_text(str(fault.filename))}: " if fault.filename else ""
        said = f"the journal cannot be written ({where}{fault.strerror}); the session goes on"
        tell(f"{said}, and 'save' keeps the answers")

    def close(self, state: Consultation, outcome: Callable[[], Outcome], ended: bool) -> None:
        """Writes what may be missing, and lets go of the file; one that holds nothing is taken away."""
        journal = self.journal
        if journal is None:
            self._rescue(state)
            return
        try:
            if self.anything:
                journal.record(state, self._concluded(outcome))
            journal.close(ended=ended and self.anything)
            self.is_sound = True
            if not self.anything:
                journal.path.unlink(missing_ok=True)
        except OSError as fault:
            if self.is_sound:
                self._failed(fault)
            self.is_sound = False
            self._rescue(state)

    @staticmethod
    def _concluded(outcome: Callable[[], Outcome]) -> Outcome | None:
        try:
            return outcome()
        except Exception:  # a fault of ours, which is on its way already; the answers are written all the same
            return None

    def _rescue(self, state: Consultation) -> None:
        if self.wanted and state.entries():
            with contextlib.suppress(OSError):
                click.echo(f"\nyour answers, which could not be kept:\n\n{_case_text(state, SESSION)}", err=True)

    def tell_how_to_go_on(self, folder: Path | None) -> None:
        """Says how the session can be taken up again, where it can."""
        if self.journal is not None and self.is_sound and self.anything:
            knowledge = f" --knowledge {shlex.quote(path_text(folder))}" if folder else ""
            tell(f"go on with: crampdx consult --resume {path_text(self.journal.path.stem)}{knowledge}")


def _holds_answers(state: Consultation) -> bool:
    return bool(state.given or state.passed or state.declined or state.skipped)


def tell_interrupted(dialogue: Dialogue, kept: Kept, folder: Path | None) -> None:
    """Says how to go on, and how things stand."""
    from .engine.report.text import summary

    tell("\ninterrupted" + ("; what you have answered is kept" if kept.is_sound else ""))
    kept.tell_how_to_go_on(folder)
    say(summary(dialogue.outcome()))


def leave(kept: Kept, folder: Path | None) -> None:
    """Says how to go on, where anybody is there to read it; and leaves nothing to be written to a terminal that is gone."""
    with contextlib.suppress(OSError):
        click.echo("", err=True)
        kept.tell_how_to_go_on(folder)
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def started_from(case: Case, start: Consultation) -> Consultation:
    """The state with the answers of the case; what it says is unknown will not be asked."""
    from .engine.knowledge.cases import means_unknown

    for finding, scalar in case.given.items():
        known = not means_unknown(scalar.text)
        start = start.answered(finding, scalar.text) if known else start.left_unknown(finding)
    return start


def _keep(state: Consultation, target: Path, name: str) -> None:
    """Saves the answers, or prints them where they cannot be saved."""
    try:
        path = _save_case(state, target, name)
    except OSError as fault:
        said = f"{path_text(target)} cannot be written ({fault.strerror})"
        click.echo(f"\n{said}; your answers:\n\n{_case_text(state, name)}", err=True)
        return
    tell(f"\nanswers saved in {path_text(path)} (health data: readable by you alone)")
    tell(f"start from them with: crampdx consult {shlex.quote(path_text(path))}")


def _save_case(state: Consultation, wanted: Path, name: str) -> Path:
    """Writes the answers as a case file that only its owner can read; never over an existing file."""
    text = _case_text(state, name)
    number = 1
    while True:
        path = wanted if number == 1 else wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            number += 1
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path


def _case_text(state: Consultation, name: str) -> str:
    """The answers as a case file; what was asked and is not known is written so, in order not to be asked again."""
    lines = [f"case: {json.dumps(name, ensure_ascii=False)}", "given:"]
    lines += [f"  {finding}: {json.dumps(words, ensure_ascii=False)}" for finding, words in state.entries().items()]
    return "\n".join(lines) + "\n"

"""The terminal: what is printed to it and read from it, and that it may be closed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from rich.console import Console

    from .engine.report.paragraphs import Paragraph

_ROOM_TO_TYPE = 12  # columns that a prompt leaves free
_PATIENCE = 2.0  # seconds in which a run that has been asked to end puts its files away
_MOST_OF_A_LINE, _MOST_SHOWN = 10_000, 200


class Lines:
    """Prints paragraphs and reads lines: with line editing on a terminal, plainly elsewhere. Nothing moves the cursor."""

    def __init__(self, plain: bool) -> None:
        self.on_terminal = sys.stdout.isatty()
        self.plain = plain or not (sys.stdin.isatty() and self.on_terminal)
        self.colour = not self.plain and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]

    def complete(self, completions: Callable[[], tuple[str, ...]]) -> None:
        """From now on lines can be edited and called back, and words completed; nothing of it is written anywhere."""
        if self.plain:
            return
        with contextlib.suppress(ImportError):
            import readline

            readline.set_auto_history(True)
            readline.parse_and_bind("set enable-bracketed-paste off")
            readline.parse_and_bind("tab: complete")
            readline.set_completer_delims("")
            readline.set_completer(_completer(completions))

    def is_gone(self) -> bool:
        """Whether there was a terminal that can no longer be written to."""
        if not self.on_terminal:
            return False
        try:
            click.echo("", nl=False)
            os.get_terminal_size(sys.stdout.fileno())
        except (OSError, ValueError):
            return True
        return False

    def show(self, paragraphs: tuple[Paragraph, ...]) -> None:
        """Prints them: wrapped on a terminal, a line each where that is plain."""
        from .engine.report.paragraphs import wrapped

        for paragraph in paragraphs:
            whole = (" " * paragraph.indent + paragraph.mark + paragraph.text).rstrip()
            for line in [whole] if self.plain else wrapped([paragraph], _room()):
                click.echo(self._styled(line, paragraph.style))

    def _styled(self, line: str, style: str) -> str:
        if not self.colour or not style:
            return line
        return click.style(line, fg="red", bold=True) if style == "danger" else click.style(line, bold=True)

    def read(self, prompt: str) -> str | None:
        """A line without its end; None where there are no more."""
        if not self.plain and len(prompt) + _ROOM_TO_TYPE > columns():
            say(prompt)
            prompt = ""
        prompt = f"{prompt} > " if prompt else "> "
        if not self.plain:
            try:
                return input(prompt)
            except EOFError:
                click.echo()
                return None
        click.echo(prompt, nl=False)
        sys.stdout.flush()
        typed = sys.stdin.readline(_MOST_OF_A_LINE)
        rest = typed
        while rest and not rest.endswith("\n"):  # the rest of a line that is far too long
            rest = sys.stdin.readline(_MOST_OF_A_LINE)
        if not sys.stdin.isatty():  # nobody has seen it typed
            click.echo(printable(typed.rstrip("\r\n")[:_MOST_SHOWN]))
        return typed.rstrip("\r\n") if typed else None


def _completer(completions: Callable[[], tuple[str, ...]]) -> Callable[[str, int], str | None]:
    def complete(text: str, number: int) -> str | None:
        before, space, last = text.rpartition(" ")
        found = [w for w in completions() if w.startswith(last.lower())] if last else []
        return before + space + found[number] if number < len(found) else None

    return complete


class Signalled(BaseException):
    """The terminal has been closed, or the process has been asked to end."""

    def __init__(self, number: int) -> None:
        self.number = number


@contextlib.contextmanager
def signals_end(*more: int) -> Iterator[None]:
    """A closed terminal and a request to end, and these signals, come as an exception, so that nothing is left half done.
    The first is enough, and nothing comes of another; but whoever asks again after `_PATIENCE` is obeyed at once."""
    numbers = (signal.SIGHUP, signal.SIGTERM, *more)
    ended = 0.0

    def end(number: int, frame: object) -> None:
        nonlocal ended
        if not ended:
            ended = time.monotonic()
            before.clear()
            raise Signalled(number)
        if time.monotonic() - ended > _PATIENCE:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    # What is ignored stays ignored, as under nohup.
    caught = [n for n in numbers if signal.getsignal(n) in (signal.SIG_DFL, signal.default_int_handler)]
    before = {number: signal.signal(number, end) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(text: str, indent: int = 0) -> None:
    """A paragraph, wrapped to the terminal between words."""
    from .engine.report.paragraphs import Paragraph, wrapped

    for line in wrapped([Paragraph(text, indent=indent)], _room()):
        click.echo(line)


def tell(text: str) -> None:
    """A notice on standard error; wrapped only where somebody reads it in a terminal."""
    from .engine.report.paragraphs import Paragraph, wrapped

    for line in text.split("\n"):
        for part in wrapped([Paragraph(line)], _room()) if sys.stderr.isatty() else [line]:
            click.echo(part, err=True)


def new_console(plain: bool = False) -> Console:
    """Prints reports; `plain` without colour and weight, whatever it prints to."""
    from rich.console import Console

    width = columns()  # as `say` has it; rich would ask the terminal that standard error goes to
    colours: Literal["auto"] | None = None if plain else "auto"
    return Console(width=width, height=25, color_system=colours, highlight=False, emoji=False, markup=False, soft_wrap=False)


def columns() -> int:
    """Of the terminal as it is now; 80 where there is none."""
    import shutil

    return shutil.get_terminal_size().columns


def _room() -> int:
    """Columns of a line that is printed while somebody types: a full one would be broken by some terminals."""
    return columns() - 1


def printable(text: str) -> str:
    """The text without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def path_text(path: str | Path) -> str:
    """A file's name that can be printed, also where its bytes are not UTF-8."""
    from .engine.interview.journal import as_text

    return as_text(path)

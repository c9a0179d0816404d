"""docs/authoring.md is carried out: every file in it is written, every command run, every output compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from click import Context

from crampdx.cli import main
from crampdx.engine.authoring.markdown import anchor

from at_hand import ROOT

PAGE = ROOT / "docs" / "authoring.md"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NOT_INHERITED = ("PYTEST", "GIT_", "XDG_", "CRAMPDX", "HYPOTHESIS")  # what would make it another computer
_FILE = re.compile(r"# (in|at the end of) (\S+)\n")


@dataclass(frozen=True)
class Block:
    """A fenced block of the page, and the line that it begins in."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True)
class Step:
    """A command and what it prints, where `...` stands for anything: alone, for any lines; within one, for any words."""

    command: str
    output: str

    def comes_out_as(self, printed: str) -> bool:
        lines = [re.escape(line).replace(r"\.\.\.", "[^\n]*") + "\n" for line in self.output.splitlines()]
        wanted = "".join("(?:[^\n]*\n)*?" if line == "[^\n]*\n" else line for line in lines)
        return re.fullmatch(wanted, printed) is not None


def blocks() -> list[Block]:
    text = PAGE.read_text(encoding="utf-8")
    return [Block(m[1], m[2], text.count("\n", 0, m.start()) + 1) for m in _FENCE.finditer(text)]


def steps(block: Block) -> list[Step]:
    """The commands of a console block, each with the lines that follow it."""
    _, *parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    return [Step(command, output) for command, _, output in (part.partition("\n") for part in parts)]


class Terminal:
    """A shell whose folder stays from command to command, with the program and a home of its own."""

    def __init__(self, home: Path) -> None:
        self.folder = home
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        self.environment = kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
            "COLUMNS": "100",
        }

    def run(self, command: str) -> str:
        """What the command prints, results and messages as they come; a `cd` is for the commands that follow, too."""
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        if command.startswith("cd "):
            self.folder = (self.folder / command.removeprefix("cd ")).resolve()
        return done.stdout

    def write(self, block: Block) -> None:
        """The file that the block's first line names: whole, or with the rest of the block at its end."""
        named = _FILE.match(block.text)
        assert named, f"docs/authoring.md:{block.line}: the first line names no file"
        path = self.folder / named[2]
        text = block.text[named.end() :]
        if named[1] == "in":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        else:
            path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_every_block_is_carried_out_and_every_output_is_true(tmp_path: Path) -> None:
    """From the first to the last in their order, in one folder, as a reader would; none is only to be looked at."""
    terminal = Terminal(tmp_path)
    done = 0
    for block in blocks():
        if block.kind == "yaml":
            terminal.write(block)
            done += 1
        elif block.kind == "console":
            for step in steps(block):
                printed = terminal.run(step.command)
                where = f"docs/authoring.md:{block.line}: $ {step.command}"
                assert step.comes_out_as(printed), f"{where}\nis to print:\n{step.output}\nprints:\n{printed}"
            done += 1
    fences = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.lstrip().startswith("```")]
    assert done * 2 == len(fences) > 0


def test_what_is_left_out_stands_for_anything_and_nothing_else_does() -> None:
    """`...` alone is any lines, none among them; in a line it is any words of that line; all else is word for word."""
    cases = {
        ("one\n...\nfour\n", "one\ntwo\nthree\nfour\n"): True,
        ("one\n...\n", "one\n"): True,
        ("one ... three\n", "one and two and three\n"): True,
        ("one ... three\n", "one\nthree\n"): False,
        ("one\n", "one\ntwo\n"): False,
        ("one\n...\nfour\n", "one\ntwo\n"): False,
        ("a.c\n", "abc\n"): False,
        ("", "something\n"): False,
    }
    for (wanted, printed), fits in cases.items():
        assert Step("command", wanted).comes_out_as(printed) is fits, (wanted, printed)


def test_a_block_is_cut_into_its_commands() -> None:
    """Each with its own output, which may be empty."""
    assert steps(Block("console", "$ one\n$ two --x\na\nb\n", 1)) == [Step("one", ""), Step("two --x", "a\nb\n")]


def test_the_page_names_commands_and_pages_that_there_are() -> None:
    """Every `crampdx WORD` is a command, every link leads to a file or heading."""
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"crampdx ([a-z][a-z-]+)", "\n".join(re.findall(r"`[^`\n]+`|^\$ .*", text, re.MULTILINE))))
    assert len(named) > 10
    assert named <= set(main.list_commands(Context(main)))  # type: ignore[attr-defined]
    headings = {anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    for file, heading in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", _FENCE.sub("", text)):
        assert (PAGE.parent / file).is_file() if file else heading in headings, file or heading

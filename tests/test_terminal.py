"""`crampdx consult` in a real terminal, by a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import Path

import pexpect
import pytest

from crampdx.engine.session.typed import COMMANDS, WHOLE

from answering import PATIENTS, whole_session
from at_hand import built_in
from test_consult import PROGRAM, answers_kept, final_report, first_panel, journals, run, surroundings

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
PROMPT = r"(^|\n|\?\) |n\) )> |\) > "
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A session in a terminal of so many columns. `seen` is all that it has printed."""

    def __init__(self, folder: Path, *arguments: str, columns: int = 80, nohup: bool = False, **more: str) -> None:
        env = {**surroundings(folder), "TERM": "xterm", **more}
        self.child = pexpect.spawn(
            PROGRAM[0],
            [*PROGRAM[1:], "consult", *arguments],
            cwd=str(folder),
            env=env,
            encoding="utf-8",
            timeout=60,
            dimensions=(24, columns),
            ignore_sighup=nohup,
        )
        self.child.delaybeforesend = None
        self.seen = ""
        self.prompted()

    def prompted(self) -> str:
        """What was printed up to the next prompt."""
        self.child.expect(PROMPT)
        printed = self.child.before + self.child.after
        self.seen += printed
        return printed

    def type(self, line: str) -> str:
        """Types a line; what was printed up to the next prompt, as text."""
        self.child.sendline(line)
        return CONTROL.sub("", self.prompted()).replace("\r", "")

    def resize(self, columns: int) -> None:
        """Another width; the line that is being edited may be drawn again."""
        self.child.setwinsize(24, columns)
        with contextlib.suppress(pexpect.TIMEOUT):
            self.child.expect(PROMPT, timeout=1)

    def end(self, line: str | None = None) -> int | None:
        """Types a last line, waits for the end; the exit code."""
        if line is not None:
            self.child.sendline(line)
        self.child.expect(pexpect.EOF)
        self.seen += self.child.before
        self.child.close()
        return self.child.exitstatus

    @property
    def text(self) -> str:
        return CONTROL.sub("", self.seen).replace("\r", "")


@pytest.mark.parametrize("tier", PATIENTS)
def test_a_whole_session_of_each_tier(tier: str, tmp_path: Path) -> None:
    """A patient of each tier, typed to the last question: the report leads with the right diagnosis and urgency."""
    lines, dialogue = whole_session(tier)
    terminal = Terminal(tmp_path)
    for line in lines[:-1]:
        terminal.type(line)
    assert terminal.end(lines[-1]) == 0
    report = final_report(terminal.text)
    title = built_in().diagnoses[PATIENTS[tier][2]].title
    assert re.search(rf"^Leading +{re.escape(title[:40])}", report, re.MULTILINE)
    assert re.search(rf"^Urgency +{dialogue.outcome().urgency.upper()}", report, re.MULTILINE)
    assert answers_kept(tmp_path).items() >= dialogue.state.given.items()


def test_a_terminal_and_a_pipe_give_the_same_report(tmp_path: Path) -> None:
    """The same lines, typed and piped in: the same bytes of the final report at the same width."""
    lines, _ = whole_session("most likely")
    lines = ("no examination", "no tests", *lines[:30], "quit")
    terminal = Terminal(tmp_path)
    for line in lines[:-1]:
        terminal.type(line)
    terminal.end(lines[-1])
    piped = tmp_path / "piped"
    piped.mkdir()
    assert final_report(terminal.text) == final_report(run("\n".join(lines) + "\n", piped).stdout)


def test_every_command_at_the_prompt(tmp_path: Path) -> None:
    """Each command answers, and the session asks on; none records anything."""
    terminal = Terminal(tmp_path)
    terminal.type("?")
    commands = sorted({*COMMANDS.values(), *WHOLE} - {"quit", "back"})
    more = {"how": "how 1", "whynot": "whynot dvt", "whatif": "whatif fever", "save": "save here.yaml", "review": "review"}
    for command in commands:
        said = terminal.type(more.get(command, command))
        assert "not understood" not in said, command
        assert "nternal error" not in said, command
    assert "(now: " in terminal.type("back")
    assert "kept as it was" in terminal.type("")
    assert set(answers_kept(tmp_path).values()) == {"unknown"}
    assert (tmp_path / "here.yaml").exists()
    assert terminal.end("quit") == 0
    assert "In short: " in terminal.text


def test_a_narrow_window(tmp_path: Path) -> None:
    """40 columns: no line is longer, but for words that cannot be broken."""
    terminal = Terminal(tmp_path, columns=40)
    terminal.type("1")
    for line in (
        "why",
        "how 1",
        "whynot dvt",
        "whatif serum_potassium 2.1",
        "differential",
        "review",
        "help",
        "back",
        "",
        "nonsense",
    ):
        terminal.type(line)
    terminal.end("quit")
    for line in terminal.text.splitlines():
        longest = max(map(len, line.split()), default=0)
        indent = len(line) - len(line.lstrip())
        assert len(line) <= max(40, longest + indent), line


def test_the_window_may_change_its_size(tmp_path: Path) -> None:
    """What is printed after a change of size has the new width."""
    terminal = Terminal(tmp_path, columns=100)
    wide = terminal.type("help")
    assert max(map(len, wide.splitlines())) > 60
    terminal.resize(40)
    narrow = terminal.type("help")
    assert max(len(line) for line in narrow.splitlines()[1:] if not line.startswith("(")) <= 40
    terminal.resize(100)
    assert max(map(len, terminal.type("help").splitlines())) > 60
    terminal.end("quit")


def test_interrupted_in_a_terminal(tmp_path: Path) -> None:
    """Ctrl-C: exit code 130, the command to go on with, everything kept; and it does go on."""
    terminal = Terminal(tmp_path)
    terminal.type("1 yes 2 no")
    terminal.child.sendintr()
    assert terminal.end() == 130
    assert "go on with: crampdx consult --resume " + journals(tmp_path)[0].stem in terminal.text
    assert "Traceback" not in terminal.text
    again = Terminal(tmp_path, "--resume")
    assert "yes" in again.type("review")
    assert again.end("quit") == 0
    assert set(answers_kept(tmp_path).values()) == {"yes", "no"}


def test_the_end_of_the_input_in_a_terminal(tmp_path: Path) -> None:
    """Ctrl-D: as `quit`, with the report."""
    terminal = Terminal(tmp_path)
    terminal.type("1")
    terminal.child.sendeof()
    assert terminal.end() == 0
    assert "In short: " in terminal.text


@pytest.mark.parametrize("arguments", [(), ("--plain",)], ids=["edited", "plain"])
@pytest.mark.parametrize("nohup", [False, True], ids=["told", "untold"])
def test_a_closed_terminal_loses_nothing(nohup: bool, arguments: tuple[str, ...], tmp_path: Path) -> None:
    """The window is closed: the process ends, also where nothing tells it so, and every acknowledged answer is in the
    journal."""
    terminal = Terminal(tmp_path, *arguments, nohup=nohup)
    terminal.type("1 yes 2 no")
    os.close(terminal.child.child_fd)
    terminal.child.closed = True
    _, status = os.waitpid(terminal.child.pid, 0)
    assert os.WIFEXITED(status)
    assert os.WEXITSTATUS(status) == 128 + signal.SIGHUP
    assert set(answers_kept(tmp_path).values()) == {"yes", "no"}


def test_letters_beyond_ascii(tmp_path: Path) -> None:
    """They are shown as they are, recorded as nothing, and asked again."""
    terminal = Terminal(tmp_path)
    for typed in ("é", "пульс", "腿抽筋", "ß" * 60, "1²"):
        assert "not understood" in terminal.type(typed)
    terminal.end("quit")
    assert journals(tmp_path) == []


def test_plain_in_a_terminal(tmp_path: Path) -> None:
    """No colour, no control sequences, no line broken by us; the same report as without it."""
    lines = ["1", "none", "y", "differential", "help"]
    reports = []
    for arguments in ((), ("--plain",)):
        folder = tmp_path / str(len(arguments))
        folder.mkdir()
        terminal = Terminal(folder, *arguments)
        for line in lines:
            terminal.type(line)
        terminal.end("quit")
        reports.append(final_report(terminal.text))
        if arguments:
            session = terminal.seen[: terminal.seen.rindex("Consultation")]
            assert "\x1b" not in session
            for finding in first_panel().screen.findings:
                assert finding.ask in session.replace("\r", "")
    assert reports[0] == reports[1]


def test_colour_is_an_extra(tmp_path: Path) -> None:
    """A red flag is red in a terminal and says so in words; NO_COLOR takes the colour and leaves the words."""
    (tmp_path / "p.yaml").write_text("given: {pain_disproportionate: yes, leg_feels_tense: yes}\n", encoding="utf-8")
    for more, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        terminal = Terminal(tmp_path, "p.yaml", "--no-journal", **more)
        assert ("\x1b[31m" in terminal.seen) == coloured
        assert "RED FLAG, EMERGENCY" in terminal.text
        terminal.child.close(force=True)


def test_lines_can_be_edited_and_called_back(tmp_path: Path) -> None:
    """The arrow up brings the last command back, Tab completes a name; nothing typed is written to any file."""
    terminal = Terminal(tmp_path, HOME=str(tmp_path))
    terminal.type("differential")
    assert "Now: " in terminal.type("\x1b[A")
    assert "-> EMERGENCY" in terminal.type("whatif serum_potas\t 2.1")
    terminal.end("quit")
    assert {p.name for p in tmp_path.iterdir()} == {"state"}

"""`crampdx consult` through pipes: what is kept, where it goes on, how it ends. The terminal is in test_terminal.py."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crampdx.engine.interview.consultation import Consultation, called, served_by
from crampdx.engine.interview.questions import Interviewer
from crampdx.engine.knowledge.model import Knowledge
from crampdx.engine.session.dialogue import Dialogue

from answering import whole_session
from at_hand import built_in

PROGRAM = [sys.executable, "-m", "crampdx.cli"]


def surroundings(folder: Path) -> dict[str, str]:
    """The environment of a session whose journals stand in `folder`."""
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    return {**kept, "XDG_STATE_HOME": str(folder / "state")}


def run(typed: str | bytes, folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A session, or another command, with these lines as its input."""
    data = typed if isinstance(typed, bytes) else typed.encode("utf-8", "surrogateescape")
    arguments = arguments if arguments and arguments[0] in ("diagnose", "replay", "journal") else ("consult", *arguments)
    env = {**surroundings(folder), **more}
    done = subprocess.run([*PROGRAM, *arguments], input=data, cwd=folder, capture_output=True, env=env, timeout=120)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


def journals(folder: Path) -> list[Path]:
    return sorted((folder / "state" / "crampdx" / "journals").glob("*.jsonl"))


def answers_kept(folder: Path) -> dict[str, str]:
    """What the only journal holds."""
    (path,) = journals(folder)
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        found.update(json.loads(line).get("answers", {}))
    return found


def final_report(output: str) -> str:
    return output[output.rindex("Consultation\n") :]


def first_panel() -> Dialogue:
    """The session as it opens, to know what is asked first."""
    dialogue = Dialogue(built_in(), Interviewer(built_in()), Consultation(built_in()))
    dialogue.opening()
    return dialogue


# What is asked -------------------------------------------------------------------------------------------------------


def test_every_finding_that_a_rule_reads_has_its_panel(knowledge: Knowledge) -> None:
    """Whatever can be asked and is read by something is asked exactly once, in panels of at most seven."""
    asked = [name for topic in knowledge.topics for panel in topic.panels for name in panel.findings]
    assert len(asked) == len(set(asked))
    wanted = {n for n, f in knowledge.findings.items() if f.ask and not f.recorded_only}
    assert set(asked) == wanted
    for topic in knowledge.topics:
        for panel in topic.panels:
            assert 1 <= len(panel.findings) <= 7


def test_red_flags_come_first_and_the_laboratory_last(knowledge: Knowledge) -> None:
    """The first topic serves red flags; what the patient knows is asked before what others must measure."""
    order = [knowledge.findings[name].known_by for t in knowledge.topics for p in t.panels for name in p.findings]
    assert order.index("laboratory") > max(i for i, who in enumerate(order) if who == "patient")
    first = knowledge.topics[0]
    served = {id for panel in first.panels for name in panel.findings for id in served_by(knowledge, name)}
    assert len(served & set(knowledge.red_flags)) > len(knowledge.red_flags) / 2


def test_drug_names_are_understood(knowledge: Knowledge) -> None:
    """People do not know "thiazide", but they know what is on the box."""
    assert [f.name for f in called(knowledge, "Hydrochlorothiazide")] == ["thiazide_diuretic_use"]
    assert [f.name for f in called(knowledge, "simvastatin")] == ["statin_use"]


# A transcript --------------------------------------------------------------------------------------------------------


def test_a_whole_transcript_piped_in_ends_in_the_report(tmp_path: Path) -> None:
    """To the last question: the report is what `diagnose` says of the answers and `replay` of the journal, byte for byte,
    in 80 columns."""
    lines, dialogue = whole_session("do not miss")
    done = run("\n".join(lines) + "\n", tmp_path, "--save", "saved.yaml")
    assert done.returncode == 0, done.stderr
    report = final_report(done.stdout)
    assert report.split("Urgency")[1].split(":")[0].strip() == dialogue.outcome().urgency.upper()
    assert run("", tmp_path, "diagnose", "saved.yaml").stdout in report
    assert run("", tmp_path, "replay", journals(tmp_path)[0].stem).stdout == report
    assert max(map(len, report.splitlines())) <= 80


def test_the_same_transcript_gives_the_same_output(tmp_path: Path) -> None:
    """Twice the same bytes: nothing depends on the clock, the process or the order of sets."""
    lines = "1\nnone\nwhy\n?\ny\ndifferential\nback\n\nreview\nwhatif fever\nhow 1\nwhynot 1\nquit\n"
    first, second = (run(lines, tmp_path, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout


def test_a_transcript_shows_what_was_typed(tmp_path: Path) -> None:
    """In a pipe nobody has seen the lines, so they are printed behind their prompts, with nothing a terminal would obey."""
    done = run("1\n\x1b[2J\x07\nquit\n", tmp_path)
    assert "> 1\n" in done.stdout
    assert "> quit\n" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


def test_plain_lines_are_not_wrapped(tmp_path: Path) -> None:
    """Each question is one line, whatever the width; no colour, no rules before the report."""
    done = run("quit\n", tmp_path, COLUMNS="40")
    session = done.stdout[: done.stdout.rindex("Consultation\n")]
    for finding in first_panel().screen.findings:
        assert any(line.endswith(finding.ask) for line in session.splitlines())
    assert not re.search(r"[-=]{3,}|[─-╿]|\x1b", session)


def test_the_end_of_the_input_is_the_end_of_the_session(tmp_path: Path) -> None:
    """No input at all, and input that ends in the middle: the report, exit code 0."""
    for typed in ("", "1", "1\n?"):
        done = run(typed, tmp_path)
        assert done.returncode == 0
        assert "In short: " in done.stdout


ODD = [
    b"\x00\n",
    b"\xff\xfe\n",
    b"9" * 200_000 + b"\n",
    "²\n".encode(),
    b"\r\n",
    b"\x1b[A\n",
    "\u202eabc\n".encode(),
    b"1\x001\n",
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd[:6]))
def test_odd_bytes_are_no_answer_and_no_crash(odd: bytes, tmp_path: Path) -> None:
    """NUL, broken UTF-8, a line of 200,000 digits: asked again, and the next line is read as if nothing had been."""
    done = run(odd + b"1\nquit\n", tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(answers_kept(tmp_path).values()) == {"yes"}
    assert len(answers_kept(tmp_path)) == 1
    assert done.stdout.count("not understood") + done.stdout.count("nothing typed") == 1


# What is kept --------------------------------------------------------------------------------------------------------


def test_answers_are_in_a_journal_that_is_named_first(tmp_path: Path) -> None:
    """Its path is on standard error before anything else; it is its owner's alone; no case file is written unasked."""
    done = run("1 yes 2 no 3 ?\nquit\n", tmp_path)
    (path,) = journals(tmp_path)
    assert done.stderr.startswith(f"journal: {path} (health data: readable by you alone)\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    names = [f.name for f in first_panel().screen.findings]
    assert answers_kept(tmp_path) == {names[0]: "yes", names[1]: "no", names[2]: "unknown"}
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_a_session_without_an_answer_leaves_nothing(tmp_path: Path) -> None:
    """Its journal is taken away, so that `--resume` finds the last session in which something was said."""
    done = run("why\nhelp\n\nquit\n", tmp_path)
    assert done.returncode == 0, done.stderr
    assert journals(tmp_path) == []


def test_resume_goes_on(tmp_path: Path) -> None:
    """The newest journal without a name, or the one that is named; what was answered is not asked again and not lost."""
    dialogue = first_panel()
    asked = dialogue.screen.findings[:3]
    first = run("1 yes 2 no 3 ?\nquit\n", tmp_path)
    name = re.search(r"go on with: crampdx consult --resume (\S+)", first.stderr)[1]
    before = answers_kept(tmp_path)
    for arguments in (("--resume",), ("--resume", name), ("--resume", str(journals(tmp_path)[0]))):
        done = run("?\nquit\n", tmp_path, *arguments)
        assert done.returncode == 0
        assert not any(f.ask in done.stdout for f in asked)
        assert len(journals(tmp_path)) == 1
        assert before.items() <= answers_kept(tmp_path).items()
        assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["journal", "go on with"]  # all is taken over


def test_a_resumed_session_can_go_back_to_earlier_answers(tmp_path: Path) -> None:
    """`back` asks the last screen of the session before with its answers; `review` has them all with their numbers."""
    run("1 yes 2 no 3 ?\nquit\n", tmp_path)
    asked = first_panel().screen.findings
    done = run("back\n\nreview\nreview 1 no\nback\n2 yes\nquit\n", tmp_path, "--resume")
    assert f"1  {asked[0].ask} (now: yes)" in done.stdout
    assert f"2  {asked[1].ask} (now: no)" in done.stdout
    assert f"1  {asked[0].title}: yes" in done.stdout
    assert answers_kept(tmp_path) == {asked[0].name: "no", asked[1].name: "yes", asked[2].name: "unknown"}


def test_resume_says_what_is_wrong(tmp_path: Path) -> None:
    """Nothing there: exit code 5; a misspelt name: what was meant; together with a case: a matter of usage."""
    assert run("", tmp_path, "--resume").returncode == 5
    run("1\nquit\n", tmp_path)
    stem = journals(tmp_path)[0].stem
    done = run("", tmp_path, "--resume", stem[:-1] + "x")
    assert done.returncode == 5
    assert f"did you mean '{stem}'" in done.stderr
    (tmp_path / "p.yaml").write_text("given: {leg_cramps: yes}\n", encoding="utf-8")
    assert run("", tmp_path, "p.yaml", "--resume").returncode == 2
    (tmp_path / "torn").write_text("nothing\n", encoding="utf-8")
    assert run("", tmp_path, "--resume", "./torn").returncode == 4


def test_a_journal_is_held_by_one_session(tmp_path: Path) -> None:
    """A second session on the same journal is refused, with the reason."""
    run("1\nquit\n", tmp_path)
    first = subprocess.Popen(
        [*PROGRAM, "consult", "--resume"],
        cwd=tmp_path,
        env=surroundings(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert first.stdout is not None
        first.stdout.readline()
        done = run("quit\n", tmp_path, "--resume")
    finally:
        first.communicate(b"quit\n")
    assert done.returncode == 2
    assert "another session" in done.stderr


def test_no_journal_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    """With neither a journal nor a file, that is said first; with a file it goes without saying."""
    done = run("1\nquit\n", tmp_path, "--no-journal")
    assert done.stderr.startswith("no journal: nothing is kept")
    assert list(tmp_path.iterdir()) == []
    done = run("1\nquit\n", tmp_path, "--no-journal", "--save", "x.yaml")
    assert "nothing is kept" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["x.yaml"]


def test_a_journal_that_cannot_be_written_does_not_end_the_session(tmp_path: Path) -> None:
    """It is said, the session goes on, and the answers are printed at the end rather than lost."""
    (tmp_path / "state").write_text("a file where a folder should be", encoding="utf-8")
    done = run("1\nquit\n", tmp_path)
    assert done.returncode == 0
    assert "the journal cannot be written" in done.stderr
    assert "In short: " in done.stdout
    name = first_panel().screen.findings[0].name
    assert f'{name}: "yes"' in done.stderr
    assert "go on with" not in done.stderr


def test_save_writes_a_new_case_file_now(tmp_path: Path) -> None:
    """Mode 0600, never over an existing file, with what is not known as unknown; it can be diagnosed and started from."""
    (tmp_path / "consultation.yaml").write_text("mine\n", encoding="utf-8")
    done = run("1 yes 2 ?\nsave\nsave My File.yaml\nsave nowhere/x.yaml\nquit\n", tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "consultation.yaml").read_text(encoding="utf-8") == "mine\n"
    for name in ("consultation-2.yaml", "My File.yaml"):
        saved = tmp_path / name
        assert stat.S_IMODE(saved.stat().st_mode) == 0o600
        assert saved.read_text(encoding="utf-8").count('"unknown"') == 1
        assert run("", tmp_path, "diagnose", name).returncode == 0
    assert "nowhere/x.yaml cannot be written" in done.stderr
    asked = first_panel().screen.findings[:2]
    again = run("quit\n", tmp_path, "My File.yaml")
    assert not any(f.ask in again.stdout for f in asked)


def test_where_answers_cannot_be_saved_it_says_so_first(tmp_path: Path) -> None:
    """Before the first question, not after the last."""
    done = run("1\nquit\n", tmp_path, "--save", str(tmp_path / "nowhere" / "x.yaml"))
    assert done.returncode == 2
    assert "cannot be saved" in done.stderr
    assert "cramps" not in done.stdout


# Starting from a case ------------------------------------------------------------------------------------------------


def test_a_session_starts_from_a_case(tmp_path: Path) -> None:
    """Known answers are not asked again, and stand in the journal with the first new one; the report has no name in it."""
    name = first_panel().screen.findings[0]
    (tmp_path / "p.yaml").write_text(f"case: Mrs P\ngiven:\n  {name.name}: yes\n", encoding="utf-8")
    done = run("?\nquit\n", tmp_path, "p.yaml")
    assert name.ask not in done.stdout
    assert answers_kept(tmp_path)[name.name] == "yes"
    assert "Mrs P" not in done.stdout
    assert "Mrs P" not in journals(tmp_path)[0].read_text(encoding="utf-8")


def test_of_several_cases_one_must_be_named(tmp_path: Path) -> None:
    """Without a name: exit code 2 and the names; a misspelt one: what was meant."""
    (tmp_path / "p.yaml").write_text(
        "- case: One\n  given: {leg_cramps: yes}\n- case: Other\n  given: {leg_cramps: no}\n", encoding="utf-8"
    )
    done = run("quit\n", tmp_path, "p.yaml")
    assert done.returncode == 2
    assert "  One\n  Other" in done.stderr
    done = run("quit\n", tmp_path, "p.yaml", "--case", "Othr")
    assert done.returncode == 2
    assert "did you mean 'Other'" in done.stderr
    done = run("review\nquit\n", tmp_path, "p.yaml", "--case", "Other")
    assert done.returncode == 0
    assert "Painful leg cramps: no" in done.stdout
    assert run("", tmp_path, "--case", "Other").returncode == 2


# Endings -------------------------------------------------------------------------------------------------------------


def heeding_signals() -> None:
    """What runs in the background inherits that these are ignored."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def started(folder: Path, typed: bytes) -> subprocess.Popen[bytes]:
    """A session that has acknowledged these lines and waits for more."""
    child = subprocess.Popen(
        [*PROGRAM, "consult"],
        cwd=folder,
        env=surroundings(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heeding_signals,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(typed)
    child.stdin.flush()
    seen = b""
    while seen.count(b" > ") <= typed.count(b"\n"):
        seen += os.read(child.stdout.fileno(), 4096)
    return child


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["INT", "TERM", "HUP"]
)
def test_a_signal_loses_nothing(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """Interrupted, asked to end, or cut off: no traceback, the way to go on is named, and every answer is in the journal."""
    child = started(tmp_path, b"1 yes 2 no\n")
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert child.returncode == code
    assert b"Traceback" not in err
    assert b"go on with: crampdx consult --resume " in err
    assert set(answers_kept(tmp_path).values()) == {"yes", "no"}


def test_an_interrupt_while_the_report_is_made_is_quiet(tmp_path: Path) -> None:
    """After the last line, before the report is out: exit code 130, no traceback, and the journal is whole."""
    child = started(tmp_path, b"1\n")
    assert child.stdin is not None
    assert child.stderr is not None
    child.stdin.write(b"quit\n")
    child.stdin.flush()
    seen = b""
    while b"go on with" not in seen:
        seen += os.read(child.stderr.fileno(), 4096)
    time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode in (130, 0)  # 0 where the report was quicker
    assert b"Traceback" not in err
    assert len(answers_kept(tmp_path)) == 1


def test_a_reader_that_has_gone_is_no_fault(tmp_path: Path) -> None:
    """`crampdx consult | head -1`: silent, and what was answered is kept."""
    line = f"printf '1\\nwhy\\nwhy\\nquit\\n' | {' '.join(PROGRAM)} consult | head -1"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, env=surroundings(tmp_path), capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr.replace("internal", "error")

"""The question-and-answer session: as a value, in a pipe, and in a terminal."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from crampdx.engine.interview.consultation import Consultation, called, served_by
from crampdx.engine.knowledge.model import Knowledge

from at_hand import built_in

RUN = [sys.executable, "-m", "crampdx.cli", "consult"]


def session(typed: str, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *arguments], input=typed, cwd=cwd, capture_output=True, text=True)


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
    """The first screen serves red flags; what the patient knows is asked before what others must measure."""
    order = [knowledge.findings[name].known_by for t in knowledge.topics for p in t.panels for name in p.findings]
    assert order.index("laboratory") > max(i for i, who in enumerate(order) if who == "patient")
    first = knowledge.topics[0]
    served = {id for panel in first.panels for name in panel.findings for id in served_by(knowledge, name)}
    assert len(served & set(knowledge.red_flags)) > len(knowledge.red_flags) / 2


def test_a_session_asks_everything_open_and_ends() -> None:
    """Answering no to all ends the session, and each question is put once."""
    state = Consultation(built_in())
    asked: list[str] = []
    while (screen := state.next_screen()) is not None:
        for finding in screen.findings:
            asked.append(finding.name)
            if finding.kind == "yes-no" and not state.problems_with(finding.name, "no").errors:
                state = state.answered(finding.name, "no")
            else:
                state = state.left_unknown(finding.name)
    assert len(asked) == len(set(asked))
    assert state.remaining() == 0


def test_declined_groups_stay_unknown_and_are_not_asked() -> None:
    """After `no tests` and `no examination` only what the patient knows is asked."""
    state = Consultation(built_in()).without("tests").without("examination")
    while (screen := state.next_screen()) is not None:
        assert {f.known_by for f in screen.findings} == {"patient"}
        state = state.left_unknown(*(f.name for f in screen.findings))
    assert dict(state.findings) == {}


def test_a_closed_gate_spares_its_questions() -> None:
    """No swelling: nothing more is asked about swelling."""
    state = Consultation(built_in()).answered("sex", "male")
    asked = set()
    while (screen := state.next_screen()) is not None:
        asked |= {f.name for f in screen.findings}
        state = state.left_unknown(*(f.name for f in screen.findings))
    assert "pregnant" not in asked


def test_drug_names_are_understood(knowledge: Knowledge) -> None:
    """People do not know "thiazide", but they know what is on the box."""
    assert [f.name for f in called(knowledge, "Hydrochlorothiazide")] == ["thiazide_diuretic_use"]
    assert [f.name for f in called(knowledge, "simvastatin")] == ["statin_use"]


def test_a_transcript_can_be_piped_in(tmp_path: Path) -> None:
    """Numbers, none, ?, back and quit; the report follows; the answers are saved, readable by the owner alone."""
    done = session("1 2\nn\ny\n?\n1 2\n?\nback\nnone\nwhy\nquit\n", tmp_path)
    assert done.returncode == 0
    assert "Urgency" in done.stdout
    assert "this serves" in done.stdout
    saved = tmp_path / "consultation.yaml"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    text = saved.read_text(encoding="utf-8")
    assert 'leg_cramps: "yes"' in text
    again = subprocess.run([*RUN[:-1], "diagnose", str(saved)], capture_output=True, text=True)
    assert again.returncode == 0
    assert again.stdout in done.stdout
    assert "In short:" in done.stdout.split(again.stdout)[1]


def test_what_is_not_chosen_is_not_a_no(tmp_path: Path) -> None:
    """After choosing some of a panel, the others become no only when the user says so."""
    session("1\n?\nquit\n", tmp_path)
    text = (tmp_path / "consultation.yaml").read_text(encoding="utf-8")
    assert '"yes"' in text
    assert '"no"' not in text


def test_enter_alone_is_never_a_no(tmp_path: Path) -> None:
    """An empty line records nothing."""
    done = session("\n\n\nquit\n", tmp_path)
    assert "nothing typed" in done.stdout
    assert not (tmp_path / "consultation.yaml").exists()


def test_a_red_flag_interrupts_at_once(tmp_path: Path) -> None:
    """Disproportionate pain with a numb foot: said immediately, and the session goes on."""
    done = session("?\n?\n?\n1 5\n?\nquit\n", tmp_path)
    flag = done.stdout.index("!! RED FLAG, EMERGENCY")
    assert flag < done.stdout.index("You can go on answering")
    assert done.stdout.index("You can go on answering") < done.stdout.index("How long ago did these leg symptoms begin?")


def test_a_session_starts_from_a_case_and_never_overwrites(tmp_path: Path) -> None:
    """Known answers are not asked again; an existing file is left alone."""
    (tmp_path / "consultation.yaml").write_text("mine\n", encoding="utf-8")
    (tmp_path / "p.yaml").write_text("case: P\ngiven:\n  leg_cramps: yes\n", encoding="utf-8")
    nothing_new = session("quit\n", tmp_path, "p.yaml")
    assert not (tmp_path / "consultation-2.yaml").exists()
    assert "answers saved" not in nothing_new.stderr
    done = session("?\ny\nquit\n", tmp_path, "p.yaml")
    assert "painful cramps in your legs" not in done.stdout
    assert (tmp_path / "consultation.yaml").read_text(encoding="utf-8") == "mine\n"
    assert 'leg_cramps: "yes"' in (tmp_path / "consultation-2.yaml").read_text(encoding="utf-8")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_an_interrupted_session_keeps_its_answers(tmp_path: Path) -> None:
    """Ctrl-C in a terminal: exit code 130, the answers saved, the way to go on named."""
    child = pexpect.spawn(RUN[0], RUN[1:], cwd=str(tmp_path), encoding="utf-8", timeout=60, dimensions=(40, 80))
    child.expect("Any of these")
    child.sendline("1")
    child.expect("And of the others")
    child.expect("Any of these")
    child.sendline("n")
    child.expect("Are both legs affected")
    child.sendintr()
    child.expect("go on with: crampdx consult consultation.yaml")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert re.search(r'leg_cramps: "yes"', (tmp_path / "consultation.yaml").read_text(encoding="utf-8"))


def test_what_was_chosen_counts_whatever_is_typed_next(tmp_path: Path) -> None:
    """Chosen numbers are answers at once: leaving, a slip of Enter or the end of the input does not lose them."""
    for number, rest in enumerate(("quit\n", "\nquit\n", "why\nquit\n", "no tests\nquit\n", "")):
        folder = tmp_path / str(number)
        folder.mkdir()
        done = session("?\n?\n?\n1 5\n" + rest, folder)
        assert "!! RED FLAG, EMERGENCY" in done.stdout
        assert "In short: EMERGENCY" in done.stdout
        text = (folder / "consultation.yaml").read_text(encoding="utf-8")
        assert 'pain_disproportionate: "yes"' in text
        assert 'new_foot_numbness: "yes"' in text
        assert '"no"' not in text


def test_odd_input_is_no_answer_and_no_crash(tmp_path: Path) -> None:
    """Superscript digits, huge numbers, commas: asked again, nothing lost."""
    done = session("\u00b2\n" + "9" * 5000 + "\n,\n1\nquit\n", tmp_path)
    assert done.returncode == 0
    assert done.stdout.count("not understood") == 3
    assert 'leg_cramps: "yes"' in (tmp_path / "consultation.yaml").read_text(encoding="utf-8")


def test_unusual_values_are_said_and_unknown_ones_remembered(tmp_path: Path) -> None:
    """A value outside the usual is accepted with a word; what is not known is not asked again in the next session."""
    (tmp_path / "p.yaml").write_text("case: P\ngiven:\n  heart_rate: 210 beats/min\n", encoding="utf-8")
    done = session("?\nquit\n", tmp_path, "p.yaml")
    assert "outside the usual" in " ".join(done.stdout.split())
    again = session("quit\n", tmp_path, "consultation.yaml")
    assert "painful cramps in your legs" not in again.stdout


def test_where_answers_cannot_be_saved_it_says_so_first(tmp_path: Path) -> None:
    """Before the first question, not after the last."""
    done = session("1\nquit\n", tmp_path, "--save", str(tmp_path / "nowhere" / "x.yaml"))
    assert done.returncode == 2
    assert "cannot be saved" in done.stderr
    assert "cramps" not in done.stdout

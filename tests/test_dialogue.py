"""The dialogue of a session as a value: what is said to what is typed, and what is recorded."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crampdx.engine.inference.bounds import Horizon
from crampdx.engine.inference.outcome import outcome
from crampdx.engine.inference.reference import infer
from crampdx.engine.interview.consultation import Consultation
from crampdx.engine.interview.questions import Interviewer, Stops
from crampdx.engine.knowledge.model import CHOICE, Knowledge
from crampdx.engine.session.dialogue import Dialogue
from crampdx.engine.session.purpose import effects, glance, tried
from crampdx.engine.session.typed import COMMANDS, WHOLE, lines_in
from crampdx.engine.session.wording import HELP, in_ranks

from answering import PATIENTS, InOrder, patient, session, text_of, whole_session
from at_hand import built_in, cases_of, reasoner
from small_worlds import knowledge_texts, patients, small_knowledge

PRESSURE = "pain_disproportionate"  # the first line of a panel of red-flag signs


# Answers -------------------------------------------------------------------------------------------------------------


def test_numbers_are_yes_and_the_others_are_asked_again() -> None:
    """`1 3` records two answers; the other lines are still open, and come as a screen of their own."""
    dialogue, _ = session(asking="vomiting")
    names = [f.name for f in dialogue.screen.findings]
    reply = dialogue.reply("1 3")
    assert dict(dialogue.state.given) == {names[0]: "yes", names[2]: "yes"}
    assert "And of the others?" in text_of(reply)
    assert [f.name for f in dialogue.screen.findings] == [names[1], *names[3:]]


def test_the_others_are_asked_whatever_comes_between() -> None:
    """An answer changed by `review`, or a screen looked at by `back`, does not take the rest of a list away."""
    dialogue, _ = session(asking="vomiting")
    names = [f.name for f in dialogue.screen.findings]
    dialogue.reply("1 3")
    assert "And of the others?" in text_of(dialogue.reply("review 1 no"))
    dialogue.reply("back")
    assert "And of the others?" in text_of(dialogue.reply(""))
    assert [f.name for f in dialogue.screen.findings] == [names[1], *names[3:]]


def test_the_others_are_not_asked_when_they_can_change_nothing() -> None:
    """Where the interviewer has nothing more to ask, neither has the rest of a list."""
    interviewer = InOrder(built_in())
    dialogue, _ = session(interviewer)
    interviewer.next_screen = lambda state: None
    dialogue.reply("1")
    assert dialogue.offered == "done"


def test_only_answers_the_whole_list() -> None:
    """`only 1 3` is a yes to these and a no to the others that are shown."""
    dialogue, _ = session(asking="vomiting")
    names = [f.name for f in dialogue.screen.findings]
    dialogue.reply("only 1 3")
    assert dict(dialogue.state.given) == {n: "yes" if n in (names[0], names[2]) else "no" for n in names}


def test_none_is_a_no_to_the_lines_shown_and_to_nothing_else() -> None:
    """`none` after `1` leaves the yes alone, and says nothing of any other finding."""
    dialogue, _ = session(asking="vomiting")
    names = [f.name for f in dialogue.screen.findings]
    dialogue.reply("1")
    dialogue.reply("none")
    assert dict(dialogue.state.given) == {n: "yes" if n == names[0] else "no" for n in names}


def test_dont_know_is_not_no() -> None:
    """`?` leaves every line unknown, and none is asked again."""
    dialogue, _ = session(asking="vomiting")
    names = {f.name for f in dialogue.screen.findings}
    dialogue.reply("?")
    assert dict(dialogue.state.given) == {}
    assert dialogue.state.passed == names
    assert dialogue.screen is None or not names & {f.name for f in dialogue.screen.findings}


@pytest.mark.parametrize(
    ("typed", "meant"),
    {
        "1 3": {1: "yes", 3: "yes"},
        "1,3": {1: "yes", 3: "yes"},
        "2-4": {2: "yes", 3: "yes", 4: "yes"},
        "2 no": {2: "no"},
        "1 y 2 n 3 ?": {1: "yes", 2: "no", 3: "unknown"},
        "1 2 no 4": {1: "no", 2: "no", 4: "yes"},
        "only 2": {1: "no", 2: "yes", 3: "no", 4: "no"},
        "none": dict.fromkeys((1, 2, 3, 4), "no"),
        "all": dict.fromkeys((1, 2, 3, 4), "yes"),
        "?": dict.fromkeys((1, 2, 3, 4), "unknown"),
        **dict.fromkeys(
            ("", ",", "5", "0", "1 5", "3-1", "1 3-1", "no 1", "only", "only x", "only 1 no", "y", "²", "1.5", "-1"), None
        ),
    }.items(),
)
def test_what_can_be_typed_at_a_list(typed: str, meant: dict[int, str] | None) -> None:
    """Numbers, ranges and words after numbers; a bare `y` at several lines is none of them."""
    assert lines_in(typed, 4) == meant


def test_a_quantity_is_taken_with_or_without_a_unit() -> None:
    """A bare number is in the unit that is asked for; another unit is shown converted; nonsense is asked again."""
    dialogue, _ = session(asking="symptom_duration")
    assert "taken as 20 days" in text_of(dialogue.reply("20"))
    assert dialogue.state.given["symptom_duration"] == "20 days"
    dialogue, _ = session(asking="symptom_duration")
    assert "taken as 14 days (2 weeks)" in text_of(dialogue.reply("2 weeks"))
    dialogue, _ = session(asking="symptom_duration")
    for nonsense in ("2 wekes", "99999999", "1e9", "two weeks", "-5"):
        reply = dialogue.reply(nonsense)
        assert dict(dialogue.state.given) == {}, nonsense
        assert dialogue.screen.findings[0].name == "symptom_duration"
    assert "did you mean 'weeks'" in text_of(dialogue.reply("2 wekes"))
    assert "plausible" in text_of(dialogue.reply("99999999"))
    assert reply.prompt.startswith("(a number in days")


def test_yes_to_a_whole_list_and_a_number_beyond_it_are_asked_about() -> None:
    """Neither is an answer: several lines are on the screen, and the differential has no such number."""
    dialogue, _ = session(asking="new_breathlessness")
    assert len(dialogue.screen.findings) > 1
    assert "Which ones do you mean?" in text_of(dialogue.reply("yes"))
    assert "the differential goes from 1 to" in text_of(dialogue.reply("how 99"))
    assert dict(dialogue.state.given) == {}


def test_a_choice_is_taken_by_number_name_or_wording() -> None:
    """All three say the same; a near miss is asked about."""
    for typed in ("2", "female", "Female", "FEMALE"):
        dialogue, _ = session(asking="sex")
        while dialogue.screen.findings[0].name != "sex":
            dialogue.reply("?")
        dialogue.reply(typed)
        assert dialogue.state.given["sex"] == "female", typed
    dialogue, _ = session(asking="sex")
    while dialogue.screen.findings[0].name != "sex":
        dialogue.reply("?")
    assert "Did you mean 'female'" in text_of(dialogue.reply("femle"))


def test_a_choice_with_a_commands_name_is_a_choice() -> None:
    """Where the question has that choice the answer wins; elsewhere the command does."""
    knowledge = built_in()
    sex = replace(knowledge.findings["sex"], choices=(("male", "Male"), ("why", "Why")))
    odd = replace(knowledge, findings=MappingProxyType({**knowledge.findings, "sex": sex}))
    dialogue, _ = session(start=Consultation(odd), asking="sex")
    while dialogue.screen.findings[0].name != "sex":
        assert "serve" in text_of(dialogue.reply("why"))
        dialogue.reply("?")
    dialogue.reply("why")
    assert dialogue.state.given["sex"] == "why"


def test_a_drugs_name_answers_whatever_is_asked() -> None:
    """One name, or several between commas, in any case; a no given before becomes yes, and that is said."""
    dialogue, _ = session()
    asked = dialogue.screen
    reply = dialogue.reply("Furosemide, simvastatin")
    assert set(dialogue.state.given.values()) == {"yes"}
    assert "statin_use" in dialogue.state.given
    assert len(dialogue.state.given) == 2
    assert "taken as yes" in text_of(reply)
    assert dialogue.screen.findings == asked.findings
    dialogue, _ = session(start=Consultation(built_in()).answered("statin_use", "no"))
    assert "(was no)" in text_of(dialogue.reply("simvastatin"))
    assert dialogue.state.given["statin_use"] == "yes"


@pytest.mark.parametrize("asking", ["vomiting", "both_legs_affected", "symptom_duration", "sex"])
def test_enter_records_nothing(asking: str) -> None:
    """At a list, a yes-no question, a quantity and a choice: an empty line leaves the very same state."""
    dialogue, _ = session(asking=asking)
    before, screen = dialogue.state, dialogue.screen
    for empty in ("", "   ", "\t"):
        reply = dialogue.reply(empty)
        assert dialogue.state is before
        assert dialogue.screen is screen
        assert "nothing typed" in text_of(reply)


def test_an_answer_that_cannot_be_is_refused_with_the_one_it_disagrees_with() -> None:
    """What is impossible beside another answer is not recorded, and the number to change that one with is named: also when
    an early answer is changed under a later one."""
    start = Consultation(built_in()).answered("sex", "female").answered("pregnant", "yes")
    dialogue, _ = session(start=start)
    for typed in ("review 1 male", "whatif sex male"):
        reply = dialogue.reply(typed)
        assert "Pregnant now ('review 2' changes it)" in text_of(reply)
        assert "nothing was recorded" in text_of(reply)
        assert dialogue.state is start or dict(dialogue.state.given) == dict(start.given)
    dialogue.reply("review 2 no")
    dialogue.reply("review 1 male")
    assert dialogue.state.given["sex"] == "male"


def test_a_no_that_cannot_be_leaves_its_line_unknown() -> None:
    """`none` at a list of which one line must be yes beside another answer says so, and records the others."""
    start = Consultation(built_in()).answered("onset_after_drug", "-2 weeks")
    dialogue, _ = session(start=start, asking="symptoms_before_medicine")
    while "symptoms_before_medicine" not in (names := {f.name for f in dialogue.screen.findings}):
        dialogue.reply("?")
    reply = dialogue.reply("none")
    assert "cannot be 'no'" in text_of(reply)
    assert "symptoms_before_medicine" in dialogue.state.passed
    assert all(dialogue.state.given[n] == "no" for n in names - {"symptoms_before_medicine"})


def test_unusual_values_are_said() -> None:
    """A value outside the usual is accepted with a word."""
    dialogue, _ = session(asking="heart_rate")
    while dialogue.screen.findings[0].name != "heart_rate":
        dialogue.reply("?")
    assert "outside the usual" in text_of(dialogue.reply("210"))
    assert dialogue.state.given["heart_rate"] == "210 beats/min"


# Red flags -----------------------------------------------------------------------------------------------------------


def test_a_red_flag_interrupts_at_once_and_is_withdrawn_aloud() -> None:
    """It is said with what to do, once, before the next question; when an answer is changed so that it no longer holds,
    that is said, too."""
    dialogue, _ = session(asking=PRESSURE)
    numbers = {f.name: n for n, f in enumerate(dialogue.screen.findings, 1)}
    reply = dialogue.reply(f"{numbers[PRESSURE]} {numbers['leg_feels_tense']}")
    said = text_of(reply)
    assert "!! RED FLAG, EMERGENCY" in said
    assert said.index("Do: ") < said.index("And of the others?")
    assert any(p.style == "danger" for p in reply.paragraphs)
    assert "RED FLAG" not in text_of(dialogue.reply("none"))
    dialogue.reply("back")
    withdrawn = text_of(dialogue.reply("none"))
    assert "No longer a red flag" in withdrawn
    assert "RED FLAG" not in withdrawn.replace("No longer a red flag", "")


def test_a_session_that_starts_with_a_red_flag_says_it_first() -> None:
    """A case that holds one already: before any question."""
    start = Consultation(built_in()).answered(PRESSURE, "yes").answered("leg_feels_tense", "yes")
    dialogue, reply = session(start=start)
    assert text_of(reply).index("!! RED FLAG") < text_of(reply).index(dialogue.screen.findings[0].ask)


# Going back ----------------------------------------------------------------------------------------------------------


def test_back_shows_the_answer_and_keeps_the_later_ones() -> None:
    """Two screens back, one answer changed: every other answer is as it was, and the session goes on where it had been."""
    dialogue, _ = session()
    first = dialogue.screen.findings
    dialogue.reply("1 yes 2 no 3 4 5 6 ?")
    dialogue.reply("none")
    later = dialogue.screen
    given = dict(dialogue.state.given)
    dialogue.reply("back")
    reply = dialogue.reply("back")
    assert dialogue.editing
    assert dialogue.screen.findings == first
    assert "(now: yes)" in text_of(reply)
    assert "(now: no)" in text_of(reply)
    assert "(now: not known)" in text_of(reply)
    dialogue.reply("2")
    assert dict(dialogue.state.given) == {**given, first[1].name: "yes"}
    assert dialogue.screen.findings == later.findings


def test_enter_keeps_an_answer_that_is_asked_again() -> None:
    """`back` and Enter change nothing; so at a list, a yes-no question and a quantity."""
    for asking, typed in (("vomiting", "none"), ("both_legs_affected", "y"), ("symptom_duration", "3 weeks")):
        dialogue, _ = session(asking=asking)
        dialogue.reply(typed)
        given = dict(dialogue.state.given)
        asked = dialogue.screen
        assert "now: " in text_of(dialogue.reply("back"))
        dialogue.reply("")
        assert dict(dialogue.state.given) == given
        assert dialogue.screen.findings == asked.findings


def test_back_at_the_first_question_says_so() -> None:
    """Nothing was asked before it; the state stays."""
    dialogue, _ = session()
    before = dialogue.state
    assert "nothing was asked before" in text_of(dialogue.reply("back"))
    assert dialogue.state is before


def test_a_changed_answer_says_with_which_later_one_it_disagrees() -> None:
    """When a gate closes behind an answer, the answer stays, and the disagreement is said once."""
    start = Consultation(built_in()).answered("any_regular_medicine", "yes").answered("statin_use", "yes")
    dialogue, _ = session(start=start)
    said = text_of(dialogue.reply("review 1 no"))
    assert dialogue.state.given["statin_use"] == "yes"
    assert f"please check: {built_in().findings['statin_use'].title}" in said
    assert "please check" not in text_of(dialogue.reply("?"))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_going_back_never_loses_an_answer(data: st.DataObject) -> None:
    """After any answers, any number of steps back and Enter, every answer is as it was."""
    dialogue, _ = session()
    for _ in range(data.draw(st.integers(1, 8))):
        answers = st.sampled_from(["y", "none", "?", "1", "1 no", "20 days", "only 1", "male"])
        dialogue.reply(data.draw(answers))
    given, passed = dict(dialogue.state.given), dialogue.state.passed
    for _ in range(data.draw(st.integers(1, 10))):
        dialogue.reply("back")
    dialogue.reply("")
    assert dict(dialogue.state.given) == given
    assert dialogue.state.passed == passed


# Review --------------------------------------------------------------------------------------------------------------


def test_review_numbers_every_answer_and_changes_it_by_number() -> None:
    """Answers, what was passed, declined groups and skipped topics are all there; a number asks again, a value behind it
    answers at once, and the number of what was left out asks about it after all."""
    dialogue, _ = session()
    names = [f.name for f in dialogue.screen.findings]
    dialogue.reply("1 yes 2 no 3 ?")
    dialogue.reply("no tests")
    dialogue.reply("skip topic")
    titles = [built_in().findings[n].title for n in names]
    said = text_of(dialogue.reply("review"))
    for line in (
        f"1  {titles[0]}: yes",
        f"2  {titles[1]}: no",
        f"3  {titles[2]}: not known",
        "4  all tests: left out",
        "5  the topic",
    ):
        assert line in said
    dialogue.reply("review 2 yes")
    assert dialogue.state.given[names[1]] == "yes"
    assert "(now: not known; Enter keeps it)" in text_of(dialogue.reply("review 3"))
    dialogue.reply("n")
    assert dialogue.state.given[names[2]] == "no"
    dialogue.reply("review 5")
    assert dialogue.state.skipped == frozenset()
    dialogue.reply("review 4")
    assert dialogue.state.declined == frozenset()


def test_the_numbers_of_answers_stay() -> None:
    """An answer that is changed, or taken back, keeps its number; later ones get the next."""
    dialogue, _ = session()
    titles = [f.title for f in dialogue.screen.findings]
    dialogue.reply("1 yes 2 no")
    dialogue.reply("review 1 ?")
    dialogue.reply("n")
    said = text_of(dialogue.reply("review"))
    for number, (title, answer) in enumerate(zip(titles, ("not known", *["no"] * 5), strict=True), 1):
        assert f"{number}  {title}: {answer}" in said


def test_review_takes_an_answer_back() -> None:
    """`review 1 ?` makes it unknown again."""
    dialogue, _ = session()
    name = dialogue.screen.findings[0].name
    dialogue.reply("1")
    dialogue.reply("review 1 ?")
    assert name not in dialogue.state.given
    assert name in dialogue.state.passed


@pytest.mark.parametrize("typed", ["review 99", "review 0", "review xyzzy", "review 1 maybe", "review 1 7 days"])
def test_a_review_that_means_nothing_changes_nothing(typed: str) -> None:
    """A number that is not there, a word that no answer is about, a value that is none."""
    dialogue, _ = session()
    dialogue.reply("1")
    before, screen = dialogue.state, dialogue.screen
    dialogue.reply(typed)
    assert dialogue.state is before
    assert dialogue.screen is screen
    assert not dialogue.editing


# Leaving out ---------------------------------------------------------------------------------------------------------


def test_what_is_left_out_stays_unknown_and_is_not_asked() -> None:
    """`skip topic`, `no tests`, `no examination`: none of their questions comes, and none is a no."""
    dialogue, _ = session()
    topic = dialogue.screen.topic
    skipped = text_of(dialogue.reply("skip topic"))
    assert "signs of danger" in skipped and "'review' asks about it after all" in skipped
    assert dialogue.screen.topic != topic
    dialogue.reply("no tests")
    dialogue.reply("no examination")
    while dialogue.screen is not None:
        assert {f.known_by for f in dialogue.screen.findings} == {"patient"}
        assert dialogue.screen.topic != topic
        dialogue.reply("?")
    assert dict(dialogue.state.given) == {}


def test_a_new_topic_is_announced_with_how_much_is_left() -> None:
    """The topic's title and about how many screens, once a topic: those before it may be safe to stop, then all."""
    dialogue, reply = session()
    title = dialogue.screen.title
    assert f"{title} (about {dialogue.interviewer.remaining(dialogue.state)} screens left)" in text_of(reply)
    assert "(about" not in text_of(dialogue.reply("?"))
    choosing, reply = session(Interviewer(built_in()))
    before = choosing.interviewer.before_safe(choosing.state)
    assert 10 < before < choosing.interviewer.remaining(choosing.state) / 2
    assert f"(about {before} screens like this to go if nothing applies)" in text_of(reply)


# Stops ---------------------------------------------------------------------------------------------------------------


def test_each_stop_is_said_once_and_again_when_it_was_lost() -> None:
    """Safe, then settled; `n` goes on; Enter decides nothing; an edit that loses it brings the sentence back later."""
    interviewer = InOrder(built_in())
    dialogue, _ = session(interviewer)
    interviewer.reached = Stops(True, False, 83, 7)
    reply = dialogue.reply("?")
    said = "Safe to stop asking: whatever the answers to the 83 questions still open, the urgency and the do-not-miss"
    assert said in text_of(reply)
    assert "7 questions left unknown or left out could still change it" in text_of(reply)
    assert reply.prompt == "Stop here? (y = report, n = go on)"
    assert dialogue.offered == "safe"
    dialogue.reply("")
    assert dialogue.offered == "safe"
    dialogue.reply("n")
    assert dialogue.screen is not None
    assert "Safe to stop" not in text_of(dialogue.reply("?"))
    interviewer.reached = Stops(True, True, 70, 7)
    assert "and so does the leading diagnosis" in text_of(dialogue.reply("?"))
    dialogue.reply("n")
    interviewer.reached = Stops(False, False, 90, 7)
    assert "no longer" in text_of(dialogue.reply("?"))
    interviewer.reached = Stops(True, False, 60, 0)
    said = text_of(dialogue.reply("?"))
    assert "the 60 questions" in said
    assert "left unknown" not in said
    assert dialogue.reply("y").ended


def test_commands_work_at_an_offer_to_stop() -> None:
    """An answer is looked at and changed, and the offer stands."""
    interviewer = InOrder(built_in())
    dialogue, _ = session(interviewer)
    interviewer.reached = Stops(True, True, 83, 0)
    name = dialogue.screen.findings[0].name
    dialogue.reply("1")
    for command in ("why", "differential", "review", "help", "whatif fever", "report", "nonsense"):
        assert dialogue.reply(command).prompt.startswith("Stop here?"), command
    dialogue.reply("review 1 no")
    assert dialogue.state.given[name] == "no"
    assert dialogue.offered == "settled"
    dialogue.reply("back")
    assert dialogue.editing
    dialogue.reply("")
    assert dialogue.offered == "settled"


def test_the_end_of_the_questions_is_said_and_answers_can_still_be_changed() -> None:
    """When nothing is left to ask the session says so; `review` still works; y gives the report."""
    dialogue, _ = session()
    dialogue.reply("1")
    while dialogue.screen is not None:
        reply = dialogue.reply("?")
    assert "No question is left that could change something" in text_of(reply)
    assert dialogue.offered == "done"
    assert "review" in text_of(dialogue.reply("n"))
    dialogue.reply("review 1 no")
    assert dialogue.offered == "done"
    assert dialogue.reply("y").ended


# Explanations --------------------------------------------------------------------------------------------------------


def test_effects_are_named_the_gravest_first() -> None:
    """Red flags, urgency and leading diagnosis, then each diagnosis whose level moves, then points; and the way back."""
    state = Consultation(built_in())
    before, after = glance(state), glance(state.answered("serum_potassium", "2.1 mmol/L"))
    said = effects(before, after)
    flags = len(after.red_flags)
    assert flags > 0
    assert all(effect.startswith("RED FLAG, ") for effect in said[:flags])
    assert said[flags : flags + 3] == (
        "urgency routine -> emergency",
        "leading: Dehydration or electrolyte imbalance",
        "Dehydration or electrolyte imbalance: not assessed -> likely",
    )
    levels = [after.conclusion(c.diagnosis).level for c in after.ranked if c.level != before.conclusion(c.diagnosis).level]
    assert [effect.split(" -> ")[1] for effect in said[flags + 2 :] if " -> " in effect] == levels
    back = effects(after, before)
    assert back[0].startswith("no longer a red flag: ")
    assert "leading: none" in back
    assert effects(after, after) == ()


@pytest.mark.parametrize("name", ["both_legs_affected", "sex", "pain_disproportionate", "unilateral_swelling"])
def test_why_says_what_each_answer_would_do(name: str) -> None:
    """What is said of an answer is what the answer then does."""
    finding = built_in().findings[name]
    state = Consultation(built_in()).answered("leg_cramps", "yes").answered("leg_feels_tense", "yes")
    before = glance(state)
    said = tried(state, finding, before, Horizon(built_in()))
    words = [c for c, _ in finding.choices] if finding.kind == CHOICE else ["yes", "no"]
    assert len(said) == len(words)
    for word, (_, what) in zip(words, said, strict=True):
        after = effects(before, glance(state.answered(name, word)))
        assert (what == "nothing changes yet") == (not after)
        assert all(effect in what for effect in after[:3])


# Quantities, each beside other answers: with limits of their own, and with some in what follows from them, too.
BESIDE = {
    "symptom_duration": {},
    "age": {},
    "serum_potassium": {},
    "creatine_kinase": {},
    "serum_sodium": {"serum_potassium": "3.0 mmol/L"},
    "serum_calcium": {"serum_albumin": "40 g/L"},
    "serum_albumin": {"serum_calcium": "2.4 mmol/L"},
    "left_calf_circumference": {
        "right_calf_circumference": "35 cm",
        "unilateral_swelling": "yes",
        "recent_immobility": "yes",
    },
    "diastolic_blood_pressure": {"systolic_blood_pressure": "95 mmHg", "compartment_pressure": "40 mmHg"},
    "systolic_blood_pressure": {"diastolic_blood_pressure": "60 mmHg"},
    "arm_systolic_pressure": {"left_ankle_pressure": "110 mmHg", "right_ankle_pressure": "200 mmHg"},
    "kappa_free_light_chains": {"lambda_free_light_chains": "10 mg/L"},
    "onset_after_drug": {"symptoms_before_medicine": "no"},
}


@pytest.mark.parametrize("name", BESIDE)
def test_why_says_what_each_value_would_do(name: str) -> None:
    """Every value does what is said of the range that it lies in, and one in no range is refused: the ends of the ranges,
    what lies just beyond them, and many between."""
    state = Consultation(built_in()).answered("leg_cramps", "yes")
    for other, words in BESIDE[name].items():
        state = state.answered(other, words)
    assert held_to_each_value(state, name) > 1 or name == "systolic_blood_pressure"


def held_to_each_value(state: Consultation, name: str) -> int:
    """Holds what is said of a quantity's values to what they then do; how many ranges of values there are."""
    finding = state.knowledge.findings[name]
    before = glance(state)
    least, most = finding.scale.plausible
    step = Decimal(1).scaleb(-finding.scale.decimals)
    ranges: list[tuple[Decimal, Decimal, str]] = []
    for label, what in tried(state, finding, before, Horizon(state.knowledge)):
        numbers = [Decimal(w) for w in re.findall(r"-?[0-9.]+", label.removesuffix(finding.scale.unit))] or [least, most]
        low = least if label.startswith("up to") else numbers[0]
        ranges.append((low, most if label.endswith("or more") else numbers[-1], what))
    values = {least + ((most - least) * n / 60).quantize(step) for n in range(61)}
    values |= {v for low, high, _ in ranges for v in (low - step, low, low + step, high - step, high, high + step)}
    for value in sorted(v for v in values if least <= v <= most):
        words = f"{value} {finding.scale.unit}"
        found = [what for low, high, what in ranges if low <= value <= high]
        assert len(found) == (0 if state.problems_with(name, words).errors else 1), words
        for what in found:
            after = effects(before, glance(state.answered(name, words)))
            assert (what == "nothing changes yet") == (not after), words
            assert all(effect in what for effect in after[:3]), words
    return len(ranges)


@settings(max_examples=40, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(knowledge_texts(), patients())
def test_why_says_what_each_value_would_do_whatever_the_rules(texts: dict[str, str], answers: dict[str, str]) -> None:
    """The same over random small knowledge bases, of a quantity, and of one that follows from two others."""
    state = Consultation(small_knowledge(texts), answers)
    for name in ("level", "width", "sum_of_both"):
        held_to_each_value(state, name)


_MEASURED = "{{title: {0}, ask: '{0}?', kind: quantity, known_by: laboratory, unit: {1}, decimals: {2}, plausible: {3}{4}}}"
ADJUSTED = {
    "facts/findings.yaml": "ache: {title: Ache, ask: Ache?, kind: yes-no, known_by: patient}\n"
    + "\n".join(
        f"{name}: {_MEASURED.format(name.title(), *more)}"
        for name, *more in (
            ("calcium", "mmol/L", 2, "0.5 to 6.0", ", reference: 2.1 to 2.55, reference_source: expert"),
            ("albumin", "g/L", 0, "5 to 80", ""),
            ("adjusted", "mmol/L", 2, "0.5 to 6.0", ", derived: {linear: {calcium: 1, albumin: -0.02, constant: 0.8}}"),
        )
    ),
    "rules/document.yaml": "".join(
        f"{tier}: {{heading: {tier}, diagnoses: []}}\n" for tier in ("most_likely", "other_likely", "do_not_miss", "rare")
    ),
    "rules/weighing.yaml": "points: {weak: 1, moderate: 3, strong: 6}\nlevels: {possible: 3, likely: 6, unlikely: -3}\n",
    "rules/red_flags.yaml": "far: {title: Far, when: adjusted > 3 mmol/L, urgency: same day, action: Look, source: expert}\n",
    "rules/rare/excess.yaml": """\
title: Excess
summary: Too much
origin: beyond
rules:
  measured: {title: High, when: calcium above range, then: supports, source: expert}
  felt: {title: Felt, when: ache, then: supports, source: expert}
""",
}


@pytest.mark.parametrize(
    ("albumin", "far"),
    [("40 g/L", ("2.56 to 3 mmol/L", "3.01 mmol/L or more")), ("20 g/L", ("2.56 to 2.6 mmol/L", "2.61 to 5.6 mmol/L"))],
)
def test_why_reads_a_value_in_what_follows_from_it(albumin: str, far: tuple[str, str]) -> None:
    """A measured value changes what its own limits say, and what those of a quantity say that follows from it and from
    another; where neither says anything, nothing. A value from which something impossible follows is in no range."""
    knowledge = small_knowledge(ADJUSTED)
    state = Consultation(knowledge).answered("albumin", albumin)
    said = dict(tried(state, knowledge.findings["calcium"], glance(state), Horizon(knowledge)))
    alone, both = far
    assert said[alone] == "leading: Excess; Excess: not assessed -> possible"
    assert said[both].startswith("RED FLAG, same day: Far; ")
    (low,) = said.keys() - {*far}
    assert low.endswith(" 2.55 mmol/L")
    assert said[low] == "nothing changes yet"


def test_why_of_an_answer_that_others_settle(knowledge: Knowledge) -> None:
    """Beside both inputs, a quantity that follows from them may only have the value that follows."""
    state = Consultation(knowledge).answered("serum_albumin", "20 g/L").answered("serum_calcium", "2.4 mmol/L")
    said = tried(state, knowledge.findings["adjusted_calcium"], glance(state), Horizon(knowledge))
    assert said == (("2.8 mmol/L", "nothing changes yet"),)


def test_why_names_the_rules_with_what_is_known_of_them() -> None:
    """Rules still open that wait for the question, the weightiest first, with how many of their findings are known."""
    dialogue, _ = session(asking=PRESSURE)
    said = text_of(dialogue.reply("why"))
    assert "still open" in said
    assert "Red flag: Pain out of proportion" in said
    assert "findings known)" in said
    assert "pain far beyond what would be expected" in said
    assert said.count("\n") < 40


def test_a_glance_is_the_outcome(knowledge: Knowledge) -> None:
    """Urgency, leading, red flags and levels of the quick look are those of the whole outcome, on every everyday case."""
    for case in cases_of("everyday.yaml"):
        state = Consultation(knowledge)
        for name, scalar in case.given.items():
            state = state.answered(name, scalar.text)
        whole = outcome(knowledge, state.findings, infer(knowledge, state.findings))
        seen = glance(state)
        assert (seen.urgency, seen.leading) == (whole.urgency, whole.leading)
        assert set(seen.red_flags) == {flag.id for flag, _ in whole.red_flags}


def test_what_if_is_what_would_be_and_changes_nothing() -> None:
    """The differential it shows is the one that follows when the answer is then given; the state is the very same."""
    dialogue, _ = session()
    before = dialogue.state
    said = text_of(dialogue.reply("whatif serum_potassium 2.1"))
    assert dialogue.state is before
    assert "Urgency: ROUTINE -> EMERGENCY" in said
    dialogue.state = before.answered("serum_potassium", "2.1 mmol/L")
    for paragraph in in_ranks(dialogue.outcome()):
        assert paragraph.text in said
    for words in ("whatif serum potassium 2.1 mmol/L", "whatif Serum potassium 2.1"):
        other, _ = session()
        assert "EMERGENCY" in text_of(other.reply(words)), words


def test_what_if_takes_a_line_and_says_yes_by_itself() -> None:
    """A number is a line of the list that is shown; without a value yes is tried."""
    dialogue, _ = session(asking=PRESSURE)
    before = dialogue.state
    title = dialogue.screen.findings[0].title
    assert f"If {title[0].lower()}{title[1:]} were yes (nothing is recorded)" in text_of(dialogue.reply("whatif 1"))
    assert "were no (nothing" in text_of(dialogue.reply("whatif 1 no"))
    assert dialogue.state is before


def test_what_if_without_effect_says_so() -> None:
    """That nothing would change is an answer."""
    dialogue, _ = session(start=Consultation(built_in()).answered("leg_cramps", "yes"))
    assert "othing would change" in text_of(dialogue.reply("whatif leg_cramps yes"))


def test_the_differential_is_that_of_the_outcome() -> None:
    """A line each in rank order with level, points and how far it could still rise; the urgency before them."""
    dialogue, _ = session(start=Consultation(built_in()).answered("serum_potassium", "2.1 mmol/L"))
    said = text_of(dialogue.reply("differential"))
    assert "Now: EMERGENCY" in said
    lines = dialogue.outcome().lines
    for number, line in enumerate(lines, 1):
        title = built_in().diagnoses[line.conclusion.diagnosis].title
        assert f"{number:>2}  {title}: {line.conclusion.level}" in said
    assert "could still reach" in said


def test_how_and_why_not_take_a_number_a_title_or_a_part() -> None:
    """They say the same of the same diagnosis, and change nothing."""
    start = Consultation(built_in()).answered("serum_potassium", "2.1 mmol/L")
    dialogue, _ = session(start=start)
    before = dialogue.state
    by_number, by_part = (text_of(dialogue.reply(f"how {words}")) for words in ("1", "dehydration"))
    assert by_number == by_part
    assert "2.1 mmol/L" in by_number
    assert "needed" in text_of(dialogue.reply("whynot DVT"))
    assert "which one: " in text_of(dialogue.reply("how compartment"))
    assert "did you mean 'Sarcoidosis'" in text_of(dialogue.reply("whynot sarcoidsis"))
    assert "wants a diagnosis" in text_of(dialogue.reply("how"))
    assert "no diagnosis is called so" in text_of(dialogue.reply("how xyzzy"))
    assert dialogue.state is before


def test_a_report_is_the_outcome_so_far() -> None:
    """It is handed over whole, and the question comes again."""
    dialogue, _ = session()
    dialogue.reply("1")
    reply = dialogue.reply("report")
    assert reply.report is dialogue.outcome()
    assert dialogue.screen.findings[0].ask in text_of(reply)


def test_save_is_a_request() -> None:
    """The name is handed over as it was typed; without one it is left to the caller."""
    dialogue, _ = session()
    assert dialogue.reply("save My File.yaml").save == "My File.yaml"
    assert dialogue.reply("save").save == ""
    assert dialogue.reply("why").save is None
    for odd in ("save \x1b[2J.yaml", "save a\x00b", "save \ud800"):
        assert dialogue.reply(odd).save is None


# Words ---------------------------------------------------------------------------------------------------------------


def test_help_has_every_command() -> None:
    """Each command stands in the list, and has a line of its own under `help COMMAND`."""
    dialogue, _ = session()
    whole = text_of(dialogue.reply("help"))
    for command in {*COMMANDS.values(), *WHOLE}:
        assert command in whole
        assert command in text_of(dialogue.reply(f"help {command.split()[0]}"))
    assert len({t.usage for t in HELP}) == len(HELP)
    assert "no help about" in text_of(dialogue.reply("help whyy"))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        *(
            ("whynt dvt", "whynot"),
            ("differental", "differential"),
            ("reveiw", "review"),
            ("bakc", "back"),
            ("hlep", "help"),
        ),
        *(
            ("skip topc", "skip topic"),
            ("no test", "no tests"),
            ("no examinations", "no examination"),
            ("skip", "skip topic"),
        ),
        *(("qiut", "quit"), ("noen", "none"), ("hydrochlorothiazid", "hydrochlorothiazide"), ("reprt", "report")),
        *(("whatiff fever", "whatif"), ("sav", "save"), ("hwy", "why")),
    ],
)
def test_a_slip_is_asked_about(typed: str, meant: str) -> None:
    """Neither command nor answer: what was probably meant is named, at a list and at a yes-no question alike."""
    for asking in ("vomiting", "both_legs_affected"):
        dialogue, _ = session(asking=asking)
        before = dialogue.state
        said = text_of(dialogue.reply(typed))
        if typed != "hwy":  # three letters are too few to tell
            assert f"'{meant}'" in said, said
        assert "Type " in said
        assert dialogue.state is before


ODD = [
    "\x00",
    "\x1b[2J",
    "1\x00",
    "²",
    "٣",
    "9" * 5000,
    ",",
    "1,,3x",
    "é" * 100,
    "yes no",
    "\u202e",
    "\ud800",
    "only",
    "1 2 3 4 5 6 7 8",
]


@pytest.mark.parametrize("typed", ODD)
@pytest.mark.parametrize("asking", ["vomiting", "both_legs_affected", "symptom_duration", "sex"])
def test_odd_input_is_no_answer_and_no_crash(typed: str, asking: str) -> None:
    """Asked again, nothing recorded, and nothing that a terminal would obey is printed."""
    dialogue, _ = session(asking=asking)
    before = dialogue.state
    for words in (typed, f"whatif {typed}", f"how {typed}", f"review {typed}", f"help {typed}", f"whynot {typed}"):
        reply = dialogue.reply(words)
        assert dialogue.state is before, words
        assert all(c.isprintable() for p in reply.paragraphs for c in p.text)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=30),
            st.sampled_from(sorted({*COMMANDS, *WHOLE, "y", "n", "1", "none", "?"} - {"quit", "exit", "q"})),
        ),
        max_size=8,
    )
)
def test_whatever_is_typed_every_answer_stays_readable(lines: list[str]) -> None:
    """Any lines: no fault of ours, answers only to what was asked, each readable, a prompt for the next line."""
    dialogue, reply = session()
    for line in lines:
        if reply.ended:
            break
        known = dict(dialogue.state.given)
        reply = dialogue.reply(line)
        assert reply.ended or reply.prompt
        assert all(c.isprintable() for p in reply.paragraphs for c in p.text)
        if known != dict(dialogue.state.given):
            assert line.strip()
        for name, words in dialogue.state.given.items():
            assert not dialogue.state.problems_with(name, words).errors


# Whole sessions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", PATIENTS)
def test_a_whole_session_of_each_tier(tier: str) -> None:
    """A patient answers what is asked, to the last question: the leading diagnosis is the right one, the urgency that of
    the whole case, and each answer is the patient's own."""
    file, name, leading = PATIENTS[tier]
    case = next(c for c in cases_of(file) if c.name.startswith(name))
    _, dialogue = whole_session(tier)
    final = reasoner().conclude(dialogue.state.findings)
    assert final.leading == leading
    assert final.urgency == reasoner().conclude(case.findings).urgency
    table = patient(file, name)
    assert set(dialogue.state.given) <= set(table)
    for asked, words in table.items():
        if asked in dialogue.state.given:
            assert dialogue.state.findings[asked] == case.findings[asked], words


def test_each_question_is_put_once() -> None:
    """From the first question to the last, whatever is left unknown."""
    dialogue = Dialogue(built_in(), Interviewer(built_in()), Consultation(built_in()))
    dialogue.opening()
    asked: list[str] = []
    while dialogue.offered != "done":
        if dialogue.screen is None:
            dialogue.reply("n")
            continue
        asked += [f.name for f in dialogue.screen.findings]
        dialogue.reply("no tests" if len(asked) == 1 else "?")
    assert len(asked) == len(set(asked)) > 100


def test_a_session_may_start_where_nothing_is_left_to_ask() -> None:
    """Everything passed already: the first thing said is that there is nothing to ask, and answers can be changed."""
    names = [n for t in built_in().topics for p in t.panels for n in p.findings]
    dialogue, reply = session(start=Consultation(built_in()).left_unknown(*names))
    assert dialogue.offered == "done"
    assert reply.prompt.startswith("Stop here?")


# What must not be misunderstood --------------------------------------------------------------------------------------


def test_a_diagnosis_that_is_urgent_by_itself_interrupts_too() -> None:
    """Urgent without a red flag: said at once, with what to do; again when a session starts from it; and taken back."""
    knowledge = built_in()
    dialogue, _ = session(asking="pain_disproportionate")
    number = [f.name for f in dialogue.screen.findings].index("pain_disproportionate") + 1
    said = text_of(dialogue.reply(str(number)))
    assert dialogue.outcome().red_flags == ()
    title = knowledge.diagnoses["compartment_syndrome"].title
    assert f"!! EMERGENCY: {title} is possible" in said
    assert f"Do: {knowledge.diagnoses['compartment_syndrome'].next_steps[0]}" in said
    again, opening = session(start=dialogue.state)
    assert f"!! EMERGENCY: {title} is possible" in text_of(opening)
    assert "No longer emergency" in text_of(again.reply("review 1 no"))


def test_none_of_tests_says_what_it_means() -> None:
    """That a scan was not done is no normal scan: on such a screen the two words are explained, and it holds one panel only."""
    knowledge = built_in()
    interviewer = Interviewer(knowledge)
    patient = {n for n, f in knowledge.findings.items() if f.known_by == "patient" and f.ask and not f.recorded_only}
    dialogue, _ = session(interviewer, Consultation(knowledge).left_unknown(*patient))
    met = set()
    while dialogue.screen is not None:
        asked_of = dialogue.screen.findings[0].known_by
        reply = dialogue.reply("?")
        screen = dialogue.screen
        if screen is None or screen.findings[0].kind != "yes-no":
            continue
        asked_of = screen.findings[0].known_by
        met.add(asked_of)
        if asked_of == "laboratory":
            assert "means: tested, and not so. '?': not tested" in text_of(reply)
            assert len(screen.groups) == 1
        else:
            assert "means: looked for, and not there. '?': not examined" in text_of(reply)
    assert met == {"examiner", "laboratory"}


def test_a_line_is_taken_as_a_whole() -> None:
    """Two answers that exclude each other change places in one line; what is said is what was recorded."""
    dialogue, _ = session(asking="unilateral_swelling")
    names = [f.name for f in dialogue.screen.findings]
    one, both = names.index("unilateral_swelling") + 1, names.index("both_legs_swollen") + 1
    dialogue.reply(f"{one} y {both} n")
    dialogue.reply("back")
    dialogue.reply(f"{one} n {both} y")
    assert (dialogue.state.given["unilateral_swelling"], dialogue.state.given["both_legs_swollen"]) == ("no", "yes")
    knowledge = built_in()
    start = Consultation(knowledge, {"sex": "female", "pregnant": "yes", "gestational_age": "20 weeks"})
    dialogue, _ = session(start=start, asking="childbirth_within_12_months")
    dialogue.reply("none")
    number = next(n for n in range(1, 9) if "Pregnant" in text_of(dialogue.reply("review")).splitlines()[n - 1])
    said = text_of(dialogue.reply(f"review {number} no"))
    assert dialogue.state.given["pregnant"] == "yes"
    assert "no: pregnant" not in said

"""The two stops are proved: held against every way in which the open questions of small knowledge bases can be answered."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from crampdx.engine.inference.bounds import Horizon, View
from crampdx.engine.inference.reference import infer
from crampdx.engine.inference.weighing import Inference, leading_of, urgency_of
from crampdx.engine.interview.consultation import Consultation
from crampdx.engine.interview.stops import is_settled, real_dangers
from crampdx.engine.knowledge.model import AT_LEAST_POSSIBLE, CHOICE, DO_NOT_MISS, YES_NO, Knowledge
from crampdx.engine.knowledge.truth import Valuation, impossible

from small_worlds import dumped, knowledge_texts, patients, small_knowledge

EXAMPLES = int(os.environ.get("CRAMPDX_EXAMPLES", "300"))
SEED = int(os.environ.get("CRAMPDX_SEED", "20261122"))
CENSORED = ("> 4 u", "< 3 u", ">= 2.5 u", "3 u (1 to 2)", "1 u (2 to 9)")


def what_matters(knowledge: Knowledge, inference: Inference) -> tuple[str, frozenset[str]]:
    """Overall urgency, and the do-not-miss diagnoses at possible or above."""
    supported = (d for d, c in inference.conclusions.items() if c.level in AT_LEAST_POSSIBLE)
    return urgency_of(knowledge, inference), frozenset(d for d in supported if knowledge.diagnoses[d].tier == DO_NOT_MISS)


def answers_to(knowledge: Knowledge, name: str) -> tuple[str, ...]:
    """Every different answer to a question, in words; '' is don't know. Limits in these knowledge bases are whole numbers from 0
    to 8 and twice the upper end of the reference interval, so that halves between -1 and 11 meet every case; the
    ends of what is plausible stand for what lies beyond."""
    finding = knowledge.findings[name]
    if finding.kind == YES_NO:
        return ("", "yes", "no")
    if finding.kind == CHOICE:
        return ("", *(c for c, _ in finding.choices))
    halves = (f"{number / 2:g} u" for number in range(-2, 23))
    return ("", "-40 u", "60 u", *halves, *(CENSORED if name == "level" else CENSORED[:3]))


def completions(state: Consultation, open: frozenset[str]) -> Iterator[Consultation]:
    """Every state that answers can lead to. A question is not put while its gate is no."""
    knowledge = state.knowledge
    gated = [n for n in open if knowledge.findings[n].ask_when is not None]
    names = [*sorted(open - set(gated)), *gated]
    for words in product(*(answers_to(knowledge, n) for n in names)):
        after = state
        for name, answer in zip(names, words, strict=True):
            gate = knowledge.findings[name].ask_when
            if gate is not None and answer and Valuation(knowledge, after.findings).of(gate) is False:
                break
            if answer:
                if after.problems_with(name, answer).errors:
                    break
                after = after.answered(name, answer)
        else:
            yield after


@st.composite
def situations(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """A knowledge base, what is known of a patient, and which questions are open: at most one of them a quantity."""
    texts = draw(knowledge_texts())
    known = draw(patients())
    known.pop("sum_of_both", None)
    asked = draw(
        st.lists(st.sampled_from(["ache", "bruise", "chill", "drowse", "gated", "colour"]), max_size=3, unique=True)
    )
    asked += draw(st.sampled_from([[], ["level"], ["width"]]))
    first, second = draw(
        st.lists(st.sampled_from(["ache", "not ache", "bruise", "chill", "level > 4 u"]), min_size=2, max_size=2)
    )
    if draw(st.booleans()):
        texts["facts/impossible.yaml"] = dumped({"never": {"title": "It cannot be", "when": {"all": [first, second]}}})
    return texts, {n: w for n, w in known.items() if n not in asked}, asked


def test_a_stop_is_never_too_early() -> None:
    """What is called safe or settled stays as it is in every completion. How often it is said as early as is true is counted,
    and printed with -s."""
    counts: Counter[tuple[str, bool, bool]] = Counter()

    @seed(SEED)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(situations())
    def hold(situation: tuple[dict[str, str], dict[str, str], list[str]]) -> None:
        texts, known, asked = situation
        knowledge = small_knowledge(texts)
        horizon = Horizon(knowledge)
        state = Consultation(knowledge, known)
        if impossible(knowledge, state.findings):
            return
        valuation = Valuation(knowledge, state.findings)
        gates = {n: knowledge.findings[n].ask_when for n in asked}
        open = frozenset(n for n, gate in gates.items() if gate is None or valuation.of(gate) is not False)
        if not open:
            return
        now = infer(knowledge, state.findings)
        view = View(horizon, state.findings, open)
        ends = [infer(knowledge, after.findings) for after in completions(state, open)]
        stays = {
            "safe": all(what_matters(knowledge, end) == what_matters(knowledge, now) for end in ends),
            "settled": all(leading_of(knowledge, end) == leading_of(knowledge, now) for end in ends),
        }
        for word, said in (("safe", not real_dangers(view, now)), ("settled", is_settled(view, now))):
            assert not said or stays[word], f"said to be {word}, and is not"
            counts[word, stays[word], said] += 1

    hold()
    for word in ("safe", "settled"):
        told, true = counts[word, True, True], counts[word, True, True] + counts[word, True, False]
        print(
            f"{word}: {true} of {true + counts[word, False, False]} situations; said in {told} ({told / true:.1%}), never too early"
        )
        assert told >= 0.9 * true > 0
        assert counts[word, False, False] > 0


TWO_ENDS = {
    "facts/all.yaml": dumped(
        {
            "ache": {"title": "A thing", "ask": "Is it so?", "kind": "yes-no", "known_by": "patient"},
            "level": {
                **{"title": "An amount", "ask": "How much is it?", "kind": "quantity", "known_by": "patient"},
                **{"unit": "u", "decimals": "1", "plausible": "0 to 10"},
            },
        }
    ),
    "rules/weighing.yaml": "points:\n  weak: 1\n  moderate: 3\n  strong: 6\nlevels:\n  possible: 3\n  likely: 6\n  unlikely: -3\n",
    "rules/document.yaml": dumped(
        {
            "most_likely": {"heading": "Most likely", "diagnoses": ["alpha"]},
            **{t: {"heading": t, "diagnoses": []} for t in ("other_likely", "do_not_miss", "rare")},
        }
    ),
}


def two_ends(first: str, second: str) -> Knowledge:
    """A diagnosis that is urgent only when likely, and two rules for it, each of which makes it possible."""
    rules = {
        name: {"title": "A rule", "when": when, "then": "supports", "source": "expert"}
        for name, when in (("alpha-first", first), ("alpha-second", second))
    }
    alpha = {
        "title": "Alpha",
        "summary": "A diagnosis",
        "urgency": {"possible": "routine", "likely": "emergency"},
        "rules": rules,
    }
    return small_knowledge({**TWO_ENDS, "rules/most_likely/alpha.yaml": dumped(alpha)})


def test_rules_that_exclude_each_other_are_never_summed() -> None:
    """Too little and too much of one quantity cannot both be so; too much and rather much can."""
    for second, safe in (("level > 7 u", True), ("level > 2 u", False), ("ache", False)):
        knowledge = two_ends("level < 3 u", second)
        view = View(Horizon(knowledge), {}, frozenset({"level", "ache"}))
        assert (not real_dangers(view, infer(knowledge, {}))) is safe
        assert view.reach("alpha").high == 6, "the bound that is not taken case by case does add them up"


def test_what_is_not_open_cannot_move() -> None:
    """Yes and no would both make it possible: not settled while the question is open, settled once it is left unknown."""
    knowledge = two_ends("ache", "not ache")
    for open, settled in ((frozenset({"ache"}), False), (frozenset[str](), True)):
        assert is_settled(View(Horizon(knowledge), {}, open), infer(knowledge, {})) is settled


def emergency_if(when: object, findings: dict[str, object], impossible: object = None) -> Knowledge:
    """A diagnosis that is an emergency as soon as the condition holds."""
    yes_no = {"title": "A thing", "ask": "Is it so?", "kind": "yes-no", "known_by": "patient"}
    amount = {"title": "An amount", "ask": "How much?", "kind": "quantity", "known_by": "patient"}
    scale = {"unit": "u", "decimals": "1", "plausible": "-20 to 20"}
    all_findings = {
        **dict.fromkeys(("ache", "bruise"), yes_no),
        **{name: {**amount, **scale} for name in ("level", "width")},
        **{n: {**(yes_no if "derived" not in f else {**amount, **scale}), **f} for n, f in findings.items()},  # type: ignore[operator,dict-item]
    }
    rule = {"title": "A rule", "when": when, "then": "strongly supports", "source": "expert"}
    alpha = {"title": "Alpha", "summary": "A diagnosis", "urgency": {"likely": "emergency"}, "rules": {"alpha-0": rule}}
    texts = {**TWO_ENDS, "facts/all.yaml": dumped(all_findings), "rules/most_likely/alpha.yaml": dumped(alpha)}
    if impossible is not None:
        texts["facts/impossible.yaml"] = dumped({"never": {"title": "It cannot be", "when": impossible}})
    return small_knowledge(texts)


def in_danger(knowledge: Knowledge, known: dict[str, str], *open: str) -> bool:
    findings = Consultation(knowledge, known).findings
    return bool(real_dangers(View(Horizon(knowledge), findings, frozenset(open)), infer(knowledge, findings)))


def test_only_answers_are_impossible_together() -> None:
    """A no that follows from a closed gate is no answer: it rules nothing out that a case could say."""
    gated = {"gated": {"ask_when": "bruise", "when_closed": "no"}}
    knowledge = emergency_if("ache", gated, {"all": ["ache", "not gated"]})
    assert in_danger(knowledge, {"bruise": "no"}, "ache")
    assert not in_danger(knowledge, {"bruise": "yes", "gated": "no"}, "ache")


def test_a_derived_quantity_follows_whatever_its_gate_says() -> None:
    """A gate closes the question, not the sum."""
    both = {"both": {"derived": {"difference": ["level", "width"]}, "ask_when": "ache"}}
    knowledge = emergency_if({"any": [{"all": ["not ache", "both >= 3 u"]}, {"all": ["ache", "both < 3 u"]}]}, both)
    assert in_danger(knowledge, {"level": "8 u"}, "ache", "width")
    assert not in_danger(knowledge, {"level": "8 u", "width": "7 u"}, "bruise")


def test_a_value_off_the_scale_lies_beyond_what_is_plausible() -> None:
    """'> 10 u' can be said where 10 is the most that is plausible, and meets both limits."""
    knowledge = two_ends("level > 10 u", "level >= 10 u")
    assert in_danger(knowledge, {}, "level")
    assert in_danger(two_ends("level < 0 u", "level <= 0 u"), {}, "level")
    assert not in_danger(two_ends("level > 10 u", "level < 10 u"), {}, "level")


def test_a_ratio_to_nothing_stays_unknown() -> None:
    """Where all inputs are known and nothing follows, nothing can follow any more."""
    knowledge = emergency_if("both >= 3 u", {"both": {"derived": {"ratio": ["level", "width"]}}})
    assert not in_danger(knowledge, {"level": "3 u", "width": "0 u"}, "ache")
    assert in_danger(knowledge, {"level": "3 u"}, "width")


def test_gates_that_lead_back_to_themselves_are_refused() -> None:
    """Which of two questions would come first, if each waited for the other?"""
    with pytest.raises(AssertionError, match="depends on itself"):
        emergency_if("ache", {"ache": {"ask_when": "bruise"}, "bruise": {"ask_when": "ache"}})


def test_a_quantity_that_is_split_may_still_stay_unknown() -> None:
    """Too little and too much both speak against it; only a value that nobody knows leaves it likely."""
    against = {"title": "A rule", "then": "opposes", "source": "expert"}
    rules = {
        "alpha-0": {"title": "A rule", "when": "ache", "then": "strongly supports", "source": "expert"},
        "alpha-1": {**against, "when": "level < 5 u"},
        "alpha-2": {**against, "when": "level >= 5 u"},
    }
    alpha = {"title": "Alpha", "summary": "A diagnosis", "urgency": {"likely": "emergency"}, "rules": rules}
    knowledge = small_knowledge({**TWO_ENDS, "rules/most_likely/alpha.yaml": dumped(alpha)})
    assert in_danger(knowledge, {}, "ache", "level")
    assert not in_danger(knowledge, {"level": "4 u"}, "ache")


def test_a_laboratory_may_bring_its_own_interval() -> None:
    """By the interval that stands here a value above 4 is not below range; by that of a laboratory it can be."""
    level = {
        **{"title": "An amount", "ask": "How much?", "kind": "quantity", "known_by": "patient"},
        **{"unit": "u", "decimals": "1", "plausible": "0 to 10", "reference": "2 to 5", "reference_source": "expert"},
    }
    rules = {
        name: {"title": "A rule", "when": when, "then": "supports", "source": "expert"}
        for name, when in (("alpha-0", "level > 4 u"), ("alpha-1", "level below range"))
    }
    alpha = {"title": "Alpha", "summary": "A diagnosis", "urgency": {"likely": "emergency"}, "rules": rules}
    texts = {**TWO_ENDS, "facts/all.yaml": dumped({"level": level}), "rules/most_likely/alpha.yaml": dumped(alpha)}
    assert in_danger(small_knowledge(texts), {}, "level")

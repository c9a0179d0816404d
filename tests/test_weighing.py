"""From fired and open rules to a level: each sentence of the design, one by one."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from crampdx.engine.inference.weighing import Standing, counting, highest, weigh
from crampdx.engine.knowledge.model import Knowledge

from small_worlds import dumped, small_knowledge

RULES = {
    "sure": ("establishes", ""),
    "strong": ("strongly supports", ""),
    "middling": ("supports", ""),
    "faint": ("weakly supports", ""),
    "sign-a": ("supports", "signs"),
    "sign-b": ("supports", "signs"),
    "sign-c": ("strongly supports", "signs"),
    "not-sign": ("opposes", "signs"),
    "faintly-not": ("weakly opposes", ""),
    "not-so": ("opposes", ""),
    "hardly": ("strongly opposes", ""),
    "never": ("excludes", ""),
}


@pytest.fixture(scope="module")
def world() -> Knowledge:
    rules: dict[str, Any] = {}
    for name, (then, cluster) in RULES.items():
        rules[name] = {"title": name, "when": "ache", "then": then, "source": "expert"}
        if cluster:
            rules[name]["cluster"] = cluster
        if then == "excludes":
            rules[name]["scope"] = "all"
    facts = {"ache": {"title": "Ache", "ask": "Does it ache?", "kind": "yes-no", "known_by": "patient"}}
    tiers = {t: {"heading": t, "diagnoses": []} for t in ("most_likely", "other_likely", "do_not_miss", "rare")}
    tiers["rare"]["diagnoses"] = ["gout"]
    diagnosis = {
        "title": "Gout",
        "summary": "Gout",
        "urgency": {"possible": "soon", "likely": "same day"},
        "rules": rules,
    }
    weighing = {
        "points": {"weak": "1", "moderate": "3", "strong": "6"},
        "levels": {"possible": "3", "likely": "6", "unlikely": "-3"},
    }
    return small_knowledge(
        {
            "facts/all.yaml": dumped(facts),
            "rules/document.yaml": dumped(tiers),
            "rules/weighing.yaml": dumped(weighing),
            "rules/rare/gout.yaml": dumped(diagnosis),
        }
    )


@pytest.mark.parametrize(
    ("fired", "still_open", "needs", "likely_needs", "level", "could_reach"),
    [
        ("", "strong", True, True, "not assessed", "likely"),
        ("", "", True, True, "not supported", "not supported"),
        ("", "never", True, True, "not supported", "not supported"),  # only a rule against is open
        ("faint", "strong", True, True, "undecided", "likely"),
        ("faint", "", True, True, "not supported", "not supported"),
        ("faintly-not", "strong", True, True, "undecided", "possible"),
        ("middling", "", True, True, "possible", "possible"),
        ("middling", "sign-a", True, True, "possible", "likely"),
        ("sign-a sign-b", "", True, True, "possible", "possible"),  # one mechanism counts once
        ("sign-a sign-c", "", True, True, "likely", "likely"),
        ("sign-c not-sign", "", True, True, "possible", "possible"),  # for and against of one cluster both count
        ("strong", "", True, True, "likely", "likely"),
        ("strong faintly-not", "", True, True, "possible", "possible"),
        ("not-so", "strong", True, True, "unlikely", "possible"),  # what is open does not hide the weight against
        ("hardly middling", "", True, True, "unlikely", "unlikely"),
        ("sure hardly", "", True, True, "established", "established"),
        ("never strong", "", True, True, "excluded", "excluded"),
        ("never", "sure", True, True, "excluded", "contradictory"),
        ("never sure", "", True, True, "contradictory", "contradictory"),
        ("strong", "", None, True, "undecided", "likely"),  # needs unknown: at most undecided
        ("sure", "", None, True, "undecided", "established"),
        ("strong", "middling", False, True, "not supported", "not supported"),  # needs known no
        ("", "strong", False, True, "not supported", "not supported"),
        ("sure never", "", False, True, "excluded", "excluded"),
        ("strong", "", True, None, "possible", "likely"),  # likely_needs unknown: at most possible
        ("strong", "", True, False, "possible", "possible"),
        ("sure", "", True, False, "established", "established"),
    ],
)
def test_levels(
    world: Knowledge,
    fired: str,
    still_open: str,
    needs: bool | None,
    likely_needs: bool | None,
    level: str,
    could_reach: str,
) -> None:
    """Level and best level, for what has fired and what is open."""
    standing = Standing(frozenset(fired.split()), frozenset(still_open.split()), needs, likely_needs)
    conclusion = weigh(world, world.diagnoses["gout"], standing)
    assert (conclusion.level, conclusion.could_reach) == (level, could_reach)


@pytest.mark.parametrize(
    ("fired", "urgency"),
    [
        ("", ""),
        ("faint", ""),
        ("middling", "soon"),
        ("strong", "same day"),
        ("sure", "same day"),
        ("sure never", "same day"),
    ],
)
def test_urgency_is_that_of_the_nearest_lower_level_given(world: Knowledge, fired: str, urgency: str) -> None:
    """Established and contradictory take what likely gives, where nothing else is said; below possible there is none."""
    assert weigh(world, world.diagnoses["gout"], Standing(frozenset(fired.split()), frozenset())).urgency == urgency


def test_ties_in_a_cluster_go_to_the_first_id(world: Knowledge) -> None:
    """Whatever the order in which they are handed over."""
    rules = [world.rules["sign-b"], world.rules["sign-a"]]
    assert counting(world, rules) == counting(world, rules[::-1]) == {"sign-a"}


def test_the_highest_urgency_wins() -> None:
    """Emergency before same day before soon before routine; nothing is routine."""
    assert highest(["soon", "emergency", "same day"]) == "emergency"
    assert highest(["", "soon"]) == "soon"
    assert highest([]) == "routine"


def test_a_frozen_world_stays_frozen(world: Knowledge) -> None:
    """Knowledge cannot be changed behind the engine's back."""
    assert isinstance(world.rules, MappingProxyType)
    with pytest.raises(AttributeError):
        world.weighing.strong = 60  # type: ignore[misc]

"""CLIPS, a second engine under the same productions, is held equal to Experta and to the reference meaning."""

from __future__ import annotations

import os
from itertools import product
from typing import Any

from clips_oracle import Clips, Concluded, constructs
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from crampdx.engine.inference.forward import build_engine, run
from crampdx.engine.inference.reference import infer
from crampdx.engine.inference.weighing import Inference, leading_of, urgency_of
from crampdx.engine.knowledge.cases import Case
from crampdx.engine.knowledge.model import LEVELS, Answer, Knowledge

from at_hand import concluded
from small_worlds import dumped, knowledge_texts, patient, patients, small_knowledge

EXAMPLES = int(os.environ.get("CRAMPDX_EXAMPLES", "150"))
SEED = int(os.environ.get("CRAMPDX_SEED", "20261123"))
SETTINGS = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=False
)
SAMPLE = 100  # of the regression cases


COMPARED = (
    *(f"level {operator} 3 u" for operator in (">=", ">", "<", "<=")),
    *(f"level {operator} 1.5 times upper limit" for operator in (">=", ">", "<", "<=")),
    *("level below range", "level above range"),
)


def of(knowledge: Knowledge, inference: Inference) -> Concluded:
    """What CLIPS should conclude where this follows."""
    conclusions = inference.conclusions
    return Concluded(
        fired=frozenset(rule for conclusion in conclusions.values() for rule in conclusion.fired),
        red_flags=frozenset(inference.red_flags),
        said=inference.said,
        levels={name: (conclusion.level, conclusion.points) for name, conclusion in conclusions.items()},
        urgency=urgency_of(knowledge, inference),
        leading=leading_of(knowledge, inference),
    )


@seed(SEED)
@SETTINGS
@given(knowledge_texts(), st.lists(patients(), min_size=1, max_size=3))
def test_clips_concludes_what_experta_and_the_reference_meaning_do(
    texts: dict[str, str], given_each: list[dict[str, str]]
) -> None:
    """Patient after patient in one environment."""
    knowledge = small_knowledge(texts)
    oracle = Clips(knowledge)
    engine = build_engine(knowledge)
    for given_findings in given_each:
        findings = patient(given_findings, knowledge).findings
        found = oracle.conclude(findings)
        assert found == of(knowledge, run(engine, findings))
        assert found == of(knowledge, infer(knowledge, findings))


def test_clips_agrees_on_the_built_in_knowledge(knowledge: Knowledge, all_cases: tuple[Case, ...]) -> None:
    oracle = Clips(knowledge)
    sample = all_cases[:: len(all_cases) // SAMPLE]
    assert len(sample) >= SAMPLE
    for case in sample:
        found = oracle.conclude(case.findings)
        assert found == of(knowledge, concluded(case).inference), case.name
        assert found == of(knowledge, infer(knowledge, case.findings)), case.name


def test_no_rule_takes_the_place_of_another(knowledge: Knowledge) -> None:
    """Of two constructs with one name, CLIPS keeps the second without a word."""
    text = constructs(knowledge)
    names = [line.split()[1] for line in text.splitlines() if line.startswith("(defrule ")]
    assert len(set(names)) == len(names) > len(knowledge.rules)


def knowledge_of(findings: dict[str, dict[str, str]], rules: dict[str, dict[str, str]], **more: Any) -> Knowledge:
    """A knowledge base with these findings and, for each diagnosis that the rules name before a hyphen, these rules; alpha
    says `more`."""
    finding = {"title": "A thing", "ask": "What of it?", "kind": "yes-no", "known_by": "patient"}
    rule = {"title": "A rule", "source": "expert"}
    tiers: dict[str, dict[str, Any]]
    tiers = {tier: {"heading": tier, "diagnoses": []} for tier in ("most_likely", "other_likely", "do_not_miss", "rare")}
    texts = {
        "facts/all.yaml": dumped({name: {**finding, **entry} for name, entry in findings.items()}),
        "rules/weighing.yaml": "points:\n  weak: 1\n  moderate: 3\n  strong: 6\n"
        "levels:\n  possible: 3\n  likely: 6\n  unlikely: -3\n",
    }
    for name in dict.fromkeys(id.split("-")[0] for id in rules):
        tiers["rare"]["diagnoses"].append(name)
        own = {id: {**rule, **entry} for id, entry in rules.items() if id.startswith(f"{name}-")}
        diagnosis = {"title": name.title(), "summary": "A diagnosis", **(more if name == "alpha" else {}), "rules": own}
        texts[f"rules/rare/{name}.yaml"] = dumped(diagnosis)
    return small_knowledge({**texts, "rules/document.yaml": dumped(tiers)})


def test_a_censored_value_is_compared_at_its_ends() -> None:
    """At, just below and just above every limit: 3, the ends of either reference interval and one and a half times its upper."""
    level = {"kind": "quantity", "unit": "u", "decimals": "1", "plausible": "0 to 20"}
    level |= {"reference": "2 to 5", "reference_source": "expert"}
    conditions = (*COMPARED, *(f"not {condition}" for condition in COMPARED))
    rules = {f"alpha-{n}": {"when": condition, "then": "supports"} for n, condition in enumerate(conditions)}
    knowledge = knowledge_of({"level": level}, rules)
    oracle = Clips(knowledge)
    fired = set()
    for limit in ("3", "2", "5", "7.5", "1", "4", "6"):
        for value in (f"{float(limit) + step:.1f}" for step in (-0.1, 0, 0.1)):
            for censor in ("", "> ", ">= ", "< ", "<= "):
                for reference in ("", " (1 to 4)"):
                    written = f"{censor}{value} u{reference}"
                    findings = patient({"level": written}, knowledge).findings
                    found = oracle.conclude(findings)
                    assert found == of(knowledge, infer(knowledge, findings)), written
                    fired |= found.fired
    assert len(fired) == len(knowledge.rules)


def test_every_way_of_weighing_comes_out_the_same() -> None:
    """All that can be known of rules of every kind, two in a cluster, and of both needs."""
    clustered = {"cluster": "one"}
    rules = {
        "alpha-a": {"when": "sure", "then": "establishes"},
        "alpha-b": {"when": "refuted", "then": "excludes", "scope": "everyone"},
        "alpha-c": {"when": "strong", "then": "strongly supports", **clustered},
        "alpha-d": {"when": "moderate", "then": "supports", **clustered},
        "alpha-e": {"when": "against", "then": "opposes", **clustered},
        "beta-a": {"when": "moderate", "then": "supports"},
        "gamma-a": {"when": "strong", "then": "strongly supports"},
    }
    needs = ("needed", "needed_to_be_likely")
    names = (*dict.fromkeys(rule["when"] for rule in rules.values()), *needs)
    urgency = {"possible": "soon", "likely": "same day", "established": "emergency"}
    knowledge = knowledge_of({name: {} for name in names}, rules, needs=needs[0], likely_needs=needs[1], urgency=urgency)
    oracle = Clips(knowledge)
    levels = set()
    for truths in product((True, False, None), repeat=len(names)):
        findings = {name: Answer(truth=truth) for name, truth in zip(names, truths, strict=True) if truth is not None}
        found = oracle.conclude(findings)
        assert found == of(knowledge, infer(knowledge, findings)), findings
        levels.add(found.levels["alpha"][0])
    assert levels == set(LEVELS)

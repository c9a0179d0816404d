"""Random small knowledge bases and random patients, written as the files an author or a user would write."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import strategies as st

from crampdx.engine.knowledge.cases import Case, read_cases
from crampdx.engine.knowledge.loader import from_texts
from crampdx.engine.knowledge.model import Knowledge
from crampdx.engine.knowledge.problems import Problems, render

YES_NO = ["ache", "bruise", "chill", "drowse"]
QUANTITIES = ["level", "width", "sum_of_both"]
COLOURS = ["pale", "red", "blue"]


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def dumped(data: Any) -> str:
    """YAML text in block style, keys in the order given."""
    return yaml.dump(data, Dumper=_Plain, sort_keys=False, default_flow_style=False, width=1000)


def _yes_no(**more: Any) -> dict[str, Any]:
    return {"title": "A thing", "ask": "Is it so?", "kind": "yes-no", "known_by": "patient", **more}


def _quantity(**more: Any) -> dict[str, Any]:
    return {
        "title": "An amount",
        "ask": "How much is it?",
        "kind": "quantity",
        "known_by": "laboratory",
        "unit": "u",
        "units": {"half": "0.5", "shifted": "times 2 plus 1"},
        "decimals": "1",
        "plausible": "-40 to 60",
        **more,
    }


def _findings(gate: Any) -> dict[str, Any]:
    return {
        **{name: _yes_no() for name in YES_NO},
        "gated": _yes_no(ask_when=gate, when_closed="no"),
        "colour": {
            "title": "Colour",
            "ask": "Which colour is it?",
            "kind": "choice",
            "known_by": "examiner",
            "choices": {c: c.title() for c in COLOURS},
        },
        "level": _quantity(reference="2 to 5", reference_source="expert"),
        "width": _quantity(),
        "sum_of_both": _quantity(derived={"linear": {"level": "1", "width": "-0.5", "constant": "3"}}),
    }


def leaves(names: dict[str, str]) -> st.SearchStrategy[str]:
    """Leaves over the names so far; a name maps to its kind."""
    options: list[st.SearchStrategy[str]] = []
    for name, kind in names.items():
        if kind in ("yes-no", "concept"):
            options.append(st.just(name))
        elif kind == "choice":
            options.append(st.sampled_from([f"{name} is {c}" for c in COLOURS]))
            options.append(st.just(f"{name} is one of pale, blue"))
        elif kind == "quantity":
            options.append(
                st.builds(
                    lambda op, limit, n=name: f"{n} {op} {limit} u",
                    st.sampled_from([">=", ">", "<", "<="]),
                    st.integers(0, 8),
                )
            )
            if name == "level":
                options.append(st.sampled_from(["level below range", "level above range", "level >= 2 times upper limit"]))
        else:
            options.append(
                st.builds(
                    lambda op, limit, n=name: f"{n} {op} {limit} points",
                    st.sampled_from([">=", ">", "<", "<="]),
                    st.integers(-2, 4),
                )
            )
    return st.one_of(options)


def conditions(names: dict[str, str], depth: int = 2) -> st.SearchStrategy[Any]:
    """Leaves and trees over the names so far."""
    leaf = st.one_of(leaves(names), leaves(names).map(lambda text: f"not {text}"))
    if depth == 0:
        return leaf
    inner = st.lists(conditions(names, depth - 1), min_size=1, max_size=3)
    counted = st.lists(conditions(names, depth - 1), min_size=3, max_size=4)
    return st.one_of(
        leaf,
        inner.map(lambda c: {"all": c}),
        inner.map(lambda c: {"any": c}),
        counted.map(lambda c: {"at least 2 of": c}),
        conditions(names, depth - 1).map(lambda c: {"not": c}),
    )


THEN = [
    *("establishes", "strongly supports", "supports", "weakly supports"),
    *("weakly opposes", "opposes", "strongly opposes", "excludes"),
]


@st.composite
def knowledge_texts(draw: st.DrawFn) -> dict[str, str]:
    """The files of a small knowledge base."""
    names = {**dict.fromkeys(YES_NO, "yes-no"), "colour": "choice", **dict.fromkeys(QUANTITIES, "quantity")}
    gate = draw(conditions(names, 1))
    names["gated"] = "yes-no"
    concepts: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    for number in range(draw(st.integers(0, 5))):
        if draw(st.booleans()):
            concepts[f"idea_{number}"] = {"title": "An idea", "when": draw(conditions(names)), "source": "expert"}
            names[f"idea_{number}"] = "concept"
        else:
            items = draw(st.lists(leaves(names), min_size=1, max_size=4, unique=True))
            points = draw(st.lists(st.sampled_from(["1", "2", "0.5", "-1", "-2"]), min_size=4, max_size=4))
            score: dict[str, Any] = {"title": "A score", "source": "expert", "points": dict(zip(items, points, strict=False))}
            if draw(st.booleans()):
                group = draw(st.lists(leaves(names), min_size=2, max_size=3, unique=True))
                score["one_of"] = [dict(zip(group, draw(st.permutations(["1", "3", "-1"])), strict=False))]
            scores[f"score_{number}"] = score
            names[f"score_{number}"] = "score"
    flags = {
        f"flag-{n}": {
            "title": "A flag",
            "when": draw(conditions(names)),
            "urgency": draw(st.sampled_from(["soon", "same day", "emergency"])),
            "action": "Act",
            "source": "expert",
        }
        for n in range(draw(st.integers(0, 2)))
    }
    notes = {"notes": {"note-0": {"title": "A note", "when": draw(conditions(names)), "text": "Mind", "source": "expert"}}}
    texts = {
        "facts/all.yaml": dumped(_findings(gate)),
        "rules/weighing.yaml": "points:\n  weak: 1\n  moderate: 3\n  strong: 6\n"
        "levels:\n  possible: 3\n  likely: 6\n  unlikely: -3\n",
        "rules/document.yaml": dumped(
            {
                tier: {"heading": tier, "diagnoses": ds}
                for tier, ds in (("most_likely", ["alpha"]), ("other_likely", []), ("do_not_miss", ["beta"]), ("rare", []))
            }
        ).replace("[]", "[]"),
        "rules/notes.yaml": dumped(notes),
    }
    if concepts:
        texts["rules/concepts.yaml"] = dumped(concepts)
    if flags:
        texts["rules/red_flags.yaml"] = dumped(flags)
    for tier, diagnosis, own_scores in (("most_likely", "alpha", scores), ("do_not_miss", "beta", {})):
        entry: dict[str, Any] = {"title": diagnosis.title(), "summary": "A diagnosis"}
        if draw(st.booleans()):
            entry["urgency"] = {"possible": "soon", "likely": draw(st.sampled_from(["same day", "emergency"]))}
        if draw(st.integers(0, 3)) == 0:
            entry["needs"] = draw(conditions(names, 1))
        if draw(st.integers(0, 3)) == 0:
            entry["likely_needs"] = draw(conditions(names, 1))
        if own_scores:
            entry["scores"] = own_scores
        rules: dict[str, Any] = {}
        for number in range(draw(st.integers(1, 5))):
            then = draw(st.sampled_from(THEN))
            rule = {"title": "A rule", "when": draw(conditions(names)), "then": then, "source": "expert"}
            if then == "excludes":
                rule["scope"] = "everyone"
            elif then != "establishes" and draw(st.booleans()):
                rule["cluster"] = draw(st.sampled_from(["one", "two"]))
            rules[f"{diagnosis}-{number}"] = rule
        entry["rules"] = rules
        entry["advice"] = {
            f"{diagnosis}-advice": {
                "text": "Do",
                "when": draw(conditions(names, 1)),
                "withheld": "not known",
                "source": "expert",
            }
        }
        texts[f"rules/{tier}/{diagnosis}.yaml"] = dumped(entry)
    return texts


@st.composite
def patients(draw: st.DrawFn) -> dict[str, str]:
    """What a case file gives of one patient; most things unknown about as often as known."""
    given: dict[str, str] = {}
    for name in (*YES_NO, "gated"):
        value = draw(st.sampled_from(["yes", "no", ""]))
        if value:
            given[name] = value
    colour = draw(st.sampled_from([*COLOURS, "", ""]))
    if colour:
        given["colour"] = colour
    for name in ("level", "width"):
        if draw(st.booleans()):
            censor = draw(st.sampled_from(["", "", "", "> ", "< ", ">= ", "<= "]))
            number = draw(st.sampled_from(["0", "1", "2", "2.5", "3", "3.04", "3.05", "4", "5", "6", "8", "11"]))
            unit = draw(st.sampled_from(["u", "u", "half", "shifted"]))
            reference = draw(st.sampled_from(["", "", " (1 to 4)"])) if name == "level" else ""
            given[name] = f"{censor}{number} {unit}{reference}"
    return given


def small_knowledge(texts: dict[str, str]) -> Knowledge:
    """The knowledge base of the texts, which must be free of errors."""
    knowledge, problems = from_texts(texts, Problems())
    assert knowledge is not None and not problems.errors, "\n".join(render(p, problems.texts) for p in problems.errors)
    return knowledge


def patient(given: dict[str, str], knowledge: Knowledge) -> Case:
    """The case that gives these findings."""
    problems = Problems()
    text = dumped({"given": given}) if given else "given:\n"
    cases = read_cases(text, "patient.yaml", knowledge, problems)
    assert len(cases) == 1, problems.errors
    return cases[0]

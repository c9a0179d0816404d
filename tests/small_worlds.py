"""Random small knowledge bases and random patients, written as the files an author or a user would write."""

from __future__ import annotations

from collections.abc import Sequence
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


_NUMBERS = st.integers(0, 5039)  # divisible by all small counts, so that every option is as likely as another
OPERATORS = (">=", ">", "<", "<=")
THEN = (
    *("establishes", "strongly supports", "supports", "weakly supports"),
    *("weakly opposes", "opposes", "strongly opposes", "excludes"),
)


class Chooser:
    """Choices out of one plain stream of numbers: strategies built on the fly are far slower than what they test."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.number = lambda: draw(_NUMBERS)

    def below(self, count: int) -> int:
        return int(self.number() % count)

    def one_of(self, options: Sequence[Any]) -> Any:
        return options[self.below(len(options))]

    def chance(self, one_in: int) -> bool:
        return self.below(one_in) == one_in - 1

    def distinct_leaves(self, names: dict[str, str], at_least: int, at_most: int) -> list[str]:
        wanted = at_least + self.below(at_most - at_least + 1)
        found: dict[str, None] = {}
        while len(found) < wanted:
            found[self.leaf(names)] = None
        return list(found)

    def leaf(self, names: dict[str, str]) -> str:
        """A leaf over the names so far; a name maps to its kind."""
        name = self.one_of(list(names))
        kind = names[name]
        if kind in ("yes-no", "concept"):
            return str(name)
        if kind == "choice":
            return f"{name} is {self.one_of((*COLOURS, 'one of pale, blue'))}"
        if kind == "quantity":
            if name == "level" and self.chance(3):
                return str(self.one_of(("level below range", "level above range", "level >= 2 times upper limit")))
            return f"{name} {self.one_of(OPERATORS)} {self.below(9)} u"
        return f"{name} {self.one_of(OPERATORS)} {self.below(7) - 2} points"

    def condition(self, names: dict[str, str], depth: int = 2) -> Any:
        """A leaf or a tree over the names so far."""
        shape = self.below(7) if depth else self.below(2)
        if shape == 0:
            return self.leaf(names)
        if shape == 1:
            return f"not {self.leaf(names)}"
        if shape == 2:
            return {"not": self.condition(names, depth - 1)}
        if shape == 3:
            return {"at least 2 of": [self.condition(names, depth - 1) for _ in range(3 + self.below(2))]}
        return {self.one_of(("all", "any")): [self.condition(names, depth - 1) for _ in range(1 + self.below(3))]}


@st.composite
def knowledge_texts(draw: st.DrawFn) -> dict[str, str]:
    """The files of a small knowledge base."""
    return texts_by(Chooser(draw))


def texts_by(choose: Chooser) -> dict[str, str]:
    """The files of a small knowledge base, by these choices."""
    names = {**dict.fromkeys(YES_NO, "yes-no"), "colour": "choice", **dict.fromkeys(QUANTITIES, "quantity")}
    gate = choose.condition(names, 1)
    names["gated"] = "yes-no"
    concepts: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    for number in range(choose.below(6)):
        if choose.chance(2):
            concepts[f"idea_{number}"] = {"title": "An idea", "when": choose.condition(names), "source": "expert"}
            names[f"idea_{number}"] = "concept"
        else:
            points = {leaf: choose.one_of(("1", "2", "0.5", "-1", "-2")) for leaf in choose.distinct_leaves(names, 1, 4)}
            score: dict[str, Any] = {"title": "A score", "source": "expert", "points": points}
            if choose.chance(2):
                group = choose.distinct_leaves(names, 2, 3)
                score["one_of"] = [{leaf: choose.one_of(("1", "3", "-1")) for leaf in group}]
            scores[f"score_{number}"] = score
            names[f"score_{number}"] = "score"
    flags = {
        f"flag-{n}": {
            "title": "A flag",
            "when": choose.condition(names),
            "urgency": choose.one_of(("soon", "same day", "emergency")),
            "action": "Act",
            "source": "expert",
        }
        for n in range(choose.below(3))
    }
    note = {"title": "A note", "when": choose.condition(names), "text": "Mind", "source": "expert"}
    tiers = (("most_likely", ["alpha"]), ("other_likely", []), ("do_not_miss", ["beta"]), ("rare", []))
    of_exclusion = choose.chance(3)
    if of_exclusion:
        tiers[-1][1].append("gamma")
    texts = {
        "facts/all.yaml": dumped(_findings(gate)),
        "rules/weighing.yaml": "points:\n  weak: 1\n  moderate: 3\n  strong: 6\n"
        "levels:\n  possible: 3\n  likely: 6\n  unlikely: -3\n",
        "rules/document.yaml": dumped({tier: {"heading": tier, "diagnoses": ds} for tier, ds in tiers}),
        "rules/notes.yaml": dumped({"notes": {"note-0": note}}),
    }
    if concepts:
        texts["rules/concepts.yaml"] = dumped(concepts)
    if flags:
        texts["rules/red_flags.yaml"] = dumped(flags)
    own: list[tuple[str, str, dict[str, Any]]] = [("most_likely", "alpha", scores), ("do_not_miss", "beta", {})]
    for tier, diagnosis, own_scores in (*own, ("rare", "gamma", {})) if of_exclusion else own:
        last = diagnosis == "gamma"
        entry: dict[str, Any] = {"title": diagnosis.title(), "summary": "A diagnosis"}
        if last:
            entry["kind"] = "exclusion"
            screens = [name for name, kind in names.items() if kind in ("yes-no", "concept")]
            entry["needs_no"] = sorted({choose.one_of(screens) for _ in range(1 + choose.below(3))})
        elif choose.chance(2):
            entry["urgency"] = {"possible": "soon", "likely": choose.one_of(("same day", "emergency"))}
        if choose.chance(4):
            entry["needs"] = choose.condition(names, 1)
        if choose.chance(4):
            entry["likely_needs"] = choose.condition(names, 1)
        if own_scores:
            entry["scores"] = own_scores
        rules: dict[str, Any] = {}
        for number in range(1 + choose.below(5)):
            then = choose.one_of(THEN[1:] if last else THEN)
            rule = {"title": "A rule", "when": choose.condition(names), "then": then, "source": "expert"}
            if then == "excludes":
                rule["scope"] = "everyone"
            elif then != "establishes" and choose.chance(2):
                rule["cluster"] = choose.one_of(("one", "two"))
            rules[f"{diagnosis}-{number}"] = rule
        entry["rules"] = rules
        advice = {"text": "Do", "withheld": "not known", "source": "expert"}
        if not choose.chance(4):
            advice["when"] = choose.condition(names, 1)
        if choose.chance(2):
            advice["unless"] = choose.condition(names, 1)
        entry["advice"] = {f"{diagnosis}-advice": advice}
        texts[f"rules/{tier}/{diagnosis}.yaml"] = dumped(entry)
    return texts


@st.composite
def patients(draw: st.DrawFn) -> dict[str, str]:
    """What a case file gives of one patient; most things unknown about as often as known."""
    return answers_by(Chooser(draw))


def answers_by(choose: Chooser) -> dict[str, str]:
    """What a case file gives of one patient, by these choices."""
    given: dict[str, str] = {}
    for name in (*YES_NO, "gated"):
        value = choose.one_of(("", "yes", "no"))
        if value:
            given[name] = value
    colour = choose.one_of(("", "", *COLOURS))
    if colour:
        given["colour"] = colour
    for name in ("level", "width"):
        if choose.chance(2):
            censor = choose.one_of(("", "", "", "> ", "< ", ">= ", "<= "))
            number = choose.one_of(("0", "1", "2", "2.5", "3", "3.04", "3.05", "4", "5", "6", "8", "11"))
            unit = choose.one_of(("u", "u", "half", "shifted"))
            reference = choose.one_of(("", "", " (1 to 4)")) if name == "level" else ""
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

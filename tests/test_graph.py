"""The graph of how findings lead to conclusions: what stands in it, what a case marks in it, and text that cannot break."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache

import pytest

from crampdx.engine.authoring.graph import (
    CONCEPT,
    CONTRA,
    DIAGNOSIS,
    FINDING,
    FLAG,
    GATE,
    LISTED,
    MOST_ALONE,
    RULE,
    SCORE,
    TOPIC,
    Edge,
    Graph,
    Node,
    as_dot,
    as_mermaid,
    graph_of,
)
from crampdx.engine.inference.outcome import Outcome, outcome
from crampdx.engine.inference.reference import infer
from crampdx.engine.knowledge.model import AGAINST, Answer, Compare, Is, leaves

from at_hand import all_cases, built_in

DIAGNOSES = built_in().order
AWKWARD = 'a "b" [c] {d} #35; <e> & `f` \\n \\ ö_*g* | ;'


@cache
def graphs() -> dict[str | None, Graph]:
    return {d: graph_of(built_in(), d) for d in (None, *DIAGNOSES)}


def concluded(**answers: bool) -> Outcome:
    findings = {name: Answer(truth=truth) for name, truth in answers.items()}
    return outcome(built_in(), findings, infer(built_in(), findings))


def of_kind(graph: Graph, kind: str) -> dict[str, Node]:
    return {node.id: node for node in graph.nodes if node.kind == kind}


# What stands in it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("diagnosis", [None, *DIAGNOSES])
def test_edges_join_nodes_and_all_lead_to_an_end(diagnosis: str | None) -> None:
    """No id stands for two things, no edge hangs, and whatever stands there leads to a conclusion; but for what no rule
    reads, which says so."""
    graph = graphs()[diagnosis]
    ids = [node.id for node in graph.nodes]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch("[A-Za-z][A-Za-z0-9_]*", id) for id in ids)
    leads: dict[str, list[str]] = {}
    for edge in graph.edges:
        assert {edge.start, edge.end} <= set(ids)
        leads.setdefault(edge.end, []).append(edge.start)
    unread = [node.id for node in graph.nodes if node.lines[0].startswith("Read by no rule")]
    assert len(unread) <= (diagnosis is None)
    assert not [edge for edge in graph.edges if edge.start in unread]
    reached = [node.id for node in graph.nodes if node.kind in (DIAGNOSIS, FLAG)] + unread
    for id in reached:
        reached += [start for start in leads.get(id, ()) if start not in reached]
    assert set(ids) == set(reached)


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
def test_a_diagnosis_has_all_its_rules_and_gates(diagnosis: str) -> None:
    """Each rule with its strength, against it told by side and label; a gate for each thing that is needed."""
    knowledge, graph = built_in(), graphs()[diagnosis]
    into = {e.start: e for e in graph.edges if e.end == f"diagnosis_{diagnosis}"}
    rules = knowledge.rules_of[diagnosis]
    assert len(of_kind(graph, RULE)) == len(rules)
    for rule in rules:
        node = next(n for n in graph.nodes if n.id == f"rule_{rule.id}".replace("-", "_"))
        assert f"[{rule.then}]" in node.lines
        assert graph.groups.get(node.group, "").startswith(f"cluster {rule.cluster}" if rule.cluster else "")
        assert bool(node.group) == bool(rule.cluster)
        edge = into[node.id]
        assert (edge.side == CONTRA) == (rule.then in AGAINST)
        assert edge.label.startswith("against -") or edge.label == "excludes" or edge.side != CONTRA
    entry = knowledge.diagnoses[diagnosis]
    assert len(of_kind(graph, GATE)) == sum(c is not None for c in (entry.needs, entry.likely_needs, entry.nothing_else))
    assert len(into) == len(rules) + len(of_kind(graph, GATE))


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
def test_every_finding_that_a_rule_reads_is_named(diagnosis: str) -> None:
    """On its own or as a line of a list; directly into one thing stand no more than a few."""
    knowledge, graph = built_in(), graphs()[diagnosis]
    text = re.sub(r"\s+", " ", " ".join(" ".join(node.lines) for node in graph.nodes))
    for rule in knowledge.rules_of[diagnosis]:
        for leaf in leaves(rule.when):
            if leaf.name in knowledge.findings:
                finding = knowledge.findings[leaf.name]
                assert finding.title in text
                assert finding.known_by in text
    for rule in of_kind(graph, RULE):
        starts = [e for e in graph.edges if e.end == rule and e.start in of_kind(graph, FINDING)]
        assert len(starts) <= MOST_ALONE + 2  # derived quantities are never in a list
    assert all(len(line) <= 60 for node in graph.nodes for line in node.lines)


def test_a_score_tells_its_points_and_who_reads_it() -> None:
    """Every item of every score leads to it with its points; a rule about the total tells the limit."""
    knowledge = built_in()
    for name, score in knowledge.scores.items():
        graph = next(g for d, g in graphs().items() if d == score.diagnosis)
        into = [e.label for e in graph.edges if e.end == f"{SCORE}_{name}"]
        assert len(into) == len(score.counted) + len(score.asserted_only)
        assert all(re.search(r"[+-][0-9]", label) for label in into)
        limits = [leaf for r in knowledge.rules_of[score.diagnosis] for leaf in leaves(r.when) if leaf.name == name]
        out = [e.label for e in graph.edges if e.start == f"{SCORE}_{name}"]
        for leaf in limits:
            assert isinstance(leaf, Compare)
            assert any(f"{leaf.operator} {leaf.limit}" in label for label in out)


def test_the_whole_stays_small_and_counts_its_rules() -> None:
    """Each diagnosis once, each concept and red flag as a node or a line, few enough to look at: at most four
    nodes for a diagnosis; its rules that read findings are all counted on the edge from its findings."""
    knowledge, graph = built_in(), graphs()[None]
    assert len(graph.nodes) <= 4 * len(knowledge.diagnoses)
    assert len(of_kind(graph, DIAGNOSIS)) == len(knowledge.diagnoses)
    said = re.sub(r"\s+", " ", " ".join(" ".join(n.lines) for n in graph.nodes if n.kind in (CONCEPT, FLAG)))
    for thing in (*knowledge.concepts.values(), *knowledge.red_flags.values()):
        assert thing.title in said
    for diagnosis in DIAGNOSES:
        node = f"diagnosis_{diagnosis}"
        edge = next(e for e in graph.edges if e.end == node and e.start == f"{TOPIC}_{node}")
        reading = [r for r in knowledge.rules_of[diagnosis] if any(x.name in knowledge.findings for x in leaves(r.when))]
        assert sum(map(int, re.findall(r"\d+", edge.label))) == len(reading)


def test_concepts_that_lead_to_the_same_share_a_node_of_the_whole() -> None:
    """Those that lead to one diagnosis alone, through others, too, stand together and apart from all that lead elsewhere."""
    knowledge, graph = built_in(), graphs()[None]
    leads: dict[str, set[str]] = {}
    for name in knowledge.concepts:
        leads[name] = {d for d in DIAGNOSES if f"{CONCEPT}_{name}" in {node.id for node in graphs()[d].nodes}}
    node_of = {
        name: node.id
        for node in of_kind(graph, CONCEPT).values()
        for name, concept in knowledge.concepts.items()
        if concept.title in re.split("(?:^| )• ", re.sub(r"\s+", " ", " ".join(node.lines)))
    }
    assert node_of.keys() == knowledge.concepts.keys()
    for one, node in node_of.items():
        for other, elsewhere in node_of.items():
            if len(leads[one]) == 1:
                assert (node == elsewhere) == (leads[one] == leads[other]), (one, other)


# With a case ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(0, len(all_cases()), 97))
def test_a_case_marks_the_fired_paths_and_nothing_else(number: int) -> None:
    """Fired rules are those of the conclusion; nothing is marked that does not lead, by marked edges, to one that holds; and
    what is known stands in words."""
    findings = all_cases()[number].findings
    found = outcome(built_in(), findings, infer(built_in(), findings))
    for diagnosis in DIAGNOSES:
        graph = graph_of(built_in(), diagnosis, found)
        fired = {node.id for node in graph.nodes if node.fired}
        rules = {f"rule_{r}".replace("-", "_") for r in found.conclusion(diagnosis).fired}
        assert fired & set(of_kind(graph, RULE)) == rules
        for node in graph.nodes:
            out = [e for e in graph.edges if e.start == node.id]
            if node.kind in (FINDING, LISTED, CONCEPT, SCORE):
                assert node.fired == any(e.fired for e in out)
                assert node.lines[-1].startswith("= ")
        assert all(e.end in fired and e.truth for e in graph.edges if e.fired and not e.end.startswith("diagnosis_"))


def test_unknown_is_never_shown_as_no() -> None:
    """Of a patient of whom nothing is known nothing is grey and nothing thick; the strokes differ once something is."""
    nothing = concluded()
    for diagnosis in (None, *DIAGNOSES):
        graph = graph_of(built_in(), diagnosis, nothing)
        assert not [n.id for n in graph.nodes if n.fired or n.truth is False]
        assert not [e for e in graph.edges if e.fired or e.truth is False]
    rule = next(r for r in built_in().rules.values() if isinstance(r.when, Is) and r.when.name in built_in().findings)
    assert isinstance(rule.when, Is)
    id = f"rule_{rule.id}".replace("-", "_")
    lines = {}
    for truth in (True, False):
        graph = graph_of(built_in(), rule.diagnosis, concluded(**{rule.when.name: truth}))
        lines[truth] = next(line for line in as_dot(graph).splitlines() if line.strip().startswith(f"{id} ["))
    assert "penwidth" in lines[True]
    assert "= yes" in lines[True]
    assert "fontcolor" in lines[False]
    assert "= no" in lines[False]


# As text -------------------------------------------------------------------------------------------------------------


def awkward() -> Graph:
    nodes = (
        Node("finding_a", FINDING, (AWKWARD, "1. one", "- two", "end")),
        Node("rule_b", RULE, (AWKWARD,), "cluster_c"),
        Node("diagnosis_d", DIAGNOSIS, ("D",)),
    )
    edges = (Edge("finding_a", "rule_b", AWKWARD), Edge("rule_b", "diagnosis_d", "against -1", CONTRA))
    return Graph(AWKWARD, nodes, edges, {"cluster_c": AWKWARD})


def test_mermaid_gets_nothing_that_it_could_take_for_syntax() -> None:
    """Inside quotes stand letters, entities and line breaks only, and the entities give the text back."""
    text = as_mermaid(awkward())
    labels = re.findall(r'"([^"]*)"', text)
    assert text.count('"') == 2 * len(labels)
    for label in labels:
        assert re.fullmatch(r"(<br/>|#\d+;|[A-Za-z0-9 ,.:()/%=+?'ö-])*", label)
    plain = [re.sub(r"#(\d+);", lambda m: chr(int(m[1])), label.replace("<br/>", "\n")) for label in labels]
    assert f"{AWKWARD}\n1. one\n- two\nend" in plain
    assert plain.count(AWKWARD) == 3  # the cluster's title, the rule, the label of an edge
    assert not [line for label in labels for line in label.split("<br/>") if re.match(r"\d+[.)]|[-+] ", line)]
    assert text.startswith("flowchart LR\n")
    assert text.endswith("\n")
    assert "linkStyle 1 " in text  # the edge against, by its number


def test_dot_quotes_what_must_be_quoted() -> None:
    """A quote or a backslash in a text is one in the label; the graph opens and closes what it opens."""
    text = as_dot(awkward())
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    assert not re.sub(r'"((?:[^"\\]|\\.)*)"', "", text).count('"')
    assert AWKWARD in [s.replace('\\"', '"').replace("\\\\", "\\") for s in strings]
    assert re.search(r"rule_b -> diagnosis_d \[label=\"against -1\".*style=dashed", text)
    assert text.endswith("}\n")


@pytest.mark.parametrize("diagnosis", [None, *DIAGNOSES])
def test_the_text_fits_what_draws_it(diagnosis: str | None) -> None:
    """Mermaid refuses more than 50000 characters or 500 edges; the same knowledge gives the same text."""
    case = max(all_cases(), key=lambda c: (len(c.findings), c.name))
    found = outcome(built_in(), case.findings, infer(built_in(), case.findings))
    graph = graph_of(built_in(), diagnosis, found)
    text = as_mermaid(graph)
    assert len(text) < 50_000
    assert len(graph.edges) < 500
    assert (as_mermaid(graph_of(built_in(), diagnosis, found)), as_dot(graph)) == (
        text,
        as_dot(graph_of(built_in(), diagnosis, found)),
    )


def test_ids_give_way_only_where_the_text_is_too_long() -> None:
    """The whole is numbered, and has as many nodes and edges as before; one diagnosis keeps the ids of its things."""
    whole, one = graphs()[None], graphs()["dystonia"]
    assert all(f"\n  {node.id}" in as_mermaid(one) or f"\n    {node.id}" in as_mermaid(one) for node in one.nodes)
    text = as_mermaid(whole)
    assert len(re.findall(r"^  n\d+[^ ]*\"", text, re.MULTILINE)) == len(whole.nodes)
    assert len(re.findall(r"^  n\d+ [-=.]+>.* n\d+$", text, re.MULTILINE)) == len(whole.edges)
    assert not [node.id for node in whole.nodes if node.id in text]


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_it() -> None:
    """Without an error or a warning, awkward texts included."""
    for graph in (awkward(), *graphs().values()):
        done = subprocess.run(
            ["dot", "-Tcanon"], input=as_dot(graph), capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")

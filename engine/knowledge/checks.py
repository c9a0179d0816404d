"""Checks that need the whole knowledge base: what refers to what, and what no single file shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from .model import QUANTITY, TIERS, Condition, Knowledge, leaves
from .problems import Place, Problems, shown
from .truth import names_in

Check = Callable[[Knowledge, Problems], None]


def conditions_of(knowledge: Knowledge) -> Iterable[tuple[str, Condition, Place]]:
    """Every condition that concludes something, with the id it belongs to."""
    for concept in knowledge.concepts.values():
        yield concept.name, concept.when, concept.place
    for score in knowledge.scores.values():
        for item in (*score.counted, *score.asserted_only):
            yield score.name, item.when, score.place
    for rule in knowledge.rules.values():
        yield rule.id, rule.when, rule.place
    for flag in knowledge.red_flags.values():
        yield flag.id, flag.when, flag.place
    for note in (*knowledge.notes.values(), *knowledge.scope.values()):
        yield note.id, note.when, note.place
    for advice in knowledge.advice.values():
        yield advice.id, advice.when, advice.place
        if advice.unless is not None:
            yield advice.id, advice.unless, advice.place
    for link in knowledge.links.values():
        yield link.id, link.when, link.place
    for diagnosis in knowledge.diagnoses.values():
        for condition in diagnosis.gates:
            yield diagnosis.id, condition, diagnosis.place


def resting(knowledge: Knowledge) -> Iterable[tuple[str, str, Place]]:
    """Who rests on which name, and where that is written: conditions, gates, derived quantities, impossible combinations."""
    for owner, condition, place in conditions_of(knowledge):
        for leaf in leaves(condition):
            yield owner, leaf.name, leaf.place if leaf.place.line else place
    for finding in knowledge.findings.values():
        for leaf in leaves(finding.ask_when) if finding.ask_when is not None else ():
            yield finding.name, leaf.name, leaf.place
        if finding.scale is not None and finding.scale.derived is not None:
            for name in finding.scale.derived.inputs:
                yield finding.name, name, finding.place
    for impossible in knowledge.impossible.values():
        for leaf in leaves(impossible.when):
            yield impossible.id, leaf.name, leaf.place


def check_cycles(knowledge: Knowledge, problems: Problems) -> None:
    """No concept, score, gate or derivation may rest on itself."""
    gates = {n: names_in(f.ask_when) for n, f in knowledge.findings.items() if f.ask_when is not None}
    needs = {n: (*knowledge.depends_on.get(n, ()), *gates.get(n, ())) for n in {*knowledge.depends_on, *gates}}
    places = {
        **{n: f.place for n, f in knowledge.findings.items()},
        **{n: c.place for n, c in knowledge.concepts.items()},
        **{n: s.place for n, s in knowledge.scores.items()},
    }
    done: dict[str, int] = {}  # with how many steps of inference it is away from the answers
    for start in sorted(needs):
        if start in done:
            continue
        path: dict[str, None] = {start: None}  # an explicit stack: a chain may be longer than Python's own allows
        iterators = [iter(needs.get(start, ()))]
        while path:
            following = next(iterators[-1], None)
            if following is None:
                name = path.popitem()[0]
                iterators.pop()
                done[name] = 1 + max((done.get(n, 0) for n in needs.get(name, ())), default=0)
                if done[name] == LONGEST_CHAIN + 1:
                    said = f"'{name}' rests on a chain of more than {LONGEST_CHAIN} concepts"
                    problems.add(places[name], "too-long-chain", said, "nobody could follow its explanation")
            elif following in path:
                names = list(path)
                ring = names[names.index(following) :]
                ring = [*(ring if len(ring) <= 12 else [*ring[:10], "...", ring[-1]]), following]
                problems.add(places[following], "depends-on-itself", f"'{following}' depends on itself", " -> ".join(ring))
                done[following] = 0
            elif following not in done:
                path[following] = None
                iterators.append(iter(needs.get(following, ())))


def check_document(knowledge: Knowledge, problems: Problems) -> None:
    """The document's list, where it can be read, and the diagnosis files agree."""
    if len(knowledge.tiers) < len(TIERS):
        return
    listed: dict[str, str] = {}
    entries = ((d, t.id, place) for t in knowledge.tiers for d, place in zip(t.diagnoses, t.places, strict=True))
    for diagnosis, tier, where in entries:
        if diagnosis in listed:
            problems.add(where, "listed-twice", f"the document lists {shown(diagnosis)} twice")
            continue
        listed[diagnosis] = tier
        if diagnosis not in knowledge.diagnoses:
            problems.add(
                where,
                "unknown-diagnosis",
                f"the document lists {shown(diagnosis)}, but there is no rules/{tier}/{diagnosis}.yaml",
                problems.did_you_mean(diagnosis, knowledge.diagnoses),
            )
        elif knowledge.diagnoses[diagnosis].tier != tier:
            place = knowledge.diagnoses[diagnosis].place
            problems.add(place, "wrong-tier", f"the document has '{diagnosis}' in tier '{tier}'")
    for diagnosis_id, diagnosis_file in knowledge.diagnoses.items():
        if (diagnosis_file.origin == "document") != (diagnosis_id in listed):
            problems.add(
                diagnosis_file.place,
                "wrong-origin",
                f"'{diagnosis_id}' says origin {diagnosis_file.origin}, but rules/document.yaml "
                + ("lists it" if diagnosis_id in listed else "does not list it"),
            )


def check_beyond(knowledge: Knowledge, problems: Problems) -> None:
    """Nothing of the document rests on what is beyond it: a score of such a diagnosis is read by that diagnosis, or by
    another from beyond, alone. Otherwise `--document-only` would leave a hole."""
    beyond = {name for name, score in knowledge.scores.items() if score.diagnosis in knowledge.beyond}
    belongs = {
        **{d: d for d in knowledge.diagnoses},
        **{id: thing.diagnosis for shelf in (knowledge.rules, knowledge.scores) for id, thing in shelf.items()},
        **{id: advice.diagnosis for id, advice in knowledge.advice.items()},
    }
    links = {link.id for link in knowledge.links.values() if {link.cause, link.effect} & knowledge.beyond}
    for owner, name, place in resting(knowledge):
        if name in beyond and belongs.get(owner) not in knowledge.beyond and owner not in links:
            problems.add(
                place,
                "rests-on-beyond",
                f"'{owner}' rests on '{name}', a score of a diagnosis from beyond the document",
                "read the findings themselves, or make what is meant a concept",
            )


def check_recorded_only(knowledge: Knowledge, problems: Problems) -> None:
    """Nothing that is reasoned about rests on a finding that is only recorded: no rule, no gate, no derived quantity."""
    recorded = {f.name for f in knowledge.findings.values() if f.recorded_only}
    for owner, name, place in resting(knowledge):
        if name in recorded and owner not in recorded and owner not in knowledge.impossible:
            problems.add(
                place,
                "recorded-only",
                f"'{owner}' rests on '{name}', which is only recorded",
                "move it out of facts/recorded.yaml",
            )


def check_used(knowledge: Knowledge, problems: Problems) -> None:
    """Every finding, concept and score is read by something; otherwise it is only recorded, or forgotten."""
    used = {name for _, name, _ in resting(knowledge)}
    for finding in knowledge.findings.values():
        if finding.name not in used and not finding.recorded_only:
            problems.add(
                finding.place,
                "unused-finding",
                f"no rule reads '{finding.name}'",
                "use it, or move it to facts/recorded.yaml",
                severity="warning",
            )
    for name, place in (
        *((c.name, c.place) for c in knowledge.concepts.values()),
        *((s.name, s.place) for s in knowledge.scores.values()),
    ):
        if name not in used:
            problems.add(place, "unused-concept", f"nothing reads '{name}'", severity="warning")


def check_references(knowledge: Knowledge, problems: Problems) -> None:
    """Derivations name quantities, and reference intervals name sources."""
    for finding in knowledge.findings.values():
        scale = finding.scale
        if scale is None:
            continue
        derived = scale.derived
        for name, place in zip(derived.inputs, derived.places, strict=True) if derived else ():
            if name not in knowledge.findings or knowledge.findings[name].kind != QUANTITY:
                problems.add(
                    place,
                    "unknown-name",
                    f"'{finding.name}' is derived from {shown(name)}, which is no quantity",
                    problems.did_you_mean(name, (f.name for f in knowledge.findings.values() if f.kind == QUANTITY)),
                )
        if scale.reference_source and scale.reference_source not in (*knowledge.sources, "expert", "unverified"):
            problems.add(
                finding.place,
                "undefined-source",
                f"the reference interval of '{finding.name}' names no source {shown(scale.reference_source)}",
                problems.did_you_mean(scale.reference_source, knowledge.sources),
            )


def check_notes(knowledge: Knowledge, problems: Problems) -> None:
    """A note about what is a diagnosis here says whether it yields to that."""
    for note in knowledge.notes.values():
        if note.about in knowledge.diagnoses and not note.yields:
            problems.add(
                note.place,
                "note-about-a-diagnosis",
                f"'{note.id}' is about '{note.about}', which is a diagnosis here",
                "say 'yields: yes' where the diagnosis says it all once it is possible, else 'yields: no'; or take it out",
                severity="warning",
            )


def check_clusters(knowledge: Knowledge, problems: Problems) -> None:
    """A cluster of one caps nothing: probably a misspelt name."""
    for diagnosis, rules in knowledge.rules_of.items():
        clusters: dict[str, list[str]] = {}
        for rule in rules:
            if rule.cluster:
                clusters.setdefault(rule.cluster, []).append(rule.id)
        for cluster, members in clusters.items():
            if len(members) == 1:
                problems.add(
                    knowledge.rules[members[0]].place,
                    "cluster-of-one",
                    f"'{members[0]}' is alone in the cluster '{cluster}' of '{diagnosis}'",
                    problems.did_you_mean(cluster, (c for c in clusters if c != cluster)),
                    severity="warning",
                )


def check_register(knowledge: Knowledge, problems: Problems) -> None:
    """Every row of the register is coded by something, or says why not."""
    coded = {row for thing in knowledge.sourced.values() for row in thing.evidence}
    for row in knowledge.register.values():
        if row.id not in coded and not row.not_coded:
            problems.add(
                row.place,
                "uncoded-evidence",
                f"row {row.id} is neither coded by a rule nor says why not",
                "name it in a rule's 'evidence', or add 'not_coded' with the reason",
                severity="warning",
            )


_BANDS = {"N": 0, "W": 1, "M": 2, "S": 3, "P": 4, "X": 4}  # of a register row's strength
_CLAIMS = {"weakly": 1, "strongly": 3, "establishes": 4, "excludes": 4}  # first word of `then`; plain supports, opposes: 2


def check_claims(knowledge: Knowledge, problems: Problems) -> None:
    """Where there is a register, a rule rests on a row of it and claims no more than the strongest of its rows, or says that
    it is judgement (`expert`) or from memory (`unverified`)."""
    for rule in knowledge.rules.values() if knowledge.register else ():
        if {"expert", "unverified"} & set(rule.source):
            continue
        rows = [knowledge.register[row] for row in rule.evidence]
        if not rows:
            problems.add(
                rule.place,
                "no-evidence-row",
                f"'{rule.id}' names a source, but no row of the register that says so",
                "name the row in 'evidence', or add 'expert' to its 'source'",
                severity="warning",
            )
            continue
        bands = [_BANDS[label] for row in rows for label in re.findall("[NWMSPX]", row.strength)]
        if bands and _CLAIMS.get(rule.then.split()[0], 2) > max(bands):
            problems.add(
                rule.place,
                "stronger-than-evidence",
                f"'{rule.id}' {rule.then}, which is more than its rows say: "
                + ", ".join(f"{row.id} {row.strength}" for row in rows),
                "weaken it, or add 'expert' to its 'source'",
                severity="warning",
            )


def check_reviewed_things(knowledge: Knowledge, problems: Problems) -> None:
    """A review is of something that is there."""
    things = knowledge.sourced
    for review in knowledge.reviews.values():
        if review.id not in things:
            problems.add(
                review.place,
                "review-unknown",
                f"no rule, red flag, note, advice, concept or score is called {shown(review.id)}",
                problems.did_you_mean(review.id, things) or "where it is gone, take its review out",
            )


def check_stale_reviews(knowledge: Knowledge, problems: Problems) -> None:
    """What has been reviewed still says what it said then."""
    for review in knowledge.reviews.values():
        if review.id not in knowledge.reviewed:
            problems.add(
                review.place,
                "review-stale",
                f"'{review.id}' has changed since its review of {review.date} ({review.role})",
                "have it reviewed again, or take the review out",
                severity="warning",
            )


LONGEST_CHAIN = 100  # concepts resting on concepts


FOR_FAULTS: tuple[Check, ...] = (
    *(check_cycles, check_document, check_beyond, check_recorded_only, check_references),
    check_reviewed_things,
)
# These mean nothing while there are faults.
FOR_DOUBTS: tuple[Check, ...] = (
    *(check_used, check_notes, check_clusters, check_register, check_claims),
    check_stale_reviews,
)

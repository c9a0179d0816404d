"""A small knowledge base without a doubt, and defects planted in it: one edit each, with the code that is to be found.

`§` in an edit marks the place at which the problem is to be told; it is no part of the text. To add a defect, add an entry:
what it is about must be sound in `BASE`, or be made so by `before`, which belongs to the clean twin as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MARK = "§"
Texts = dict[str, str]
Edit = tuple[
    str, str, str
]  # file, a text that stands in it once ('' for a file that is not there), what stands there instead

FINDINGS, RECORDED, IMPOSSIBLE = "facts/findings.yaml", "facts/recorded.yaml", "facts/impossible.yaml"
DOCUMENT, WEIGHING, INTERVIEW = "rules/document.yaml", "rules/weighing.yaml", "rules/interview.yaml"
SOURCES, EVIDENCE, CONCEPTS = "rules/sources.yaml", "rules/evidence.yaml", "rules/concepts.yaml"
FLAGS, NOTES, REVIEWS = "rules/red_flags.yaml", "rules/notes.yaml", "rules/reviews.yaml"
GUARANTEES = "rules/guarantees.yaml"
CLOT, STRAIN = "rules/do_not_miss/clot.yaml", "rules/most_likely/strain.yaml"
LINKS = "rules/links.yaml"
LINK = """\
strain-and-potassium:
  title: Strain may be behind low potassium
  cause: strain
  effect: low_potassium
  source: expert
"""
OF_EXCLUSION = "kind: exclusion\nneeds_no:\n  - calf_redness\n"
NINE = (
    *("pregnant", "calf_pain", "calf_swelling", "calf_redness", "clot_seen", "other_cause"),
    *("low_potassium", "enough_potassium", "shoe_colour"),
)

BASE: Texts = {
    FINDINGS: """\
sex:
  title: Sex at birth
  ask: Which sex was recorded at birth?
  kind: choice
  known_by: patient
  choices:
    male: Male
    female: Female
age:
  title: Age
  ask: How old are you?
  kind: quantity
  known_by: patient
  unit: years
  decimals: 0
  plausible: 0 to 120
pregnant:
  title: Pregnancy
  ask: Are you pregnant?
  kind: yes-no
  known_by: patient
  ask_when: sex is female
calf_pain:
  title: Calf pain
  ask: Does the calf hurt?
  kind: yes-no
  known_by: patient
  also_called:
    - sore calf
  was:
    - calf_ache
calf_swelling:
  title: Calf swelling
  ask: Is the calf swollen?
  kind: yes-no
  known_by: patient
calf_redness:
  title: Calf redness
  ask: Is the calf red?
  kind: yes-no
  known_by: patient
potassium:
  title: Serum potassium
  ask: How much potassium is in the serum?
  kind: quantity
  known_by: laboratory
  unit: mmol/L
  units:
    mEq/L: 1
  decimals: 1
  plausible: 1 to 10
  reference: 3.5 to 5.1
  reference_source: a-book
left_calf:
  title: Left calf
  ask: How thick is the left calf?
  kind: quantity
  known_by: examiner
  unit: cm
  decimals: 1
  plausible: 10 to 80
right_calf:
  title: Right calf
  ask: How thick is the right calf?
  kind: quantity
  known_by: examiner
  unit: cm
  decimals: 1
  plausible: 10 to 80
calf_difference:
  title: Difference of the calves
  kind: quantity
  known_by: examiner
  unit: cm
  decimals: 1
  plausible: 0 to 25
  derived:
    absolute_difference:
      - left_calf
      - right_calf
clot_seen:
  title: Clot seen by ultrasound
  ask: Does ultrasound show a clot?
  kind: yes-no
  known_by: laboratory
other_cause:
  title: Another cause at least as likely
  ask: Is another cause at least as likely?
  kind: yes-no
  known_by: examiner
""",
    RECORDED: """\
shoe_colour:
  title: Colour of the shoes
  kind: yes-no
  known_by: patient
""",
    IMPOSSIBLE: """\
pregnant-and-male:
  title: A male patient cannot be pregnant
  when:
    all:
      - sex is male
      - pregnant
""",
    DOCUMENT: """\
most_likely:
  heading: Most likely
  diagnoses: [strain]
other_likely:
  heading: Other
  diagnoses: []
do_not_miss:
  heading: Do not miss
  diagnoses: [clot]
rare:
  heading: Rare
  diagnoses: []
""",
    WEIGHING: """\
points:
  weak: 1
  moderate: 3
  strong: 6
levels:
  possible: 3
  likely: 6
  unlikely: -3
""",
    INTERVIEW: """\
person:
  title: The person
  panels:
    - title: Who
      findings:
        - sex
        - age
        - pregnant
legs:
  title: The legs
  panels:
    - title: Calves
      findings:
        - calf_pain
        - calf_swelling
        - calf_redness
    - title: Measures
      findings:
        - left_calf
        - right_calf
        - other_cause
    - title: Tests
      findings:
        - potassium
        - clot_seen
""",
    SOURCES: """\
a-book:
  citation: A book
  doi: 10.1000/182
  pmid: 1234567
  ref: R001
  checked: verified
""",
    EVIDENCE: """\
D1-S01:
  finding: Points
  strength: S
  refs: [R001]
D1-A01:
  finding: No clot is seen
  strength: X
  refs: [R001]
""",
    CONCEPTS: """\
low_potassium:
  title: Low potassium
  when: potassium < 3.5 mmol/L
  partition: potassium-bands
  source: expert
enough_potassium:
  title: Enough potassium
  when: potassium >= 3.5 mmol/L
  partition: potassium-bands
  source: expert
""",
    FLAGS: """\
low-potassium:
  title: Potassium is low
  when: low_potassium
  urgency: emergency
  action: Record an electrocardiogram
  source: expert
""",
    NOTES: """\
notes:
  sick-child:
    title: A child with a red calf
    about: skin_infection
    when:
      all:
        - age < 10 years
        - calf_redness
    text: Think of the skin.
    source: expert
scope:
  children:
    title: Children
    when: age < 18 years
    text: This is about adults.
    source: expert
""",
    CLOT: """\
title: Clot
summary: A clot
urgency:
  possible: same day
  likely: emergency
next_steps:
  - Ultrasound of the veins
scores:
  clot_score:
    title: A score
    source: a-book
    points:
      calf_pain: 1
      calf_difference >= 3 cm: 2
    one_of:
      - age >= 65 years: 2
        age >= 40 years: 1
    asserted_only:
      other_cause: -2
rules:
  clot-by-score:
    title: The score says so
    when: clot_score >= 3 points
    then: strongly supports
    source: a-book
    evidence: [D1-S01]
  clot-by-signs:
    title: Red and swollen
    when:
      all:
        - calf_swelling
        - calf_redness
    then: weakly supports
    source: expert
  clot-in-pregnancy:
    title: Pregnancy
    when: pregnant
    then: supports
    cluster: person
    source: expert
  clot-in-old-age:
    title: Old age
    when: age >= 75 years
    then: weakly supports
    cluster: person
    source: expert
  clot-not-seen:
    title: No clot in one swollen leg
    when:
      all:
        - not clot_seen
        - calf_swelling
    then: excludes
    source: a-book
    evidence: [D1-A01]
    scope: one swollen leg
  clot-or-something-else:
    title: Another cause
    when: other_cause
    then: opposes
    source: expert
""",
    STRAIN: """\
title: Strain
summary: A strained muscle
advice:
  rest-the-leg:
    text: Rest the leg.
    when: not calf_swelling
    withheld: a clot has not been looked for
    source: expert
rules:
  strain-by-pain:
    title: It hurts
    when: calf_pain
    then: supports
    source: expert
  strain-with-enough-potassium:
    title: The potassium is fine
    when: enough_potassium
    then: weakly supports
    source: expert
""",
}


@dataclass(frozen=True)
class Planted:
    """A defect: what is changed, which code is told where, and which others follow from it, wherever those are told."""

    name: str
    code: str
    edits: tuple[Edit, ...]
    before: tuple[Edit, ...] = ()
    also: tuple[str, ...] = ()


def edited(texts: Texts, edits: tuple[Edit, ...]) -> Texts:
    """The texts with each edit made; what an edit replaces must stand there exactly once."""
    result = dict(texts)
    for file, old, new in edits:
        assert result.get(file, "").count(old) == 1 if old else file not in result, (file, old)
        result[file] = result[file].replace(old, new) if old else new
    return result


def written(texts: Texts, folder: Path) -> Path:
    """The texts as files of a folder, which is handed back."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def marked(texts: Texts) -> tuple[Texts, str]:
    """The texts without the mark, and where it stood: `file:line:column`."""
    ((file, text),) = ((f, t) for f, t in texts.items() if MARK in t)
    before, after = text.split(MARK)
    lines = before.split("\n")
    return {**texts, file: before + after}, f"{file}:{len(lines)}:{len(lines[-1]) + 1}"


def plant(code: str, name: str, *edits: Edit, before: tuple[Edit, ...] = (), also: tuple[str, ...] = ()) -> Planted:
    """An entry of the corpus."""
    return Planted(name, code, edits, before, also)


def rule(id: str, when: str, then: str = "supports", more: str = "") -> str:
    """A rule on judgement, to be put into a diagnosis file; `when` is one clause, or the lines of a tree."""
    lines = when.split("\n")
    condition = f" {when}\n" if len(lines) == 1 else "\n" + "".join(f"      {line}\n" for line in lines)
    extra = f"    {more}\n" if more else ""
    return f"  {id}:\n    title: A rule\n    when:{condition}    then: {then}\n{extra}    source: expert\n"


def with_rules(*rules: str) -> Edit:
    """Rules put before those of `CLOT`."""
    return CLOT, "\nrules:\n", "\nrules:\n" + "".join(rules)


def finding(name: str, ask: str, kind: str = "kind: yes-no", more: str = "") -> str:
    """A finding of the patient's, to be put into a vocabulary file."""
    return f"{name}:\n  title: {name.strip(MARK)}\n  ask: {ask}\n  {kind}\n  known_by: patient\n{more}"


def guarantee(id: str, whenever: str, then: str) -> str:
    """A guarantee whose condition is one clause, to be put into `GUARANTEES`."""
    return f"{id}:\n  title: T\n  hazard: H\n  whenever: {whenever}\n  then: {then}\n"


def with_finding(text: str) -> Edit:
    """A finding put before the others."""
    return FINDINGS, "sex:\n  title", text + "sex:\n  title"


def review(id: str, digest: str) -> str:
    """A file of one review."""
    return f"{id}:\n  digest: {digest}\n  date: 2026-01-31\n  role: clinician\n"


def signs(*lines: str) -> Edit:
    """Another condition for the rule that asks for two signs."""
    return CLOT, _SIGNS, "".join(f"      {line}\n" for line in lines) + "    then: weakly supports"


def whole(file: str, text: str) -> Edit:
    """Another text for a whole file."""
    return file, BASE[file], text


_SIGNS = "      all:\n        - calf_swelling\n        - calf_redness\n    then: weakly supports"
_IN_PAIN = "    title: It hurts\n    when: calf_pain\n    then: supports\n    source: expert\n"
_NEVER = (FINDINGS, "  ask_when: sex is female\n", "")  # so that pregnancy may be asked of nobody in particular
_NO_BANDS = tuple(
    (CONCEPTS, f"{limit} mmol/L\n  partition: potassium-bands\n", f"{limit} mmol/L\n") for limit in ("< 3.5", ">= 3.5")
)
_ADVICE = BASE[STRAIN][BASE[STRAIN].index("  rest-the-leg:") : BASE[STRAIN].index("rules:")]
_SICK_CHILD = BASE[NOTES][BASE[NOTES].index("  sick-child:") : BASE[NOTES].index("scope:")]
_READ_HAIR = (CLOT, "        - calf_redness\n    then", "        - calf_redness\n        - hair_colour is dark\n    then")
_HAIR = "kind: choice\n  choices:\n    dark: Dark\n    fair: {}"
_ASK_HAIR = (INTERVIEW, "        - sex\n", "        - sex\n        - hair_colour\n")
_READ = (CLOT, "        - calf_redness\n    then", "        - calf_redness\n        - {}\n    then")


def read_and_asked(name: str) -> tuple[Edit, ...]:
    """That a new yes-no finding is read by a rule, and asked."""
    asked = (INTERVIEW, "        - calf_redness\n", f"        - calf_redness\n        - {name}\n")
    return ((_READ[0], _READ[1], _READ[2].format(name)), asked)


def chained(number: int) -> str:
    """A concept that rests on the one before it; the last is one too many."""
    mark, below = MARK if number == 99 else "", f"c{number - 1}" if number > 1 else "low_potassium"
    return f"{mark}c{number}:\n  title: One of many\n  when: {below}\n  source: expert\n"


FILES = (
    plant("alias", "alias", (STRAIN, "summary: A strained muscle", "summary: §*title"), also=("not-text",)),
    plant("anchor", "anchor", (STRAIN, "title: Strain\n", "title: §&t Strain\n")),
    plant("control-character", "control character", (STRAIN, "A strained", "A §\x07strained")),
    plant("duplicate-key", "key twice", (STRAIN, "title: Strain\n", "title: Strain\n§title: Muscle strain\n")),
    plant("duplicate-key", "canonical unit again", (FINDINGS, "mEq/L: 1", "mEq/L: 1\n    §mmol/L: 1")),
    plant("empty-file", "empty file", whole(RECORDED, "§# nothing\n")),
    plant("key-not-text", "list as key", (STRAIN, "title: Strain\n", "title: Strain\n? §[a]\n: b\n")),
    plant("many-documents", "second document", (STRAIN, "rules:", "§---\nrules:")),
    plant("tab", "tab", (STRAIN, "  strain-by-pain:", "§\tstrain-by-pain:")),
    plant("tag", "tag", (STRAIN, "title: Strain\n", "title: §!!str Strain\n")),
    plant("too-deep", "too deep", (CLOT, "when: pregnant", "when: " + "{not: " * 21 + "§{not: pregnant" + "}" * 22)),
    plant("unknown-file", "unknown file", ("rules/strange.yaml", "", "§a: b\n")),
    plant("yaml-syntax", "no YAML", (STRAIN, "title: Strain\n", "title: Strain§: muscle\n")),
)
ENTRIES = (
    plant("empty-list", "no source at all", (STRAIN, _IN_PAIN, _IN_PAIN.replace("expert", "§[]"))),
    plant("id-used-twice", "name twice", (STRAIN, "strain-with-enough-potassium:", "§low-potassium:")),
    plant("missing-key", "no title", (STRAIN, _IN_PAIN, "    §" + _IN_PAIN.split("\n", 1)[1].lstrip())),
    plant(
        "missing-key",
        "red flag without action",
        (FLAGS, "title: Potassium is low", "§title: Potassium is low"),
        (FLAGS, "  action: Record an electrocardiogram\n", ""),
    ),
    plant("name-reserved", "reserved name", (STRAIN, "strain-by-pain:", "§because:")),
    plant("name-style", "capital in a name", (STRAIN, "strain-by-pain:", "§Strain-by-pain:")),
    plant(
        "name-style",
        "capital in a partition",
        (CONCEPTS, "< 3.5 mmol/L\n", "< 3.5 mmol/L\n  partition: §Low\n"),
        before=_NO_BANDS,
        also=(),
    ),
    plant("not-a-list", "clause without dash", signs("all: §calf_swelling")),
    plant("not-a-mapping", "list for a mapping", (STRAIN, _ADVICE, "  §- rest\n")),
    plant("not-a-number", "points in words", (CLOT, "calf_pain: 1", "calf_pain: §one")),
    plant("not-a-question", "question without mark", (FINDINGS, "ask: Does the calf hurt?", "ask: §Calf pain")),
    plant("not-a-range", "range backwards", (FINDINGS, "plausible: 0 to 120", "plausible: §120 to 0")),
    plant("not-text", "empty title", (STRAIN, "title: It hurts", "title: §''")),
    plant("unknown-key", "misspelt key", (STRAIN, "    title: It hurts\n", "    title: It hurts\n    §titel: It hurts\n")),
    plant("unknown-word", "misspelt strength", (STRAIN, _IN_PAIN, _IN_PAIN.replace("supports", "§suports"))),
)
NAMES = (
    plant(
        "depends-on-itself",
        "ring",
        (CONCEPTS, "low_potassium:", "§low_potassium:"),
        (CONCEPTS, "when: potassium < 3.5 mmol/L", "when: low_potassium"),
        before=_NO_BANDS,
    ),
    plant("recorded-only", "recorded finding in a rule", (CLOT, "when: pregnant", "when: §shoe_colour"), before=(_NEVER,)),
    plant("renamed", "former name", (STRAIN, _IN_PAIN, _IN_PAIN.replace("calf_pain", "§calf_ache"))),
    plant(
        "too-long-chain",
        "concept on concept",
        (
            CONCEPTS,
            "low_potassium:",
            "".join(map(chained, range(1, 100))) + "low_potassium:",
        ),
        also=("unused-concept",),
    ),
    plant("unknown-choice", "misspelt choice", (FINDINGS, "ask_when: sex is female", "ask_when: §sex is femal")),
    plant("unknown-name", "misspelt finding", (CLOT, "when: pregnant", "when: §pregnent")),
    plant("wrong-kind", "quantity as yes-no", (CLOT, "when: pregnant", "when: §potassium")),
    plant(
        "unused-concept",
        "concept that nothing reads",
        (STRAIN, "when: enough_potassium", "when: not calf_swelling"),
        (CONCEPTS, "enough_potassium:", "§enough_potassium:"),
    ),
    plant(
        "unused-finding",
        "finding that nothing reads",
        with_finding(finding("§lame", "Do you limp?")),
        (INTERVIEW, "        - sex\n", "        - sex\n        - lame\n"),
    ),
    plant(
        "ambiguous-word",
        "word of two findings",
        (FINDINGS, "calf_swelling:\n", "§calf_swelling:\n  also_called: sore calf\n"),
    ),
    plant(
        "ambiguous-word",
        "word that is another's name",
        (FINDINGS, "- sore calf", "- serum potassium"),
        (FINDINGS, "potassium:\n  title", "§potassium:\n  title"),
    ),
    plant(
        "negative-name",
        "negative finding",
        with_finding(finding("§no_fever", "Have you no fever?")),
        *read_and_asked("no_fever"),
    ),
    plant(
        "title-style",
        "full stop",
        (FINDINGS, "calf_redness:\n  title: Calf redness", "§calf_redness:\n  title: Calf redness."),
    ),
)
QUESTIONS = (
    plant(
        "same-question",
        "question twice",
        (FINDINGS, "calf_redness:\n", "§calf_redness:\n"),
        (FINDINGS, "Is the calf red?", "Is the calf swollen?"),
    ),
    plant(
        "same-wording",
        "wording twice",
        (FINDINGS, "sex:\n  title", "§sex:\n  title"),
        (FINDINGS, "female: Female", "female: Male"),
    ),
    plant(
        "question-of-another-kind",
        "how much of a yes-no",
        (FINDINGS, "calf_pain:\n", "§calf_pain:\n"),
        (FINDINGS, "Does the calf hurt?", "How much does the calf hurt?"),
    ),
    plant(
        "question-of-another-kind",
        "whether of a quantity",
        (FINDINGS, "age:\n", "§age:\n"),
        (FINDINGS, "How old are you?", "Are you old?"),
    ),
    plant(
        "gate-known-later", "patient waits for the laboratory", (FINDINGS, "ask_when: sex is female", "ask_when: §clot_seen")
    ),
    plant(
        "in-no-panel",
        "question on no panel",
        (FINDINGS, "calf_redness:\n", "§calf_redness:\n"),
        (INTERVIEW, "        - calf_redness\n", ""),
    ),
    plant(
        "in-two-panels",
        "question on two panels",
        (FINDINGS, "calf_redness:\n", "§calf_redness:\n"),
        (INTERVIEW, "        - sex\n", "        - sex\n        - calf_redness\n"),
    ),
    plant(
        "cannot-be-asked",
        "derived quantity on a panel",
        (FINDINGS, "calf_difference:\n", "§calf_difference:\n"),
        (INTERVIEW, "        - left_calf\n", "        - left_calf\n        - calf_difference\n"),
    ),
    plant(
        "cannot-be-asked",
        "recorded finding on a panel",
        (RECORDED, "shoe_colour:", "§shoe_colour:"),
        (INTERVIEW, "        - sex\n", "        - sex\n        - shoe_colour\n"),
    ),
)
QUANTITIES = (
    plant("implausible-limit", "limit out of range", (NOTES, "when: age < 18 years", "when: §age < 180 years")),
    plant(
        "missing-source",
        "interval without source",
        (FINDINGS, "  reference: 3.5 to 5.1\n  reference_source: a-book\n", "  §reference: 3.5 to 5.1\n"),
    ),
    plant("no-reference", "range of what has none", (NOTES, "when: age < 18 years", "when: §age below range")),
    plant("no-unit", "number without unit", (NOTES, "when: age < 18 years", "when: §age < 18")),
    plant("not-a-conversion", "unit without factor", (FINDINGS, "mEq/L: 1", "mEq/L: §the same")),
    plant(
        "not-a-derivation",
        "difference of one",
        (FINDINGS, "      - left_calf\n      - right_calf", "      §- left_calf"),
    ),
    plant("too-precise", "limit too fine", (CONCEPTS, "when: potassium < 3.5 mmol/L", "when: §potassium < 3.45 mmol/L")),
    plant("unknown-unit", "unknown unit", (NOTES, "when: age < 18 years", "when: §age < 18 weeks")),
)
CONDITIONS = (
    plant("flow-list", "clauses in brackets", signs("all: §[calf_swelling, calf_redness]")),
    plant("impossible-count", "more than there are", signs("§at least 3 of:", "  - calf_swelling", "  - calf_redness")),
    plant("list-without-all-or-any", "neither all nor any", signs("§- calf_swelling", "- calf_redness")),
    plant("not-a-condition", "two trees side by side", signs("§all:", "  - calf_swelling", "any:", "  - calf_redness")),
    plant("not-a-leaf", "and inside a clause", (CLOT, "when: pregnant", "when: §pregnant and calf_pain")),
    plant(
        "always-yes",
        "any for all",
        signs("any:", "  - §age < 80 years", "  - age >= 20 years"),
        also=("double-counting",),
    ),
    plant("always-yes", "yes or no", signs("any:", "  - §calf_swelling", "  - not calf_swelling")),
    plant("constant-clause", "lowest plausible value", (NOTES, "when: age < 18 years", "when: §age >= 0 years")),
    plant("constant-clause", "all choices", (FINDINGS, "ask_when: sex is female", "ask_when: §sex is one of male, female")),
    plant(
        "constant-clause",
        "more points than there are",
        (CLOT, "when: clot_score >= 3 points", "when: §clot_score >= 6 points"),
    ),
    plant("contradictory-clauses", "both ends", signs("all:", "  - §age < 20 years", "  - age >= 65 years")),
    plant(
        "contradictory-clauses",
        "yes and no",
        signs("all:", "  - §calf_swelling", "  - all:", "      - not calf_swelling", "      - calf_redness"),
    ),
    plant("contradictory-clauses", "two choices", signs("all:", "  - §sex is male", "  - sex is female")),
    plant(
        "duplicate-clause",
        "clause twice",
        signs("at least 2 of:", "  - calf_swelling", "  - calf_redness", "  - §calf_swelling"),
    ),
    plant(
        "duplicate-clause", "choice twice", (FINDINGS, "ask_when: sex is female", "ask_when: §sex is one of female, female")
    ),
    plant(
        "duplicate-clause",
        "list twice in another order",
        signs(
            "any:",
            "  - all:",
            "      - calf_swelling",
            "      - calf_redness",
            "  - all:",
            "      - §calf_redness",
            "      - calf_swelling",
        ),
    ),
    plant("needless-list", "list of one", signs("all:", "  - §calf_swelling")),
    plant("needless-list", "count of all", signs("at least 2 of:", "  - §calf_swelling", "  - calf_redness")),
    plant(
        "redundant-clause", "looser limit", signs("all:", "  - calf_swelling", "  - §age >= 40 years", "  - age >= 65 years")
    ),
    plant(
        "redundant-clause",
        "absorbed list",
        signs("all:", "  - calf_swelling", "  - any:", "      - §calf_redness", "      - calf_swelling"),
    ),
)
SOURCED = (
    plant(
        "coded-after-all",
        "row that is not coded",
        (EVIDENCE, "strength: S\n", "strength: S\n  not_coded: Too vague\n"),
        (CLOT, "evidence: [D1-S01]", "evidence: [§D1-S01]"),
    ),
    plant("undefined-source", "misspelt source", (CLOT, "    source: a-book\n    points", "    source: §a-bok\n    points")),
    plant("unlisted-evidence", "misspelt row", (CLOT, "evidence: [D1-S01]", "evidence: [§D1-S02]")),
    plant(
        "against-its-evidence",
        "rule for on a row against",
        (CLOT, "  clot-by-score:", "  §clot-by-score:"),
        (EVIDENCE, "strength: S\n", "strength: S-\n"),
    ),
    plant(
        "against-its-evidence",
        "rule against on a row for",
        (CLOT, "  clot-not-seen:", "  §clot-not-seen:"),
        (EVIDENCE, "strength: X\n", "strength: P\n"),
    ),
    plant(
        "no-evidence-row",
        "source without row",
        (CLOT, "  clot-by-score:", "  §clot-by-score:"),
        (CLOT, "    evidence: [D1-S01]\n", ""),
        also=("uncoded-evidence",),
    ),
    plant(
        "not-an-identifier",
        "address for a DOI",
        (SOURCES, "a-book:", "§a-book:"),
        (SOURCES, "doi: 10", "doi: https://doi.org/10"),
    ),
    plant(
        "not-an-identifier", "letters in a PMID", (SOURCES, "a-book:", "§a-book:"), (SOURCES, "pmid: 123", "pmid: PMC123")
    ),
    plant(
        "same-source",
        "source under two names",
        (
            SOURCES,
            "a-book:",
            "the-book:\n  citation: The book\n  doi: 10.1000/182\n  ref: R002\n  checked: verified\n§a-book:",
        ),
        (EVIDENCE, "strength: X\n  refs: [R001]", "strength: X\n  refs: [R001, R002]"),
    ),
    plant(
        "stronger-than-evidence",
        "more than the row says",
        (CLOT, "  clot-by-score:", "  §clot-by-score:"),
        (EVIDENCE, "strength: S\n", "strength: M\n"),
    ),
    plant("uncoded-evidence", "row that nothing codes", (EVIDENCE, "D1-A01:", "§D1-S02:\n  finding: Pain\nD1-A01:")),
    plant(
        "unlisted-reference",
        "number that no source has",
        (EVIDENCE, "D1-A01:", "§D1-A01:"),
        (EVIDENCE, "strength: X\n  refs: [R001]", "strength: X\n  refs: [R999]"),
    ),
    plant(
        "unused-source",
        "source that nothing names",
        (SOURCES, "a-book:", "§b-book:\n  citation: Another\n  checked: verified\na-book:"),
    ),
)
RULES = (
    plant(
        "excludes-without-scope",
        "no scope",
        (CLOT, "  clot-not-seen:", "  §clot-not-seen:"),
        (CLOT, "    scope: one swollen leg\n", ""),
    ),
    plant("falling-urgency", "urgency falls", (CLOT, "likely: emergency", "likely: §soon")),
    plant(
        "linked-with-itself",
        "linked with itself",
        (LINKS, "", LINK.replace("effect: low_potassium", "effect: §strain")),
    ),
    plant(
        "unknown-name", "linked with nothing", (LINKS, "", LINK.replace("effect: low_potassium", "effect: §low_potasium"))
    ),
    plant(
        "missing-key",
        "a link without an end",
        (LINKS, "", LINK.replace("  title", "  §title").replace("  effect: low_potassium\n", "")),
    ),
    plant(
        "rests-on-beyond",
        "a red flag rests on what is beyond",
        (DOCUMENT, "[clot]", "[]"),
        (CLOT, "summary: A clot\n", "summary: A clot\norigin: beyond\n"),
        (FLAGS, "when: low_potassium", "when: §clot_score >= 3 points"),
        also=("unused-concept",),
    ),
    plant(
        "note-about-a-diagnosis",
        "a note about a diagnosis",
        (NOTES, "  sick-child:", "  §sick-child:"),
        (NOTES, "about: skin_infection", "about: clot"),
    ),
    plant(
        "missing-key",
        "yields to nothing",
        (
            NOTES,
            "  sick-child:\n    title: A child with a red calf\n    about: skin_infection\n",
            "  sick-child:\n    §title: A child with a red calf\n    yields: yes\n",
        ),
    ),
    plant(
        "urgent-exclusion",
        "urgent though of exclusion",
        (STRAIN, "summary: A strained muscle\n", "summary: A strained muscle\n§urgency:\n  likely: soon\n" + OF_EXCLUSION),
    ),
    plant(
        "establishes-by-exclusion",
        "established though of exclusion",
        (STRAIN, "summary: A strained muscle\n", "summary: A strained muscle\n" + OF_EXCLUSION),
        (STRAIN, "when: calf_pain\n    then: supports", "when: calf_pain\n    then: §establishes"),
    ),
    plant(
        "too-many-needs-no",
        "nine things to exclude",
        (STRAIN, "advice:\n", "kind: exclusion\n§needs_no:\n" + "".join(f"  - {name}\n" for name in NINE) + "advice:\n"),
        also=("recorded-only",),
    ),
    plant(
        "not-a-name",
        "a comparison to exclude",
        (STRAIN, "advice:\n", OF_EXCLUSION + "  - §potassium > 6 mmol/L\nadvice:\n"),
    ),
    plant(
        "listed-twice",
        "the same thing to exclude twice",
        (STRAIN, "advice:\n", OF_EXCLUSION + "  - §calf_redness\nadvice:\n"),
    ),
    plant(
        "wrong-kind",
        "something to exclude, but not of exclusion",
        (STRAIN, "advice:\n", "§needs_no:\n  - calf_redness\nadvice:\n"),
    ),
    plant("missing-key", "of exclusion, but of what", (STRAIN, "title: Strain\n", "§title: Strain\nkind: exclusion\n")),
    plant("listed-twice", "listed twice", (DOCUMENT, "[clot]", "[clot, §clot]")),
    plant("not-a-weighing", "points fall", (WEIGHING, "points:\n  weak: 1", "§points:\n  weak: 4")),
    plant("unknown-diagnosis", "listed without a file", (DOCUMENT, "[clot]", "[clot, §embolism]")),
    plant("wrong-origin", "not listed", (DOCUMENT, "[strain]", "[]"), (STRAIN, "title: Strain\n", "§title: Strain\n")),
    plant(
        "wrong-tier",
        "in another tier",
        (DOCUMENT, "[strain]", "[]"),
        (DOCUMENT, "[clot]", "[clot, strain]"),
        (STRAIN, "title: Strain\n", "§title: Strain\n"),
    ),
    plant(
        "cluster-of-one",
        "misspelt cluster",
        (CLOT, "  clot-in-pregnancy:", "  §clot-in-pregnancy:"),
        (CLOT, "cluster: person\n    source: expert\n  clot-in-old", "cluster: persons\n    source: expert\n  clot-in-old"),
        before=(with_rules(rule("clot-in-men", "sex is male", more="cluster: person")),),
    ),
    plant(
        "cluster-caps-nothing",
        "one for and one against",
        (CLOT, "  clot-in-old-age:", "  §clot-in-old-age:"),
        (CLOT, "then: weakly supports\n    cluster: person", "then: weakly opposes\n    cluster: person"),
    ),
    plant(
        "double-counting",
        "yes counts twice",
        (CLOT, "  clot-in-pregnancy:", "  §clot-in-pregnancy:"),
        with_rules(rule("clot-when-expecting", "any:\n  - pregnant\n  - calf_redness")),
    ),
    plant(
        "double-counting",
        "value counts twice",
        (CLOT, "  clot-in-old-age:", "  §clot-in-old-age:"),
        with_rules(rule("clot-in-middle-age", "all:\n  - age >= 55 years\n  - age < 80 years")),
    ),
    plant(
        "double-counting",
        "through a concept",
        (
            STRAIN,
            "  strain-with-enough-potassium:",
            "  strain-by-normal-salt:\n    title: Normal\n    when: not potassium below range\n"
            "    then: supports\n    source: expert\n  §strain-with-enough-potassium:",
        ),
    ),
    plant(
        "duplicate-concept",
        "definition twice",
        (
            CONCEPTS,
            "enough_potassium:",
            "§low_salt:\n  title: Low salt\n  when: not potassium >= 3.5 mmol/L\n  source: expert\nenough_potassium:",
        ),
        (NOTES, "when: age < 18 years", "when: low_salt"),
    ),
    plant(
        "for-and-against",
        "for and against",
        (CLOT, "  clot-by-signs:", "  §clot-by-signs:"),
        with_rules(rule("clot-not-by-signs", "all:\n  - calf_redness\n  - calf_swelling", "opposes")),
    ),
    plant(
        "near-duplicate-rule",
        "rule twice in another order",
        (CLOT, "  clot-by-signs:", "  §clot-by-signs:"),
        with_rules(rule("clot-by-colour", "not:\n  any:\n    - not calf_redness\n    - not calf_swelling")),
    ),
    plant(
        "near-duplicate-rule",
        "rule twice but for a limit",
        (CLOT, "  clot-in-old-age:", "  §clot-in-old-age:"),
        with_rules(rule("clot-in-age", "age >= 70 years", "weakly supports", "cluster: person")),
    ),
    plant(
        "nested-rules",
        "rule within a rule",
        (CLOT, "  clot-by-signs:", "  §clot-by-signs:"),
        with_rules(rule("clot-by-redness", "calf_redness")),
    ),
    plant(
        "no-rule-against",
        "cannot be ruled out",
        (CLOT, "title: Clot\n", "§title: Clot\n"),
        (CLOT, "then: excludes", "then: supports"),
        (CLOT, "    scope: one swollen leg\n", ""),
        (CLOT, "then: opposes", "then: weakly supports"),
        also=("against-its-evidence",),
    ),
    plant(
        "no-rule-for",
        "nothing speaks for it",
        (STRAIN, "title: Strain\n", "§title: Strain\n"),
        (STRAIN, _IN_PAIN, _IN_PAIN.replace("supports", "opposes")),
        (STRAIN, "then: weakly supports", "then: weakly opposes"),
    ),
    plant(
        "no-urgency",
        "danger without urgency",
        (CLOT, "title: Clot\n", "§title: Clot\n"),
        (CLOT, "urgency:\n  possible: same day\n  likely: emergency\n", ""),
    ),
    plant(
        "names-a-dose",
        "dose",
        (FLAGS, "low-potassium:", "§low-potassium:"),
        (FLAGS, "Record an electrocardiogram", "Give 40 mg"),
    ),
    plant(
        "routine-red-flag",
        "red flag without haste",
        (FLAGS, "low-potassium:", "§low-potassium:"),
        (FLAGS, "urgency: emergency", "urgency: routine"),
    ),
    plant(
        "scope-outside-condition",
        "scope only in words",
        (CLOT, "  clot-not-seen:", "  §clot-not-seen:"),
        (CLOT, "    when:\n      all:\n        - not clot_seen\n        - calf_swelling\n", "    when: not clot_seen\n"),
    ),
    plant(
        "scope-without-excludes",
        "scope of what excludes nothing",
        (STRAIN, "  strain-by-pain:", "  §strain-by-pain:"),
        (STRAIN, _IN_PAIN, _IN_PAIN + "    scope: in adults\n"),
    ),
    plant(
        "group-of-one",
        "single alternative",
        (CLOT, "      - age >= 65 years: 2\n        age >= 40 years: 1\n", "      - §age >= 65 years: 2\n"),
    ),
    plant(
        "silent-item",
        "item that no rule reads",
        (CLOT, "      other_cause: -2", "      §other_cause: -2"),
        (CLOT, "when: other_cause", "when: not calf_pain"),
    ),
    plant("worthless-item", "no points", (CLOT, "      calf_pain: 1\n", "      §calf_pain: 0\n")),
    plant(
        "not-a-partition",
        "two quantities",
        (CONCEPTS, "  when: potassium < 3.5 mmol/L\n  partition", "  when: age < 35 years\n  §partition"),
    ),
    plant(
        "partition-gap",
        "neither",
        (CONCEPTS, "  when: potassium < 3.5 mmol/L\n  partition", "  when: potassium < 3.4 mmol/L\n  §partition"),
    ),
    plant(
        "partition-overlap",
        "both",
        (CONCEPTS, "enough_potassium:\n", "§enough_potassium:\n"),
        (CONCEPTS, "potassium >= 3.5", "potassium >= 3.4"),
    ),
)
CHOICES = (
    plant(
        "name-reserved",
        "a choice that means unknown",
        (FINDINGS, "    female: Female\n", "    female: Female\n    §unknown: Not known\n"),
    ),
)
OF_REVIEWS = (
    plant("review-malformed", "digest in capitals", (REVIEWS, "", review("strain-by-pain", "§ABCDEF012345"))),
    plant("review-stale", "changed since", (REVIEWS, "", review("§strain-by-pain", "0" * 12))),
    plant(
        "review-unknown",
        "review of nothing",
        (REVIEWS, "", review("§strain-by-pian", "0" * 12)),
        also=("review-stale",),
    ),
)
COMMENTS = (
    plant(
        "ignore-without-reason", "no reason", (STRAIN, "title: Strain\n", "title: Strain  §# crampdx: ignore[no-rule-for]\n")
    ),
    plant(
        "not-an-ignore", "another wording", (STRAIN, "title: Strain\n", "title: Strain  §# crampdx: ignore no-rule-for\n")
    ),
    plant(
        "unknown-code",
        "misspelt code",
        (STRAIN, "title: Strain\n", "title: Strain  §# crampdx: ignore[no-rule] because I say so\n"),
    ),
    plant(
        "unused-ignore",
        "nothing to ignore",
        (STRAIN, "title: Strain\n", "title: Strain  §# crampdx: ignore[no-rule-for] because I say so\n"),
    ),
    plant(
        "unused-ignore", "an error", (STRAIN, "title: Strain\n", "title: Strain  §# crampdx: ignore[tab] because I say so\n")
    ),
)
# What is proved: `STRONG` lets the strain become likely, and `GUARDED` guards what must be guarded.
STRONG = (
    STRAIN,
    "\nrules:\n",
    "\nrules:\n" + rule("strain-in-a-slim-leg", "all:\n  - calf_pain\n  - not calf_swelling", "strongly supports"),
)
GUARDED = (
    GUARANTEES,
    "",
    guarantee("potassium-low", "potassium < 3 mmol/L", "urgency at least emergency")
    + guarantee("clot-by-points", "clot_score >= 3 points", "clot at least possible unless excluded")
    + guarantee("no-rest-with-a-clot", "calf_swelling", "advice rest-the-leg withheld"),
)
NOBODY = "all:\n  - sex is male\n  - pregnant"
TOO_MANY_POINTS = "all:\n  - clot_score >= 5 points\n  - age < 65 years"


def _indented(text: str, by: int) -> str:
    return "\n" + "".join(f"{' ' * by}{line}\n" for line in text.split("\n"))


def of_guarantees(name: str, code: str, old: str, new: str) -> Planted:
    """A defect in a file of guarantees that was sound."""
    return plant(code, name, (GUARANTEES, old, new), before=(STRONG, GUARDED))


OF_PROOF = (
    plant("never-fires", "rule of nobody", with_rules(rule("§clot-of-nobody", NOBODY, "opposes")), before=(STRONG,)),
    plant(
        "never-fires", "rule beyond a score", with_rules(rule("§full-score-while-young", TOO_MANY_POINTS)), before=(STRONG,)
    ),
    plant(
        "never-fires",
        "concept of two bands",
        (
            CONCEPTS,
            "enough_potassium:",
            "§between:\n  title: Between\n  when:"
            + _indented("all:\n  - low_potassium\n  - potassium > 3.4 mmol/L", 4)
            + "  source: expert\nenough_potassium:",
        ),
        with_rules(rule("clot-between", "between", "opposes")),
        before=(STRONG,),
        also=("never-fires",),
    ),
    plant(
        "never-fires",
        "red flag of nobody",
        (
            FLAGS,
            "low-potassium:",
            "§nobody:\n  title: T\n  when:"
            + _indented(NOBODY, 4)
            + "  urgency: soon\n  action: A\n  source: expert\nlow-potassium:",
        ),
        before=(STRONG,),
    ),
    plant(
        "never-fires",
        "note on a full score while young",
        (NOTES, "  sick-child:", "  §sick-child:"),
        (NOTES, "        - calf_redness", "        - clot_score >= 4 points"),
        before=(STRONG,),
    ),
    plant(
        "never-fires",
        "scope of nobody",
        (NOTES, "  children:", "  §children:"),
        (NOTES, "    when: age < 18 years\n", "    when:" + _indented(NOBODY, 6)),
        before=(STRONG,),
    ),
    plant(
        "never-fires",
        "advice of nobody",
        (STRAIN, "  rest-the-leg:", "  §rest-the-leg:"),
        (STRAIN, "    when: not calf_swelling\n", "    when:" + _indented(NOBODY, 6)),
        before=(STRONG,),
    ),
    plant(
        "never-fires",
        "unless of nobody",
        (STRAIN, "  rest-the-leg:", "  §rest-the-leg:"),
        (STRAIN, "    when: not calf_swelling\n", "    when: not calf_swelling\n    unless:" + _indented(NOBODY, 6)),
        before=(STRONG,),
    ),
    plant(
        "implied-rule",
        "two ages",
        with_rules(rule("§clot-in-great-age", "age >= 80 years", "weakly supports")),
        before=(STRONG,),
    ),
    plant(
        "implied-rule",
        "implied through a concept",
        (
            STRAIN,
            "  strain-with-enough",
            rule("§strain-with-much-potassium", "potassium > 5 mmol/L", "weakly supports") + "  strain-with-enough",
        ),
        before=(STRONG,),
    ),
    plant(
        "implied-rule",
        "through a score",
        with_rules(rule("§clot-by-many-points", "clot_score >= 4 points", "strongly supports")),
        before=(STRONG,),
    ),
    plant(
        "level-out-of-reach",
        "never likely",
        (STRAIN, "title: Strain", "§title: Strain"),
        (STRAIN, "then: strongly supports", "then: weakly supports"),
        before=(STRONG,),
    ),
    plant(
        "level-out-of-reach",
        "capped by a cluster",
        (CLOT, "title: Clot\n", "§title: Clot\n"),
        (CLOT, "    then: strongly supports\n", "    then: supports\n    cluster: person\n"),
        before=(STRONG,),
    ),
    of_guarantees(
        "flag that fires later",
        "guarantee-refuted",
        "potassium-low:\n  title: T\n  hazard: H\n  whenever: potassium < 3 mmol/L",
        "§potassium-low:\n  title: T\n  hazard: H\n  whenever: potassium < 3.6 mmol/L",
    ),
    of_guarantees(
        "excluded all the same",
        "guarantee-refuted",
        "clot-by-points:\n  title: T\n  hazard: H\n  whenever: clot_score >= 3 points\n  then: clot at least possible unless excluded",
        "§clot-by-points:\n  title: T\n  hazard: H\n  whenever: clot_score >= 3 points\n  then: clot at least possible",
    ),
    of_guarantees(
        "unknown is not no",
        "guarantee-refuted",
        "no-rest-with-a-clot:\n  title: T\n  hazard: H\n  whenever: calf_swelling",
        "§no-rest-with-a-clot:\n  title: T\n  hazard: H\n  whenever: calf_redness",
    ),
    of_guarantees(
        "premise of nobody",
        "guarantee-of-nobody",
        "potassium-low:\n  title: T\n  hazard: H\n  whenever: potassium < 3 mmol/L",
        "§potassium-low:\n  title: T\n  hazard: H\n  whenever:\n    all:\n      - sex is male\n      - pregnant",
    ),
    of_guarantees(
        "promise of nothing",
        "guarantee-unbreakable",
        "potassium-low:\n  title: T\n  hazard: H\n  whenever: potassium < 3 mmol/L\n  then: urgency at least emergency",
        "§potassium-low:\n  title: T\n  hazard: H\n  whenever: potassium < 3 mmol/L\n  then: urgency at least routine",
    ),
    plant(
        "unguarded",
        "unguarded red flag",
        (FLAGS, "low-potassium:", "§low-potassium:"),
        (
            GUARANTEES,
            "potassium < 3 mmol/L\n  then: urgency at least emergency",
            "calf_swelling\n  then: advice rest-the-leg withheld",
        ),
        before=(STRONG, GUARDED),
    ),
    plant(
        "unguarded",
        "unguarded advice",
        (STRAIN, "  rest-the-leg:", "  §rest-the-leg:"),
        (
            GUARANTEES,
            "calf_swelling\n  then: advice rest-the-leg withheld",
            "potassium < 2 mmol/L\n  then: red flag low-potassium fires",
        ),
        before=(STRONG, GUARDED),
    ),
    plant(
        "unguarded",
        "unguarded diagnosis not to be missed",
        (CLOT, "title: Clot\n", "§title: Clot\n"),
        (
            GUARANTEES,
            "clot_score >= 3 points\n  then: clot at least possible unless excluded",
            "potassium < 2 mmol/L\n  then: red flag low-potassium fires",
        ),
        before=(STRONG, GUARDED),
    ),
)
PLANTED = (
    *FILES,
    *ENTRIES,
    *NAMES,
    *QUESTIONS,
    *QUANTITIES,
    *CONDITIONS,
    *SOURCED,
    *RULES,
    *OF_REVIEWS,
    *COMMENTS,
    *OF_PROOF,
)

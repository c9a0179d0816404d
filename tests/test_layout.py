"""From a table's header and an analyst's map to findings: what is taken, what is refused and where, and what an analyst gets
to begin with."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from crampdx.cli import main
from crampdx.engine.knowledge.cases import read_answer, units_of
from crampdx.engine.knowledge.model import NOWHERE, Knowledge
from crampdx.engine.knowledge.problems import Place, Problems
from crampdx.engine.knowledge.quantities import Linear
from crampdx.engine.population.layout import (
    DICTIONARY,
    Column,
    Layout,
    Map,
    accepted_unit,
    cell_words,
    dictionary,
    heading,
    layout_of,
    read_map,
    template,
)

from at_hand import ROOT, built_in

PLACE = Place("table.csv", 1, 1)
WAYS_OUT = "--map FILE says what a column means; --id and --label name those columns; --ignore COLUMN leaves one out, --ignore-others all such columns"


@cache
def renamed() -> Knowledge:
    """The built-in knowledge, in which a finding had another name."""
    known = built_in()
    age = replace(known.findings["age"], was=("years_of_life",))
    return replace(known, findings={**known.findings, "age": age})


def told(problems: Problems) -> list[str]:
    """Headlines with their help, errors first."""
    return [f"{p.headline()} | {p.help}" for p in (*problems.errors, *problems.warnings)]


def laid(*header: str, knowledge: Knowledge | None = None, **options: object) -> tuple[Layout | None, list[str]]:
    problems = Problems()
    layout = layout_of(header, knowledge or built_in(), problems=problems, place=PLACE, **options)  # type: ignore[arg-type]
    return layout, told(problems)


def mapped(text: str) -> tuple[Map | None, list[str]]:
    problems = Problems()
    return read_map(text, "map.yaml", built_in(), problems), told(problems)


def good_map(text: str) -> Map:
    found, said = mapped(text)
    assert found is not None, said
    return found


def crampdx(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


# Headers -------------------------------------------------------------------------------------------------------------


def test_a_header_of_finding_names() -> None:
    """Names with and without a unit, spaces and a byte-order mark beside them; columns keep the name that the table has."""
    layout, said = laid("\ufeffid", " calf_pain ", "serum_potassium (mEq/L)", "age(years)", "sex", "body_weight")
    assert said == []
    assert layout == Layout(
        columns=(
            Column(" calf_pain ", "calf_pain"),
            Column("serum_potassium (mEq/L)", "serum_potassium", "mEq/L"),
            Column("age(years)", "age", "years"),
            Column("sex", "sex"),
            Column("body_weight", "body_weight"),
        ),
        id="\ufeffid",
    )
    assert [c.finding for c in layout.assumed(built_in())] == ["body_weight"]  # a yes-no finding and a choice need no unit
    assert hash(layout)


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("serum_potassium (MMOL/L)", "mmol/L"),
        ("serum_potassium ( mmol/L )", "mmol/L"),
        ("serum_potassium\n(mmol/L)", "mmol/L"),
        ("serum_creatinine (μmol/L)", "µmol/L"),  # a Greek letter where the vocabulary has the micro sign
        ("thyroid_stimulating_hormone (miu/l)", "mIU/L"),
    ],
)
def test_units_are_read_with_the_tolerance_of_a_case_file(written: str, unit: str) -> None:
    layout, said = laid(written)
    assert layout is not None, said
    assert layout.columns[0].unit == unit


def test_a_unit_is_accepted_exactly_where_a_case_file_accepts_it() -> None:
    """Over every unit of the vocabulary, in small and capital letters and with the other micro sign."""
    written = {u for f in built_in().findings.values() if f.scale is not None for u in units_of(f.scale)}
    written |= {v for u in written for v in (u.lower(), u.upper(), u.replace("µ", "μ"), u + "x")}
    accepted = 0
    for finding in built_in().findings.values():
        if finding.scale is None:
            continue
        units = units_of(finding.scale)
        for unit in written:
            problems = Problems(suggestions=1000)  # nobody reads them here, and they take their time
            read_answer(finding, f"1 {unit}", NOWHERE, problems, [])
            refused = any(p.code in ("unknown-unit", "not-a-quantity") for p in problems.errors)
            meant = accepted_unit(finding.scale, unit)
            assert bool(meant) is not refused, (finding.name, unit)
            assert meant in (*units, "")
            accepted += bool(meant)
    assert accepted > 200


def test_a_unit_that_may_be_either_of_two_is_none() -> None:
    """Where only capital letters tell units apart, they are wanted."""
    scale = built_in().findings["body_weight"].scale
    assert scale is not None
    scale = replace(scale, unit="mg", units=(("Mg", Linear(Decimal(1000000))),))
    assert [accepted_unit(scale, unit) for unit in ("mg", "Mg", "MG")] == ["mg", "Mg", ""]


def test_the_id_is_the_column_that_is_called_so() -> None:
    """Or the one that is asked for; columns that are called as ids are never unknown."""
    assert laid("ID", "age (years)") == (Layout((Column("age (years)", "age", "years"),), id="ID"), [])
    assert laid("age (years)")[0] == Layout((Column("age (years)", "age", "years"),))
    layout, said = laid("id", "MRN", "patient_id", "PatientID", "study id", "sex", id="MRN")
    assert said == []
    assert layout == Layout((Column("sex", "sex"),), id="MRN", ignored=("id", "patient_id", "PatientID", "study id"))
    for left_out in ({"ignore": ("id",)}, {"map": good_map("ignore: [id]")}):
        assert laid("id", "sex", **left_out) == (Layout((Column("sex", "sex"),), ignored=("id",)), [])
    assert laid("id", "sex", label="id")[0] == Layout((Column("sex", "sex"),), label="id")
    assert laid("id", map=good_map("columns: {id: sex}"))[0] == Layout((Column("id", "sex"),))
    assert laid("Id", "iD", "sex")[0] == Layout((Column("sex", "sex"),), ignored=("Id", "iD"))


def test_what_only_ends_like_an_id_is_no_id() -> None:
    layout, said = laid("sex", "steroid", "paid")
    assert layout is None
    assert "'steroid'" in said[0] and "'paid'" in said[0]


def test_what_is_left_out_keeps_its_place_in_the_table() -> None:
    layout, said = laid("ward", "sex", " bed", "truth", label="truth", ignore=("bed",), ignore_others=True)
    assert said == []
    assert layout == Layout((Column("sex", "sex"),), label="truth", ignored=("ward", " bed"))


def test_a_former_name_is_accepted_with_a_notice() -> None:
    layout, said = laid("years_of_life (years)", knowledge=renamed())
    assert layout == Layout((Column("years_of_life (years)", "age", "years"),))
    assert said == ["table.csv:1:1: warning[renamed]: 'years_of_life' is now called 'age' | still accepted"]
    assert laid("years_of_life", "age", knowledge=renamed())[1][0] == (
        "table.csv:1:1: error[finding-given-twice]: 'age' is given by two columns, 'years_of_life', 'age' | --ignore one of them"
    )


REFUSED: dict[str, tuple[tuple[str, ...], dict[str, object], list[str]]] = {
    "all that is unknown, in one fault with what may be meant": (
        ("sex", "serum_potasium", "Serum potassium", "hypokalaemia", "Deep vein thrombosis", "ward"),
        {},
        [
            "error[unknown-column]: 5 columns are no findings: 'serum_potasium' (did you mean 'serum_potassium' or "
            "'serum_sodium' or 'serum_magnesium'?); 'Serum potassium' (did you mean 'serum_potassium'?); 'hypokalaemia' "
            "(a concept: it is concluded, not given); 'Deep vein thrombosis' (a diagnosis: it is concluded, not given); "
            f"'ward' | {WAYS_OUT}"
        ],
    ),
    "a score": (
        ("sex", "wells_dvt"),
        {},
        [
            "error[unknown-column]: 1 column is no finding: 'wells_dvt' (a score: it is concluded, not given) | " + WAYS_OUT,
        ],
    ),
    "another word for a finding, with a unit": (
        ("Potassium (mmol/L)",),
        {},
        [
            f"error[unknown-column]: 1 column is no finding: 'Potassium (mmol/L)' (did you mean 'serum_potassium'?) | {WAYS_OUT}"
        ],
    ),
    "a unit that the finding has not": (
        ("serum_potassium (mmol)",),
        {},
        ["error[unknown-unit]: 'serum_potassium' is not measured in 'mmol' | did you mean 'mmol/L'?"],
    ),
    "empty brackets": (
        ("serum_potassium ()",),
        {},
        ["error[unknown-unit]: 'serum_potassium' is not measured in '' | units: mmol/L, mEq/L"],
    ),
    "a unit of a yes-no finding": (
        ("calf_pain (cm)",),
        {},
        ["error[no-quantity]: 'calf_pain' is yes or no and has no unit, but 'cm' is written beside it | write 'calf_pain'"],
    ),
    "a unit of a choice": (
        ("sex (m/f)",),
        {},
        ["error[no-quantity]: 'sex' is a choice and has no unit, but 'm/f' is written beside it | write 'sex'"],
    ),
    "one finding, two columns": (
        ("age (years)", "sex", "age"),
        {},
        ["error[finding-given-twice]: 'age' is given by two columns, 'age (years)', 'age' | --ignore one of them"],
    ),
    "one name, two columns": (
        ("sex", "age", " sex"),
        {},
        [
            "error[duplicate-column]: columns 1 and 3 are both called 'sex' | give each a name of its own, or leave one out of "
            "the table"
        ],
    ),
    "one name twice, though ignored": (
        ("sex", "x", "x"),
        {"ignore": ("x",)},
        [
            "error[duplicate-column]: columns 2 and 3 are both called 'x' | give each a name of its own, or leave one out of "
            "the table"
        ],
    ),
    "no name": (
        ("sex", " \ufeff "),
        {"ignore_others": True},
        [
            "error[unnamed-column]: column 2 has no name | give it one, or leave it out of the table; pandas writes such a "
            "column unless told index=False"
        ],
    ),
    "an id that is not there": (
        ("Case No", "sex"),
        {"id": "caseno", "ignore_others": True},
        ["error[missing-column]: --id 'caseno': no column is called so | did you mean 'Case No'?"],
    ),
    "a label that is not there": (
        ("sex",),
        {"label": "truth"},
        ["error[missing-column]: --label 'truth': no column is called so | "],
    ),
    "an id that is a finding": (
        ("age", "sex"),
        {"id": "age"},
        ["error[column-used-twice]: 'age' is both the id and the finding 'age' | a column is one thing only"],
    ),
    "an id that is the label": (
        ("x", "sex"),
        {"id": "x", "label": "x"},
        ["error[column-used-twice]: 'x' is both the id and the label | a column is one thing only"],
    ),
    "a label that is ignored": (
        ("x", "sex"),
        {"label": "x", "ignore": ("x",)},
        ["error[column-used-twice]: 'x' is both the label and ignored | a column is one thing only"],
    ),
    "no finding": (
        ("id", "ward"),
        {"ignore_others": True},
        [
            "error[no-finding]: no column of the table is a finding | `crampdx vocab --format header` prints a header with all "
            "of them"
        ],
    ),
    "no column": (
        (),
        {},
        [
            "error[no-finding]: no column of the table is a finding | `crampdx vocab --format header` prints a header with all "
            "of them"
        ],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_header_is_refused(name: str) -> None:
    """With the place, the words and the help that a user gets, and nothing else."""
    header, options, expected = REFUSED[name]
    layout, said = laid(*header, **options)
    assert layout is None
    assert said == [f"table.csv:1:1: {line}" for line in expected]


def test_what_is_ignored_though_near_to_a_name_is_told() -> None:
    """`--ignore-others` must not hide a misspelt red flag."""
    layout, said = laid("sex", "serum_potasium", "ward", ignore_others=True)
    assert layout is not None and layout.ignored == ("serum_potasium", "ward")
    assert said == [
        "table.csv:1:1: warning[ignored-column]: ignored, though near to what is known: 'serum_potasium' (did you mean "
        "'serum_potassium' or 'serum_sodium' or 'serum_magnesium'?) | "
    ]
    assert laid("sex", "serum_potasium", ignore=("serum_potasium",))[1] == []


def test_what_is_to_be_ignored_and_is_not_there_is_a_warning() -> None:
    layout, said = laid("sex", "Ward", ignore=("ward", "Ward"))
    assert layout == Layout((Column("sex", "sex"),), ignored=("Ward",))
    assert said == ["table.csv:1:1: warning[missing-column]: --ignore 'ward': no column is called so | did you mean 'Ward'?"]


@pytest.mark.parametrize("name", ["\x1b[2J\x00", "größe", "体重", "=cmd|' /C calc'!A0", "a\nb", "x" * 100_000, "(" * 50_000])
def test_a_hostile_name_is_shown_on_one_printable_line(name: str) -> None:
    """However long, and whatever is in it."""
    layout, said = laid("sex", name)
    assert layout is None
    assert len(said) == 1 and len(said[0]) < 400
    assert said[0].isprintable()


def test_wide_tables_of_nonsense_are_quick() -> None:
    """Suggestions are made for the first hundred; all are named."""
    layout, said = laid("sex", *(f"serum_potasium_{number}" for number in range(3000)))
    assert layout is None
    assert "3000 columns are no findings" in said[0] and "'serum_potasium_2999'" in said[0]
    assert said[0].count("did you mean") <= 100


NAMES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["id", "sex", "age", "age (years)", "Age (µg", "age ()", ")", "(", "()", "\ufeff", "MRN", "body_weight (kg) ", "K"]
    ),
)


@given(
    st.lists(NAMES, max_size=6),
    NAMES,
    NAMES,
    st.lists(NAMES, max_size=3),
    st.booleans(),
    st.sampled_from(["", "columns: {K: serum_potassium}\nid: MRN\nlabel: x\nignore: [age, '()']\n"]),
)
def test_any_header_gives_a_layout_or_faults(
    header: list[str], id: str, label: str, ignore: list[str], ignore_others: bool, map: str
) -> None:
    """Never an exception; a layout exactly where no error is told; and then each column is one thing."""
    problems = Problems()
    layout = layout_of(
        tuple(header),
        built_in(),
        good_map(map) if map else None,
        id=id,
        label=label,
        ignore=ignore,
        ignore_others=ignore_others,
        problems=problems,
        place=PLACE,
    )
    assert (layout is None) is bool(problems.errors)
    if layout is not None:
        used = [*(c.name for c in layout.columns), *layout.ignored, *(n for n in (layout.id, layout.label) if n)]
        assert sorted(used) == sorted(header)
        assert len({c.finding for c in layout.columns}) == len(layout.columns) > 0


# Maps ----------------------------------------------------------------------------------------------------------------

WHOLE = """\
id: MRN
label: confirmed_diagnosis
unknown: [NA, "-99"]
yes: ["1", Y]
no:
  - "0"
  - N
columns:
  K: serum_potassium (mmol/l)
  SEX:
    is: sex
    values: {"1": male, "2": Female, 9: unknown}
  swollen: calf_pain
  CRAMPS:
    is: cramp_in_calf
    values:
      1: no
      2: yes
labels:
  dvt: deep_vein_thrombosis
ignore: [ward, admission_date]
"""


def test_a_map_is_read() -> None:
    """A column has the general codes that are meant for it, and its own, which go before yes and no."""
    found = good_map(WHOLE)
    nothing = {"NA": "unknown", "-99": "unknown"}
    yes_no = {**nothing, "1": "yes", "Y": "yes", "0": "no", "N": "no"}
    assert found == Map(
        columns=(
            Column("K", "serum_potassium", "mmol/L", nothing),
            Column("SEX", "sex", "", {**nothing, "1": "male", "2": "female", "9": "unknown"}),
            Column("swollen", "calf_pain", "", yes_no),
            Column("CRAMPS", "cramp_in_calf", "", {**yes_no, "1": "no", "2": "yes"}),
        ),
        id="MRN",
        label="confirmed_diagnosis",
        ignored=("ward", "admission_date"),
        codes=yes_no,
        labels={"dvt": "deep_vein_thrombosis"},
    )


def test_a_map_lays_out_a_table() -> None:
    """By its names and by ours; columns that it leaves alone have its general codes, too."""
    found = good_map(WHOLE)
    layout, said = laid(
        "MRN", " K ", "SEX", "swollen", "CRAMPS", "confirmed_diagnosis", "ward", "age", "leg_warmth", map=found
    )
    assert said == []
    assert layout is not None
    assert [(c.name, c.finding, c.unit) for c in layout.columns] == [
        (" K ", "serum_potassium", "mmol/L"),
        ("SEX", "sex", ""),
        ("swollen", "calf_pain", ""),
        ("CRAMPS", "cramp_in_calf", ""),
        ("age", "age", ""),
        ("leg_warmth", "leg_warmth", ""),
    ]
    assert (layout.id, layout.label, layout.ignored) == ("MRN", "confirmed_diagnosis", ("ward",))
    assert layout.labels == {"dvt": "deep_vein_thrombosis"}
    assert dict(layout.columns[0].codes) == dict(layout.columns[4].codes) == {"NA": "unknown", "-99": "unknown"}
    assert layout.columns[5].codes == found.codes


def test_one_map_serves_several_tables() -> None:
    """What a table has not is a warning at its place in the map; what the caller names goes before the map."""
    found = good_map("id: MRN\nlabel: truth\ncolumns:\n  K: serum_potassium\n  age: body_weight (kg)\n  S: sex\n")
    layout, said = laid("id", "age", "S", "x", map=found, ignore=("S",), label="x")
    assert layout == Layout((Column("age", "body_weight", "kg"),), id="id", label="x", ignored=("S",))
    assert said == [
        "map.yaml:1:5: warning[missing-column]: the table has no column 'MRN', which is the id by the map | ",
        "map.yaml:4:3: warning[missing-column]: the table has no column 'K', which gives 'serum_potassium' by the map | ",
    ]
    assert sum("'K'" in line for line in laid("S", map=found, ignore=("K",))[1]) == 1  # of what is ignored, not of the map
    assert laid("S", map=found)[1][1] == (
        "map.yaml:2:8: warning[missing-column]: the table has no column 'truth', which is the label by the map | "
    )
    assert laid("S", "K", "age", "MRN", "truth", map=found, id="S")[1] == [
        "table.csv:1:1: error[column-used-twice]: 'S' is both the id and the finding 'sex' | a column is one thing only"
    ]
    assert laid("MRN", "K", "serum_potassium", map=found)[1][0] == (
        "table.csv:1:1: error[finding-given-twice]: 'serum_potassium' is given by two columns, 'K', 'serum_potassium' | "
        "--ignore one of them"
    )


AT_FAULT: dict[str, list[str]] = {
    "": ["1:1: error[empty-file]: the file is empty | see docs/format.md for what belongs here"],
    "- K\n": ["1:1: error[not-a-mapping]: a map must be a mapping of 'key: value' lines | "],
    "colums:\n  K: serum_potassium\n": ["1:1: error[unknown-key]: a map has no key 'colums' | did you mean 'columns'?"],
    "columns:\n  - K\n": ["2:3: error[not-a-mapping]: 'columns' must be a mapping of 'theirs: ours' lines | "],
    "columns:\n  K: serum_potasium (mmol/L)\n": [
        "2:6: error[unknown-finding]: no finding is called 'serum_potasium' | did you mean 'serum_potassium' or 'serum_sodium' "
        "or 'serum_magnesium'?"
    ],
    "columns:\n  K: Potassium\n": [
        "2:6: error[unknown-finding]: no finding is called 'Potassium' | did you mean 'serum_potassium'?"
    ],
    "columns:\n  K: hypokalaemia\n": [
        "2:6: error[unknown-finding]: no finding is called 'hypokalaemia' | a concept: it is concluded, not given"
    ],
    "columns:\n  K: zzzzz\n": [
        "2:6: error[unknown-finding]: no finding is called 'zzzzz' | `crampdx vocab WORD` searches the vocabulary"
    ],
    "columns:\n  K: serum_potassium (mmol/dL)\n": [
        "2:6: error[unknown-unit]: 'serum_potassium' is not measured in 'mmol/dL' | did you mean 'mmol/L'?"
    ],
    "columns:\n  K:\n    is: calf_pain (cm)\n": [
        "3:9: error[no-quantity]: 'calf_pain' is yes or no and has no unit, but 'cm' is written beside it | write 'calf_pain'"
    ],
    "columns:\n  K:\n    is: sex\n    value: {1: male}\n": [
        "4:5: error[unknown-key]: the column 'K' has no key 'value' | did you mean 'values'?"
    ],
    "columns:\n  K:\n    values: {1: male}\n": ["3:5: error[missing-key]: the column 'K' has no 'is' | "],
    "columns:\n  K:\n    - sex\n": ["3:5: error[not-a-mapping]: the column 'K' must be a mapping of 'key: value' lines | "],
    "columns:\n  K:\n    is: [sex]\n": ["3:9: error[not-text]: 'is' takes a text | "],
    "columns:\n  S:\n    is: sex\n    values: [male]\n": [
        "4:13: error[not-a-mapping]: 'values' must be a mapping of 'theirs: ours' lines | "
    ],
    "columns:\n  S:\n    is: sex\n    values: {1: mael}\n": [
        "4:17: error[unknown-choice]: 'sex' has no choice 'mael' | did you mean 'male'?"
    ],
    "columns:\n  S:\n    is: calf_pain\n    values: {1: male}\n": [
        "4:17: error[wrong-kind]: 'calf_pain' is yes or no, not 'male' | yes, no or unknown"
    ],
    "columns:\n  S:\n    is: age\n    values: {old: 900}\n": [
        "4:19: error[implausible]: 'age': 900 years is outside the plausible 0 to 120 years | check the number and the unit; "
        "units: years, year"
    ],
    "columns:\n  S:\n    is: sex\n    values: {1: [male]}\n": [
        "4:17: error[not-text]: '1' stands for one text, not a list or a mapping | "
    ],
    "columns:\n  S:\n    is: sex\n    values: {1: ''}\n": [
        "4:17: error[no-value]: 'sex' has no value | write 'unknown', or leave the line out"
    ],
    "columns:\n  S:\n    is: calf_pain\n    values: {'': no}\n": [
        "4:14: error[no-value]: an empty cell is unknown | leave the line out"
    ],
    "columns:\n  S:\n    is: sex\n    values: {male: female}\n": [
        "4:14: error[contradictory-code]: 'male' would mean both 'male' and 'female' | a text has one meaning; take it out of "
        "one of them"
    ],
    "columns:\n  S:\n    is: sex\n    values: {m: male, ' m': female}\n": [
        "4:23: error[contradictory-code]: 'm' would mean both 'male' and 'female' | a text has one meaning; take it out of one "
        "of them"
    ],
    "columns:\n  S:\n    is: calf_pain\n    values: {unknown: no}\n": [
        "4:14: error[contradictory-code]: 'unknown' would mean both 'unknown' and 'no' | a text has one meaning; take it out "
        "of one of them"
    ],
    "unknown: ['9']\ncolumns:\n  S:\n    is: age\n    values: {9: 90 years}\n": [
        "5:14: error[contradictory-code]: '9' would mean both 'unknown' and '90 years' | a text has one meaning; take it out of "
        "one of them"
    ],
    "yes: [1]\nno: [0, 1]\n": [
        "2:9: error[contradictory-code]: '1' would mean both 'yes' and 'no' | a text has one meaning; take it out of one of "
        "them"
    ],
    "unknown: ?\nyes:\n  - '?'\n": [
        "1:10: error[yaml-syntax]: this is not YAML: mapping keys are not allowed in this context | check indentation, colons "
        "and quotes here and above"
    ],
    "unknown: '?'\nyes:\n  - '?'\n": [
        "3:5: error[contradictory-code]: '?' would mean both 'unknown' and 'yes' | a text has one meaning; take it out of one "
        "of them"
    ],
    "yes: [True, False]\n": [
        "1:13: error[contradictory-code]: 'False' would mean both 'no' and 'yes' | a text has one meaning; take it out of one "
        "of them"
    ],
    "unknown: [no]\n": [
        "1:11: error[contradictory-code]: 'no' would mean both 'no' and 'unknown' | a text has one meaning; take it out of one "
        "of them"
    ],
    "yes: {a: b}\n": ["1:6: error[not-text]: 'yes' takes texts | "],
    "columns:\n  K: serum_potassium\n  POT: serum_potassium (mEq/L)\n": [
        "3:3: error[finding-given-twice]: 'serum_potassium' is given by two columns, 'K', 'POT' | map one of them, and ignore "
        "the other"
    ],
    "ignore:\n  - ward\n  - K\ncolumns:\n  K: serum_potassium\n": [
        "3:5: error[column-used-twice]: 'K' is both mapped and ignored | first at map.yaml:5:3"
    ],
    "id: K\ncolumns:\n  K: serum_potassium\n": [
        "3:3: error[column-used-twice]: 'K' is both the id and mapped | first at map.yaml:1:5"
    ],
    "id: K\nlabel: K\n": ["2:8: error[column-used-twice]: 'K' is both the id and the label | first at map.yaml:1:5"],
    "ignore: [K, K]\n": ["1:13: error[column-used-twice]: 'K' is ignored twice | first at map.yaml:1:10"],
    "columns:\n  ' ': sex\n": ["2:3: error[unnamed-column]: a column has no name | "],
    "id: [a]\n": ["1:5: error[not-text]: 'id' takes a text | "],
    "labels:\n  dvt: deep_vein_thrombosi\n": [
        "2:8: error[unknown-diagnosis]: no diagnosis is called 'deep_vein_thrombosi' | did you mean 'deep_vein_thrombosis'?"
    ],
    "labels:\n  dvt: zzzzz\n": [
        "2:8: error[unknown-diagnosis]: no diagnosis is called 'zzzzz' | `crampdx show ID` finds them by their titles; a label without a line here stands for itself, as a patient who has none of them"
    ],
    "labels:\n  PAD: artery_disease\n": [
        "2:8: error[unknown-diagnosis]: no diagnosis is called 'artery_disease' | did you mean 'peripheral_artery_disease'?"
    ],
    "labels:\n  dvt: [a]\n": ["2:8: error[not-text]: 'dvt' stands for the id of one diagnosis | "],
    "labels: dvt\n": ["1:9: error[not-a-mapping]: 'labels' must be a mapping of 'theirs: ours' lines | "],
    "id: a\nid: b\n": ["2:1: error[duplicate-key]: the key 'id' stands twice | first at line 1"],
}


@pytest.mark.parametrize("text", AT_FAULT)
def test_a_map_is_at_fault(text: str) -> None:
    """With the place, the words and the help that a user gets, and nothing else."""
    found, said = mapped(text)
    assert found is None
    assert said == [f"map.yaml:{line}" for line in AT_FAULT[text]]


def test_all_faults_of_a_map_are_told_at_once() -> None:
    text = "idd: x\nyes: [no]\ncolumns:\n  K: potasium_serum\n  S:\n    is: sex\n    values: {1: x}\nlabels: {a: b}\n"
    assert [line.split(" ")[0] for line in mapped(text)[1]] == [
        f"map.yaml:{p}:" for p in ("1:1", "2:7", "4:6", "7:17", "8:13")
    ]


@given(st.text(alphabet="idcolumns:yesvalue-[]{}, \n'\"&*!#K1()\ufeff\x00é", max_size=120))
def test_any_text_is_a_map_or_faults(text: str) -> None:
    problems = Problems()
    assert (read_map(text, "map.yaml", built_in(), problems) is None) is bool(problems.errors)


def test_the_map_in_the_documentation_is_read() -> None:
    page = (ROOT / "docs" / "format.md").read_text(encoding="utf-8").split("**The map file**")[1]
    example = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert example is not None
    found = good_map(example[1])
    assert [c.name for c in found.columns] == ["K", "SEX"]


# Cells ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finding", "unit", "cell", "words"),
    [
        ("serum_potassium", "", "3.1", "3.1 mmol/L"),
        ("serum_potassium", "mEq/L", " 3.1 ", "3.1 mEq/L"),
        ("serum_potassium", "mEq/L", "3.1 mmol/L", "3.1 mmol/L"),  # a unit of its own
        ("serum_potassium", "", ">  6.5", "> 6.5 mmol/L"),
        ("serum_potassium", "", "133 (133 to 146)", "133 mmol/L (133 to 146)"),
        ("serum_potassium", "", "133(133 to 146)", "133 mmol/L (133 to 146)"),
        ("serum_potassium", "", "133 mmol/L (133 to 146)", "133 mmol/L (133 to 146)"),
        ("serum_potassium", "", "low", "low"),
        ("serum_potassium", "", "3,1", "3,1"),
        ("serum_potassium", "", "  ", "unknown"),
        ("serum_potassium", "", "NA", "unknown"),
        ("serum_potassium", "", "<LOD", "< 2 mmol/L"),
        ("calf_pain", "", "", "unknown"),
        ("calf_pain", "", "1", "1"),
        ("sex", "", "Male", "Male"),
    ],
)
def test_a_cell_is_read_as_a_case_file_would_say_it(finding: str, unit: str, cell: str, words: str) -> None:
    """A number has the column's unit unless it has one; nothing is unknown; what no code is for stays as it is."""
    column = Column("x", finding, unit, {"NA": "unknown", "<LOD": "< 2"})
    assert cell_words(cell, column, built_in().findings[finding]) == words


# What an analyst begins with -----------------------------------------------------------------------------------------


def test_the_template_is_a_header_without_faults() -> None:
    """For every finding, with its unit, so that nothing is assumed."""
    findings = built_in().findings
    layout, said = laid(*template(findings.values()))
    assert said == []
    assert layout is not None
    assert [c.finding for c in layout.columns] == list(findings)
    assert layout.id == "id" and layout.ignored == () and layout.assumed(built_in()) == ()


def test_the_dictionary_says_what_a_cell_may_hold() -> None:
    findings = built_in().findings
    head, *rows = dictionary(findings[name] for name in ("calf_pain", "serum_potassium", "sex"))
    assert head == DICTIONARY
    pain, potassium, sex = (dict(zip(head, row, strict=True)) for row in rows)
    assert (pain["column"], pain["kind"], pain["values"], pain["known_by"]) == ("calf_pain", "yes-no", "yes|no", "patient")
    assert pain["other_units"] == pain["plausible"] == pain["usual"] == ""
    assert sex["values"] == "male|female"
    assert potassium == {
        "column": "serum_potassium (mmol/L)",
        "title": "Serum potassium",
        "kind": "quantity",
        "values": "mmol/L",
        "other_units": "mEq/L",
        "plausible": "1 to 10",
        "usual": "2.5 to 6.5",
        "question": "What is the serum potassium?",
        "known_by": "laboratory",
        "also_called": "potassium|K",
    }


def test_vocab_prints_the_dictionary_and_the_template_as_csv() -> None:
    """Quoted so that a reader gets the very texts back; lines end in a line feed; both list the same columns."""
    findings = built_in().findings.values()
    for form, expected in (("csv", list(dictionary(findings))), ("header", [template(findings)])):
        done = crampdx("vocab", "--format", form)
        assert done.exit_code == 0
        assert "\r" not in done.stdout and done.stdout.endswith("\n")
        assert done.stderr == f"{len(findings)} findings\n"
        assert sorted(map(tuple, csv.reader(io.StringIO(done.stdout)))) == sorted(expected)


def test_vocab_narrows_both_forms() -> None:
    """As it does the list for people; nothing found is exit code 5."""
    names = [line.split("\t")[0] for line in crampdx("vocab", "potassium").stdout.splitlines()]
    header = crampdx("vocab", "potassium", "--format", "header").stdout
    rows = list(csv.reader(io.StringIO(crampdx("vocab", "potassium", "--format", "csv").stdout)))
    headings = [heading(built_in().findings[name]) for name in names]
    assert next(csv.reader(io.StringIO(header))) == ["id", *headings]
    assert [row[0] for row in rows[1:]] == headings
    nothing = crampdx("vocab", "unicorn", "--format", "csv")
    assert (nothing.exit_code, nothing.stdout) == (5, "")


def test_the_dictionary_goes_through_a_pipe_in_any_locale() -> None:
    """UTF-8, also where the terminal's own encoding could not say it; and a reader that leaves early is no failure."""
    command = [sys.executable, "-m", "crampdx.cli", "vocab", "--format", "csv"]
    done = subprocess.run(
        command, capture_output=True, check=False, env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    )
    assert done.returncode == 0, done.stderr
    assert "µmol/L" in done.stdout.decode("utf-8")
    early = subprocess.run(
        f"{sys.executable} -m crampdx.cli vocab --format csv | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert early.stdout == ",".join(DICTIONARY) + "\n"
    assert "Traceback" not in early.stderr

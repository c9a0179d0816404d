"""Bad input: the exact headline of every fault, for case files, knowledge bases and commands; never anything but faults."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crampdx import shared
from crampdx.cli import BAD_CASE, BAD_KNOWLEDGE, DONE, NOTHING, USAGE, main
from crampdx.engine.knowledge.cases import Case, read_cases
from crampdx.engine.knowledge.loader import from_texts, load
from crampdx.engine.knowledge.model import Knowledge
from crampdx.engine.knowledge.problems import InvalidKnowledge, Problems, render
from crampdx.engine.knowledge.yamltext import decode

FINDINGS, RECORDED, IMPOSSIBLE = "facts/findings.yaml", "facts/recorded.yaml", "facts/impossible.yaml"
DOCUMENT, WEIGHING, EVIDENCE = "rules/document.yaml", "rules/weighing.yaml", "rules/evidence.yaml"
CONCEPTS, FLAGS, CLOT = "rules/concepts.yaml", "rules/red_flags.yaml", "rules/most_likely/clot.yaml"
SECONDS = 5  # of computing, for any file here; where work grew with the square of the length they took minutes


SMALL = {
    "facts/findings.yaml": """\
sex:
  title: Sex
  ask: What is the sex?
  kind: choice
  known_by: patient
  choices:
    male: Male
    female: Female
pregnant:
  title: Pregnancy
  ask: Are you pregnant?
  kind: yes-no
  known_by: patient
  also_called:
    - expecting
childbirth:
  title: Childbirth
  ask: Have you given birth?
  kind: yes-no
  known_by: patient
calf_pain:
  title: Calf pain
  ask: Does the calf hurt?
  kind: yes-no
  known_by: patient
  also_called:
    - sore calf
  was:
    - calf_ache
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
  reference_source: expert
left_calf:
  title: Left calf
  ask: How thick is the left calf?
  kind: quantity
  known_by: examiner
  unit: cm
  units:
    in: 2.54
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
""",
    "facts/recorded.yaml": """\
shoe_colour:
  title: Colour of the shoes
  kind: yes-no
  known_by: patient
""",
    "facts/impossible.yaml": """\
pregnant-and-male:
  title: A male patient cannot be pregnant or have given birth
  when:
    all:
      - sex is male
      - any:
          - pregnant
          - childbirth
""",
    "rules/document.yaml": """\
most_likely:
  heading: Most likely
  diagnoses: [clot]
other_likely:
  heading: Other
  diagnoses: []
do_not_miss:
  heading: Do not miss
  diagnoses: []
rare:
  heading: Rare
  diagnoses: []
""",
    "rules/weighing.yaml": """\
points:
  weak: 1
  moderate: 3
  strong: 6
levels:
  possible: 3
  likely: 6
  unlikely: -3
""",
    "rules/sources.yaml": """\
a-book:
  citation: A book
  checked: verified
""",
    "rules/evidence.yaml": """\
D1-S01:
  finding: Calf pain
  strength: S
""",
    "rules/concepts.yaml": """\
low_potassium:
  title: Low potassium
  when: potassium < 3.5 mmol/L
  source: expert
""",
    "rules/red_flags.yaml": """\
low-potassium:
  title: Potassium is low
  when: low_potassium
  urgency: emergency
  action: Act
  source: expert
""",
    "rules/most_likely/clot.yaml": """\
title: Clot
summary: A clot
scores:
  clot_score:
    title: A score
    source: a-book
    points:
      calf_pain: 1
      calf_difference >= 3 cm: 2
      pregnant: 1
rules:
  clot-by-score:
    title: The score says so
    when: clot_score >= 2 points
    then: supports
    source: a-book
    evidence: [D1-S01]
  clot-by-pain:
    title: It hurts
    when: calf_pain
    then: weakly supports
    source: expert
""",
}


def small() -> Knowledge:
    """The small knowledge base, which is without fault."""
    knowledge, problems = from_texts(SMALL, Problems())
    assert knowledge is not None
    assert not problems.found
    return knowledge


KNOWLEDGE = small()


def cases_and_problems(data: str | bytes, file: str = "patient.yaml") -> tuple[tuple[Case, ...], Problems]:
    """As the commands read a file."""
    problems = Problems()
    text = decode(data if isinstance(data, bytes) else data.encode(), file, problems)
    return (() if text is None else read_cases(text, file, KNOWLEDGE, problems)), problems


def headlines(problems: Problems) -> list[str]:
    return [problem.headline() for problem in problems.errors]


# Case files: name of the test, the file, its faults (after `patient.yaml:`, or `patient.json:` where the name says so)
BAD_CASES: dict[str, tuple[Any, ...]] = {
    "mapping-in-a-plain-text": (
        "given:\n  sex: male: female\n",
        "2:12: error[yaml-syntax]: this is not YAML: mapping values are not allowed in this context",
    ),
    "wrong-indentation": (
        "given:\n    sex: male\n  pregnant: no\n",
        "3:3: error[yaml-syntax]: this is not YAML: did not find expected key",
    ),
    "missing-colon": (
        "given:\n  sex male\n  pregnant: yes\n",
        "3:11: error[yaml-syntax]: this is not YAML: mapping values are not allowed in this context",
    ),
    "quote-never-closed": (
        "given:\n  sex: 'male\n  pregnant: yes\n",
        "2:8: error[yaml-syntax]: this is not YAML: what opens here is never closed",
    ),
    "brace-never-closed": (
        "given: {sex: male",
        "1:8: error[yaml-syntax]: this is not YAML: what opens here is never closed",
    ),
    "reserved-character": (
        "@given: x\n",
        "1:1: error[yaml-syntax]: this is not YAML: found character that cannot start any token",
    ),
    "bad-escape": ('case: "a\\qb"\n', "1:9: error[yaml-syntax]: this is not YAML: found unknown escape character"),
    "tab-for-indentation": ("given:\n\tsex: male\n", "2:1: error[tab]: a tab stands where spaces belong"),
    "tab-after-spaces": ("given:\n  sex: male\n \tpregnant: no\n", "3:2: error[tab]: a tab stands where spaces belong"),
    "two-documents": (
        "given:\n  sex: male\n---\ngiven:\n  sex: female\n",
        "3:1: error[many-documents]: a second document starts here",
    ),
    "text-after-the-end": (
        "given:\n  sex: male\n...\nmore\n",
        "4:1: error[yaml-syntax]: this is not YAML: did not find expected <document start>",
    ),
    "yaml-of-the-future": (
        "%YAML 3.0\n---\ngiven: {sex: male}\n",
        "1:1: error[yaml-syntax]: this is not YAML: found incompatible YAML document",
    ),
    "duplicate-key": (
        "given:\n  sex: male\n  pregnant: no\n  sex: female\n",
        "4:3: error[duplicate-key]: the key 'sex' stands twice",
    ),
    "duplicate-case-key": (
        "given:\n  sex: male\ngiven:\n  sex: female\n",
        "3:1: error[duplicate-key]: the key 'given' stands twice",
    ),
    "key-is-a-list": (
        "? [sex]\n: male\ngiven: {sex: male}\n",
        "1:3: error[key-not-text]: a key must be a word, not a list or a mapping",
    ),
    "anchor-and-alias": (
        "given:\n  pregnant: &p no\n  calf_pain: *p\n",
        "2:13: error[anchor]: an anchor ('&p') is not allowed",
        "3:14: error[alias]: an alias ('*p') is not allowed",
        "3:14: error[no-value]: 'calf_pain' has no value",
    ),
    "merge-key": (
        "given:\n  <<: *base\n",
        "2:3: error[unknown-finding]: no finding is called '<<'",
        "2:7: error[alias]: an alias ('*base') is not allowed",
    ),
    "billion-laughs": (
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "1:1: error[unknown-key]: a case has no key 'a'",
        "1:4: error[anchor]: an anchor ('&a') is not allowed",
        "2:1: error[unknown-key]: a case has no key 'b'",
        "2:4: error[anchor]: an anchor ('&b') is not allowed",
        "2:8: error[alias]: an alias ('*a') is not allowed",
        "2:12: error[alias]: an alias ('*a') is not allowed",
        "3:1: error[unknown-key]: a case has no key 'c'",
        "3:5: error[alias]: an alias ('*b') is not allowed",
        "3:9: error[alias]: an alias ('*b') is not allowed",
    ),
    "tag": ("given:\n  sex: !!str male\n", "2:8: error[tag]: a tag ('tag:yaml.org,2002:str') is not allowed"),
    "python-tag": (
        'given: !!python/object/apply:os.system ["true"]\n',
        "1:8: error[not-a-mapping]: 'given' must be a mapping of 'finding: value' lines",
        "1:8: error[tag]: a tag ('tag:yaml.org,2002:python/object/apply:os.system') is not allowed",
    ),
    "deep-brackets": ("[" * 100_000, "1:25: error[too-deep]: nested more than 24 levels deep"),
    "deep-mappings": (
        "".join(" " * n + "a:\n" for n in range(40)),
        "25:25: error[too-deep]: nested more than 24 levels deep",
    ),
    "latin-1": (b"given:\n  sex: m\xe4nnlich\n", "2:9: error[not-utf-8]: byte 0xe4 is not UTF-8"),
    "cut-off-character": ("about: café".encode()[:-1], "1:11: error[not-utf-8]: byte 0xc3 is not UTF-8"),
    "byte-order-mark": (
        b"\xef\xbb\xbfgiven:\n  sex: male\n",
        "1:1: error[byte-order-mark]: the file starts with a byte-order mark",
    ),
    "utf-16": ("given:\n  sex: male\n".encode("utf-16"), "1:1: error[not-utf-8]: the file is UTF-16, not UTF-8"),
    "utf-16-without-mark": (
        "given:\n  sex: male\n".encode("utf-16-le"),
        "1:2: error[control-character]: an invisible control character (U+0000) stands here",
    ),
    "binary": (b"\x89PNG\r\n\x1a\n\x00\x00", "1:1: error[not-utf-8]: byte 0x89 is not UTF-8"),
    "control-character": (
        "about: a thin\u2009space\ngiven:\n  sex: ma\u0007le\n",
        "3:10: error[control-character]: an invisible control character (U+0007) stands here",
    ),
    "escape-sequence": (
        "about: \u001b[31mred\n",
        "1:8: error[control-character]: an invisible control character (U+001B) stands here",
    ),
    "line-separator": (
        "about: one\u2028two\ngiven:\n  sex: x\n",
        "1:11: error[control-character]: an invisible control character (U+2028) stands here",
    ),
    "mac-line-ends": ("case: a\rgiven:\r  sex: boy\r", "3:8: error[unknown-choice]: 'sex' has no choice 'boy'"),
    "too-large": ("#" * 8_000_001, "1:1: error[too-large]: the file has more than 8,000,000 characters"),
    "empty": ("", "1:1: error[empty-file]: the file is empty"),
    "only-a-comment": ("# nothing yet\n", "1:1: error[empty-file]: the file is empty"),
    "only-a-document-mark": ("---\n", "1:1: error[empty-file]: the file is empty"),
    "no-cases": ("[]\n", "1:1: error[no-case]: the file holds no case"),
    "a-word": ("male\n", "1:1: error[not-a-mapping]: a case must be a mapping of 'key: value' lines"),
    "list-of-words": (
        "- male\n- given: {sex: male}\n",
        "1:3: error[not-a-mapping]: a case must be a mapping of 'key: value' lines",
    ),
    "nothing-given": ("case: A patient\n", "1:1: error[missing-key]: a case has no 'given'"),
    "empty-case": ("- {}\n", "1:3: error[missing-key]: a case has no 'given'"),
    "given-is-a-list": (
        "given:\n  - sex\n",
        "2:3: error[not-a-mapping]: 'given' must be a mapping of 'finding: value' lines",
    ),
    "given-is-a-text": (
        "given: sex is male\n",
        "1:8: error[not-a-mapping]: 'given' must be a mapping of 'finding: value' lines",
    ),
    "unknown-key": ("givn:\n  sex: male\n", "1:1: error[unknown-key]: a case has no key 'givn'"),
    "case-name-is-a-list": ("case: [a, b]\ngiven: {sex: male}\n", "1:7: error[not-text]: 'case' takes a text"),
    "unknown-origin": ("from: memory\ngiven: {sex: male}\n", "1:7: error[unknown-word]: 'from' cannot be 'memory'"),
    "case-named-twice": (
        "- case: A\n  given: {sex: male}\n- case: A\n  given: {sex: female}\n",
        "3:9: error[case-used-twice]: the case 'A' stands twice",
    ),
    "unknown-same-as": (
        "- case: A man\n  given: {sex: male}\n- same_as: A men\n",
        "3:12: error[unknown-case]: no earlier case of this file is called 'A men'",
    ),
    "same-as-itself": ("case: A\nsame_as: A\n", "2:10: error[unknown-case]: no earlier case of this file is called 'A'"),
    "same-as-a-case-at-fault": (
        "- case: A\n  given: {sex: boy}\n- case: B\n  same_as: A\n  given: {pregnant: no}\n",
        "2:16: error[unknown-choice]: 'sex' has no choice 'boy'",
        "4:12: error[case-at-fault]: the case 'A', which this one takes over, is at fault",
    ),
    "unknown-finding": ("given:\n  calf_pian: yes\n", "2:3: error[unknown-finding]: no finding is called 'calf_pian'"),
    "unknown-finding-by-another-name": (
        "given:\n  sore_calf: yes\n",
        "2:3: error[unknown-finding]: no finding is called 'sore_calf'",
    ),
    "hostile-name": (
        'given:\n  "a\\e[31m\\nb": yes\n',
        "2:3: error[control-character]: an invisible control character (U+001B) stands here",
        "2:3: error[unknown-finding]: no finding is called 'a?[31m?b'",
    ),
    "escape-in-quotes": (
        'case: "a\\e[31mb"\ngiven: {sex: male}\n',
        "1:7: error[control-character]: an invisible control character (U+001B) stands here",
    ),
    "json-nul": (
        '{"case": "a\\u0000b", "given": {}}',
        "1:10: error[control-character]: an invisible control character (U+0000) stands here",
    ),
    "endless-name": (
        "given:\n  ? " + "x" * 5000 + "\n  : yes\n",
        "2:5: error[unknown-finding]: no finding is called 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'",
    ),
    "concept-given": (
        "given:\n  low_potassium: yes\n",
        "2:3: error[unknown-finding]: 'low_potassium' is a concept: it is concluded, not given",
    ),
    "score-given": (
        "given:\n  clot_score: 2 points\n",
        "2:3: error[unknown-finding]: 'clot_score' is a score: it is concluded, not given",
    ),
    "diagnosis-given": (
        "given:\n  clot: yes\n",
        "2:3: error[unknown-finding]: 'clot' is a diagnosis: it is concluded, not given",
    ),
    "former-and-present-name": (
        "given:\n  calf_ache: yes\n  calf_pain: no\n",
        "3:3: error[contradiction]: 'calf_pain' is given twice, once under a former name",
    ),
    "list-for-a-value": (
        "given:\n  sex:\n    - male\n",
        "3:5: error[wrong-kind]: 'sex' takes one value, not a list or a mapping",
    ),
    "mapping-for-a-value": (
        "given:\n  potassium: {value: 3, unit: mmol/L}\n",
        "2:14: error[wrong-kind]: 'potassium' takes one value, not a list or a mapping",
    ),
    "no-value": ("given:\n  sex:\n  pregnant: no\n", "2:7: error[no-value]: 'sex' has no value"),
    "yes-no-takes-no-number": (
        "given:\n  calf_pain: 3 cm\n",
        "2:14: error[wrong-kind]: 'calf_pain' is yes or no, not '3 cm'",
    ),
    "yes-no-takes-no-perhaps": (
        "given:\n  calf_pain: perhaps\n",
        "2:14: error[wrong-kind]: 'calf_pain' is yes or no, not 'perhaps'",
    ),
    "unknown-choice": ("given:\n  sex: mael\n", "2:8: error[unknown-choice]: 'sex' has no choice 'mael'"),
    "quantity-takes-no-yes": (
        "given:\n  potassium: yes\n",
        "2:14: error[not-a-quantity]: 'potassium': 'yes' is not a number with a unit",
    ),
    "no-unit": ("given:\n  potassium: 3.1\n", "2:14: error[no-unit]: 'potassium': '3.1' has no unit"),
    "unknown-unit": (
        "given:\n  potassium: 3.1 mmol\n",
        "2:14: error[unknown-unit]: 'potassium' is not measured in 'mmol'",
    ),
    "unit-of-another-kind": (
        "given:\n  potassium: 3.1 cm\n",
        "2:14: error[unknown-unit]: 'potassium' is not measured in 'cm'",
    ),
    "implausible": (
        "given:\n  potassium: 35 mmol/L\n",
        "2:14: error[implausible]: 'potassium': 35 mmol/L is outside the plausible 1 to 10 mmol/L",
    ),
    "implausible-after-conversion": (
        "given:\n  left_calf: 200 in\n",
        "2:14: error[implausible]: 'left_calf': 200 in is outside the plausible 10 to 80 cm",
    ),
    "negative": (
        "given:\n  potassium: -3 mmol/L\n",
        "2:14: error[implausible]: 'potassium': -3 mmol/L is outside the plausible 1 to 10 mmol/L",
    ),
    "nan": ("given:\n  potassium: .nan\n", "2:14: error[not-a-quantity]: 'potassium': '.nan' is not a number with a unit"),
    "nan-with-unit": (
        "given:\n  potassium: NaN mmol/L\n",
        "2:14: error[not-a-quantity]: 'potassium': 'NaN mmol/L' is not a number with a unit",
    ),
    "infinity": (
        "given:\n  potassium: inf mmol/L\n",
        "2:14: error[not-a-quantity]: 'potassium': 'inf mmol/L' is not a number with a unit",
    ),
    "exponent": (
        "given:\n  potassium: 3e0 mmol/L\n",
        "2:14: error[not-a-quantity]: 'potassium': '3e0 mmol/L' is not a number with a unit",
    ),
    "decimal-comma": (
        "given:\n  potassium: 3,5 mmol/L\n",
        "2:14: error[not-a-quantity]: 'potassium': '3,5 mmol/L' is not a number with a unit",
    ),
    "thousands": (
        "given:\n  potassium: 3 500 mmol/L\n",
        "2:14: error[not-a-quantity]: 'potassium': '3 500 mmol/L' is not a number with a unit",
    ),
    "range-for-a-value": (
        "given:\n  potassium: 3 to 4 mmol/L\n",
        "2:14: error[not-a-quantity]: 'potassium': '3 to 4 mmol/L' is not a number with a unit",
    ),
    "two-points": (
        "given:\n  potassium: 3.1.2 mmol/L\n",
        "2:14: error[not-a-quantity]: 'potassium': '3.1.2 mmol/L' is not a number with a unit",
    ),
    "hexadecimal": (
        "given:\n  potassium: 0x3 mmol/L\n",
        "2:14: error[unknown-unit]: 'potassium' is not measured in 'x3 mmol/L'",
    ),
    "sexagesimal": (
        "given:\n  potassium: 3:30 mmol/L\n",
        "2:14: error[not-a-quantity]: 'potassium': '3:30 mmol/L' is not a number with a unit",
    ),
    "other-digits": (
        "given:\n  potassium: ٣ mmol/L\n",
        "2:14: error[not-a-quantity]: 'potassium': '٣ mmol/L' is not a number with a unit",
    ),
    "endless-digits": (
        "given:\n  potassium: " + "9" * 100_000 + " mmol/L\n",
        "2:14: error[not-a-quantity]: 'potassium': "
        "'999999999999999999999999999999999999999999999999999999999...' is not a number with a unit",
    ),
    "empty-reference-interval": (
        "given:\n  potassium: 3.1 mmol/L (3.5 to 3.5)\n",
        "2:14: error[not-a-range]: 'potassium': the interval in '3.1 mmol/L (3.5 to 3.5)' is empty",
    ),
    "backward-reference-interval": (
        "given:\n  potassium: 3.1 mmol/L (5.1 to 3.5)\n",
        "2:14: error[not-a-range]: 'potassium': the interval in '3.1 mmol/L (5.1 to 3.5)' is empty",
    ),
    "reference-interval-empty-after-rounding": (
        "given:\n  potassium: 3.1 mmol/L (3.51 to 3.52)\n",
        "2:14: error[not-a-range]: 'potassium': the interval in '3.1 mmol/L (3.51 to 3.52)' is empty",
    ),
    "implausible-reference-interval": (
        "given:\n  potassium: 3.1 mmol/L (0 to 99)\n",
        "2:14: error[implausible]: 'potassium': the interval in '3.1 mmol/L (0 to 99)' is implausible",
    ),
    "no-reference-interval-to-replace": (
        "given:\n  left_calf: 33 cm (30 to 40)\n",
        "2:14: error[no-reference]: 'left_calf' has no reference interval to replace",
    ),
    "contradiction": (
        "given:\n  left_calf: 36 cm\n  calf_difference: 5 cm\n  right_calf: 33 cm\n",
        "3:20: error[contradiction]: 'calf_difference' is given as 5 cm, but absolute difference of left_calf, "
        "right_calf is 3 cm",
    ),
    "contradiction-of-a-bound": (
        "given:\n  left_calf: 36 cm\n  right_calf: 33 cm\n  calf_difference: '> 3 cm'\n",
        "4:20: error[contradiction]: 'calf_difference' is given as > 3 cm, but absolute difference of "
        "left_calf, right_calf is 3 cm",
    ),
    "implausible-derived-value": (
        "given:\n  left_calf: 70 cm\n  right_calf: 20 cm\n",
        "3:15: error[implausible]: 'calf_difference' (absolute difference of left_calf, right_calf) would be 50 cm",
    ),
    "impossible": (
        "given:\n  sex: male\n  calf_pain: no\n  pregnant: yes\n",
        "4:13: error[impossible]: cannot hold together: A male patient cannot be pregnant or have given birth",
    ),
    "impossible-but-one-finding-is-innocent": (
        "given:\n  pregnant: yes\n  sex: male\n  childbirth: no\n",
        "3:8: error[impossible]: cannot hold together: A male patient cannot be pregnant or have given birth",
    ),
    "impossible-with-what-is-taken-over": (
        "- case: A\n  given: {pregnant: yes}\n- same_as: A\n  given: {sex: male}\n",
        "4:16: error[impossible]: cannot hold together: A male patient cannot be pregnant or have given birth",
    ),
    "contradicts-what-is-taken-over": (
        "- case: A\n  given: {calf_difference: 5 cm, left_calf: 36 cm}\n- same_as: A\n  given: {right_calf: 33 cm}\n",
        "4:23: error[contradiction]: 'calf_difference' is given as 5 cm, but absolute difference of left_calf, "
        "right_calf is 3 cm",
    ),
    "expect-is-a-list": ("given: {}\nexpect: [clot]\n", "2:9: error[not-a-mapping]: 'expect' must be a mapping"),
    "expect-of-nothing": (
        "given: {}\nexpect:\n  cloth: possible\n",
        "3:3: error[unknown-name]: nothing is called 'cloth'",
    ),
    "expect-no-such-level": (
        "given: {}\nexpect:\n  clot: probable\n",
        "3:9: error[unknown-word]: 'clot' cannot be 'probable'",
    ),
    "expect-no-such-urgency": (
        "given: {}\nexpect:\n  urgency: same-day\n",
        "3:12: error[unknown-word]: 'urgency' cannot be 'same-day'",
    ),
    "expect-no-such-diagnosis": (
        "given: {}\nexpect:\n  leading: cloth\n",
        "3:12: error[unknown-word]: 'leading' cannot be 'cloth'",
    ),
    "expect-a-score-without-points": (
        "given: {}\nexpect:\n  clot_score: 2\n",
        "3:15: error[not-a-score]: '2' is not '3 points' or '1 to 2 points'",
    ),
    "expect-a-score-backwards": (
        "given: {}\nexpect:\n  clot_score: 2 to 1 points\n",
        "3:15: error[not-a-score]: '2 to 1 points' is not '3 points' or '1 to 2 points'",
    ),
    "expect-because-of-no-rule": (
        "given: {}\nexpect:\n  because: [clot-by-pian, [x]]\n",
        "3:13: error[unknown-rule]: no rule is called 'clot-by-pian'",
        "3:27: error[not-text]: 'because' takes the ids of rules",
    ),
    "expect-a-list": ("given: {}\nexpect:\n  clot: [possible]\n", "3:9: error[not-text]: 'clot' takes one text"),
    "no-such-judged-urgency": (
        "judged_urgency: today\ngiven: {}\n",
        "1:17: error[unknown-word]: 'judged_urgency' cannot be 'today'",
    ),
    "json-never-closed": (
        '{"given": {"sex": "male"}',
        "1:1: error[json-syntax]: this is not JSON: what opens here is never closed",
    ),
    "json-without-comma": (
        '{"given": {"sex": "male" "pregnant": false}}',
        "1:26: error[json-syntax]: this is not JSON: did not find expected ',' or '}'",
    ),
    "json-without-colon": (
        '{"given" {"sex": "male"}}',
        "1:10: error[json-syntax]: this is not JSON: did not find expected ',' or '}'",
    ),
    "json-then-more": (
        '{"given": {"sex": "male"}} {}',
        "1:28: error[json-syntax]: this is not JSON: did not find expected <document start>",
    ),
    "json-duplicate": (
        '{"given": {"sex": "male", "sex": "female"}}',
        "1:27: error[duplicate-key]: the key 'sex' stands twice",
    ),
    "json-values": (
        '{"given": {"sex": true, "pregnant": null, "calf_pain": false, "potassium": 3.1, "left_calf": []}}',
        "1:19: error[unknown-choice]: 'sex' has no choice 'true'",
        "1:76: error[no-unit]: 'potassium': '3.1' has no unit",
        "1:94: error[wrong-kind]: 'left_calf' takes one value, not a list or a mapping",
    ),
    "json-surrogates": (
        '{"about": "\\ud83d\\ude00", "given": {}}',
        "1:14: error[json-syntax]: this is not JSON: found invalid Unicode character escape code",
    ),
    "json-null": ("null", "1:1: error[not-a-mapping]: a case must be a mapping of 'key: value' lines"),
}


@pytest.mark.parametrize("name", BAD_CASES)
def test_bad_case(name: str) -> None:
    """Every fault of the file with its place, in order; and no case at fault is handed out."""
    data, *faults = BAD_CASES[name]
    file = "patient.json" if name.startswith("json-") else "patient.yaml"
    cases, problems = cases_and_problems(data, file)
    assert headlines(problems) == [f"{file}:{fault}" for fault in faults]
    assert [case.name for case in cases] == {
        "list-of-words": ["case 2"],
        "case-named-twice": ["A"],
        "unknown-same-as": ["A man"],
        "impossible-with-what-is-taken-over": ["A"],
        "contradicts-what-is-taken-over": ["A"],
    }.get(name, [])
    assert_presentable(problems)


def assert_presentable(problems: Problems) -> None:
    """Each fault stands at a place that exists, in one printable line of bounded length; so does its help."""
    for problem in (*problems.errors, *problems.warnings):
        if problem.place.file in problems.texts:
            lines = problems.texts[problem.place.file]
            assert 1 <= problem.place.line <= len(lines)
            assert 1 <= problem.place.column <= len(lines[problem.place.line - 1]) + 1
        for text in (problem.headline(), problem.help):
            assert text.isprintable()
            assert len(text) < 500
        assert len(render(problem, problems.texts).split("\n")) <= 4


HELP = {
    "calf_pian: yes": "did you mean 'calf_pain'?",
    "expecting: yes": "did you mean 'pregnant'?",
    "sore_calf: yes": "did you mean 'calf_pain'?",
    "blood_group: A": "`crampdx vocab WORD` searches the vocabulary",
    "low_potassium: yes": "give the findings that it follows from",
    "sex: femail": "did you mean 'female'?",
    "sex: x": "choices: male, female",
    "potassium: 3.1": "units: mmol/L, mEq/L",
    "potassium: 3.1 mmol": "did you mean 'mmol/L'?",
    "potassium: 35 mmol/L": "check the number and the unit; units: mmol/L, mEq/L",
    "potassium: 3,1 mmol/L": "write a decimal point, and no separators of thousands",
    "potassium: 3 100 mmol/L": "write a decimal point, and no separators of thousands",
    "potassium: 3e0 mmol/L": "write the number out, without an exponent",
    "potassium: 3.1234567890123456 mmol/L": "at most 15 digits before and after the decimal point",
    "potassium: low": "such as '10 mmol/L'",
    "calf_pain: maybe": "yes, no or unknown",
    "calf_pain:": "write 'unknown', or leave the line out",
    "calf_pain: &x yes": "write the value out",
    "calf_pain: !x yes": "files are plain data",
    "potassium: > 3 mmol/L": "put quotes around a text that begins with '>' or '|'",
}


@pytest.mark.parametrize("line", HELP)
def test_help(line: str) -> None:
    """What would put it right is said beside the fault."""
    _, problems = cases_and_problems(f"given:\n  {line}\n  left_calf: 30 cm\n")
    assert [problem.help for problem in problems.errors] == [HELP[line]]


def test_the_line_and_a_caret_are_shown() -> None:
    _, problems = cases_and_problems("given:\r\n  sex:\tmael\r\n")
    (problem,) = problems.errors
    assert render(problem, problems.texts).split("\n") == [
        "patient.yaml:2:8: error[unknown-choice]: 'sex' has no choice 'mael'",
        "    2 |   sex: mael",
        "      |        ^",
        "      = help: did you mean 'male'?",
    ]


GOOD_VALUES = {
    "potassium": ("3.1 mmol/L", "3.1mmol/L", "+3.1 mmol/l", "'> 3 mEq/L'", "≤ 3 mmol/L", "3.1 mmol/L (3.4 to 5)", "unknown"),
    "left_calf": ("33 cm", "13 in"),
    "sex": ("male", "Male", "'female'", "~"),
    "calf_pain": ("yes", "NO", "true", "False", "null", '"unknown"'),
}


@pytest.mark.parametrize(("finding", "value"), [(f, v) for f, values in GOOD_VALUES.items() for v in values])
def test_what_is_good_is_taken(finding: str, value: str) -> None:
    cases, problems = cases_and_problems(f"given:\n  {finding}: {value}\n")
    assert len(cases) == 1
    assert not problems.found


def test_json_values_are_read_as_yaml_values() -> None:
    given = {"calf_pain": True, "pregnant": False, "childbirth": None, "sex": "female", "potassium": "> 3 mEq/L"}
    indented = json.dumps([{"case": "naïve \u2192 /", "given": given}], indent="\t")
    ((from_json,), problems), ((from_yaml,), _) = (
        cases_and_problems(indented, "patient.json"),
        cases_and_problems(
            "given:\n  calf_pain: yes\n  pregnant: no\n  childbirth: unknown\n  sex: female\n  potassium: '> 3 mEq/L'\n"
        ),
    )
    assert not problems.found
    assert from_json.name == "naïve → /"
    assert from_json.findings == from_yaml.findings


def test_a_bound_gives_way_to_what_follows_exactly() -> None:
    """A derived value stated as a bound agrees with the exact one, which is then what is known."""
    ((case,), problems) = cases_and_problems("given: {left_calf: 36 cm, right_calf: 33 cm, calf_difference: '> 2 cm'}")
    assert not problems.found
    quantity = case.findings["calf_difference"].quantity
    assert quantity is not None
    assert str(quantity.exact) == "3.0"


MANY = """\
- case: One
  given:
    calf_pian: yes
    potassium: 35 mmol/L
    sex: boy
  expect:
    cloth: possible
- case: Two
  given: {calf_pain: yes}
- case: Three
  frm: evidence
  given:
    left_calf: 36 cm
    right_calf: 33
    right_calf: 33 cm
- case: Four
  same_as: Three
  given: {pregnant: perhaps}
- case: Five
  same_as: Two
  given: {sex: female}
"""


def test_every_fault_of_a_file_is_reported_and_the_good_cases_are_kept() -> None:
    """One run, sorted by place; the errors of one case hide nothing of the next."""
    cases, problems = cases_and_problems(MANY)
    assert headlines(problems) == [
        "patient.yaml:3:5: error[unknown-finding]: no finding is called 'calf_pian'",
        "patient.yaml:4:16: error[implausible]: 'potassium': 35 mmol/L is outside the plausible 1 to 10 mmol/L",
        "patient.yaml:5:10: error[unknown-choice]: 'sex' has no choice 'boy'",
        "patient.yaml:7:5: error[unknown-name]: nothing is called 'cloth'",
        "patient.yaml:11:3: error[unknown-key]: a case has no key 'frm'",
        "patient.yaml:14:17: error[no-unit]: 'right_calf': '33' has no unit",
        "patient.yaml:15:5: error[duplicate-key]: the key 'right_calf' stands twice",
        "patient.yaml:17:12: error[case-at-fault]: the case 'Three', which this one takes over, is at fault",
        "patient.yaml:18:21: error[wrong-kind]: 'pregnant' is yes or no, not 'perhaps'",
    ]
    assert [case.name for case in cases] == ["Two", "Five"]
    assert set(cases[1].findings) == {"calf_pain", "sex"}


@pytest.mark.parametrize("refused", ["sex: &a male", "sex: !!str male", "sex: male\n    sex: female", "? [a]\n    : b"])
def test_what_yaml_refuses_spoils_its_own_case_only(refused: str) -> None:
    cases, problems = cases_and_problems(f"- given: {{sex: male}}\n- given:\n    {refused}\n- given: {{sex: female}}\n")
    assert len(problems.errors) == 1
    assert [case.name for case in cases] == ["case 1", "case 3"]


def test_two_cases_with_the_same_inherited_fault_are_both_refused() -> None:
    base = "- case: A\n  given: {pregnant: yes, calf_difference: 5 cm, left_calf: 36 cm}\n"
    cases, problems = cases_and_problems(base + 2 * "- {same_as: A, given: {sex: male}}\n" + "- same_as: A\n")
    assert [case.name for case in cases] == ["A", "case 4"]
    assert len(problems.errors) == 2


def test_nothing_in_a_file_is_ever_run(tmp_path: Path) -> None:
    """A tag that would call a function is a fault, in a case and in a knowledge base, and calls nothing."""
    trace = tmp_path / "it-ran"
    call = f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{trace}']]"
    cases, problems = cases_and_problems(f"given:\n  calf_pain: {call}\n")
    assert not cases
    assert "error[tag]" in headlines(problems)[0]
    knowledge, problems = from_texts(changed((CLOT, "summary: A clot", f"summary: {call}")), Problems())
    assert knowledge is None
    assert any("error[tag]" in headline for headline in headlines(problems))
    assert not trace.exists()


# Knowledge bases: name of the test, changes of the small one (file, old, new; no old: the whole file; no new: no such file),
# their faults
BAD_KNOWLEDGE_BASES: dict[str, tuple[Any, ...]] = {
    "syntax": (
        [(FINDINGS, "title: Sex", "title: [Sex")],
        "facts/findings.yaml:3:6: error[yaml-syntax]: this is not YAML: did not find expected ',' or ']'",
    ),
    "tab": (
        [(CLOT, "  clot-by-pain:", "\tclot-by-pain:")],
        "rules/most_likely/clot.yaml:18:1: error[tab]: a tab stands where spaces belong",
    ),
    "control-character": (
        [(FINDINGS, "title: Sex", "title: S\u0007ex")],
        "facts/findings.yaml:2:11: error[control-character]: an invisible control character (U+0007) stands here",
    ),
    "empty-file": ([(CONCEPTS, None, "")], "rules/concepts.yaml:1:1: error[empty-file]: the file is empty"),
    "python-tag": (
        [(CLOT, "summary: A clot", 'summary: !!python/object/apply:os.system ["true"]')],
        "rules/most_likely/clot.yaml:2:10: error[not-text]: 'summary' takes a text",
        "rules/most_likely/clot.yaml:2:10: error[tag]: a tag "
        "('tag:yaml.org,2002:python/object/apply:os.system') is not allowed",
    ),
    "anchor": (
        [(CLOT, "summary: A clot", "summary: &s A clot")],
        "rules/most_likely/clot.yaml:2:10: error[anchor]: an anchor ('&s') is not allowed",
    ),
    "duplicate-key": (
        [(CLOT, "    then: supports", "    then: supports\n    then: opposes")],
        "rules/most_likely/clot.yaml:16:5: error[duplicate-key]: the key 'then' stands twice",
    ),
    "a-list-for-a-file": (
        [(CONCEPTS, None, "- low_potassium\n")],
        "rules/concepts.yaml:1:1: error[not-a-mapping]: rules/concepts.yaml must be a mapping of 'id: ...' entries",
    ),
    "unknown-file": (
        [("rules/concept.yaml", None, "a: b\n")],
        "rules/concept.yaml:1:1: error[unknown-file]: 'rules/concept.yaml' is no file of a knowledge base",
    ),
    "unknown-suffix": (
        [("rules/concepts.yml", None, "a: b\n")],
        "rules/concepts.yml:1:1: error[unknown-file]: 'rules/concepts.yml' does not end in .yaml",
    ),
    "diagnosis-among-the-facts": (
        [("facts/rare/clot.yaml", None, "title: x\n")],
        "facts/rare/clot.yaml:1:1: error[unknown-file]: 'facts/rare/clot.yaml' is no file of a knowledge base",
    ),
    "no-weighing": (
        [(WEIGHING, None, None)],
        "rules/weighing.yaml:1:1: error[missing-file]: there is no rules/weighing.yaml",
    ),
    "no-document": (
        [(DOCUMENT, None, None)],
        "rules/document.yaml:1:1: error[missing-file]: there is no rules/document.yaml",
    ),
    "id-used-twice": (
        [(CONCEPTS, "low_potassium:", "pregnant:"), (FLAGS, "when: low_potassium", "when: pregnant")],
        "rules/concepts.yaml:1:1: error[id-used-twice]: 'pregnant' is taken",
    ),
    "id-used-twice-across-kinds": (
        [(FLAGS, "low-potassium:", "clot-by-pain:")],
        "rules/most_likely/clot.yaml:18:3: error[id-used-twice]: 'clot-by-pain' is taken",
    ),
    "former-name-taken": (
        [(FINDINGS, "    - calf_ache", "    - pregnant")],
        "facts/findings.yaml:29:7: error[id-used-twice]: 'pregnant' is taken",
    ),
    "name-style": (
        [("facts/recorded.yaml", "shoe_colour:", "Shoe-colour:")],
        "facts/recorded.yaml:1:1: error[name-style]: 'Shoe-colour' is not snake_case",
    ),
    "name-with-a-line-break": (
        [(CONCEPTS, "low_potassium:", '"low_potassium\\n":'), (FLAGS, "when: low_potassium", "when: calf_pain")],
        "rules/concepts.yaml:1:1: error[name-style]: 'low_potassium?' is not snake_case",
    ),
    "rule-name-style": (
        [(CLOT, "clot-by-pain:", "clot_by_pain:")],
        "rules/most_likely/clot.yaml:18:3: error[name-style]: 'clot_by_pain' is not kebab-case",
    ),
    "row-style": (
        [(EVIDENCE, "D1-S01", "D1"), (CLOT, "[D1-S01]", "[D1]")],
        "rules/evidence.yaml:1:1: error[name-style]: 'D1' is not the id of a row",
    ),
    "reserved-name": (
        [(CONCEPTS, "low_potassium:", "urgency:"), (FLAGS, "when: low_potassium", "when: urgency")],
        "rules/concepts.yaml:1:1: error[name-reserved]: 'urgency' means something else in these files",
    ),
    "unknown-key": (
        [(CLOT, "    then: supports", "    than: supports")],
        "rules/most_likely/clot.yaml:13:5: error[missing-key]: rule 'clot-by-score' has no 'then'",
        "rules/most_likely/clot.yaml:15:5: error[unknown-key]: rule 'clot-by-score' has no key 'than'",
    ),
    "missing-keys": (
        [(CONCEPTS, None, "low_potassium: {}\n")],
        "rules/concepts.yaml:1:16: error[missing-key]: concept 'low_potassium' has no 'source'",
        "rules/concepts.yaml:1:16: error[missing-key]: concept 'low_potassium' has no 'title'",
        "rules/concepts.yaml:1:16: error[missing-key]: concept 'low_potassium' has no 'when'",
    ),
    "definition-is-a-text": (
        [(CONCEPTS, None, "low_potassium: potassium < 3.5 mmol/L\n")],
        "rules/concepts.yaml:1:16: error[not-a-mapping]: concept 'low_potassium' must be a mapping of 'key: value' lines",
    ),
    "no-text": (
        [(CONCEPTS, "title: Low potassium", "title:")],
        "rules/concepts.yaml:2:9: error[not-text]: 'title' takes a text",
    ),
    "list-for-a-text": (
        [(CLOT, "summary: A clot", "summary: [A, clot]")],
        "rules/most_likely/clot.yaml:2:10: error[not-text]: 'summary' takes a text",
    ),
    "unknown-kind": (
        [(FINDINGS, "Are you pregnant?\n  kind: yes-no", "Are you pregnant?\n  kind: yes")],
        "facts/findings.yaml:12:9: error[unknown-word]: 'kind' cannot be 'yes'",
    ),
    "unknown-kind-of-a-quantity": (
        [(FINDINGS, "kind: quantity\n  known_by: laboratory", "kind: quantum\n  known_by: laboratory")],
        "facts/findings.yaml:33:9: error[unknown-word]: 'kind' cannot be 'quantum'",
    ),
    "unknown-knower": (
        [(FINDINGS, "known_by: laboratory", "known_by: doctor")],
        "facts/findings.yaml:34:13: error[unknown-word]: 'known_by' cannot be 'doctor'",
    ),
    "not-a-question": (
        [(FINDINGS, "Does the calf hurt?", "Does the calf hurt")],
        "facts/findings.yaml:23:8: error[not-a-question]: 'calf_pain': the question does not end in '?'",
    ),
    "one-choice": (
        [(FINDINGS, "    male: Male\n", "")],
        "facts/findings.yaml:7:5: error[not-a-mapping]: 'choices' maps two or more names to their wording",
        "facts/impossible.yaml:5:9: error[unknown-choice]: 'sex' has no choice 'male'",
    ),
    "choice-without-wording": (
        [(FINDINGS, "    male: Male", "    male:")],
        "facts/findings.yaml:7:10: error[not-text]: the choice 'male' has no wording",
    ),
    "unit-of-a-yes-no": (
        [(FINDINGS, "  also_called:\n    - expecting", "  unit: cm")],
        "facts/findings.yaml:14:3: error[wrong-kind]: 'unit' belongs to a quantity, and this is a yes-no",
    ),
    "closed-without-gate": (
        [(FINDINGS, "  also_called:\n    - expecting", "  when_closed: no")],
        "facts/findings.yaml:14:3: error[wrong-kind]: 'when_closed' needs a yes-no finding with 'ask_when'",
    ),
    "unit-without-factor": (
        [(FINDINGS, "mEq/L: 1", "mEq/L: one")],
        "facts/findings.yaml:37:12: error[not-a-conversion]: the unit 'mEq/L' has no factor",
    ),
    "negative-factor": (
        [(FINDINGS, "mEq/L: 1", "mEq/L: -1")],
        "facts/findings.yaml:37:12: error[not-a-conversion]: the unit 'mEq/L' has no factor",
    ),
    "canonical-unit-again": (
        [(FINDINGS, "mEq/L: 1", "mmol/L: 2")],
        "facts/findings.yaml:37:5: error[duplicate-key]: 'mmol/L' is the canonical unit already",
    ),
    "decimals": (
        [(FINDINGS, "  decimals: 1\n  plausible: 1 to 10", "  decimals: one\n  plausible: 1 to 10")],
        "facts/findings.yaml:38:13: error[not-a-number]: 'decimals' is a digit",
    ),
    "range-backwards": (
        [(FINDINGS, "plausible: 1 to 10", "plausible: 10 to 1")],
        "facts/findings.yaml:39:14: error[not-a-range]: '10 to 1' is not a range",
    ),
    "range-too-precise": (
        [(FINDINGS, "reference: 3.5 to 5.1", "reference: 3.55 to 5.1")],
        "facts/findings.yaml:40:14: error[too-precise]: 'reference' is finer than 1 decimal",
    ),
    "reference-outside-plausible": (
        [(FINDINGS, "reference: 3.5 to 5.1", "reference: 3.5 to 51")],
        "facts/findings.yaml:40:14: error[not-a-range]: 'reference' lies outside 'plausible'",
    ),
    "reference-without-source": (
        [(FINDINGS, "  reference_source: expert\n", "")],
        "facts/findings.yaml:40:3: error[missing-source]: 'reference' needs a 'reference_source'",
    ),
    "reference-of-no-source": (
        [(FINDINGS, "reference_source: expert", "reference_source: a-bock")],
        "facts/findings.yaml:30:1: error[undefined-source]: the reference interval of 'potassium' names no source 'a-bock'",
    ),
    "derived-from-nothing": (
        [(FINDINGS, "    absolute_difference:\n      - left_calf\n      - right_calf", "    linear: {}")],
        "facts/findings.yaml:68:13: error[not-a-derivation]: 'linear' has no quantity to follow from",
    ),
    "derived-from-one": (
        [(FINDINGS, "      - left_calf\n      - right_calf", "      - left_calf")],
        "facts/findings.yaml:69:7: error[not-a-derivation]: 'absolute_difference' has the wrong number of inputs",
    ),
    "derived-from-no-quantity": (
        [(FINDINGS, "      - right_calf", "      - calf_pain")],
        "facts/findings.yaml:70:9: error[unknown-name]: 'calf_difference' is derived from 'calf_pain', which is no quantity",
    ),
    "derived-in-no-way": (
        [(FINDINGS, "    absolute_difference:", "    product:")],
        "facts/findings.yaml:68:5: error[unknown-key]: 'derived' has no key 'product'",
    ),
    "derived-from-itself": (
        [(FINDINGS, "      - right_calf", "      - calf_difference")],
        "facts/findings.yaml:60:1: error[depends-on-itself]: 'calf_difference' depends on itself",
    ),
    "concept-in-the-impossible": (
        [(IMPOSSIBLE, "- sex is male", "- low_potassium")],
        "facts/impossible.yaml:5:9: error[unknown-name]: no finding is called 'low_potassium'",
    ),
    "unknown-name": (
        [(CLOT, "when: calf_pain\n", "when: calf_pian\n")],
        "rules/most_likely/clot.yaml:20:11: error[unknown-name]: no finding, concept or score is called 'calf_pian'",
    ),
    "flow-list": (
        [(CLOT, "when: calf_pain\n", "when:\n      all: [calf_pain, pregnant]\n")],
        "rules/most_likely/clot.yaml:21:12: error[flow-list]: 'all' takes a block list, not '[...]'",
    ),
    "bare-list": (
        [(CLOT, "when: calf_pain\n", "when:\n      - calf_pain\n      - pregnant\n")],
        "rules/most_likely/clot.yaml:21:7: error[list-without-all-or-any]: a bare list does not say 'all' or 'any'",
    ),
    "two-keys": (
        [(CLOT, "when: calf_pain\n", "when:\n      all:\n        - calf_pain\n      any:\n        - pregnant\n")],
        "rules/most_likely/clot.yaml:21:7: error[not-a-condition]: a condition has exactly one of 'all', 'any', "
        "'at least N of', 'not' here",
    ),
    "unknown-tree": (
        [(CLOT, "when: calf_pain\n", "when:\n      al:\n        - calf_pain\n")],
        "rules/most_likely/clot.yaml:21:7: error[not-a-condition]: 'al' is not 'all', 'any', 'at least N of' or 'not'",
    ),
    "tree-without-list": (
        [(CLOT, "when: calf_pain\n", "when:\n      all: calf_pain\n")],
        "rules/most_likely/clot.yaml:21:12: error[not-a-list]: 'all' takes a list, one clause a line",
    ),
    "empty-list": (
        [(CLOT, "when: calf_pain\n", "when:\n      any: \n        []\n")],
        "rules/most_likely/clot.yaml:22:9: error[flow-list]: 'any' takes a block list, not '[...]'",
    ),
    "at-least-5-of-3": (
        [
            (
                CLOT,
                "when: calf_pain\n",
                "when:\n      at least 5 of:\n        - calf_pain\n        - pregnant\n        - sex is male\n",
            ),
        ],
        "rules/most_likely/clot.yaml:21:7: error[impossible-count]: 'at least 5 of' cannot be met by 3 clauses",
    ),
    "at-least-0": (
        [(CLOT, "when: calf_pain\n", "when:\n      at least 0 of:\n        - calf_pain\n")],
        "rules/most_likely/clot.yaml:21:7: error[impossible-count]: 'at least 0 of' is met by nothing at all",
    ),
    "no-condition": (
        [(CLOT, "when: calf_pain\n", "when:\n")],
        "rules/most_likely/clot.yaml:20:10: error[not-a-leaf]: '' is not a clause",
    ),
    "not-a-clause": (
        [(CLOT, "when: calf_pain\n", "when: calf_pain and pregnant\n")],
        "rules/most_likely/clot.yaml:20:11: error[not-a-leaf]: 'calf_pain and pregnant' is not a clause",
    ),
    "not-not": (
        [(CLOT, "when: calf_pain\n", "when: " + "not " * 5000 + "calf_pain\n")],
        "rules/most_likely/clot.yaml:20:11: error[not-a-leaf]: 'not' stands twice in 'not not not not not not "
        "not not not not not not not not n...'",
    ),
    "bare-quantity": (
        [(CLOT, "when: calf_pain\n", "when: potassium\n")],
        "rules/most_likely/clot.yaml:20:11: error[wrong-kind]: 'potassium' is a quantity, not a yes-no",
    ),
    "bare-choice": (
        [(CLOT, "when: calf_pain\n", "when: sex\n")],
        "rules/most_likely/clot.yaml:20:11: error[wrong-kind]: 'sex' is a choice, not a yes-no",
    ),
    "bare-score": (
        [(CLOT, "when: calf_pain\n", "when: clot_score\n")],
        "rules/most_likely/clot.yaml:20:11: error[wrong-kind]: 'clot_score' is a score, not a yes-no",
    ),
    "comparing-a-yes-no": (
        [(CLOT, "when: calf_pain\n", "when: calf_pain >= 3 cm\n")],
        "rules/most_likely/clot.yaml:20:11: error[wrong-kind]: 'calf_pain' is a yes-no; only a quantity or a "
        "score can be compared",
    ),
    "comparing-without-unit": (
        [(CLOT, "when: calf_pain\n", "when: potassium < 3\n")],
        "rules/most_likely/clot.yaml:20:11: error[no-unit]: 'potassium': '3' has no unit",
    ),
    "comparing-in-another-unit": (
        [(CLOT, "when: calf_pain\n", "when: potassium < 3 cm\n")],
        "rules/most_likely/clot.yaml:20:11: error[unknown-unit]: 'potassium': '3 cm' is in no unit of it",
    ),
    "comparing-with-no-number": (
        [(CLOT, "when: calf_pain\n", "when: potassium < low\n")],
        "rules/most_likely/clot.yaml:20:11: error[not-a-number]: 'low' is not a number with a unit",
    ),
    "comparing-with-an-exponent": (
        [(CLOT, "when: calf_pain\n", "when: potassium < 3e0 mmol/L\n")],
        "rules/most_likely/clot.yaml:20:11: error[not-a-number]: '3e0 mmol/L' is not a number with a unit",
    ),
    "limit-too-precise": (
        [(CLOT, "when: calf_pain\n", "when: potassium < 3.55 mmol/L\n")],
        "rules/most_likely/clot.yaml:20:11: error[too-precise]: 'potassium' is rounded to 1 decimal of mmol/L; "
        "3.55 lies between two values",
    ),
    "limit-too-precise-after-conversion": (
        [(CLOT, "when: calf_pain\n", "when: left_calf >= 13.3 in\n")],
        "rules/most_likely/clot.yaml:20:11: error[too-precise]: 'left_calf' is rounded to 1 decimal of cm; "
        "33.782 lies between two values",
    ),
    "limit-implausible": (
        [(CLOT, "when: calf_pain\n", "when: potassium < 35 mmol/L\n")],
        "rules/most_likely/clot.yaml:20:11: error[implausible-limit]: 'potassium': '35 mmol/L' is outside the "
        "plausible 1 to 10 mmol/L",
    ),
    "score-without-points": (
        [(CLOT, "when: calf_pain\n", "when: clot_score >= 2\n")],
        "rules/most_likely/clot.yaml:20:11: error[no-unit]: a score is compared in points: '2'",
    ),
    "range-without-reference": (
        [(CLOT, "when: calf_pain\n", "when: left_calf above range\n")],
        "rules/most_likely/clot.yaml:20:11: error[no-reference]: 'left_calf' has no reference interval",
    ),
    "upper-limit-without-reference": (
        [(CLOT, "when: calf_pain\n", "when: left_calf >= 2 times upper limit\n")],
        "rules/most_likely/clot.yaml:20:11: error[no-reference]: 'left_calf' has no reference interval",
    ),
    "range-of-a-yes-no": (
        [(CLOT, "when: calf_pain\n", "when: calf_pain above range\n")],
        "rules/most_likely/clot.yaml:20:11: error[wrong-kind]: 'calf_pain' is a yes-no, not a quantity",
    ),
    "choice-of-a-yes-no": (
        [(CLOT, "when: calf_pain\n", "when: calf_pain is bad\n")],
        "rules/most_likely/clot.yaml:20:11: error[wrong-kind]: 'calf_pain' is a yes-no, not a choice",
    ),
    "unknown-choice": (
        [(CLOT, "when: calf_pain\n", "when: sex is one of male, boy\n")],
        "rules/most_likely/clot.yaml:20:11: error[unknown-choice]: 'sex' has no choice 'boy'",
    ),
    "recorded-only": (
        [(CLOT, "when: calf_pain\n", "when: shoe_colour\n")],
        "rules/most_likely/clot.yaml:20:11: error[recorded-only]: 'clot-by-pain' rests on 'shoe_colour', which "
        "is only recorded",
    ),
    "nested-too-deep": (
        [(CLOT, "when: calf_pain\n", "when: " + "{not: " * 30 + "calf_pain" + "}" * 30 + "\n")],
        "rules/most_likely/clot.yaml:20:137: error[too-deep]: nested more than 24 levels deep",
    ),
    "concept-on-itself": (
        [(CONCEPTS, "potassium < 3.5 mmol/L", "low_potassium")],
        "rules/concepts.yaml:1:1: error[depends-on-itself]: 'low_potassium' depends on itself",
    ),
    "concept-through-a-score": (
        [(CONCEPTS, "potassium < 3.5 mmol/L", "clot_score >= 1 points"), (CLOT, "pregnant: 1", "low_potassium: 1")],
        "rules/most_likely/clot.yaml:4:3: error[depends-on-itself]: 'clot_score' depends on itself",
    ),
    "concept-through-a-gate": (
        [
            (CONCEPTS, "potassium < 3.5 mmol/L", "pregnant"),
            (FINDINGS, "  also_called:\n    - expecting", "  ask_when: low_potassium\n  when_closed: no"),
        ],
        "facts/findings.yaml:9:1: error[depends-on-itself]: 'pregnant' depends on itself",
    ),
    "unknown-strength": (
        [(CLOT, "then: weakly supports", "then: weekly supports")],
        "rules/most_likely/clot.yaml:21:11: error[unknown-word]: 'then' cannot be 'weekly supports'",
    ),
    "excludes-without-scope": (
        [(CLOT, "then: weakly supports", "then: excludes")],
        "rules/most_likely/clot.yaml:18:3: error[excludes-without-scope]: 'clot-by-pain' excludes without saying for whom",
    ),
    "undefined-source": (
        [(CLOT, "    source: a-book\n    evidence", "    source: a-bock\n    evidence")],
        "rules/most_likely/clot.yaml:16:13: error[undefined-source]: no source is called 'a-bock'",
    ),
    "no-source": (
        [(CLOT, "    source: a-book\n    evidence", "    evidence")],
        "rules/most_likely/clot.yaml:13:5: error[missing-key]: rule 'clot-by-score' has no 'source'",
    ),
    "empty-source": (
        [(CLOT, "    source: a-book\n    evidence", "    source: []\n    evidence")],
        "rules/most_likely/clot.yaml:16:13: error[empty-list]: 'source' names no source",
    ),
    "unlisted-evidence": (
        [(CLOT, "[D1-S01]", "[D1-S02]")],
        "rules/most_likely/clot.yaml:17:16: error[unlisted-evidence]: no row 'D1-S02' in rules/evidence.yaml",
    ),
    "coded-after-all": (
        [(EVIDENCE, "  strength: S", "  not_coded: Not needed")],
        "rules/most_likely/clot.yaml:17:16: error[coded-after-all]: row D1-S01 is coded here, but the register "
        "says 'not_coded'",
    ),
    "cluster-style": (
        [(CLOT, "then: weakly supports", "then: weakly supports\n    cluster: The Pain")],
        "rules/most_likely/clot.yaml:22:14: error[name-style]: 'The Pain' is not kebab-case",
    ),
    "points-no-number": (
        [(CLOT, "      pregnant: 1", "      pregnant: many")],
        "rules/most_likely/clot.yaml:10:17: error[not-a-number]: 'many' is not a number",
    ),
    "points-are-a-list": (
        [(CLOT, "      pregnant: 1", "      pregnant: [1]")],
        "rules/most_likely/clot.yaml:10:17: error[not-a-number]: a list or a mapping is not a number",
    ),
    "one-of-is-no-list": (
        [(CLOT, "    points:", "    one_of: {sex is male: 1}\n    points:")],
        "rules/most_likely/clot.yaml:7:13: error[not-a-list]: 'one_of' is a list of groups, each a mapping to points",
    ),
    "unknown-urgency": (
        [(FLAGS, "urgency: emergency", "urgency: emergancy")],
        "rules/red_flags.yaml:4:12: error[unknown-word]: 'urgency' cannot be 'emergancy'",
    ),
    "diagnosis-without-rules": (
        [(CLOT, None, "title: Clot\nsummary: A clot\n")],
        "rules/most_likely/clot.yaml:1:1: error[missing-key]: diagnosis 'clot' has no 'rules'",
    ),
    "unknown-note-section": (
        [("rules/notes.yaml", None, "note: {}\n")],
        "rules/notes.yaml:1:1: error[unknown-key]: rules/notes.yaml has no key 'note'",
    ),
    "panels-no-list": (
        [("rules/interview.yaml", None, "calf:\n  title: Calf\n  panels: calf_pain\n")],
        "rules/interview.yaml:3:11: error[not-a-list]: 'panels' takes a list of mappings",
    ),
    "panel-of-an-unknown-finding": (
        [
            (
                "rules/interview.yaml",
                None,
                "calf:\n  title: Calf\n  panels:\n    - title: Pain\n      findings: [calf_pian, [x]]\n",
            ),
        ],
        "rules/interview.yaml:5:18: error[unknown-name]: no finding is called 'calf_pian'",
        "rules/interview.yaml:5:29: error[not-text]: 'findings' takes texts",
    ),
    "diagnosis-not-there": (
        [(DOCUMENT, "[clot]", "[clot, cloth]")],
        "rules/document.yaml:3:21: error[unknown-diagnosis]: the document lists 'cloth', but there is no "
        "rules/most_likely/cloth.yaml",
    ),
    "diagnosis-listed-twice": (
        [(DOCUMENT, "[clot]", "[clot, clot]")],
        "rules/document.yaml:3:21: error[listed-twice]: the document lists 'clot' twice",
    ),
    "diagnosis-not-in-the-document": (
        [(DOCUMENT, "[clot]", "[]")],
        "rules/most_likely/clot.yaml:1:1: error[wrong-origin]: 'clot' says origin document, but "
        "rules/document.yaml does not list it",
    ),
    "wrong-tier": (
        [("rules/rare/clot.yaml", None, SMALL[CLOT]), (CLOT, None, None)],
        "rules/rare/clot.yaml:1:1: error[wrong-tier]: the document has 'clot' in tier 'most_likely'",
    ),
    "tier-missing": (
        [(DOCUMENT, "rare:\n  heading: Rare\n  diagnoses: []\n", "")],
        "rules/document.yaml:1:1: error[missing-key]: rules/document.yaml has no 'rare'",
    ),
    "weighing-no-number": (
        [(WEIGHING, "weak: 1", "weak: one")],
        "rules/weighing.yaml:2:9: error[not-a-number]: 'one' is not a number",
    ),
    "weighing-half-point": (
        [(WEIGHING, "weak: 1", "weak: 1.5")],
        "rules/weighing.yaml:2:9: error[not-a-number]: points are whole numbers",
    ),
    "weighing-not-rising": (
        [(WEIGHING, "weak: 1", "weak: 4")],
        "rules/weighing.yaml:1:1: error[not-a-weighing]: points must rise from weak to strong, and 'unlikely' be negative",
    ),
    "weighing-levels": (
        [(WEIGHING, "likely: 6\n", "likely: 3\n")],
        "rules/weighing.yaml:1:1: error[not-a-weighing]: 'likely' must lie above 'possible', and both above 0",
    ),
    "weighing-incomplete": (
        [(WEIGHING, "  strong: 6\n", "")],
        "rules/weighing.yaml:2:3: error[missing-key]: 'points' has no 'strong'",
    ),
}


def changed(*changes: tuple[str, str | None, str | None]) -> dict[str, str]:
    texts = dict(SMALL)
    for file, old, new in changes:
        if new is None:
            del texts[file]
        elif old is None:
            texts[file] = new
        else:
            assert texts[file].count(old) == 1
            texts[file] = texts[file].replace(old, new)
    return texts


@pytest.mark.parametrize("name", BAD_KNOWLEDGE_BASES)
def test_bad_knowledge(name: str) -> None:
    changes, *faults = BAD_KNOWLEDGE_BASES[name]
    _, problems = from_texts(changed(*changes), Problems())
    assert headlines(problems) == faults
    assert_presentable(problems)


def test_every_fault_of_every_file_is_reported_in_one_run() -> None:
    """Sorted by place; faults of one file and of the whole base alike; what follows from a fault is not a second one."""
    texts = changed(
        (FINDINGS, "known_by: laboratory", "known_by: doctor"),
        (FINDINGS, "mEq/L: 1", "mEq/L: one"),
        (FINDINGS, "kind: choice", "kind: choise"),
        (CONCEPTS, "potassium < 3.5 mmol/L", "low_potassium"),
        (DOCUMENT, "[clot]", "[clot, cloth]"),
        (CLOT, "when: clot_score >= 2 points", "when: clot_scor >= 2 points"),
        (CLOT, "then: supports", "then: suports"),
        (CLOT, "when: calf_pain\n", "when: shoe_colour\n"),
    )
    knowledge, problems = from_texts(texts, Problems())
    assert knowledge is None
    assert headlines(problems) == [
        "facts/findings.yaml:4:9: error[unknown-word]: 'kind' cannot be 'choise'",
        "facts/findings.yaml:34:13: error[unknown-word]: 'known_by' cannot be 'doctor'",
        "facts/findings.yaml:37:12: error[not-a-conversion]: the unit 'mEq/L' has no factor",
        "rules/concepts.yaml:1:1: error[depends-on-itself]: 'low_potassium' depends on itself",
        "rules/document.yaml:3:21: error[unknown-diagnosis]: the document lists 'cloth', "
        "but there is no rules/most_likely/cloth.yaml",
        "rules/most_likely/clot.yaml:14:11: error[unknown-name]: no finding, concept or score is called 'clot_scor'",
        "rules/most_likely/clot.yaml:15:11: error[unknown-word]: 'then' cannot be 'suports'",
        "rules/most_likely/clot.yaml:20:11: error[recorded-only]: 'clot-by-pain' rests on 'shoe_colour', "
        "which is only recorded",
    ]


@pytest.mark.parametrize("file", SMALL)
@pytest.mark.parametrize("broken", ["", "x: [", "- x\n", "x: 1\n---\n", "x\x00"])
def test_a_file_that_cannot_be_read_is_one_fault(file: str, broken: str) -> None:
    """What it would have defined is missing elsewhere, which is not reported as faults of the other files."""
    _, problems = from_texts({**SMALL, file: broken}, Problems())
    assert [problem.place.file for problem in problems.errors] == [file]


def test_a_folder_is_read_with_its_own_places(tmp_path: Path) -> None:
    folder = written(tmp_path / "base", changed((DOCUMENT, None, None), (CLOT, "then: supports", "then: suports")))
    (folder / FLAGS).write_bytes(b"\xff\xfe")
    (folder / CONCEPTS).unlink()
    (folder / CONCEPTS).mkdir()
    with pytest.raises(InvalidKnowledge) as raised:
        load(folder)
    assert [problem.headline() for problem in raised.value.problems] == [
        f"{folder / CONCEPTS}:1:1: error[unreadable]: cannot be read: Is a directory",
        f"{folder / CLOT}:15:11: error[unknown-word]: 'then' cannot be 'suports'",
        f"{folder / FLAGS}:1:1: error[not-utf-8]: the file is UTF-16, not UTF-8",
    ]
    assert str(raised.value).startswith(f"{folder / CONCEPTS}:1:1: error[unreadable]")


# Hostile files -------------------------------------------------------------------------------------------------------

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE_CASES = {
    "brackets": "[" * 100_000,
    "mappings": "{a: " * 100_000,
    "lists": "- " * 100_000,
    "keys": "? " * 100_000,
    "laughs": LAUGHS,
    "spaces": " " * 1_000_000,
    "quotes": '"' + "\\u0041" * 150_000 + '"',
    "colons": "a: " * 300_000,
    "one long key": "? " + "a" * 1_000_000 + "\n: x\n",
    "one long number": "given:\n  potassium: 1." + "1" * 1_000_000 + "\n",
    "one long unit": "given:\n  potassium: 123456789012345.123456789012345" + " a" * 400_000 + " (\n",
    "one line": "[" + '{"given": {"sex": "m"}}, ' * 4_000 + "]",
    "bad cases": "- given: {sex: boy}\n" * 4_000,
    "unknown keys": "".join(f"givn_{n}: x\n" for n in range(6_000)),
    "unknown findings": "given:\n" + "".join(f"  calf_pian_{n}: yes\n" for n in range(6_000)),
    "unknown cases": "".join(f"- {{case: number {n}, same_as: nomber {n}}}\n" for n in range(3_000)),
    "duplicates": "given: {" + "sex: male, " * 10_000 + "}",
    "anchors": "".join(f"- &a{n} x\n" for n in range(5_000)),
}


@pytest.mark.parametrize("name", HOSTILE_CASES)
def test_a_hostile_case_file_is_refused_soon(name: str) -> None:
    start = time.process_time()
    cases, problems = cases_and_problems(HOSTILE_CASES[name])
    for problem in problems.errors:
        render(problem, problems.texts)
    assert not cases
    assert problems.errors
    assert time.process_time() - start < SECONDS


def test_a_short_file_does_not_become_a_long_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    """`same_as` takes over many values in few characters; there is a limit, and it is said."""
    monkeypatch.setattr("crampdx.engine.knowledge.cases.MOST_TAKEN_OVER", 2_000)
    given = "potassium: 4 mmol/L, left_calf: 30 cm, right_calf: 30 cm, calf_pain: no, pregnant: no, childbirth: no"
    cases, problems = cases_and_problems(f"- {{case: A, given: {{{given}}}}}\n" + "- same_as: A\n" * 400)
    assert headlines(problems) == [
        "patient.yaml:335:3: error[too-large]: 'same_as' takes over more than 2,000 values up to here"
    ]
    assert len(cases) == 334


CHAIN = [f"c{n}:\n  title: x\n  source: expert\n  when: c{n + 1}\n" for n in range(4_000)]
RULE = "  r-{0}:\n    title: x\n    when: calf_pian{0}\n    then: suports\n    source: a-bock\n    evidence: [X]\n"
HOSTILE_KNOWLEDGE = {
    "ring": (CONCEPTS, "".join(CHAIN) + CHAIN[0].replace("c0", "c4000").replace("c1", "c0")),
    "unknown everything": (CLOT, SMALL[CLOT] + "".join(RULE.format(n) for n in range(1_000))),
    "not not not": (CLOT, SMALL[CLOT].replace("when: calf_pain\n", "when: " + "not " * 200_000 + "calf_pain\n")),
    "long leaf": (CLOT, SMALL[CLOT].replace("when: calf_pain\n", "when: sex is one of " + "man, " * 100_000 + "\n")),
    "long limit": (CLOT, SMALL[CLOT].replace("when: calf_pain\n", "when: potassium < 1" + "1 " * 300_000 + "\n")),
    "long name": (CONCEPTS, "? a" + "_a" * 300_000 + "_\n: {title: x, when: calf_pain, source: expert}\n"),
    "brackets": (CONCEPTS, "[" * 100_000),
    "laughs": (CONCEPTS, LAUGHS),
}


@pytest.mark.parametrize("name", HOSTILE_KNOWLEDGE)
def test_a_hostile_knowledge_base_is_refused_soon(name: str) -> None:
    file, text = HOSTILE_KNOWLEDGE[name]
    start = time.process_time()
    _, problems = from_texts({**SMALL, file: text}, Problems())
    assert problems.errors
    assert_presentable(problems)
    assert time.process_time() - start < SECONDS


# Damaged files: whatever is done to them, faults with places or a good reading, never anything else ------------------------

GOOD_CASES = """\
- case: A
  from: evidence
  given:
    sex: female
    pregnant: yes
    potassium: 3.1 mmol/L (3.5 to 5.1)
    left_calf: 36 cm
    right_calf: 33 cm
    calf_difference: 3 cm
  expect:
    leading: clot
    urgency: at least soon
    because: [clot-by-score]
    clot: at least possible
    clot_score: 1 to 3 points
    low_potassium: yes
- case: B
  same_as: A
  given:
    potassium: "> 9 mEq/L"
"""
PIECES = (
    *("not ", "all:", "any:", "at least 2 of:", "[", "]", "{", "}", "'", '"', "\t", "\n", "\n  ", "- ", ": ", "&a ", "*a "),
    *("!!x ", "#", "|", "> ", "%", "\x00", "\x85", "\u2028", "\ufeff", "999999999999999", "0.000000000001", "-1", "1e9"),
    *("NaN", "inf", "~", "unknown", "yes", "(1 to 2)", " to ", " is ", "below range", "times upper limit", " points", "cm"),
    *("?", "\r", "---\n", "...\n", "<<: ", "😀", "é"),
)


def damaged(choose: random.Random, text: str) -> bytes:
    """`text` after one to three accidents: bytes changed, cut, repeated, pieces put in, words or lines moved."""
    data = text.encode()
    for _ in range(choose.choice((1, 1, 1, 2, 3))):
        at = choose.randrange(len(data) + 1)
        what = choose.randrange(6)
        if what == 0:
            data = data[:at] + bytes([choose.randrange(256)]) + data[at + 1 :]
        elif what == 1:
            data = data[:at] + data[at + choose.randrange(1, 20) :]
        elif what == 2:
            data = data[:at] + choose.choice(PIECES).encode() + data[at:]
        elif what == 3:
            other = choose.randrange(len(data) + 1)
            data = data[:at] + data[other : other + choose.randrange(1, 60)] + data[at:]
        else:
            mark = b" " if what == 4 else b"\n"
            parts = data.split(mark)
            first, second = choose.randrange(len(parts)), choose.randrange(len(parts))
            parts[first] = parts[second] if choose.random() < 0.7 else choose.choice(PIECES).encode()
            data = mark.join(parts)
    return data


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_give_faults_and_nothing_else(seed: int) -> None:
    """50 damaged case files and 50 damaged knowledge bases a seed."""
    choose = random.Random(seed)
    for _ in range(50):
        cases, problems = cases_and_problems(damaged(choose, GOOD_CASES))
        assert cases or problems.errors
        assert_presentable(problems)
        file = choose.choice(list(SMALL))
        problems = Problems()
        text = decode(damaged(choose, SMALL[file]), file, problems)
        texts = {name: content for name, content in SMALL.items() if name != file}
        knowledge, problems = from_texts(texts if text is None else {**texts, file: text}, problems)
        assert knowledge is not None or problems.errors
        assert_presentable(problems)


# Commands ------------------------------------------------------------------------------------------------------------


def written(folder: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(name="here")
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the small knowledge base in `base`, a good case file and one with a bad case."""
    written(tmp_path / "base", SMALL)
    written(tmp_path, {"good.yaml": "given: {calf_pain: yes}\n"})
    written(tmp_path, {"mixed.yaml": "- case: good\n  given: {calf_pain: yes}\n- case: bad\n  given: {calf_pian: yes}\n"})
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, stdin: bytes = b"", base: str = "base") -> Result:
    result = CliRunner().invoke(main, [*arguments, "--knowledge", base], input=stdin)
    assert "Traceback" not in result.output
    assert "internal error" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


UNKNOWN = "mixed.yaml:4:11: error[unknown-finding]: no finding is called 'calf_pian'"
COMMANDS = {
    "diagnose missing.yaml": (BAD_CASE, "missing.yaml:1:1: error[unreadable]: cannot be read: No such file or directory"),
    "diagnose folder": (BAD_CASE, "folder:1:1: error[unreadable]: cannot be read: Is a directory"),
    "diagnose loop.yaml": (BAD_CASE, "loop.yaml:1:1: error[unreadable]: cannot be read: "),
    "diagnose mixed.yaml": (BAD_CASE, UNKNOWN),
    "diagnose good.yaml missing.yaml mixed.yaml": (BAD_CASE, UNKNOWN),
    "diagnose mixed.yaml --format json": (BAD_CASE, UNKNOWN),
    "diagnose": (USAGE, "Missing argument"),
    "diagnose good.yaml --format xml": (USAGE, "'xml' is not one of"),
    "diagnose good.yaml --knowledge nowhere": (USAGE, "Directory 'nowhere' does not exist"),
    "diagnose good.yaml --knowledge good.yaml": (USAGE, "'good.yaml' is a file"),
    "diagnose good.yaml --knowledge folder": (BAD_KNOWLEDGE, "folder/facts:1:1: error[no-such-folder]"),
    "check --knowledge folder": (BAD_KNOWLEDGE, "folder/rules:1:1: error[no-such-folder]"),
    "test mixed.yaml": (BAD_CASE, UNKNOWN),
    "test missing.yaml": (USAGE, "'missing.yaml' does not exist"),
    "test folder": (NOTHING, "no case file in folder"),
    "consult missing.yaml": (BAD_CASE, "missing.yaml:1:1: error[unreadable]"),
    "consult mixed.yaml": (BAD_CASE, UNKNOWN),
    "batch folder --output out.jsonl": (NOTHING, "no table or case file there"),
    "batch mixed.yaml --output out.jsonl": (BAD_CASE, UNKNOWN),
    "batch good.yaml --output folder": (USAGE, "'folder' is a directory"),
    "vocab nosuchword": (NOTHING, "no finding matches 'nosuchword'"),
    "show nosuchthing": (NOTHING, "nothing is called 'nosuchthing'"),
    "frobnicate": (USAGE, "No such command 'frobnicate'"),
    "diagnose good.yaml": (DONE, "Clot"),
}


@pytest.mark.parametrize("line", COMMANDS)
@pytest.mark.usefixtures("here")
def test_command(line: str) -> None:
    """The exit code says what was wrong, the message says where, and there is never a traceback."""
    code, said = COMMANDS[line]
    arguments = line.split()
    own_base = "--knowledge" in arguments
    result = run(
        *(arguments[: arguments.index("--knowledge")] if own_base else arguments), base=arguments[-1] if own_base else "base"
    )
    assert result.exit_code == code
    assert said in result.output


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (bytes(range(256)), "<stdin>:2:118: error[not-utf-8]: byte 0x80 is not UTF-8"),
        (bytes(100), "<stdin>:1:1: error[control-character]: an invisible control character (U+0000) stands here"),
        (b"", "<stdin>:1:1: error[empty-file]: the file is empty"),
        (b"\x1b[31m", "<stdin>:1:1: error[control-character]: an invisible control character (U+001B) stands here"),
        (b"[" * 100_000, "<stdin>:1:25: error[too-deep]: nested more than 24 levels deep"),
    ],
)
def test_garbage_on_standard_input(data: bytes, said: str) -> None:
    result = run("diagnose", "-", stdin=data)
    assert result.exit_code == BAD_CASE
    assert result.stderr.split("\n")[0] == said
    assert result.stdout == ""
    assert "\x1b" not in result.output
    assert "\x00" not in result.output


@pytest.mark.usefixtures("here")
def test_json_stays_json_beside_bad_cases() -> None:
    result = run("diagnose", "mixed.yaml", "missing.yaml", "good.yaml", "--format", "json")
    assert result.exit_code == BAD_CASE
    document = json.loads(result.stdout)
    assert [case["case"] for case in document["cases"]] == ["good", "case 1"]
    assert document["problems"] == [
        {
            "file": "missing.yaml",
            "line": 1,
            "column": 1,
            "code": "unreadable",
            "message": "cannot be read: No such file or directory",
            "help": "",
        },
        {
            "file": "mixed.yaml",
            "line": 4,
            "column": 11,
            "code": "unknown-finding",
            "message": "no finding is called 'calf_pian'",
            "help": "did you mean 'calf_pain'?",
        },
    ]


def test_an_unreadable_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its faults are those of a file, also where the tests are run by one who may read everything."""
    (here / "secret.yaml").write_text("given: {}\n", encoding="utf-8")
    (here / "secret.yaml").chmod(0)
    read = shared.bytes_of

    def read_or_refuse(path: str) -> bytes:
        if path == "secret.yaml":
            raise PermissionError(13, "Permission denied", path)
        return read(path)

    monkeypatch.setattr(shared, "bytes_of", read_or_refuse)
    result = run("diagnose", "secret.yaml", "good.yaml")
    assert result.exit_code == BAD_CASE
    assert "secret.yaml:1:1: error[unreadable]: cannot be read: Permission denied" in result.stderr
    assert "Clot" in result.stdout


def test_a_broken_knowledge_base_is_reported_by_every_command(here: Path) -> None:
    (here / "base" / CLOT).write_text(SMALL[CLOT].replace("then: supports", "then: suports"), encoding="utf-8")
    for command in (
        "diagnose good.yaml",
        "batch good.yaml --output out.jsonl",
        "test good.yaml",
        "vocab",
        "show clot",
        "check",
    ):
        result = run(*command.split())
        assert result.exit_code == BAD_KNOWLEDGE
        assert "base/rules/most_likely/clot.yaml:15:11: error[unknown-word]: 'then' cannot be 'suports'" in result.output
    assert not (here / "out.jsonl").exists()


def test_the_installed_program_has_no_traceback_either(here: Path) -> None:
    """The same through a real process: its exit code, and the two streams apart."""
    (here / "garbage.json").write_bytes(os.urandom(64) + b"\xff")
    done = subprocess.run(
        [sys.executable, "-m", "crampdx.cli", "diagnose", "garbage.json", "mixed.yaml", "--knowledge", "base"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == BAD_CASE
    assert b"garbage.json:" in done.stderr
    assert UNKNOWN.encode() in done.stderr
    assert b"Clot" in done.stdout
    assert b"Traceback" not in done.stdout + done.stderr

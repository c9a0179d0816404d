"""The same patients give the same bytes, whatever the order of files, rules and findings, and whatever the hash seed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from crampdx.engine.inference.reasoner import Reasoner
from crampdx.engine.knowledge.cases import read_cases
from crampdx.engine.knowledge.loader import from_texts
from crampdx.engine.knowledge.model import Knowledge
from crampdx.engine.knowledge.problems import Problems
from crampdx.engine.report.records import as_json, envelope, record

from at_hand import ROOT, cases_of
from small_worlds import dumped

FILES = ("everyday.yaml", "published.yaml")


def texts() -> dict[str, Any]:
    """The built-in files as plain data, every scalar a text."""
    paths = [*(ROOT / "facts").glob("*.yaml"), *(ROOT / "rules").rglob("*.yaml")]
    read = {p.relative_to(ROOT).as_posix(): yaml.load(p.read_text("utf-8"), Loader=yaml.CBaseLoader) for p in paths}
    return {name: data for name, data in read.items() if data is not None}  # the file of reviews may hold comments alone


def shuffled(data: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    items = list(data.items())
    dice.shuffle(items)
    return dict(items)


def permuted(dice: random.Random) -> Knowledge:
    """The built-in knowledge with findings, concepts, flags and rules in another order, facts in other files."""
    result: dict[str, Any] = {}
    for name, data in texts().items():
        if name.startswith("facts/") and name not in ("facts/impossible.yaml", "facts/recorded.yaml"):
            for finding, entry in shuffled(data, dice).items():
                result.setdefault(f"facts/room_{dice.randint(1, 3)}.yaml", {})[finding] = shuffled(entry, dice)
        elif name in ("rules/interview.yaml", "rules/document.yaml"):
            result[name] = data  # their order means something
        elif name.count("/") == 2:
            parts = ("rules", "scores", "advice")
            result[name] = {k: shuffled(v, dice) if k in parts else v for k, v in shuffled(data, dice).items()}
        else:
            result[name] = shuffled(data, dice)
    knowledge, problems = from_texts({n: dumped(d) for n, d in shuffled(result, dice).items()}, Problems())
    assert knowledge is not None
    assert not problems.errors
    return knowledge


def as_bytes(knowledge: Knowledge) -> str:
    reasoner = Reasoner(knowledge)
    records = []
    for file in FILES:
        for case in cases_of(file)[::6]:
            text = dumped({"case": case.name, "given": {n: s.text for n, s in case.given.items()}})
            (again,) = read_cases(text, file, knowledge, Problems())
            records.append(record(again.name, reasoner.conclude(again.findings), again.warnings))
    return as_json(envelope("0", knowledge, records))


def test_order_changes_no_byte(knowledge: Knowledge) -> None:
    """Permuting rules, findings and files changes neither the JSON nor the knowledge hash."""
    before = as_bytes(knowledge)
    for number in range(2):
        other = permuted(random.Random(number))
        assert other.hash == knowledge.hash
        assert as_bytes(other) == before


def test_hash_seeds_change_no_byte(tmp_path: Path) -> None:
    """Twenty processes with different hash seeds print the same JSON."""
    command = [
        sys.executable,
        "-m",
        "crampdx.cli",
        "diagnose",
        "--format",
        "json",
        str(ROOT / "examples/cramps_on_walking.yaml"),
    ]
    outputs = set()
    for start in range(0, 20, 2):
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path, env={**os.environ, "PYTHONHASHSEED": str(n)})
            for n in (start, start + 1)
        ]
        for process in running:
            output, _ = process.communicate()
            assert process.returncode == 0
            outputs.add(output)
    assert len(outputs) == 1

"""The rooms of the house: who may import whom, and what the engine never does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOOR = {"authoring": 4, "session": 4, "interview": 3, "report": 3, "inference": 2, "knowledge": 1}
ENGINE = sorted((ROOT / "engine").rglob("*.py"))
IMPORTS_EXPERTA = {"experta_import.py", "forward.py", "rete.py"}


def modules(path: Path) -> list[tuple[int, str]]:
    """What a file imports: level of a relative import, dotted name."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or ""))
    return found


@pytest.mark.parametrize("path", ENGINE, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_from_rooms_under_it(path: Path) -> None:
    """Relative imports reach the same room or a lower floor; the engine never imports the commands."""
    room = path.relative_to(ROOT / "engine").parts[0]
    for level, name in modules(path):
        assert not name.startswith("crampdx"), "imports inside are relative"
        if level == 2:
            other = name.split(".")[0]
            assert FLOOR[other] < FLOOR[room], f"{room} imports {other}"
        assert level <= 2, f"{path.name} reaches above the engine"


@pytest.mark.parametrize("path", ENGINE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_engine_has_no_input_output_clock_or_chance(path: Path) -> None:
    """No print, input, clock or randomness; experta, dataframes and solvers only where they belong."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not called & {"print", "input", "eval", "exec", "open"}
    imported = {name.split(".")[0] for level, name in modules(path) if level == 0}
    assert not imported & {"time", "datetime", "random", "secrets", "uuid", "click", "pickle", "socket", "urllib"}
    assert not imported & {"polars", "pandas", "narwhals", "z3"}
    assert "experta" not in imported or path.name in IMPORTS_EXPERTA


def test_no_clinical_number_in_python() -> None:
    """Limits, points and units live in YAML: no number with a decimal part in the rooms that reason."""
    for path in (ROOT / "engine" / "inference").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                raise AssertionError(f"{path.name}:{node.lineno} holds {node.value}")


def test_no_rule_is_named_in_python() -> None:
    """No finding, rule or diagnosis of the knowledge base is known to the engine or the commands."""
    names: set[str] = set()
    for path in [*(ROOT / "facts").glob("*.yaml"), *(ROOT / "rules").rglob("*.yaml")]:
        names.update(re.findall(r"^([a-z]+(?:_[a-z]+)+):", path.read_text(encoding="utf-8"), re.MULTILINE))
        names.add(path.stem)
    names -= {"document", "weighing", "sources", "evidence", "concepts", "red_flags", "notes", "interview"}
    names -= {"most_likely", "other_likely", "do_not_miss", "recorded", "impossible", "next_steps", "likely_needs"}
    for path in [*ENGINE, ROOT / "cli.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "_" in node.value:
                assert node.value not in names, f"{path.name}:{node.lineno} names {node.value}"

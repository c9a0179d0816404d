"""The rooms of the house: who may import whom, and what the engine never does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOOR = {
    "authoring": 4,
    "session": 4,
    "population": 4,
    "interview": 3,
    "proof": 3,
    "report": 3,
    "inference": 2,
    "knowledge": 1,
}
ENGINE = sorted((ROOT / "engine").rglob("*.py"))
ROOT_MODULES = "beginning cli feeds pages populations pytest_cases revisions shared sitting spark_run table_files terminal testing verification workbench"
COMMANDS = [ROOT / f"{name}.py" for name in ROOT_MODULES.split()]
IMPORTS_EXPERTA = {"experta_import.py", "forward.py", "rete.py"}
WRITES_FILES = ROOT / "engine" / "interview" / "journal.py"
READS_FILES = ROOT / "engine" / "knowledge" / "loader.py"
SYSTEM = {"os", "sys", "io", "fcntl", "shutil", "tempfile", "subprocess", "codecs", "mmap", "importlib", "builtins"}
CHANGES = {"write_text", "write_bytes", "touch", "mkdir", "unlink", "rmdir", "rename", "chmod", "symlink_to", "hardlink_to"}


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
    """No print, input, clock or randomness; experta, data frames and solvers only where they belong."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not called & {"print", "input", "eval", "exec", "open"}
    imported = {name.split(".")[0] for level, name in modules(path) if level == 0}
    assert not imported & {"time", "datetime", "random", "secrets", "uuid", "click", "pickle", "socket", "urllib"}
    assert not imported & {"polars", "narwhals"} or path.parent.name == "population"
    assert not imported & {"pandas", "pyarrow", "pyspark"}
    assert "z3" not in imported or path.parent.name == "proof"
    assert "experta" not in imported or path.name in IMPORTS_EXPERTA


def changes_of_files(tree: ast.AST) -> set[str]:
    """What a file calls, or hands on to be called, that could change another file."""
    found = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)} & CHANGES
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, arguments = node.func.attr, len(node.args) + len(node.keywords)
            if name == "open" or (name == "replace" and arguments == 1):  # a text's `replace` takes two
                found.add(name)
    return found


@pytest.mark.parametrize("path", [p for p in ENGINE if p != WRITES_FILES], ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_journal_writes_files(path: Path) -> None:
    """Elsewhere in the engine nothing reaches the system or changes a file, and only the loader knows of real paths at all."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not {name.split(".")[0] for level, name in modules(path) if level == 0} & SYSTEM
    assert not changes_of_files(tree)
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "pathlib" for a in n.names}
    assert "pathlib" not in {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert names <= ({"Path"} if path == READS_FILES else {"PurePosixPath"})


def test_what_changes_files_is_seen() -> None:
    """The line above is held by something: the journal's own ways of writing are among those looked for."""
    tree = ast.parse(WRITES_FILES.read_text(encoding="utf-8"))
    assert {"open", "mkdir", "chmod", "unlink"} <= changes_of_files(tree)
    assert {"os", "fcntl"} <= {name for _, name in modules(WRITES_FILES)} & SYSTEM
    assert changes_of_files(ast.parse("a.replace(b); c.write_text('')")) == {"replace", "write_text"}
    assert not changes_of_files(ast.parse("a.replace('b', 'c')"))


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
    names -= {
        "document",
        "weighing",
        "sources",
        "evidence",
        "concepts",
        "red_flags",
        "notes",
        "interview",
        "guarantees",
        "reviews",
    }
    names -= {
        "most_likely",
        "other_likely",
        "do_not_miss",
        "recorded",
        "impossible",
        "next_steps",
        "likely_needs",
        "needs_no",
    }
    for path in [*ENGINE, *COMMANDS]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "_" in node.value:
                assert node.value not in names, f"{path.name}:{node.lineno} names {node.value}"

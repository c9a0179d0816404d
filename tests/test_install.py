"""A plain install is whole: the same knowledge as the checkout, from any folder, and no stray top-level names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crampdx.engine.knowledge.model import Knowledge

from at_hand import ROOT

SCRIPT = """
import crampdx
from crampdx.engine.knowledge.loader import BUILT_IN, load
print(crampdx.__file__)
print(load(BUILT_IN).hash)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which a copy of the checkout has been installed, with an older build left in the way."""
    copy = tmp_path_factory.mktemp("copy") / "crampdx"
    ignored = shutil.ignore_patterns(".git", ".venv", "build", "*.egg-info", ".*_cache", "__pycache__", ".hypothesis")
    shutil.copytree(ROOT, copy, ignore=ignored)
    stale = copy / "build" / "lib" / "crampdx" / "rules" / "rare"
    stale.mkdir(parents=True)
    (stale / "renamed_long_ago.yaml").write_text("title: Stale\n", encoding="utf-8")
    target = tmp_path_factory.mktemp("target")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(target),
    ]
    subprocess.run([*command, str(copy)], check=True, capture_output=True)
    return target


def test_installed_knowledge_is_the_checkouts(installed: Path, knowledge: Knowledge, tmp_path: Path) -> None:
    """The hash agrees, so every facts and rules file is there and no stale one is."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    where, found = done.stdout.split()
    assert where.startswith(str(installed))
    assert found == knowledge.hash


def test_only_one_name_is_installed(installed: Path) -> None:
    """A rule author's own folder has rules/ and facts/, too: ours must not be importable beside them."""
    names = {
        p.name for p in installed.iterdir() if not p.name.endswith(".dist-info") and p.name not in ("bin", "__pycache__")
    }
    assert names == {"crampdx"}

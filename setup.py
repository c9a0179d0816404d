"""Clears `build/` first: setuptools would ship what an earlier build left there, a renamed rule file twice."""

import shutil
from pathlib import Path

from setuptools import setup

shutil.rmtree(Path(__file__).parent / "build", ignore_errors=True)
setup()

"""How long one case takes, as a ratio to what cannot be avoided: imports and the building of the network.

    python benchmarks/startup.py [PAIRS]

Whole processes, in turn, medians of PAIRS (7). The floor of `diagnose` is a process that imports click, yaml, rich and
experta and builds the Experta network of the built-in knowledge, with the collector held off as the command does; the
time it spends reading the YAML is taken off. The floor of `--help` is a process that imports click.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "cramps_on_walking.yaml"
COMMAND = "from crampdx.cli import main; main()"  # what the installed entry point does
FLOOR = """
import gc, time
gc.disable()
import click, yaml, rich.console, rich.text
from crampdx.engine.inference import forward
start = time.perf_counter()
from crampdx.engine.knowledge.loader import BUILT_IN, load
knowledge = load(BUILT_IN)
reading = time.perf_counter() - start
forward.build_engine(knowledge)
print(reading)
"""


def timed(*arguments: str) -> tuple[float, str]:
    """Wall seconds of a Python process, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    diagnose, floor, reading, help_, click = [], [], [], [], []
    for number in range(pairs + 1):
        wall, _ = timed("-c", COMMAND, "diagnose", str(EXAMPLE))
        whole, printed = timed("-c", FLOOR)
        helping, _ = timed("-c", COMMAND, "--help")
        clicking, _ = timed("-c", "import click")
        if number:  # the first round warms the caches
            diagnose.append(wall)
            reading.append(float(printed))
            floor.append(whole - float(printed))
            help_.append(helping)
            click.append(clicking)
    median = statistics.median
    print(f"diagnose one case       {median(diagnose):.3f} s")
    print(f"imports and network     {median(floor):.3f} s   (reading the YAML besides: {median(reading):.3f} s)")
    print(f"ratio                   {median(a / b for a, b in zip(diagnose, floor, strict=True)):.2f}   held to 1.5")
    print(f"--help                  {median(help_):.3f} s")
    print(f"import click            {median(click):.3f} s")
    print(f"ratio                   {median(a / b for a, b in zip(help_, click, strict=True)):.2f}   held to 1.5")


if __name__ == "__main__":
    main()

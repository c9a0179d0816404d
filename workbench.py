"""The rule author's commands: is the knowledge well-formed, is it tested, and how does it hang together."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .engine.report.words import counted
from .shared import (
    BAD_CASE,
    BAD_KNOWLEDGE,
    DONE,
    FINDINGS,
    NOTHING,
    case_files,
    case_named,
    cases_in,
    knowledge_option,
    loaded,
    print_problems,
    reasoner_for,
    subject_named,
)

if TYPE_CHECKING:
    from .engine.authoring.regression import Judged
    from .engine.inference.reasoner import Reasoner
    from .engine.knowledge.cases import Case
    from .engine.knowledge.model import Knowledge
    from .engine.knowledge.problems import Problem


@click.command(short_help="Check the knowledge base, every problem in one run.")
@knowledge_option
@click.option("--strict", is_flag=True, help="Warnings fail, too (exit 1).")
def check(folder: Path | None, strict: bool) -> int:
    """Check the knowledge base: names, kinds, units, sources, cycles; every problem in one run."""
    from .engine.knowledge.loader import BUILT_IN, read

    knowledge, problems = read(folder or BUILT_IN)
    print_problems((*problems.errors, *problems.warnings), problems.texts, err=False)
    counts = f"{counted(len(problems.errors), 'error')}, {counted(len(problems.warnings), 'warning')}"
    if knowledge is not None:
        click.echo(
            f"{len(knowledge.findings)} findings, {len(knowledge.concepts)} concepts, {len(knowledge.scores)} scores, "
            f"{len(knowledge.rules)} rules for {len(knowledge.diagnoses)} diagnoses, {len(knowledge.red_flags)} red flags, "
            f"knowledge {knowledge.hash}: {counts}"
        )
    else:
        click.echo(counts)
    if problems.errors:
        return BAD_KNOWLEDGE
    return FINDINGS if strict and problems.warnings else DONE


@click.command("test", short_help="Hold the knowledge base to regression cases.")
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--summary", is_flag=True, help="Add the accuracy tables over patients whose answer is known.")
@knowledge_option
def run_tests(path: Path | None, summary: bool, folder: Path | None) -> int:
    """Hold the knowledge base to the regression cases in PATH (a file or a folder; tests/cases by default)."""
    from .engine.authoring.regression import differences, judge

    files = _regression_files(path)
    if not files:
        return NOTHING
    knowledge = loaded(folder)
    reasoner = reasoner_for(knowledge)
    passed = failed = without = 0
    broken: list[Problem] = []
    judged: list[Judged] = []
    for file in files:
        cases, problems = cases_in(str(file), knowledge, expectations=True)
        broken += problems.errors
        print_problems(problems.errors, problems.texts, err=False)
        for case in cases:
            outcome = reasoner.conclude(case.findings)
            if case.diagnosis:
                judged.append(judge(case, outcome))
            if not case.expected:
                without += 1
                continue
            different = differences(case, outcome)
            passed, failed = (passed, failed + 1) if different else (passed + 1, failed)
            if different:
                click.echo(f"FAILED {case.place}: {case.name}")
                for difference in different:
                    click.echo(f"  {difference}")
    click.echo(
        (f"{passed} passed, {failed} failed" if passed or failed or not without else "nothing to pass or fail")
        + (f", {counted(without, 'case')} without expectations" if without else "")
        + (f", {counted(len(broken), 'error')} in case files" if broken else "")
    )
    if summary:
        _print_summary(judged, reasoner)
    if broken:
        return BAD_CASE
    if not passed and not failed:
        return NOTHING
    return FINDINGS if failed else DONE


def _print_summary(judged: list[Judged], reasoner: Reasoner) -> None:
    from .engine.authoring.accuracy import accuracy_lines
    from .engine.authoring.regression import judge, without_confirmation
    from .engine.knowledge.cases import read_findings
    from .engine.knowledge.problems import Problems

    bare = []
    for case in (j.case for j in judged):
        kept: Any = without_confirmation(case, reasoner.knowledge)
        findings, _ = read_findings(kept, reasoner.knowledge, Problems(), case.place)
        bare.append(judge(case, reasoner.conclude(findings)))
    for line in accuracy_lines(judged, bare):
        click.echo(line)


@click.command(short_help="What the regression cases exercise, and what not.")
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--from", "origin", type=click.Choice(["evidence", "recorded", "other"]), help="Count only these cases.")
@click.option("--all", "every", is_flag=True, help="List everything that is missed.")
@click.option("--fail-under", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit 1 where less is reached.")
@knowledge_option
def coverage(path: Path | None, origin: str | None, every: bool, fail_under: float | None, folder: Path | None) -> int:
    """Show what the regression cases in PATH (a file or a folder; tests/cases by default) exercise.

    Each rule fired and not fired, each clause of a condition yes, no and unknown, each level of each diagnosis."""
    from .engine.authoring.coverage import ORIGINS, coverage_lines, coverage_of

    files = _regression_files(path)
    if not files:
        return NOTHING
    knowledge = loaded(folder)
    cases = _all_cases(files, knowledge)
    if cases is None:
        return BAD_CASE
    reached = coverage_of(knowledge, cases)
    only = (origin,) if origin else ORIGINS
    for line in coverage_lines(reached, only, len(reached.seen) if every else 40):
        click.echo(line)
    percent = 100 * reached.share(only)
    click.echo(f"\n{percent:.1f} % of what cases {f'from: {origin} ' if origin else ''}should bring about")
    return FINDINGS if fail_under is not None and percent < fail_under else DONE


def _regression_files(path: Path | None) -> list[Path]:
    """The case files in a file or folder, by default those of the working folder or of crampdx itself; says so where there
    are none."""
    from .engine.knowledge.loader import BUILT_IN

    where = path or next((p for p in (Path("tests/cases"), BUILT_IN / "tests" / "cases") if p.is_dir()), None)
    files = case_files((str(where),)) if where else []
    if not files:
        hint = "" if path else "; name a file or folder, tests/cases is looked for in the current folder"
        click.echo(f"no case file in {where or 'tests/cases'}{hint}", err=True)
    return files


def _all_cases(files: Iterable[Path], knowledge: Knowledge) -> list[Case] | None:
    """Every case of the files; None after saying what is wrong with some, for a figure over the others would mislead."""
    cases: list[Case] = []
    for file in files:
        found, problems = cases_in(str(file), knowledge, expectations=True)
        if problems.errors:
            print_problems(problems.errors, problems.texts)
            return None
        cases += found
    return cases


@click.command(
    short_help="Draw how findings lead to a diagnosis.",
    epilog="\b\nExamples:\n  crampdx graph hypothyroidism > hypothyroidism.mmd\n"
    "  crampdx graph dystonia --patient patient.yaml --format svg > dystonia.svg",
)
@click.argument("diagnosis", required=False)
@click.option("--patient", metavar="CASE", help="A case file: mark what is known of the patient and what holds.")
@click.option("--case", "name", help="Which case of the file, where it holds several.")
@click.option("--format", "form", type=click.Choice(["mermaid", "dot", "svg"]), default="mermaid", show_default=True)
@knowledge_option
def graph(diagnosis: str | None, patient: str | None, name: str | None, form: str, folder: Path | None) -> int:
    """Print how findings flow through concepts, scores and rules to DIAGNOSIS, or in short to all of them.

    DIAGNOSIS is an id, a title or a part of one. `mermaid` is drawn by many editors and web pages, `dot` by Graphviz; for
    `svg` Graphviz must be installed.
    """
    from .engine.authoring.graph import as_dot, as_mermaid, graph_of
    from .engine.inference.outcome import outcome
    from .engine.inference.reference import infer

    if name is not None and patient is None:
        raise click.UsageError("--case names a case of --patient")
    knowledge = loaded(folder)
    subject = None if diagnosis is None else subject_named(diagnosis, knowledge)
    if subject is not None and subject not in knowledge.diagnoses:
        raise click.UsageError(f"'{subject}' is no diagnosis; crampdx show {subject}")
    concluded = None
    if patient is not None:
        found, problems = cases_in(patient, knowledge)
        if problems.errors:
            print_problems(problems.errors, problems.texts)
            return BAD_CASE
        findings = case_named(found, name, patient).findings
        concluded = outcome(knowledge, findings, infer(knowledge, findings))
    drawn = graph_of(knowledge, subject, concluded)
    text = as_mermaid(drawn) if form == "mermaid" else as_dot(drawn)
    click.echo(_as_svg(text) if form == "svg" else text.encode(), nl=False)
    return DONE


def _as_svg(text: str) -> bytes:
    """The picture that Graphviz draws of a graph."""
    import shutil
    import subprocess

    program = shutil.which("dot")
    if program is None:
        raise click.UsageError("Graphviz is not installed (no program 'dot'); --format dot prints what it would draw")
    done = subprocess.run([program, "-Tsvg"], input=text.encode(), capture_output=True, check=False)
    if done.returncode:
        raise click.ClickException(f"dot failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


@click.command()
@click.argument("kind")
@knowledge_option
def schema(kind: str, folder: Path | None) -> int:
    """Print the JSON Schema of one KIND of file, for editors: case, facts, recorded, impossible, rules (one diagnosis),
    document, weighing, sources, evidence, concepts, red_flags, notes or interview."""
    from .engine.authoring.schema import FILES, schema_text

    if kind not in FILES:
        raise click.BadParameter(f"'{kind}' is none of {', '.join(FILES)}", param_hint="'KIND'")
    click.echo(schema_text(kind, loaded(folder)), nl=False)
    return DONE


@click.command(short_help="Print docs/evidence.md: what became of each row.")
@click.argument("cases", type=click.Path(exists=True, path_type=Path))
@knowledge_option
def evidence(cases: Path, folder: Path | None) -> int:
    """Print docs/evidence.md: every row of the evidence, with the rules and cases (of the folder CASES) that use it."""
    from .engine.authoring.evidence import evidence_page

    knowledge = loaded(folder)
    reasoner = reasoner_for(knowledge)
    read = _all_cases(case_files((str(cases),)), knowledge)
    if read is None:
        return BAD_CASE
    concluded = [(case, reasoner.conclude(case.findings)) for case in read]
    if not concluded:
        click.echo(f"no case in {cases}", err=True)
        return NOTHING
    click.echo(evidence_page(knowledge, concluded), nl=False)
    return DONE


COMMANDS = (check, run_tests, coverage, graph, schema, evidence)

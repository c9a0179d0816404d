"""What is printed of a knowledge base for others to read: drawings, schemas, the pages of evidence and of reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from .shared import (
    BAD_CASE,
    DONE,
    NOTHING,
    all_cases,
    case_files,
    case_named,
    cases_in,
    guarantees_of,
    knowledge_option,
    loaded,
    print_problems,
    regression_files,
    subject_named,
)
from .terminal import path_text


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


@click.command(short_help="Print the JSON Schema of a kind of file, for editors.")
@click.argument("kind", required=False)
@click.option(
    "--all", "where", type=click.Path(file_okay=False, path_type=Path), help="Write all of them to a folder, as KIND.json."
)
@knowledge_option
def schema(kind: str | None, where: Path | None, folder: Path | None) -> int:
    """Print the JSON Schema of one KIND of file, for editors: case, facts, recorded, impossible, rules (one diagnosis),
    document, weighing, sources, evidence, concepts, red_flags, notes, interview, guarantees or reviews."""
    from .engine.authoring.schema import FILES, schema_text

    if (kind is None) == (where is None):
        raise click.UsageError("either a KIND or --all FOLDER")
    if kind is not None and kind not in FILES:
        raise click.BadParameter(f"'{kind}' is none of {', '.join(FILES)}", param_hint="'KIND'")
    knowledge = loaded(folder)
    if kind is not None:
        click.echo(schema_text(kind, knowledge), nl=False)
    if where is not None:
        where.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (where / f"{name}.json").write_text(schema_text(name, knowledge), encoding="utf-8")
        click.echo(f"{len(FILES)} schemas in {path_text(where)}", err=True)
    return DONE


@click.command(short_help="Print docs/evidence.md: what became of each row.")
@click.argument("cases", type=click.Path(exists=True, path_type=Path))
@knowledge_option
def evidence(cases: Path, folder: Path | None) -> int:
    """Print docs/evidence.md: every row of the evidence, with the rules and cases (of the folder CASES) that use it."""
    from .engine.authoring.evidence import evidence_page

    knowledge = loaded(folder)
    read = all_cases(case_files((str(cases),)), knowledge)
    if read is None:
        return BAD_CASE
    if not read:
        click.echo(f"no case in {cases}", err=True)
        return NOTHING
    click.echo(evidence_page(knowledge, read), nl=False)
    return DONE


@click.command(
    short_help="Print all that is known, in words.",
    epilog="\b\nExamples:\n  crampdx reference > everything.md\n  crampdx reference --pages docs",
)
@click.argument("path", metavar="[CASES]", required=False, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--pages",
    "where",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write it to a folder instead: knowledge.md, and knowledge/ with a page for each diagnosis.",
)
@knowledge_option
def reference(path: Path | None, where: Path | None, folder: Path | None) -> int:
    """Print the whole knowledge base in words, as a Markdown page: for reading, and for review by a clinician.

    Each rule, red flag, note, advice and concept stands there with its condition, its sources, the number of cases (of the
    file or folder CASES; tests/cases by default) that decide it, and its review; last comes all that rests on no source."""
    from .engine.authoring.handbook import handbook, handbook_pages
    from .engine.knowledge.loader import BUILT_IN
    from .engine.knowledge.problems import InvalidKnowledge, Problems

    files = regression_files(path)
    if not files:
        return NOTHING
    knowledge = loaded(folder)
    problems = Problems()
    guarantees = guarantees_of(folder or BUILT_IN, knowledge, problems)
    if problems.errors:
        raise InvalidKnowledge(problems)
    cases = all_cases(files, knowledge)
    if cases is None:
        return BAD_CASE
    if where is None:
        click.echo(handbook(knowledge, cases, guarantees), nl=False)
    else:
        _write_pages(where, handbook_pages(knowledge, cases, guarantees))
    return DONE


def _write_pages(where: Path, texts: Mapping[str, str]) -> None:
    """Writes each page under its path. What stands there beside them is named and left alone."""
    pages = {where / path: text for path, text in texts.items()}
    for page, text in pages.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
    click.echo(f"{len(pages)} pages in {path_text(where)}", err=True)
    folders = {page.parent for page in pages} - {where}
    for left in sorted({page for folder in folders for page in folder.rglob("*.md")} - {*pages}):
        click.echo(f"not one of them: {path_text(left)}", err=True)

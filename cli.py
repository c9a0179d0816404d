"""The commands: parse, call, print, exit. What they call is imported with the command, so that `--help` is quick."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import __version__
from .engine.report.words import counted
from .terminal import Lines, Signalled, columns, new_console, path_text, printable, say, signals_end

if TYPE_CHECKING:
    from .engine.authoring.regression import Judged
    from .engine.inference.outcome import Outcome
    from .engine.inference.reasoner import Reasoner
    from .engine.interview.consultation import Consultation
    from .engine.interview.journal import Journal, Record, Restored
    from .engine.knowledge.cases import Case
    from .engine.knowledge.model import Knowledge
    from .engine.knowledge.problems import Problem, Problems

MOST_PROBLEMS = 200  # shown one by one in a terminal; JSON holds them all
DONE, FINDINGS, USAGE, BAD_KNOWLEDGE, BAD_CASE, NOTHING, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 4, 5, 70, 130

EXAMPLES = """\b
Examples:
  crampdx consult                       ask me, question by question
  crampdx diagnose patient.yaml         report on a case file
  crampdx batch cases/ --output all.jsonl
  crampdx vocab calf                    which findings are there?
"""

_EXIT_CODES = """\b
Exit codes: 0 done, 1 findings (a failed case), 2 usage, 3 knowledge base invalid,
4 case invalid, 5 nothing matched, 70 internal error, 130 interrupted.
"""


class Commands(click.Group):
    """Turns every way of failing into a message and an exit code; never a traceback for bad input."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            kwargs["standalone_mode"] = False
            result = super().main(*args, **kwargs)
            sys.stdout.flush()
        except click.exceptions.Exit as request:
            sys.exit(request.exit_code)
        except SystemExit:  # click's own way of saying that the reader of a pipe has gone
            sys.exit(DONE)
        except click.ClickException as fault:
            fault.show()
            sys.exit(fault.exit_code)
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            # The reader has gone; so that the interpreter does not complain while it closes the stream.
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(DONE)
        except OSError as fault:
            click.echo(f"error: {fault.filename or ''}: {fault.strerror or fault}", err=True)
            sys.exit(USAGE)
        except Exception as fault:
            sys.exit(_report_failure(fault))
        sys.exit(result if isinstance(result, int) else DONE)


def _report_failure(fault: Exception) -> int:
    """Says what went wrong on standard error: faults of the input with their places, or a bug of ours."""
    from .engine.knowledge.problems import InvalidInput, InvalidKnowledge  # not needed where nothing fails

    if isinstance(fault, InvalidInput):
        _print_problems(fault.problems, fault.texts)
        click.echo(f"{counted(len(fault.problems), 'error')}", err=True)
        return BAD_KNOWLEDGE if isinstance(fault, InvalidKnowledge) else BAD_CASE
    if os.environ.get("CRAMPDX_DEBUG"):
        raise fault
    click.echo(f"internal error: {type(fault).__name__}: {fault}", err=True)
    click.echo("this is a bug; CRAMPDX_DEBUG=1 shows where", err=True)
    return INTERNAL


@click.group(cls=Commands, invoke_without_command=True, epilog=EXAMPLES + "\n" + _EXIT_CODES)
@click.version_option(__version__, prog_name="crampdx")
@click.pass_context
def main(context: click.Context) -> None:
    """Differential diagnosis of bilateral leg cramping, by rules that name their sources.

    Decision support for health professionals and for learning; not a medical device.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _folder_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--knowledge",
        "folder",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="A folder with facts/ and rules/; the built-in knowledge by default.",
    )(command)


# diagnose ------------------------------------------------------------------------------------------------------------


@main.command(no_args_is_help=True, epilog="\b\nExample:\n  crampdx diagnose patient.yaml")
@click.argument("cases", nargs=-1, required=True, metavar="CASE...")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@_folder_option
def diagnose(cases: tuple[str, ...], form: str, folder: Path | None) -> int:
    """Report on each patient in the case files CASE (YAML or JSON; `-` is standard input)."""
    from .engine.report.records import as_json, envelope, record

    knowledge = _knowledge(folder)
    reasoner = _reasoner(knowledge)
    console = new_console()
    records: list[dict[str, Any]] = []
    faults: list[Problem] = []
    texts: dict[str, tuple[str, ...]] = {}
    printed = 0
    for path in dict.fromkeys(cases):
        found, problems = _read_cases(path, knowledge)
        faults += problems.errors
        texts.update(problems.texts)
        for case in found:
            outcome = reasoner.conclude(case.findings)
            if form == "json":
                records.append(record(case.name, outcome, case.warnings))
                continue
            from .engine.report.text import print_outcome

            if printed:
                console.print("\n" + "=" * min(console.width, 80) + "\n", highlight=False)
            print_outcome(console, case.name, outcome, __version__, case.warnings)
            printed += 1
    if form == "json":
        document = envelope(__version__, knowledge, records)
        if faults:
            document["problems"] = [_problem_record(p) for p in sorted(faults)]
        click.echo(as_json(document).encode(), nl=False)
    if faults:
        sys.stdout.flush()
        _print_problems(sorted(faults), texts)
        return BAD_CASE
    return DONE


# batch ---------------------------------------------------------------------------------------------------------------


@main.command(no_args_is_help=True, epilog="\b\nExample:\n  crampdx batch cases/ --output results.jsonl")
@click.argument("inputs", nargs=-1, required=True, metavar="FILE-OR-FOLDER...")
@click.option("--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="One JSON line a case.")
@_folder_option
def batch(inputs: tuple[str, ...], output: Path, folder: Path | None) -> int:
    """Evaluate every case file (YAML, JSON), in folders, too; write one JSON line a case.

    A case that cannot be read is reported with its place and counted; its file has a line in the output with the reasons.
    """
    from .engine.report.records import SCHEMA_VERSION, as_json_line, record

    files = _case_files(inputs)
    if not files:
        click.echo("no case file there: a case file ends in .yaml, .yml or .json", err=True)
        return NOTHING
    if any(file.exists() and output.exists() and file.samefile(output) for file in files):
        raise click.UsageError(f"{output} is one of the inputs")
    knowledge = _knowledge(folder)
    reasoner = _reasoner(knowledge)
    done = rejected = 0
    urgencies: dict[str, int] = {}
    head = {"schema_version": SCHEMA_VERSION, "version": __version__, "knowledge": knowledge.hash}
    with _written_whole(output) as stream:
        for file in files:
            cases, problems = _read_cases(str(file), knowledge)
            if problems.errors:
                rejected += max(1, problems.refused)
                _print_problems(problems.errors, problems.texts)
                rejects = {**head, "file": path_text(file), "problems": [_problem_record(p) for p in problems.errors]}
                stream.write(as_json_line(rejects))
            for case in cases:
                outcome = reasoner.conclude(case.findings)
                stream.write(as_json_line({**head, "file": path_text(file), **record(case.name, outcome, case.warnings)}))
                done += 1
                urgencies[outcome.urgency] = urgencies.get(outcome.urgency, 0) + 1
    counts = ", ".join(f"{n} {u}" for u, n in sorted(urgencies.items(), key=lambda item: _urgency_rank(item[0])))
    click.echo(
        f"{counted(len(files), 'file')}: {counted(done, 'case')} evaluated ({counts or 'none'}), {rejected} rejected "
        f"-> {output}",
        err=True,
    )
    if not done and not rejected:
        return NOTHING
    return BAD_CASE if rejected else DONE


def _urgency_rank(urgency: str) -> int:
    from .engine.knowledge.model import URGENCIES

    return -URGENCIES.index(urgency)


# check, test ---------------------------------------------------------------------------------------------------------


@main.command(short_help="Check the knowledge base, every problem in one run.")
@_folder_option
@click.option("--strict", is_flag=True, help="Warnings fail, too (exit 1).")
def check(folder: Path | None, strict: bool) -> int:
    """Check the knowledge base: names, kinds, units, sources, cycles; every problem in one run."""
    from .engine.knowledge.loader import BUILT_IN, read

    knowledge, problems = read(folder or BUILT_IN)
    _print_problems((*problems.errors, *problems.warnings), problems.texts, err=False)
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


@main.command("test", short_help="Hold the knowledge base to regression cases.")
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--summary", is_flag=True, help="Add the accuracy tables over patients whose answer is known.")
@_folder_option
def run_tests(path: Path | None, summary: bool, folder: Path | None) -> int:
    """Hold the knowledge base to the regression cases in PATH (a file or a folder; tests/cases by default)."""
    from .engine.authoring.regression import differences, judge

    files = _regression_files(path)
    if not files:
        return NOTHING
    knowledge = _knowledge(folder)
    reasoner = _reasoner(knowledge)
    passed = failed = without = 0
    broken: list[Problem] = []
    judged: list[Judged] = []
    for file in files:
        cases, problems = _read_cases(str(file), knowledge, expectations=True)
        broken += problems.errors
        _print_problems(problems.errors, problems.texts, err=False)
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


# vocab, show ---------------------------------------------------------------------------------------------------------


@main.command()
@click.argument("word", required=False, default="")
@_folder_option
def vocab(word: str, folder: Path | None) -> int:
    """List the findings, or those whose name, title, question or other names contain WORD."""
    from .engine.interview.consultation import search
    from .engine.knowledge.problems import did_you_mean

    knowledge = _knowledge(folder)
    found = search(knowledge, word)
    if not found:
        words = {w for f in knowledge.findings.values() for n in (f.name, *f.also_called) for w in n.lower().split("_")}
        click.echo(f"no finding matches '{word}'. {did_you_mean(word, words)}".rstrip(), err=True)
        others = [d for d, entry in knowledge.diagnoses.items() if word.lower() in f"{d} {entry.title}".lower()]
        for other in others:
            click.echo(f"it is in the name of a diagnosis: crampdx show {other}", err=True)
        return NOTHING
    for finding in found:
        value = "yes, no" if finding.kind == "yes-no" else ", ".join(c for c, _ in finding.choices)
        if finding.scale is not None:
            value = " or ".join((finding.scale.unit, *(u for u, _ in finding.scale.units)))
        if sys.stdout.isatty():  # the name whole, for it is what one copies
            click.echo(f"{click.style(finding.name, bold=True)}  ({value})")
            say(finding.title, indent=4)
        else:
            click.echo(f"{finding.name}\t{value}\t{finding.title}")
    click.echo(counted(len(found), "finding"), err=True)
    return DONE


@main.command()
@click.argument("id")
@click.option("--compiled", is_flag=True, help="Show the Experta rules that it becomes.")
@_folder_option
def show(id: str, compiled: bool, folder: Path | None) -> int:
    """Show a finding, concept, score, rule, red flag, note, source or diagnosis as its author wrote it, and who uses it."""
    from .engine.authoring.reference import everything, users_of, written
    from .engine.knowledge.loader import BUILT_IN
    from .engine.knowledge.problems import did_you_mean

    knowledge = _knowledge(folder)
    things = everything(knowledge)
    if id not in things:
        titled = [d for d, entry in knowledge.diagnoses.items() if id.lower() in entry.title.lower()]
        near = f"did you mean '{titled[0]}'?" if titled else did_you_mean(id, things)
        click.echo(f"nothing is called '{id}'. {near}".rstrip(), err=True)
        return NOTHING
    if compiled:
        from .engine.inference.compilation import productions_for

        rules = productions_for(knowledge, id)
        if not rules:
            click.echo(f"'{id}' becomes a fact, not a rule", err=True)
            return NOTHING
        click.echo("\n\n".join(p.as_python() for p in rules))
        return DONE
    place = things[id]
    click.echo(f"# {place.file}:{place.line}")
    file = Path(place.file) if folder else BUILT_IN / place.file
    click.echo(written(file.read_text(encoding="utf-8"), place, whole=id in knowledge.diagnoses))
    users = users_of(knowledge, id)
    if users:
        click.echo("\n# used by: " + ", ".join(users))
    return DONE


@main.command(short_help="Print docs/evidence.md: what became of each row.")
@click.argument("cases", type=click.Path(exists=True, path_type=Path))
@_folder_option
def evidence(cases: Path, folder: Path | None) -> int:
    """Print docs/evidence.md: every row of the evidence, with the rules and cases (of the folder CASES) that use it."""
    from .engine.authoring.evidence import evidence_page

    knowledge = _knowledge(folder)
    reasoner = _reasoner(knowledge)
    concluded = []
    for file in _case_files((str(cases),)):
        found, problems = _read_cases(str(file), knowledge, expectations=True)
        if problems.errors:  # a page with wrong counts would be worse than none
            _print_problems(problems.errors, problems.texts)
            return BAD_CASE
        concluded += [(case, reasoner.conclude(case.findings)) for case in found]
    if not concluded:
        click.echo(f"no case in {cases}", err=True)
        return NOTHING
    click.echo(evidence_page(knowledge, concluded), nl=False)
    return DONE


@main.command(short_help="What the regression cases exercise, and what not.")
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--from", "origin", type=click.Choice(["evidence", "recorded", "other"]), help="Count only these cases.")
@click.option("--all", "every", is_flag=True, help="List everything that is missed.")
@click.option("--fail-under", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit 1 where less is reached.")
@_folder_option
def coverage(path: Path | None, origin: str | None, every: bool, fail_under: float | None, folder: Path | None) -> int:
    """Show what the regression cases in PATH (a file or a folder; tests/cases by default) exercise.

    Each rule fired and not fired, each clause of a condition yes, no and unknown, each level of each diagnosis."""
    from .engine.authoring.coverage import ORIGINS, coverage_lines, coverage_of

    files = _regression_files(path)
    if not files:
        return NOTHING
    knowledge = _knowledge(folder)
    cases: list[Case] = []
    for file in files:
        found, problems = _read_cases(str(file), knowledge, expectations=True)
        if problems.errors:  # a figure over some of the cases would mislead
            _print_problems(problems.errors, problems.texts)
            return BAD_CASE
        cases += found
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
    files = _case_files((str(where),)) if where else []
    if not files:
        hint = "" if path else "; name a file or folder, tests/cases is looked for in the current folder"
        click.echo(f"no case file in {where or 'tests/cases'}{hint}", err=True)
    return files


@main.command(
    short_help="Draw how findings lead to a diagnosis.",
    epilog="\b\nExamples:\n  crampdx graph hypothyroidism > hypothyroidism.mmd\n"
    "  crampdx graph dystonia --patient patient.yaml --format svg > dystonia.svg",
)
@click.argument("diagnosis", required=False)
@click.option("--patient", metavar="CASE", help="A case file: mark what is known of the patient and what holds.")
@click.option("--case", "name", help="Which case of the file, where it holds several.")
@click.option("--format", "form", type=click.Choice(["mermaid", "dot", "svg"]), default="mermaid", show_default=True)
@_folder_option
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
    knowledge = _knowledge(folder)
    subject = None if diagnosis is None else _subject(diagnosis, knowledge)
    if subject is not None and subject not in knowledge.diagnoses:
        raise click.UsageError(f"'{subject}' is no diagnosis; crampdx show {subject}")
    concluded = None
    if patient is not None:
        found, problems = _read_cases(patient, knowledge)
        if problems.errors:
            _print_problems(problems.errors, problems.texts)
            return BAD_CASE
        findings = _case_named(found, name, patient).findings
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


@main.command()
@click.argument("kind")
@_folder_option
def schema(kind: str, folder: Path | None) -> int:
    """Print the JSON Schema of one KIND of file, for editors: case, facts, recorded, impossible, rules (one diagnosis),
    document, weighing, sources, evidence, concepts, red_flags, notes or interview."""
    from .engine.authoring.schema import FILES, schema_text

    if kind not in FILES:
        raise click.BadParameter(f"'{kind}' is none of {', '.join(FILES)}", param_hint="'KIND'")
    click.echo(schema_text(kind, _knowledge(folder)), nl=False)
    return DONE


# explain -------------------------------------------------------------------------------------------------------------


@main.command(
    no_args_is_help=True,
    short_help="How a diagnosis was reached, or why it was not.",
    epilog="\b\nExamples:\n  crampdx explain patient.yaml hypothyroidism\n"
    '  crampdx explain patient.yaml "deep vein" --to excluded',
)
@click.argument("case")
@click.argument("diagnosis")
@click.option(
    "--to",
    "aim",
    type=click.Choice(["established", "likely", "possible", "unlikely", "excluded"]),
    help="Add the smallest change of findings, of up to four, that would bring it there.",
)
@click.option("--case", "name", help="Which case of the file, where it holds several.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@_folder_option
def explain(case: str, diagnosis: str, aim: str | None, name: str | None, form: str, folder: Path | None) -> int:
    """Explain where DIAGNOSIS stands for the patient in CASE: how it was reached, or why it was not.

    DIAGNOSIS is an id, a title or a part of one; a red flag, concept or score will do, too. A diagnosis at possible or
    above is shown with the rules, concepts and findings that led there; any other with what each silent rule lacks. CASE
    may be `-`.
    """
    from .engine.inference.counterfactual import smallest_change
    from .engine.inference.explanation import AIM, how, reaches, why_not
    from .engine.inference.outcome import outcome
    from .engine.inference.reference import infer
    from .engine.knowledge.model import AT_LEAST_POSSIBLE
    from .engine.report import explained
    from .engine.report.paragraphs import Paragraph, wrapped
    from .engine.report.text import DISCLAIMER

    knowledge = _knowledge(folder)
    subject = _subject(diagnosis, knowledge)
    is_diagnosis = subject in knowledge.diagnoses
    if aim is not None and not is_diagnosis:
        raise click.UsageError(f"'{subject}' is no diagnosis: it has no level for --to")
    found, problems = _read_cases(case, knowledge)
    if problems.errors:
        if form == "json":
            faults = [_problem_record(p) for p in problems.errors]
            click.echo(_explain_document(knowledge, {"case": None, "problems": faults}), nl=False)
            sys.stdout.flush()
        _print_problems(problems.errors, problems.texts)
        return BAD_CASE
    patient = _case_named(found, name, case)
    concluded = outcome(knowledge, patient.findings, infer(knowledge, patient.findings))
    account = how(concluded, subject)
    is_reached = not is_diagnosis or account.state in AT_LEAST_POSSIBLE
    wanted = aim if aim in AT_LEAST_POSSIBLE else None if is_reached else AIM
    lacking = None if wanted is None or reaches(account.state, wanted) else why_not(concluded, subject, wanted)
    smallest = None if aim is None else smallest_change(knowledge, patient.findings, subject, aim)
    if form == "json":
        entry: dict[str, Any] = {"case": patient.name, "explained": explained.how_record(account)}
        entry["why_not"] = None if lacking is None else explained.why_not_record(lacking)
        entry["warnings"] = [*patient.warnings, *concluded.doubts]
        entry["smallest_change"] = None if smallest is None else explained.smallest_record(smallest)
        click.echo(_explain_document(knowledge, entry), nl=False)
        return DONE
    paragraphs = [Paragraph(printable(patient.name)), Paragraph()]
    paragraphs += [Paragraph(printable(w), "? ") for w in (*patient.warnings, *concluded.doubts)]
    if is_reached:
        paragraphs += explained.how_paragraphs(account)
    if lacking is not None:
        paragraphs += explained.why_not_paragraphs(lacking)
    if smallest is not None:
        paragraphs += [Paragraph(), *explained.smallest_paragraphs(smallest)]
    elif is_diagnosis:
        said = "--to likely (or established, possible, unlikely, excluded) adds the smallest change that would make it so."
        paragraphs += [Paragraph(), Paragraph(said)]
    foot = f"crampdx {__version__}, knowledge {knowledge.hash}. {DISCLAIMER}"
    paragraphs += [Paragraph(), Paragraph(foot)]
    for line in wrapped(paragraphs, columns()):
        click.echo(line)
    return DONE


def _explain_document(knowledge: Knowledge, entry: dict[str, Any]) -> bytes:
    from .engine.report.records import SCHEMA_VERSION, as_json

    head = {"schema_version": SCHEMA_VERSION, "version": __version__, "knowledge": knowledge.hash}
    return as_json({**head, **entry}).encode()


def _subject(words: str, knowledge: Knowledge) -> str:
    """The one thing that the words mean; a diagnosis before anything else."""
    from .engine.inference.explanation import named
    from .engine.knowledge.problems import did_you_mean, shown

    meant = named(knowledge, words) or named(knowledge, words, only_diagnoses=False)
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise click.UsageError(f"{shown(words)} may be any of: {', '.join(meant)}")
    titles = (entry.title.lower() for entry in knowledge.diagnoses.values())
    near = did_you_mean(words, (*knowledge.diagnoses, *titles)) or f"diagnoses: {', '.join(knowledge.order)}"
    raise click.UsageError(f"no diagnosis is called {shown(words)}; {near}")


# consult -------------------------------------------------------------------------------------------------------------

_NEWEST = "-"  # no journal has this name


@main.command()
@click.argument("case", required=False)
@click.option("--case", "name", help="Which case of CASE, where it holds several.")
@click.option("--resume", is_flag=False, flag_value=_NEWEST, metavar="[JOURNAL]", help="Go on with a session; the last one.")
@click.option("--no-journal", is_flag=True, help="Keep no journal of the answers.")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="A new case file for the answers, at the end.")
@click.option("--plain", is_flag=True, help="No colour, no line editing, a line each: for screen readers and pipes.")
@_folder_option
def consult(
    case: str | None,
    name: str | None,
    resume: str | None,
    no_journal: bool,
    save: Path | None,
    plain: bool,
    folder: Path | None,
) -> int:
    """Ask about one patient, question by question, then report. Starts from the answers in CASE, where given.

    Every answer is kept in a journal as it is given; `--resume` goes on from there.
    """
    from .engine.interview.consultation import Consultation
    from .engine.interview.questions import Interviewer
    from .engine.session.dialogue import Dialogue
    from .sitting import SESSION, Kept, hold, leave, started_from, tell_interrupted

    if case is not None and resume is not None:
        raise click.UsageError("either a case to start from, or --resume")
    if name is not None and case is None:
        raise click.UsageError("--case names a case of the file CASE")
    if save is not None and not os.access(save.absolute().parent, os.W_OK | os.X_OK):
        raise click.UsageError(f"answers cannot be saved in {save.absolute().parent}; name another place with --save")
    knowledge = _knowledge(folder)
    start = Consultation(knowledge)
    title = SESSION
    asked: tuple[tuple[str, ...], ...] = ()
    resumed: Path | None = None
    if case is not None:
        found, problems = _read_cases(case, knowledge)
        if problems.errors:
            _print_problems(problems.errors, problems.texts)
            return BAD_CASE
        chosen = _case_named(found, name, case)
        title = chosen.name
        start = started_from(chosen, start)
    elif resume is not None:
        resumed = _journal_to_resume(resume)
        if resumed is None:
            return NOTHING
    kept = Kept(knowledge, _journal_folder(), resumed, wanted=not no_journal, saved=save is not None)
    if resumed is not None:
        start, asked = _taken_up(resumed, kept.journal, knowledge)
    terminal = Lines(plain)
    try:
        with signals_end():
            dialogue = Dialogue(knowledge, Interviewer(knowledge), start, asked)
            terminal.complete(dialogue.completions)
            if not hold(dialogue, terminal, kept, title, save):
                tell_interrupted(dialogue, kept, folder)
                return INTERRUPTED
            kept.tell_how_to_go_on(folder)
            click.echo()
            _final_report(dialogue.state, knowledge, plain)
            return DONE
    except Signalled as signalled:
        leave(kept, folder)
        return 128 + signalled.number
    except OSError:
        if not terminal.is_gone():
            raise
        leave(kept, folder)  # what is written to a terminal that is gone may fail before the signal comes
        return 128 + signal.SIGHUP


def _case_named(cases: tuple[Case, ...], name: str | None, path: str) -> Case:
    """The case that is asked about; of several it must be named."""
    from .engine.knowledge.problems import did_you_mean, shown

    if name is None and len(cases) == 1:
        return cases[0]
    for case in cases:
        if case.name == name:
            return case
    names = "".join(f"\n  {printable(case.name)}" for case in cases[:MOST_PROBLEMS])
    if name is None:
        raise click.UsageError(f"{path_text(path)} holds {len(cases)} cases; say which with --case NAME:{names}")
    by_small = {case.name.lower(): case.name for case in cases}
    near = did_you_mean(name, by_small)
    for small, written in by_small.items():
        near = near.replace(shown(small), shown(written))
    raise click.UsageError(f"no case of {path_text(path)} is called {shown(name)}. {near}".rstrip() + f"\nThere are:{names}")


def _journal_to_resume(wanted: str) -> Path | None:
    """The journal's path; None after saying that there is none."""
    from .engine.interview.journal import as_text, newest

    if wanted != _NEWEST:
        return Path(wanted) if os.sep in wanted else _journal_named(wanted, _journal_folder())
    found = newest(_journal_folder())
    if found is None:
        click.echo(f"no journal to go on with in {as_text(_journal_folder())}", err=True)
    return found


def _taken_up(path: Path, journal: Journal | None, knowledge: Knowledge) -> tuple[Consultation, tuple[tuple[str, ...], ...]]:
    """The state that a journal leads to, and what was answered together; what could not be taken over is said. Of an open
    journal that is what it held once no other session could write to it."""
    from .engine.interview.journal import read, restored

    kept = read(path) if journal is None else journal.held
    found = restored(kept, knowledge)
    _tell_taken_over(kept, found, knowledge)
    return found.state, tuple(tuple(name for name, _ in entry.answers) for entry in kept.entries)


# journal -------------------------------------------------------------------------------------------------------------


@main.group()
def journal() -> None:
    """List or delete the journals in which sessions keep their answers."""


@journal.command("list")
@_folder_option
def list_journals(folder: Path | None) -> int:
    """List the journals, the one last written to first."""
    from .engine.interview.journal import as_text, journals, read
    from .engine.knowledge.problems import InvalidInput

    where = _journal_folder()
    found = journals(where)
    if not found:
        click.echo(f"no journal in {as_text(where)}", err=True)
        return NOTHING
    knowledge = _knowledge(folder)
    for path in found:
        try:
            kept = read(path)
        except InvalidInput as fault:
            told = [f"cannot be read: {fault.problems[0].message}"]
        except OSError as fault:
            told = [f"cannot be read: {fault.strerror}"]
        else:
            urgency = kept.concluded.urgency if kept.concluded is not None else "nothing concluded"
            told = [counted(kept.answers, "answer"), urgency, f"knowledge {kept.knowledge}"]
            told += ["ended" if kept.ended else "not ended"]
            told += ["another knowledge base"] if kept.knowledge != knowledge.hash else []
        if sys.stdout.isatty():
            click.echo(click.style(path_text(path.stem), bold=True))
            say(", ".join(told), indent=4)
        else:
            click.echo("\t".join((path_text(path.stem), *told)))
    click.echo(f"{counted(len(found), 'journal')} in {as_text(where)}", err=True)
    return DONE


@journal.command("delete", no_args_is_help=True)
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--all", "every", is_flag=True, help="Every journal.")
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal to ask on.")
def delete_journals(names: tuple[str, ...], every: bool, yes: bool) -> int:
    """Delete the journals NAME... for good."""
    from .engine.interview.journal import InUse, as_text, delete, journals

    if every and names:
        raise click.UsageError("either names, or --all")
    where = _journal_folder()
    wanted = list(journals(where)) if every else []
    for name in dict.fromkeys(names):
        path = _journal_named(name, where)
        if path is None:
            return NOTHING
        wanted.append(path)
    if not wanted:
        click.echo(f"no journal in {as_text(where)}", err=True)
        return NOTHING
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask on: say --yes to delete")
        for path in wanted:
            click.echo(f"  {path_text(path.stem)}", err=True)
        if not click.confirm(f"Delete {counted(len(wanted), 'journal')} for good?", err=True):
            click.echo("nothing is deleted", err=True)
            return DONE
    deleted = 0
    for path in wanted:
        try:
            delete(path)
            deleted += 1
        except InUse:
            click.echo(f"kept: {path_text(path.stem)}: a session has it open", err=True)
        except OSError as fault:
            click.echo(f"kept: {path_text(path.stem)}: {fault.strerror}", err=True)
    click.echo(f"{counted(deleted, 'journal')} deleted from {as_text(where)}", err=True)
    return DONE if deleted == len(wanted) else FINDINGS


@main.command(no_args_is_help=True, short_help="Report again on the answers of a session.")
@click.argument("journal", metavar="JOURNAL")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@_folder_option
def replay(journal: str, form: str, folder: Path | None) -> int:
    """Report again on the answers in JOURNAL: a path, or a name that `crampdx journal list` shows.

    By the same knowledge base the report is the session's own, byte for byte. By another one the answers are judged anew;
    what that changes is shown, and the exit code is 1.
    """
    from .engine.interview.journal import concluded, differences, read, restored
    from .engine.knowledge.problems import InvalidInput
    from .engine.report.records import as_json, envelope, record
    from .sitting import SESSION

    path = Path(journal) if os.path.lexists(journal) or os.sep in journal else _journal_named(journal, _journal_folder())
    if path is None:
        return NOTHING
    knowledge = _knowledge(folder)
    try:
        kept = read(path)
    except InvalidInput as fault:
        if form == "json":
            document = envelope(__version__, knowledge, [])
            document["problems"] = [_problem_record(p) for p in fault.problems]
            click.echo(as_json(document).encode(), nl=False)
            sys.stdout.flush()
        raise
    found = restored(kept, knowledge)
    if form == "json":
        outcome = _reasoner(knowledge).conclude(found.state.findings)
    else:
        outcome = _final_report(found.state, knowledge)
    changed = differences(kept.concluded, concluded(outcome)) if kept.concluded is not None else ()
    if form == "json":
        document = envelope(__version__, knowledge, [record(SESSION, outcome, found.state.warnings)])
        document["journal"] = {
            "version": kept.version,
            "knowledge": kept.knowledge,
            "ended": kept.ended,
            "left_out": [{"finding": x.finding, "value": x.words, "why": x.why} for x in found.left_out],
            "differences": [{"subject": d.subject, "then": d.then or None, "now": d.now or None} for d in changed],
        }
        click.echo(as_json(document).encode(), nl=False)
    sys.stdout.flush()
    _tell_taken_over(kept, found, knowledge)
    titles = {d: entry.title for d, entry in knowledge.diagnoses.items()}
    for difference in changed:
        subject, then, now = (titles.get(x, x) or "none" for x in (difference.subject, difference.then, difference.now))
        click.echo(f"{subject}: then {then}, now {now}", err=True)
    if kept.knowledge != knowledge.hash and kept.concluded is not None and not changed:
        click.echo("every conclusion is as it was then", err=True)
    return FINDINGS if changed else DONE


def _tell_taken_over(kept: Record, found: Restored, knowledge: Knowledge) -> None:
    """Says on standard error how a journal was taken over, where not simply whole."""
    if kept.torn:
        click.echo("the journal's last line was cut short, and is left out; it had not been acknowledged", err=True)
    if kept.version != __version__:
        click.echo(f"recorded with crampdx {kept.version}; this is {__version__}", err=True)
    if kept.knowledge != knowledge.hash:
        said = f"recorded with knowledge {kept.knowledge}; this is {knowledge.hash}: the answers are judged anew"
        click.echo(said, err=True)
    for left in found.left_out:
        click.echo(f"not taken over: {left.finding}, {left.words}: {left.why}", err=True)


def _journal_folder() -> Path:
    from .engine.interview.journal import folder

    try:
        home = Path.home()
    except RuntimeError:
        home = Path(os.devnull)  # in which no folder can be made, and that is said where one is needed
    return folder(os.environ, home)


def _journal_named(name: str, where: Path) -> Path | None:
    """The journal of this name in the folder; None after saying that there is none."""
    from .engine.interview.journal import as_text, journals, named
    from .engine.knowledge.problems import did_you_mean, shown

    path = named(where, name)
    if path is None:
        raise click.UsageError(f"{shown(name)} is not the name of a journal in {as_text(where)}")
    if not path.is_file():
        near = did_you_mean(path.stem, (p.stem for p in journals(where)))
        click.echo(f"no journal '{path.stem}' in {as_text(where)}. {near}".rstrip(), err=True)
        return None
    return path


# shared --------------------------------------------------------------------------------------------------------------


def _final_report(state: Consultation, knowledge: Knowledge, plain: bool = False) -> Outcome:
    """Prints the report that ends a session, through Experta; the same bytes for the same answers and width."""
    from .engine.report.text import print_outcome, summary
    from .sitting import SESSION

    outcome = _reasoner(knowledge).conclude(state.findings)
    print_outcome(new_console(plain), SESSION, outcome, __version__, state.warnings)
    click.echo()
    say(summary(outcome))
    return outcome


def _knowledge(folder: Path | None) -> Knowledge:
    from .engine.knowledge.loader import BUILT_IN, load

    with _uncollected():
        return load(folder or BUILT_IN)


def _reasoner(knowledge: Knowledge) -> Reasoner:
    with _uncollected():
        from .engine.inference.reasoner import Reasoner

        return Reasoner(knowledge)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Builds what stays for the whole run, without the collector looking through it again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _read_cases(path: str, knowledge: Knowledge, expectations: bool = False) -> tuple[tuple[Case, ...], Problems]:
    """The usable cases of a file (`-` is standard input), with what they expect where that is wanted, and what is wrong
    with the others."""
    from .engine.knowledge.cases import read_cases
    from .engine.knowledge.problems import Place, Problems
    from .engine.knowledge.yamltext import decode

    problems = Problems()
    name = "<stdin>" if path == "-" else path_text(path)
    try:
        data = _read(path)
    except OSError as fault:
        problems.add(Place(name, 1, 1), "unreadable", f"cannot be read: {fault.strerror}")
        return (), problems
    text = decode(data, name, problems)
    return (read_cases(text, name, knowledge, problems, expectations) if text is not None else ()), problems


def _read(path: str) -> bytes:
    """The bytes of a file or of standard input; no more than a reader would refuse anyway."""
    from .engine.knowledge.yamltext import LONGEST

    with contextlib.ExitStack() as stack:
        stream = sys.stdin.buffer if path == "-" else stack.enter_context(open(path, "rb"))
        return stream.read(4 * LONGEST + 1)


def _case_files(inputs: tuple[str, ...]) -> list[Path]:
    """Files as named, folders searched for .yaml, .yml and .json; each once, sorted."""
    files: dict[Path, None] = {}
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            inside = [p for p in path.rglob("*") if p.suffix in (".yaml", ".yml", ".json") and p.is_file()]
            files.update(dict.fromkeys(sorted(inside)))
        else:
            files[path] = None
    return list(files)


@contextlib.contextmanager
def _written_whole(path: Path) -> Iterator[Any]:
    """A stream that becomes the file only when all is written; the file is readable by its owner alone."""
    path = path.resolve()  # what a link points to is replaced, not the link
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8") as stream:  # a pipe or a device cannot be replaced
            yield stream
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            yield stream
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _print_problems(
    problems: tuple[Problem, ...] | list[Problem], texts: dict[str, tuple[str, ...]], err: bool = True
) -> None:
    from .engine.knowledge.problems import render

    for problem in problems[:MOST_PROBLEMS]:
        click.echo(render(problem, texts), err=err)
    if len(problems) > MOST_PROBLEMS:
        click.echo(f"and {len(problems) - MOST_PROBLEMS} more", err=err)


def _problem_record(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "code": problem.code,
        "message": problem.message,
        "help": problem.help,
    }


def run_as_program() -> NoReturn:
    """The entry point's body when run as `python -m crampdx.cli`."""
    main(prog_name="crampdx")
    raise SystemExit(DONE)


if __name__ == "__main__":
    run_as_program()

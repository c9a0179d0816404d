"""The commands: parse, call, print, exit. What they call is imported with the command, so that `--help` is quick."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import __version__
from .engine.report.words import counted
from .shared import (
    BAD_CASE,
    BAD_KNOWLEDGE,
    DONE,
    FINDINGS,
    INTERNAL,
    INTERRUPTED,
    NOTHING,
    USAGE,
    case_named,
    cases_in,
    knowledge_option,
    loaded,
    print_problems,
    problem_record,
    reasoner_for,
    subject_named,
    written_whole,
)
from .terminal import Lines, Signalled, columns, new_console, path_text, printable, say, signals_end

if TYPE_CHECKING:
    from .engine.inference.outcome import Outcome
    from .engine.interview.consultation import Consultation
    from .engine.interview.journal import Journal, Record, Restored
    from .engine.knowledge.model import Finding, Knowledge
    from .engine.knowledge.problems import Problem


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


# The rule author's commands, imported only when one is used, so that `--help` is quick: module, name in it, what it does.
LATER = {
    "batch": ("populations", "batch", "Evaluate tables and folders of cases, from one to millions."),
    "check": ("workbench", "check", "Check the knowledge base, every problem in one run."),
    "explain-check": ("workbench", "explain_check", "What a code of `crampdx check` means."),
    "test": ("workbench", "run_tests", "Hold the knowledge base to regression cases."),
    "coverage": ("workbench", "coverage", "What the regression cases exercise, and what not."),
    "mutate": ("workbench", "mutate", "Which small faults in the knowledge the cases would notice."),
    "diff": ("workbench", "diff", "What a change of the knowledge changes for patients."),
    "graph": ("pages", "graph", "Draw how findings lead to a diagnosis."),
    "schema": ("pages", "schema", "Print the JSON Schema of a kind of file, for editors."),
    "evidence": ("pages", "evidence", "Print docs/evidence.md: what became of each row."),
    "reference": ("pages", "reference", "Print all that is known, in words."),
    "new": ("beginning", "new", "Begin a finding, rule, diagnosis, case, review or knowledge base."),
}


class Commands(click.Group):
    """Turns every way of failing into a message and an exit code; never a traceback for bad input."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *LATER})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in LATER:
            return super().get_command(ctx, cmd_name)
        module, name, _ = LATER[cmd_name]
        command: click.Command = getattr(import_module(f".{module}", __package__), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        later = {name: click.Command(name, short_help=does) for name, (_, _, does) in LATER.items()}
        click.Group(commands={**self.commands, **later}).format_commands(ctx, formatter)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for name in ("stdin", "stdout", "stderr"):  # where one is closed, the next file to be opened would take its place
            if getattr(sys, name) is None:
                setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r" if name == "stdin" else "w"))
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
            where = f"{printable(path_text(str(fault.filename)))}: " if fault.filename else ""
            click.echo(f"error: {where}{fault.strerror or fault}", err=True)
            sys.exit(USAGE)
        except Exception as fault:
            sys.exit(_report_failure(fault))
        sys.exit(result if isinstance(result, int) else DONE)


def _report_failure(fault: Exception) -> int:
    """Says what went wrong on standard error: faults of the input with their places, or a bug of ours."""
    from .engine.knowledge.problems import InvalidInput, InvalidKnowledge  # not needed where nothing fails

    if isinstance(fault, InvalidInput):
        print_problems(fault.problems, fault.texts)
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


# diagnose ------------------------------------------------------------------------------------------------------------


@main.command(
    no_args_is_help=True,
    epilog="\b\nExamples:\n  crampdx diagnose patient.yaml\n  crampdx diagnose patient.yaml --report patient.html",
)
@click.argument("cases", nargs=-1, required=True, metavar="CASE...")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--report",
    "kept",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the report on one patient to a file to keep instead: a page to print (.html) or Markdown (.md).",
)
@click.option("--case", "name", help="With --report: which case of the file, where it holds several.")
@knowledge_option
def diagnose(cases: tuple[str, ...], form: str, kept: Path | None, name: str | None, folder: Path | None) -> int:
    """Report on each patient in the case files CASE (YAML or JSON; `-` is standard input)."""
    if kept is not None:
        if form == "json":
            raise click.UsageError("--format is of what is printed; of a report to keep, the name of the file says the form")
        return _keep_report(dict.fromkeys(cases), name, kept, folder)
    if name is not None:
        raise click.UsageError("--case goes with --report")
    from .engine.report.records import as_json, envelope, record

    knowledge = loaded(folder)
    reasoner = reasoner_for(knowledge)
    console = new_console()
    records: list[dict[str, Any]] = []
    faults: list[Problem] = []
    texts: dict[str, tuple[str, ...]] = {}
    printed = 0
    for path in dict.fromkeys(cases):
        found, problems = cases_in(path, knowledge)
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
            document["problems"] = [problem_record(p) for p in sorted(faults)]
        click.echo(as_json(document).encode(), nl=False)
    if faults:
        sys.stdout.flush()
        print_problems(sorted(faults), texts)
        return BAD_CASE
    return DONE


def _keep_report(cases: Iterable[str], name: str | None, kept: Path, folder: Path | None) -> int:
    """Writes the report on one patient to a file that its owner alone can read; says nothing of the patient."""
    from .engine.report.casemarkdown import case_markdown
    from .engine.report.casepage import case_page
    from .engine.report.casereport import case_report

    printers = {".html": case_page, ".htm": case_page, ".md": case_markdown}
    printer = printers.get(kept.suffix.lower())
    if printer is None:
        raise click.UsageError(f"--report {path_text(kept)}: the name of the file says the form; end it in .html or .md")
    path, *others = cases
    if others:
        raise click.UsageError("a report to keep is on one patient: name one file with --report")
    knowledge = loaded(folder)
    found, problems = cases_in(path, knowledge)
    if problems.errors:
        print_problems(problems.errors, problems.texts)
        return BAD_CASE
    patient = case_named(found, name, path)
    outcome = reasoner_for(knowledge).conclude(patient.findings)
    with written_whole(kept) as stream:
        stream.write(printer(case_report(patient.name, outcome, __version__, patient.warnings)))
    click.echo(f"written: {path_text(kept)}", err=True)
    return DONE


# vocab, show ---------------------------------------------------------------------------------------------------------


@main.command()
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "csv", "header"]),
    default="text",
    show_default=True,
    help="csv: a data dictionary, a line a finding; header: the first line of a table, to be filled.",
)
@knowledge_option
def vocab(words: tuple[str, ...], form: str, folder: Path | None) -> int:
    """List the findings, or those whose name, title, question or other names contain WORD."""
    from .engine.interview.consultation import search
    from .engine.knowledge.problems import did_you_mean

    knowledge = loaded(folder)
    word = " ".join(words)
    found = search(knowledge, word)
    if not found:
        known = {w for f in knowledge.findings.values() for n in (f.name, *f.also_called) for w in n.lower().split("_")}
        click.echo(f"no finding matches '{word}'. {did_you_mean(word, known)}".rstrip(), err=True)
        others = [d for d, entry in knowledge.diagnoses.items() if word.lower() in f"{d} {entry.title}".lower()]
        for other in others:
            click.echo(f"it is in the name of a diagnosis: crampdx show {other}", err=True)
        return NOTHING
    if form == "text":
        _list_findings(found)
    else:
        from .engine.population.layout import dictionary, template

        _print_csv(dictionary(found) if form == "csv" else (template(found),))
    click.echo(counted(len(found), "finding"), err=True)
    return DONE


def _list_findings(found: Iterable[Finding]) -> None:
    for finding in found:
        value = "yes, no" if finding.kind == "yes-no" else ", ".join(c for c, _ in finding.choices)
        if finding.scale is not None:
            value = " or ".join((finding.scale.unit, *(u for u, _ in finding.scale.units)))
        if sys.stdout.isatty():  # the name whole, for it is what one copies
            click.echo(f"{click.style(finding.name, bold=True)}  ({value})")
            say(finding.title, indent=4)
        else:
            click.echo(f"{finding.name}\t{value}\t{finding.title}")


def _print_csv(rows: Iterable[tuple[str, ...]]) -> None:
    """Lines of UTF-8 that end in a line feed, whatever the system."""
    import csv
    import io

    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    click.echo(text.getvalue().encode(), nl=False)


@main.command()
@click.argument("id")
@click.option("--compiled", is_flag=True, help="Show the Experta rules that it becomes.")
@knowledge_option
def show(id: str, compiled: bool, folder: Path | None) -> int:
    """Show a finding, concept, score, rule, red flag, note, source or diagnosis as its author wrote it, who uses it, and
    whether what concludes something has been reviewed."""
    from .engine.authoring.reference import everything, review_of, users_in, written
    from .engine.knowledge.loader import BUILT_IN
    from .engine.knowledge.problems import did_you_mean

    knowledge = loaded(folder)
    things = everything(knowledge)
    if id not in things:
        titled = knowledge.titled(id)
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
    users = users_in(knowledge).get(id, ())
    if users:
        click.echo("\n# used by: " + ", ".join(users))
    review = review_of(knowledge, id)
    if review:
        click.echo(f"\n# {review}")
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
@knowledge_option
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
    from .engine.report.phrases import foot_said

    knowledge = loaded(folder)
    subject = subject_named(diagnosis, knowledge)
    is_diagnosis = subject in knowledge.diagnoses
    if aim is not None and not is_diagnosis:
        raise click.UsageError(f"'{subject}' is no diagnosis: it has no level for --to")
    found, problems = cases_in(case, knowledge)
    if problems.errors:
        if form == "json":
            faults = [problem_record(p) for p in problems.errors]
            click.echo(_explain_document(knowledge, {"case": None, "problems": faults}), nl=False)
            sys.stdout.flush()
        print_problems(problems.errors, problems.texts)
        return BAD_CASE
    patient = case_named(found, name, case)
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
    paragraphs += [Paragraph(), Paragraph(foot_said(knowledge, __version__))]
    for line in wrapped(paragraphs, columns()):
        click.echo(line)
    return DONE


def _explain_document(knowledge: Knowledge, entry: dict[str, Any]) -> bytes:
    from .engine.report.records import SCHEMA_VERSION, as_json

    head = {"schema_version": SCHEMA_VERSION, "version": __version__, "knowledge": knowledge.hash}
    return as_json({**head, **entry}).encode()


# consult -------------------------------------------------------------------------------------------------------------

_NEWEST = "-"  # no journal has this name


@main.command()
@click.argument("case", required=False)
@click.option("--case", "name", help="Which case of CASE, where it holds several.")
@click.option("--resume", is_flag=False, flag_value=_NEWEST, metavar="[JOURNAL]", help="Go on with a session; the last one.")
@click.option("--no-journal", is_flag=True, help="Keep no journal of the answers.")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="A new case file for the answers, at the end.")
@click.option("--plain", is_flag=True, help="No colour, no line editing, a line each: for screen readers and pipes.")
@knowledge_option
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
    knowledge = loaded(folder)
    start = Consultation(knowledge)
    title = SESSION
    asked: tuple[tuple[str, ...], ...] = ()
    resumed: Path | None = None
    if case is not None:
        found, problems = cases_in(case, knowledge)
        if problems.errors:
            print_problems(problems.errors, problems.texts)
            return BAD_CASE
        chosen = case_named(found, name, case)
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
@knowledge_option
def list_journals(folder: Path | None) -> int:
    """List the journals, the one last written to first."""
    from .engine.interview.journal import as_text, journals, read
    from .engine.knowledge.problems import InvalidInput

    where = _journal_folder()
    found = journals(where)
    if not found:
        click.echo(f"no journal in {as_text(where)}", err=True)
        return NOTHING
    knowledge = loaded(folder)
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
@knowledge_option
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
    knowledge = loaded(folder)
    try:
        kept = read(path)
    except InvalidInput as fault:
        if form == "json":
            document = envelope(__version__, knowledge, [])
            document["problems"] = [problem_record(p) for p in fault.problems]
            click.echo(as_json(document).encode(), nl=False)
            sys.stdout.flush()
        raise
    found = restored(kept, knowledge)
    if form == "json":
        outcome = reasoner_for(knowledge).conclude(found.state.findings)
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

    outcome = reasoner_for(knowledge).conclude(state.findings)
    print_outcome(new_console(plain), SESSION, outcome, __version__, state.warnings)
    click.echo()
    say(summary(outcome))
    return outcome


def run_as_program() -> NoReturn:
    """The entry point's body when run as `python -m crampdx.cli`."""
    main(prog_name="crampdx")
    raise SystemExit(DONE)


if __name__ == "__main__":
    run_as_program()

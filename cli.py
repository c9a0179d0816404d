"""The commands: parse, call, print, exit. What they call is imported with the command, so that `--help` is quick."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import __version__

if TYPE_CHECKING:
    from rich.console import Console

    from .engine.authoring.regression import Judged
    from .engine.inference.outcome import Outcome
    from .engine.inference.reasoner import Reasoner
    from .engine.interview.consultation import Consultation, Screen
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
        click.echo(f"{_number(len(fault.problems), 'error')}", err=True)
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
    console = _console()
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
                rejects = {**head, "file": _shown(str(file)), "problems": [_problem_record(p) for p in problems.errors]}
                stream.write(as_json_line(rejects))
            for case in cases:
                outcome = reasoner.conclude(case.findings)
                stream.write(as_json_line({**head, "file": _shown(str(file)), **record(case.name, outcome, case.warnings)}))
                done += 1
                urgencies[outcome.urgency] = urgencies.get(outcome.urgency, 0) + 1
    counts = ", ".join(f"{n} {u}" for u, n in sorted(urgencies.items(), key=lambda item: _urgency_rank(item[0])))
    click.echo(
        f"{_number(len(files), 'file')}: {_number(done, 'case')} evaluated ({counts or 'none'}), {rejected} rejected "
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
    counts = f"{_number(len(problems.errors), 'error')}, {_number(len(problems.warnings), 'warning')}"
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
    from .engine.knowledge.loader import BUILT_IN

    where = path or next((p for p in (Path("tests/cases"), BUILT_IN / "tests" / "cases") if p.is_dir()), None)
    files = _case_files((str(where),)) if where else []
    if not files:
        hint = "" if path else "; name a file or folder, tests/cases is looked for in the current folder"
        click.echo(f"no case file in {where or 'tests/cases'}{hint}", err=True)
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
        + (f", {_number(without, 'case')} without expectations" if without else "")
        + (f", {_number(len(broken), 'error')} in case files" if broken else "")
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
            _say(finding.title, indent=4)
        else:
            click.echo(f"{finding.name}\t{value}\t{finding.title}")
    click.echo(_number(len(found), "finding"), err=True)
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


# consult -------------------------------------------------------------------------------------------------------------

_HELP = (
    ("y, n, ?", "yes, no, don't know (Enter alone never means no)"),
    ("1 3", "in a list: these are true; then you are asked about the rest"),
    ("none", "in a list: none of those shown"),
    ("120 mg/dL", "a number, with or without a unit; '> 20000 U/L' for an off-scale result"),
    ("a drug name", "counts as yes for that kind of medicine (generic names)"),
    ("why", "what this question is for"),
    ("back", "take the last answer back and ask again"),
    ("no tests", "no laboratory or scan results are to be had; 'no examination' likewise"),
    ("report", "the differential so far"),
    ("quit", "stop here; the report follows, and the answers are saved"),
)


@main.command()
@click.argument("case", required=False)
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Where to save the answers; a new file.")
@_folder_option
def consult(case: str | None, save: Path | None, folder: Path | None) -> int:
    """Ask about one patient, question by question, then report. Starts from the answers in CASE, where given."""
    from .engine.interview.consultation import Consultation
    from .engine.knowledge.cases import means_unknown
    from .engine.report.text import print_outcome, summary

    knowledge = _knowledge(folder)
    start = Consultation(knowledge)
    name = "Consultation"
    target = save or Path("consultation.yaml")
    if not os.access(target.absolute().parent, os.W_OK | os.X_OK):
        raise click.UsageError(f"answers cannot be saved in {target.absolute().parent}; say where with --save FILE")
    if case is not None:
        found, problems = _read_cases(case, knowledge)
        if problems.errors:
            _print_problems(problems.errors, problems.texts)
            return BAD_CASE
        name = found[0].name
        for finding, scalar in found[0].given.items():
            known = not means_unknown(scalar.text)
            start = start.answered(finding, scalar.text) if known else start.left_unknown(finding)
    _say(
        "Leg cramping: questions from the most urgent to the least, in screens of related ones. Stop whenever you like: "
        "'quit' gives the report on what is known. 'no tests' and 'no examination' skip what nobody has measured. 'help' "
        "lists all you can type. Decision support, not a medical device; in an emergency call for help first."
    )
    session = _Session(start)
    interrupted = False
    try:
        session.run()
    except (click.Abort, KeyboardInterrupt):
        interrupted = True
        click.echo("\ninterrupted; what you have answered is kept")
    finally:  # whatever happens: a fault of ours must not cost the answers
        if session.state.entries() != start.entries():
            _keep(session.state, target, name)
    if interrupted:
        _say(summary(session.outcome()))
        return INTERRUPTED
    click.echo()
    outcome = _reasoner(knowledge).conclude(session.state.findings)
    print_outcome(_console(), name, outcome, __version__, session.state.warnings)
    click.echo()
    _say(summary(outcome))
    return DONE


def _keep(state: Consultation, target: Path, name: str) -> None:
    """Saves the answers, or prints them where they cannot be saved."""
    try:
        path = _save_case(state, target, name)
    except OSError as fault:
        click.echo(f"\n{target} cannot be written ({fault.strerror}); your answers:\n\n{_case_text(state, name)}", err=True)
        return
    click.echo(f"\nanswers saved in {path} (health data: readable by you alone)", err=True)
    click.echo(f"go on with: crampdx consult {path}", err=True)


class _Session:
    """Puts screens, reads what is typed. The state is the consultation; `back` returns to an earlier one."""

    def __init__(self, start: Consultation) -> None:
        self.state = start
        self.history: list[Consultation] = []
        self.told: set[str] = set()
        self.topic = ""
        self.panel = ""

    def run(self) -> None:
        self._tell_red_flags()
        while True:
            screen = self.state.next_screen()
            if screen is None:
                click.echo("Everything has been asked.")
                return
            if screen.topic != self.topic:
                self.topic = screen.topic
                click.echo(f"\n== {screen.topic} (at most {_number(self.state.remaining(), 'screen')} left)")
            after = self._ask(screen)
            if after is None:
                return
            if after is not self.state:
                self.history.append(self.state)
                self.state = after
                self._tell_red_flags()

    def _ask(self, screen: Screen) -> Consultation | None:
        """The state after one screen; the same state to ask again; None to stop."""
        if len(screen.findings) == 1:
            return self._ask_one(screen)
        click.echo()
        _say("And of the others?" if screen.title == self.panel else screen.title)
        self.panel = screen.title
        for number, finding in enumerate(screen.findings, 1):
            _say(finding.ask, mark=f"  {number}  ")
        typed = self._read("Any of these? (numbers, none, ?)", screen)
        if isinstance(typed, str):
            return self._panel_answer(screen, typed)
        return typed

    def _ask_one(self, screen: Screen) -> Consultation | None:
        from .engine.interview.consultation import entry_hint, with_unit
        from .engine.knowledge.cases import means_unknown

        (finding,) = screen.findings
        click.echo()
        _say(finding.ask)
        for number, (_, wording) in enumerate(finding.choices, 1):
            _say(wording, mark=f"  {number}  ")
        hint = f"({entry_hint(finding)})"
        if len(hint) > 40:  # long ones leave no room to type behind them
            _say(hint)
            hint = ""
        typed = self._read(hint, screen)
        if not isinstance(typed, str):
            return typed
        if typed == "?" or means_unknown(typed):
            return self.state.left_unknown(finding.name)
        words = {"y": "yes", "n": "no"}.get(typed.lower(), typed)
        if finding.choices and _is_number(typed, len(finding.choices)):
            words = finding.choices[int(typed) - 1][0]
        words = with_unit(finding, words)
        after = self._taken({finding.name: words})
        if finding.scale is not None and after is not self.state:
            click.echo(f"  taken as {words}")
            for warning in set(after.warnings) - set(self.state.warnings):
                _say(f"please check: {warning}", indent=2)
        return after

    def _panel_answer(self, screen: Screen, typed: str) -> Consultation | None:
        names = [f.name for f in screen.findings]
        low = typed.lower()
        if low in ("?", "unknown"):
            return self.state.left_unknown(*names)
        if low in ("none", "n", "no"):
            return self._none_of(names)
        parts = low.replace(",", " ").split()
        if not parts or not all(_is_number(p, len(names)) for p in parts):
            _say(
                f"not understood: type numbers from 1 to {len(names)}, 'none', '?' or 'help'; a medicine goes by its "
                "generic name",
                indent=2,
            )
            return self.state
        # The rest of the panel is still open, so it comes again as the next screen, by itself.
        return self._taken({names[int(p) - 1]: "yes" for p in parts})

    def _none_of(self, names: list[str]) -> Consultation:
        """The state with a no for each line shown; where a no cannot be, the line stays unknown and that is said."""
        after = self.state
        for name in names:
            if after.problems_with(name, "no").errors:
                click.echo(f"  cannot be 'no' beside the other answers: {after.knowledge.findings[name].title}")
                after = after.left_unknown(name)
            else:
                after = after.answered(name, "no")
        return after

    def _taken(self, answers: dict[str, str]) -> Consultation:
        """The state with the answers, or the present one after saying what is wrong with them."""
        after = self.state
        for name, words in answers.items():
            faults = after.problems_with(name, words).errors
            if faults:
                for fault in faults:
                    message = fault.message.replace(f"'{name}'", self.state.knowledge.findings[name].title)
                    _say(message + (f" ({fault.help})" if fault.help else ""), indent=2)
                return self.state
            after = after.answered(name, words)
        return after

    def _read(self, prompt: str, screen: Screen) -> str | Consultation | None:
        """What is typed, unless it is a command: then the state that follows from it, or None to stop."""
        from .engine.interview.consultation import called

        try:
            typed = click.prompt(prompt, prompt_suffix=" > " if prompt else "> ", default="", show_default=False).strip()
        except click.Abort:
            if not sys.stdin.isatty():  # the input has ended, as with a piped transcript
                click.echo()
                return None
            raise
        command = " ".join(typed.lower().split())
        if command in ("quit", "exit", "q"):
            return None
        if command == "back":
            if not self.history:
                click.echo("  nothing to take back")
                return self.state
            self.state = self.history.pop()
            self.told &= {flag.id for flag, _ in self.outcome().red_flags}
            return self.state
        if command in ("no tests", "no examination"):
            after = self.state.without(command.removeprefix("no "))
            click.echo(f"  skipped; at most {_number(after.remaining(), 'screen')} left")
            return after
        if command == "why":
            self._say_why(screen)
        elif command == "report":
            self._report()
        elif command in ("help", "h"):
            for typed_word, meaning in _HELP:
                _say(meaning, mark=f"  {typed_word:<13} ")
        elif not command:
            click.echo("  nothing typed: '?' if you don't know, 'help' for what you can type")
        else:
            drugs = called(self.state.knowledge, typed)
            if drugs and command not in ("y", "n", "yes", "no", "none"):
                click.echo("  taken as yes: " + "; ".join(f.title for f in drugs))
                return self._taken({f.name: "yes" for f in drugs})
            return typed
        return self.state

    def _say_why(self, screen: Screen) -> None:
        from .engine.interview.consultation import served_by

        knowledge = self.state.knowledge
        served = {id for finding in screen.findings for id in served_by(knowledge, finding.name)}
        titles = [f"Red flag: {f.title}" for f in knowledge.red_flags.values() if f.id in served]
        rules = sorted(
            (r for r in knowledge.rules.values() if r.id in served), key=lambda r: -abs(knowledge.weighing.points(r.then))
        )
        titles += [f"{knowledge.diagnoses[r.diagnosis].title}: {r.title}" for r in rules]
        click.echo(f"  this serves {_number(len(titles), 'rule')}:")
        for title in titles[:7]:
            _say(title, mark="    - ")
        if len(titles) > 7:
            click.echo(f"    and {len(titles) - 7} more")

    def outcome(self) -> Outcome:
        """By the reference meaning: quick enough for every answer, and equal to Experta's (tests/test_meaning.py)."""
        from .engine.inference.outcome import outcome
        from .engine.inference.reference import infer

        findings = self.state.findings
        return outcome(self.state.knowledge, findings, infer(self.state.knowledge, findings))

    def _report(self) -> None:
        from .engine.report.text import print_outcome

        print_outcome(_console(), "So far", self.outcome(), __version__, self.state.warnings)

    def _tell_red_flags(self) -> None:
        for flag, _ in self.outcome().red_flags:
            if flag.id not in self.told:
                self.told.add(flag.id)
                click.echo()
                _say(f"RED FLAG, {flag.urgency.upper()}: {flag.title}", mark="!! ")
                _say(f"Do: {flag.action}", indent=3)
                _say("You can go on answering, or type 'quit' for the report.", indent=3)


def _is_number(typed: str, highest: int) -> bool:
    """Whether this is a plain number from 1 to `highest`."""
    return typed.isascii() and typed.isdigit() and len(typed) <= 3 and 1 <= int(typed) <= highest


def _save_case(state: Consultation, wanted: Path, name: str) -> Path:
    """Writes the answers as a case file that only its owner can read; never over an existing file."""
    text = _case_text(state, name)
    number = 1
    while True:
        path = wanted if number == 1 else wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            number += 1
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path


def _case_text(state: Consultation, name: str) -> str:
    """The answers as a case file; what was asked and is not known is written so, in order not to be asked again."""
    import json

    lines = [f"case: {json.dumps(name, ensure_ascii=False)}", "given:"]
    lines += [f"  {finding}: {json.dumps(words, ensure_ascii=False)}" for finding, words in state.entries().items()]
    return "\n".join(lines) + "\n"


# shared --------------------------------------------------------------------------------------------------------------


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


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, emoji=False, markup=False, soft_wrap=False)


def _say(text: str, mark: str = "", indent: int = 0) -> None:
    """A paragraph, wrapped to the terminal between words; later lines stand under the first."""
    import shutil
    import textwrap

    before = mark or " " * indent
    width = max(30, min(shutil.get_terminal_size().columns, 100) - 1)
    click.echo(textwrap.fill(text, width, initial_indent=before, subsequent_indent=" " * len(before)))


def _read_cases(path: str, knowledge: Knowledge, expectations: bool = False) -> tuple[tuple[Case, ...], Problems]:
    """The usable cases of a file (`-` is standard input), with what they expect where that is wanted, and what is wrong
    with the others."""
    from .engine.knowledge.cases import read_cases
    from .engine.knowledge.problems import Place, Problems
    from .engine.knowledge.yamltext import decode

    problems = Problems()
    name = "<stdin>" if path == "-" else _shown(path)
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


def _shown(path: str) -> str:
    """A file's name that can be printed, also where its bytes are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


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


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def run_as_program() -> NoReturn:
    """The entry point's body when run as `python -m crampdx.cli`."""
    main(prog_name="crampdx")
    raise SystemExit(DONE)


if __name__ == "__main__":
    run_as_program()

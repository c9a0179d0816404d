"""What all commands share: exit codes, reading what they are given, writing what they make, and saying what is wrong."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .terminal import path_text, printable, tell

if TYPE_CHECKING:
    from .engine.inference.reasoner import Reasoner
    from .engine.knowledge.cases import Case
    from .engine.knowledge.guarantees import Guarantee
    from .engine.knowledge.model import Knowledge
    from .engine.knowledge.problems import Problem, Problems

CASE_SUFFIXES = (".yaml", ".yml", ".json")
CSV, NDJSON, PARQUET = "csv", "ndjson", "parquet"
TABLE_SUFFIXES = {".csv": CSV, ".tsv": CSV, ".ndjson": NDJSON, ".jsonl": NDJSON, ".parquet": PARQUET}
MOST_PROBLEMS = 200  # shown one by one in a terminal; JSON holds them all
DONE, FINDINGS, USAGE, BAD_KNOWLEDGE, BAD_CASE, NOTHING, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 4, 5, 70, 130


class Ended(click.ClickException):
    """The run ends, and its message says why, without another word before it."""

    def show(self, file: object = None) -> None:
        for line in self.format_message().split("\n"):
            if line[:1].isspace():  # a line of the source, or the caret under it
                click.echo(line, err=True)
            else:
                tell(line)


_DOCUMENT_ONLY = "crampdx.document_only"


def knowledge_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --knowledge, handed over as `folder`, and --document-only, which `loaded` heeds."""
    folder = click.option(
        "--knowledge",
        "folder",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="A folder with facts/ and rules/; the built-in knowledge by default.",
    )
    alone = click.option(
        "--document-only",
        is_flag=True,
        expose_value=False,
        callback=_remember_document_only,
        help="Leave out every diagnosis from beyond the source document.",
    )
    return folder(alone(command))


def _remember_document_only(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    context.meta[_DOCUMENT_ONLY] = value


def as_asked(knowledge: Knowledge) -> Knowledge:
    """The knowledge base, less what is beyond the document where the command line says so."""
    from .engine.knowledge.document import document_only

    context = click.get_current_context(silent=True)
    return document_only(knowledge) if context is not None and context.meta.get(_DOCUMENT_ONLY) else knowledge


def case_named(cases: tuple[Case, ...], name: str | None, path: str) -> Case:
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


def loaded(folder: Path | None) -> Knowledge:
    from .engine.knowledge.loader import BUILT_IN, load

    with _uncollected():
        return as_asked(load(folder or BUILT_IN))


def reasoner_for(knowledge: Knowledge) -> Reasoner:
    with _uncollected():
        from .engine.inference.reasoner import Reasoner

        return Reasoner(knowledge)


def table_kind(path: Path) -> str:
    """`csv`, `ndjson` or `parquet`, by the suffix; '' for anything else."""
    return TABLE_SUFFIXES.get(path.suffix.lower(), "")


def need_solver() -> None:
    """Raises `UsageError` with the install line where the solver is not there."""
    try:
        import z3  # noqa: F401  # only whether it is there
    except ImportError:
        raise click.UsageError("proofs need the solver: pip install 'crampdx[proof]'") from None


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Builds what stays for the whole run, without the collector looking through it again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def cases_in(path: str, knowledge: Knowledge, expectations: bool = False) -> tuple[tuple[Case, ...], Problems]:
    """The usable cases of a file (`-` is standard input), with what they expect where that is wanted, and what is wrong
    with the others."""
    from .engine.knowledge.cases import read_cases
    from .engine.knowledge.problems import Place, Problems
    from .engine.knowledge.yamltext import decode

    problems = Problems()
    name = "<stdin>" if path == "-" else path_text(path)
    try:
        data = bytes_of(path)
    except OSError as fault:
        problems.add(Place(name, 1, 1), "unreadable", f"cannot be read: {fault.strerror}")
        return (), problems
    text = decode(data, name, problems)
    return (read_cases(text, name, knowledge, problems, expectations) if text is not None else ()), problems


def bytes_of(path: str) -> bytes:
    """The bytes of a file or of standard input; no more than a reader would refuse anyway."""
    from .engine.knowledge.yamltext import LONGEST

    with contextlib.ExitStack() as stack:
        stream = sys.stdin.buffer if path == "-" else stack.enter_context(open(path, "rb"))
        return stream.read(4 * LONGEST + 1)


def case_files(inputs: tuple[str, ...]) -> list[Path]:
    """Files as named, folders searched for .yaml, .yml and .json; each once, sorted."""
    files: dict[Path, None] = {}
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            files.update(dict.fromkeys(files_in(path, CASE_SUFFIXES)))
        else:
            files[path] = None
    return list(files)


def files_in(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The files under the folder with one of these suffixes, however it is written, sorted; links that lead nowhere among
    them. Raises OSError where a folder cannot be looked into: its files would be left out in silence."""

    def refuse(fault: OSError) -> NoReturn:
        raise fault

    inside = [Path(at, name) for at, _, names in os.walk(folder, onerror=refuse) for name in names]
    return sorted(p for p in inside if p.suffix.lower() in suffixes and (p.is_file() or not p.exists()))


@contextlib.contextmanager
def written_whole(path: Path, binary: bool = False) -> Iterator[Any]:
    """A stream that becomes the file only when all is written; the file is readable by its owner alone."""
    path = path.resolve()  # what a link points to is replaced, not the link
    mode, encoding = ("wb", None) if binary else ("w", "utf-8")
    if path.exists() and not path.is_file():
        with path.open(mode, encoding=encoding) as stream:  # a pipe or a device cannot be replaced
            yield stream
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, mode, encoding=encoding) as stream:
            yield stream
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def print_problems(
    problems: tuple[Problem, ...] | list[Problem], texts: dict[str, tuple[str, ...]], err: bool = True
) -> None:
    from .engine.knowledge.problems import render

    for problem in problems[:MOST_PROBLEMS]:
        click.echo(render(problem, texts), err=err)
    if len(problems) > MOST_PROBLEMS:
        click.echo(f"and {len(problems) - MOST_PROBLEMS} more", err=err)


def problem_record(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "code": problem.code,
        "message": problem.message,
        "help": problem.help,
    }


def subject_named(words: str, knowledge: Knowledge) -> str:
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


def regression_files(path: Path | None) -> list[Path]:
    """The case files in a file or folder, by default those of the working folder or of crampdx itself; says so where there
    are none."""
    from .engine.knowledge.loader import BUILT_IN

    where = path or next((p for p in (Path("tests/cases"), BUILT_IN / "tests" / "cases") if p.is_dir()), None)
    files = case_files((str(where),)) if where else []
    if not files:
        hint = "" if path else "; name a file or folder, tests/cases is looked for in the current folder"
        click.echo(f"no case file in {where or 'tests/cases'}{hint}", err=True)
    return files


def all_cases(files: Iterable[Path], knowledge: Knowledge) -> list[Case] | None:
    """Every case of the files; None after saying what is wrong with some, for a figure over the others would mislead."""
    cases: list[Case] = []
    for file in files:
        found, problems = cases_in(str(file), knowledge, expectations=True)
        if problems.errors:
            print_problems(problems.errors, problems.texts)
            return None
        cases += found
    return cases


def guarantees_of(folder: Path, knowledge: Knowledge, problems: Problems) -> tuple[Guarantee, ...]:
    """The guarantees of a knowledge base; () where it has none."""
    from .engine.knowledge.guarantees import read_guarantees
    from .engine.knowledge.loader import BUILT_IN, GUARANTEES
    from .engine.knowledge.yamltext import decode

    path = folder / GUARANTEES
    if not path.is_file():
        return ()
    name = GUARANTEES if folder == BUILT_IN else path_text(path)
    text = decode(path.read_bytes(), name, problems)
    return () if text is None else read_guarantees(text, name, knowledge, problems)

"""Begin something: a finding, a rule, a diagnosis, a case, a review or a whole knowledge base, to be filled in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .shared import (
    DONE,
    USAGE,
    knowledge_option,
    loaded,
    print_problems,
    subject_named,
)
from .terminal import path_text

if TYPE_CHECKING:
    from .engine.authoring.scaffold import Addition


@click.group(
    no_args_is_help=True,
    short_help="Begin a finding, rule, diagnosis, case, review or knowledge base.",
    epilog="\b\nExamples:\n  crampdx new knowledge my-clinic\n"
    "  crampdx new finding calf_ache --kind yes-no --file facts/symptoms.yaml\n"
    "  crampdx new rule hypothyroidism aching-calf --when calf_ache --then supports --write\n"
    "  crampdx new review aching-calf --role clinician",
)
def new() -> None:
    """Print the YAML of something new, with TODO where something is to be filled in; --write puts it into its file.

    It is for the knowledge base of the current folder, where that has facts/ and rules/, or of --knowledge. Nothing is
    written with which `crampdx check` would find an error, and what stands in a file already stays as it is.
    """


def _write_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--write", is_flag=True, help="Add it to its file, or make the file.")(command)


@new.command("finding", short_help="A finding, for facts/.")
@click.argument("name")
@click.option("--kind", type=click.Choice(["yes-no", "choice", "quantity"]), default="yes-no", show_default=True)
@click.option("--known-by", type=click.Choice(["patient", "examiner", "laboratory"]), default="patient", show_default=True)
@click.option("--file", "file", metavar="FILE", help="Which file, such as facts/symptoms.yaml, where there are several.")
@_write_option
@knowledge_option
def new_finding(name: str, kind: str, known_by: str, file: str | None, write: bool, folder: Path | None) -> int:
    """Begin the finding NAME (snake_case)."""
    from .engine.authoring.scaffold import finding
    from .engine.authoring.schema import kind_of
    from .engine.knowledge.problems import shown

    base = _base(folder, write)
    if file is None:
        there = [f"facts/{path.name}" for path in sorted((base / "facts").glob("*.yaml"))]
        files = [f for f in there if kind_of(f) == "facts"]
        if len(files) > 1:
            raise click.UsageError(f"say which with --file: {', '.join(there)}")
        file = files[0] if files else "facts/findings.yaml"
    if kind_of(file) not in ("facts", "recorded") or not file.endswith(".yaml"):
        raise click.BadParameter(f"{shown(file)} is no file of findings, such as facts/symptoms.yaml", param_hint="--file")
    return _add(finding(name, kind, known_by, file), base, write)


@new.command("rule", short_help="A rule, for the file of its diagnosis.")
@click.argument("diagnosis")
@click.argument("id")
@click.option("--when", "clauses", multiple=True, required=True, metavar="CLAUSE", help="A leaf; of several, all hold.")
@click.option("--then", "then", required=True, metavar="STRENGTH", help="supports, strongly supports, weakly opposes, ...")
@_write_option
@knowledge_option
def new_rule(diagnosis: str, id: str, clauses: tuple[str, ...], then: str, write: bool, folder: Path | None) -> int:
    """Begin the rule ID (kebab-case) for or against DIAGNOSIS (an id, a title or a part of one)."""
    from .engine.authoring.scaffold import rule

    base = _base(folder, write)
    knowledge = loaded(base)
    subject = subject_named(diagnosis, knowledge)
    if subject not in knowledge.diagnoses:
        raise click.UsageError(f"'{subject}' is no diagnosis; crampdx show {subject}")
    return _add(rule(f"rules/{knowledge.diagnoses[subject].tier}/{subject}.yaml", id, clauses, then), base, write)


@new.command("diagnosis", short_help="A diagnosis, in a file of its own.")
@click.argument("id")
@click.option("--tier", type=click.Choice(["most_likely", "other_likely", "do_not_miss", "rare"]), required=True)
@_write_option
@knowledge_option
def new_diagnosis(id: str, tier: str, write: bool, folder: Path | None) -> int:
    """Begin the diagnosis ID (snake_case), which the source document does not name."""
    from .engine.authoring.scaffold import diagnosis
    from .engine.knowledge.problems import shown

    begun = diagnosis(id, tier)
    base = _base(folder, write)
    if "/" in id or (base / begun.file).exists():
        raise click.UsageError(f"there is {shown(begun.file)} already" if "/" not in id else "an id has no '/'")
    return _add(begun, base, write)


@new.command("case", short_help="A regression case, for tests/cases/.")
@click.argument("name")
@click.option("--file", "file", metavar="FILE", default="tests/cases/cases.yaml", show_default=True)
@_write_option
@knowledge_option
def new_case(name: str, file: str, write: bool, folder: Path | None) -> int:
    """Begin the case NAME (a sentence that a clinician would write)."""
    from .engine.authoring.scaffold import case
    from .engine.knowledge.problems import shown

    parts = Path(file).parts
    if parts[:2] != ("tests", "cases") or ".." in parts or not file.endswith(".yaml"):
        raise click.BadParameter(f"{shown(file)} is no file such as tests/cases/everyday.yaml", param_hint="--file")
    return _add(case(name, Path(file).as_posix()), _base(folder, write), write)


@new.command("review", short_help="That something has been reviewed, for rules/reviews.yaml.")
@click.argument("id")
@click.option("--role", required=True, help="Who has reviewed it, by role: clinician, pharmacist, author; never a name.")
@click.option("--date", "date", help="Of the review, as in 2026-01-31; today by default.")
@_write_option
@knowledge_option
def new_review(id: str, role: str, date: str | None, write: bool, folder: Path | None) -> int:
    """Say that the rule, red flag, note, advice, concept or score ID has been reviewed as it stands now."""
    import datetime

    from .engine.authoring.scaffold import review
    from .engine.knowledge.parser import review_fault
    from .engine.knowledge.problems import did_you_mean, shown

    base = _base(folder, write)
    knowledge = loaded(base)
    if id not in knowledge.sourced:
        near = did_you_mean(id, knowledge.sourced)
        raise click.UsageError(f"nothing that can be reviewed is called {shown(id)}. {near}".rstrip())
    day = date or datetime.date.today().isoformat()
    for key, text in (("role", role), ("date", day)):
        wanted = review_fault(key, text)
        if wanted:
            raise click.BadParameter(f"{shown(text)} is not {wanted}", param_hint=f"--{key}")
    begun = review(id, knowledge, role, day)
    earlier = knowledge.reviews.get(id)
    if earlier is None:
        return _add(begun, base, write)
    where = f"{earlier.place.file}:{earlier.place.line}"
    if write:
        raise click.UsageError(f"'{id}' has a review at {where}; without --write its new one is printed, to replace it")
    click.echo(begun.entry)
    click.echo(f"in place of the review at {where}", err=True)
    return DONE


@new.command("knowledge", short_help="A knowledge base to start from, in a folder of its own.")
@click.argument("where", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path))
def new_knowledge(where: Path) -> int:
    """Make FOLDER with a small knowledge base: one finding, one rule for one diagnosis, one case, and what they need."""
    from .engine.authoring.scaffold import starter, with_schemas

    if where.is_dir() and any(where.iterdir()):
        raise click.UsageError(f"{path_text(where)} is not empty")
    files = with_schemas(starter(loaded(None).weighing))
    for file, text in files.items():
        path = where / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        if not file.endswith(".json"):
            click.echo(path_text(path))
    click.echo(f"next: cd {path_text(where)}; crampdx check --knowledge .; crampdx test --knowledge .", err=True)
    return DONE


def _base(folder: Path | None, write: bool) -> Path:
    """The knowledge base that something is begun for: never that of an installed crampdx, unless it is named."""
    from .engine.knowledge.loader import BUILT_IN

    if folder is not None:
        return folder
    if Path("facts").is_dir() and Path("rules").is_dir():
        return Path()
    if write:
        raise click.UsageError("the current folder has no facts/ and rules/; say where to write with --knowledge FOLDER")
    return BUILT_IN


def _as_it_is(file: str, base: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The knowledge base's files, and this one, a file of cases perhaps, where it is there; and how each is called."""
    from .engine.knowledge.loader import texts_of
    from .engine.knowledge.problems import InvalidInput, InvalidKnowledge, Problems
    from .engine.knowledge.yamltext import decode

    problems = Problems()
    texts, shown_as = texts_of(base, problems)
    if problems.errors:
        raise InvalidKnowledge(problems)
    path = base / file
    where = shown_as.setdefault(file, path_text(path))
    if file not in texts and path.exists():
        text = decode(path.read_bytes(), where, problems)
        if text is None:
            raise InvalidInput(problems)
        texts[file] = text
    return texts, shown_as


def _remind_of_schemas(file: str, base: Path) -> None:
    """Of those that a knowledge base keeps at hand, where a new name has to go into them."""
    from .engine.authoring.schema import FOLDER, kind_of

    if (base / FOLDER).is_dir() and kind_of(file) not in ("", "reviews"):
        schemas = f"crampdx schema --all {path_text(base / FOLDER)} --knowledge {path_text(base)}"
        click.echo(f"editors know of it after: {schemas}", err=True)


def _add(addition: Addition, base: Path, write: bool) -> int:
    """Prints an entry and where it goes, or adds it there; refused where the knowledge base would not be sound with it."""
    from .engine.authoring.scaffold import added, new_warnings, problems_of, to_paste
    from .engine.authoring.schema import kind_of
    from .engine.knowledge.problems import InvalidInput, InvalidKnowledge

    path = base / addition.file
    before, shown_as = _as_it_is(addition.file, base)
    where = shown_as[addition.file]
    now = problems_of(before, shown_as)
    if now.errors:  # what is at fault already comes first
        only_cases = {p.place.file for p in now.errors} == {where} and not kind_of(addition.file)
        raise InvalidInput(now) if only_cases else InvalidKnowledge(now)
    made = added(before.get(addition.file), addition)
    then = problems_of({**before, addition.file: made}, shown_as)
    if then.errors:
        print_problems(then.errors, then.texts)
        click.echo("nothing has been written: so it would not pass the check", err=True)
        return USAGE
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.encode())
        click.echo(f"added to {where}" if addition.file in before else f"made {where}", err=True)
        _remind_of_schemas(addition.file, base)
    else:
        click.echo(to_paste(addition) if addition.file in before else made.rstrip("\n"))
        under = f", under '{addition.section}:'" if addition.section else ""
        click.echo(f"for {where}{under}; --write adds it", err=True)
    print_problems(new_warnings(now, then), then.texts)
    return DONE

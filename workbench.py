"""The rule author's commands: is the knowledge well-formed, is it tested, and how does it hang together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__
from .engine.report.words import counted
from .shared import (
    BAD_CASE,
    BAD_KNOWLEDGE,
    DONE,
    FINDINGS,
    NOTHING,
    all_cases,
    as_asked,
    case_files,
    cases_in,
    guarantees_of,
    knowledge_option,
    loaded,
    need_solver,
    print_problems,
    problem_record,
    reasoner_for,
    regression_files,
    subject_named,
    written_whole,
)
from .terminal import path_text, say

if TYPE_CHECKING:
    from .engine.authoring.ignores import Ignored
    from .engine.authoring.proof import Proofs
    from .engine.authoring.regression import Judged
    from .engine.authoring.selection import Selects
    from .engine.authoring.survivors import Result
    from .engine.inference.reasoner import Reasoner
    from .engine.knowledge.cases import Case
    from .engine.knowledge.guarantees import Guarantee
    from .engine.knowledge.model import Knowledge
    from .engine.knowledge.problems import Problem


@click.command(short_help="Check the knowledge base, every problem in one run.")
@knowledge_option
@click.option("--strict", is_flag=True, help="Warnings fail, too (exit 1).")
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
@click.option("--prove", is_flag=True, help="Prove what holds for every patient, the guarantees among it.")
@click.option(
    "--write", type=click.Path(dir_okay=False, path_type=Path), help="With --prove: counterexamples go to a new case file."
)
@click.option("--list", "only_list", is_flag=True, help="Print every code with what it means, and check nothing.")
def check(folder: Path | None, strict: bool, form: str, prove: bool, write: Path | None, only_list: bool) -> int:
    """Check the knowledge base: names, units, sources, conditions, rules that count twice; every problem in one run.

    With --prove also what holds for every patient that the vocabulary can describe: that each rule can fire and each level
    be reached, that urgency falls only by evidence against, and the guarantees of rules/guarantees.yaml. One that does not
    hold is shown with a patient.

    `crampdx explain-check CODE` says more about a problem. A warning that is meant is ignored by a comment at its line:
    `# crampdx: ignore[CODE] because REASON`.
    """
    from .engine.authoring.annotations import github_line
    from .engine.authoring.codes import listed
    from .engine.authoring.doubts import doubts
    from .engine.authoring.ignores import settle
    from .engine.knowledge.loader import BUILT_IN, read
    from .engine.report.records import as_json

    if only_list:
        for line in listed():
            click.echo(line)
        return DONE
    if write is not None and not prove:
        raise click.UsageError("--write belongs to --prove")
    if write is not None and write.exists():
        raise click.UsageError(f"{path_text(write)} exists; counterexamples go to a new file")
    knowledge, problems = read(folder or BUILT_IN)
    ignored = doubts(knowledge, problems) if knowledge is not None else ()
    if knowledge is not None and not problems.errors:
        knowledge = as_asked(knowledge)  # what is wrong with the files is told all the same
    guarantees = guarantees_of(folder or BUILT_IN, knowledge, problems) if knowledge and not problems.errors else ()
    proofs = None
    if prove and knowledge is not None and not problems.errors:
        proofs = _proofs(knowledge, guarantees)
        problems.found += proofs.problems
        ignored = tuple(sorted((*ignored, *settle(problems, proved=True)), key=lambda entry: entry.problem))
    found = (*problems.errors, *problems.warnings)
    if form == "json":
        click.echo(as_json(_check_document(knowledge, found, ignored, proofs)).encode(), nl=False)
    elif form == "github":
        for problem in found:
            click.echo(github_line(problem))
    else:
        print_problems(found, problems.texts, err=False)
    if proofs is not None:
        _tell_proofs(proofs, form, write)
    counts = f"{counted(len(problems.errors), 'error')}, {counted(len(problems.warnings), 'warning')}"
    counts += f" ({len(ignored)} ignored)" if ignored else ""
    if knowledge is not None:
        counts = (
            f"{len(knowledge.findings)} findings, {len(knowledge.concepts)} concepts, {len(knowledge.scores)} scores, "
            f"{len(knowledge.rules)} rules for {len(knowledge.diagnoses)} diagnoses, {len(knowledge.red_flags)} red flags, "
            f"knowledge {knowledge.hash}: {counts}"
        )
    click.echo(counts, err=form != "text")
    if problems.errors:
        return BAD_KNOWLEDGE
    return FINDINGS if strict and problems.warnings else DONE


def _proofs(knowledge: Knowledge, guarantees: tuple[Guarantee, ...]) -> Proofs:
    need_solver()
    from .engine.authoring.proof import prove

    return prove(knowledge, guarantees)


def _tell_proofs(proofs: Proofs, form: str, write: Path | None) -> None:
    """Prints what came out for each guarantee, and the counterexamples as cases, which go to a file where that is wanted."""
    from .engine.authoring.proof import counterexamples, proof_lines

    cases = counterexamples(proofs)
    if form == "text":
        for line in proof_lines(proofs):
            click.echo(line)
    if cases and write is not None:
        with written_whole(write) as stream:
            stream.write(cases)
        click.echo(f"counterexamples -> {path_text(write)}; run them with: crampdx test {path_text(write)}", err=True)
    elif cases and form == "text":
        click.echo(f"\n{cases}", nl=False)


def _check_document(
    knowledge: Knowledge | None, found: Iterable[Problem], ignored: Iterable[Ignored], proofs: Proofs | None
) -> dict[str, Any]:
    from .engine.report.records import SCHEMA_VERSION

    def as_record(problem: Problem) -> dict[str, Any]:
        return {**problem_record(problem), "severity": problem.severity}

    return {
        "schema_version": SCHEMA_VERSION,
        "version": __version__,
        "knowledge": None if knowledge is None else knowledge.hash,
        "problems": [as_record(problem) for problem in found],
        "ignored": [{**as_record(entry.problem), "reason": entry.reason} for entry in ignored],
        **({} if proofs is None else _proof_record(proofs)),
    }


def _proof_record(proofs: Proofs) -> dict[str, Any]:
    from .engine.authoring.proof import proof_record

    return proof_record(proofs)


@click.command("explain-check", short_help="What a code of `crampdx check` means.")
@click.argument("code")
def explain_check(code: str) -> int:
    """Explain CODE, as it stands in brackets in a problem: what it means, why it matters, how to put it right."""
    from .engine.authoring.codes import CATALOGUE, explained
    from .engine.knowledge.problems import did_you_mean, shown

    if code not in CATALOGUE:
        near = did_you_mean(code, CATALOGUE) or "crampdx check --list names all codes"
        click.echo(f"no problem has the code {shown(code)}; {near}", err=True)
        return NOTHING
    click.echo(explained(code))
    return DONE


@click.command(
    "test",
    short_help="Hold the knowledge base to regression cases.",
    epilog="\b\nExamples:\n  crampdx test -k 'sarcoidosis and not recorded' --failed-first\n"
    "  crampdx test tests/cases/everyday.yaml --update",
)
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("-k", "expression", metavar="EXPR", help="Only these cases: words, and, or, not, parentheses.")
@click.option("--failed-first", is_flag=True, help="First what failed the last time.")
@click.option("-x", "--exitfirst", "exit_first", is_flag=True, help="Stop at the first case that fails.")
@click.option("--update", is_flag=True, help="Rewrite what cases `from: recorded` expect, after showing what differs.")
@click.option("--yes", is_flag=True, help="Rewrite without asking; needed where there is no terminal to ask on.")
@click.option("--all-details", is_flag=True, help="Show the reasons of every failure, not of the first 20.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--summary", is_flag=True, help="Add the accuracy tables over patients whose answer is known.")
@knowledge_option
def run_tests(
    path: Path | None,
    expression: str | None,
    failed_first: bool,
    exit_first: bool,
    update: bool,
    yes: bool,
    all_details: bool,
    form: str,
    summary: bool,
    folder: Path | None,
) -> int:
    """Hold the knowledge base to the regression cases in PATH (a file or a folder; tests/cases by default).

    A failure is shown with what differs, what made it so, and the nearest rule that would have changed it. EXPR looks for
    its words in the case's name, its file's name and the diagnoses it expects.
    """
    from .engine.authoring.regression import judge
    from .engine.authoring.selection import texts_of
    from .engine.knowledge.problems import shown
    from .engine.report.records import as_json, envelope
    from .testing import MOST_EXPLAINED, Memory, Run, Tally, digest_of, read_all, rewrite, verdict_record

    if yes and not update:
        raise click.UsageError("--yes belongs to --update")
    if summary and form == "json":
        raise click.UsageError("--summary is printed as text")
    selects = _selector(expression)
    files = regression_files(path)
    if not files:
        return NOTHING
    knowledge = loaded(folder)
    read = read_all(files, knowledge)
    if form == "text":
        print_problems(read.problems, read.texts, err=False)
    if read.left_out:
        click.echo(f"{counted(read.left_out, 'case')} about what is left out, and left out with it", err=True)
    chosen = [c for c in read.cases if selects(texts_of(c, knowledge))]
    if read.cases and not chosen:
        click.echo(f"no case matches {shown(expression or '')}", err=True)
    holding = [c for c in chosen if c.expected]
    memory = Memory(os.environ, path)
    if failed_first:
        before = memory.failed()
        holding.sort(key=lambda case: digest_of(case) not in before)
    reasoner = reasoner_for(knowledge)
    run = Run(reasoner, most=None if all_details else MOST_EXPLAINED, aloud=form == "text", update=update)
    for case in holding:
        if not run.hold(case) and exit_first:
            break
    rewritten = rewrite(run.verdicts, reasoner, yes, err=form == "json") if update else frozenset[str]()
    failed = {digest_of(v.case) for v in run.verdicts if v.differences} - rewritten
    is_whole = len(run.verdicts) == len(holding) and len(chosen) == len(read.cases) and not read.problems
    memory.keep([digest_of(v.case) for v in run.verdicts], failed, is_whole)
    tally = Tally(
        passed=len(run.verdicts) - len(failed),
        failed=len(failed),
        without=len(chosen) - len(holding),
        unselected=len(read.cases) - len(chosen),
        not_run=len(holding) - len(run.verdicts),
        faults=len(read.problems),
    )
    if form == "json":
        records = [verdict_record(v, digest_of(v.case) in rewritten) for v in run.verdicts]
        document: dict[str, Any] = {**envelope(__version__, knowledge, records), "counts": asdict(tally)}
        if read.problems:
            document["problems"] = [problem_record(p) for p in read.problems]
        click.echo(as_json(document).encode(), nl=False)
    else:
        if run.unexplained:
            click.echo(f"reasons are shown of the first {MOST_EXPLAINED} failures (--all-details: of all)")
        click.echo(tally.in_words())
    if summary:
        _print_summary([judge(c, reasoner.conclude(c.findings)) for c in chosen if c.diagnosis], reasoner)
    if read.problems:
        return BAD_CASE
    if not run.verdicts:
        return NOTHING
    return FINDINGS if failed else DONE


def _selector(expression: str | None) -> Selects:
    """What tells the cases that `-k` means; every case where it says nothing."""
    from .engine.authoring.selection import MalformedExpression, selector

    if expression is None:
        return lambda texts: True
    try:
        return selector(expression)
    except MalformedExpression as fault:
        raise click.BadParameter(str(fault), param_hint="'-k'") from None


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


@click.command(
    short_help="What a change of the knowledge changes for patients.",
    epilog="\b\nExamples:\n  crampdx diff HEAD~1 HEAD\n  crampdx diff main . --approve tests/cases/approved.yaml",
)
@click.argument("old")
@click.argument("new", required=False, default=".")
@click.option("--cases", "path", type=click.Path(exists=True, path_type=Path), help="Instead of those in tests/cases.")
@click.option("--approve", type=click.Path(dir_okay=False, path_type=Path), help="Write the patients to a new case file.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def diff(old: str, new: str, path: Path | None, approve: Path | None, form: str) -> int:
    """Show what changes for patients from OLD to NEW: folders with facts/ and rules/, or git revisions (REVISION or
    REVISION:FOLDER). NEW is the current folder by default.

    For each conclusion that can differ a smallest patient is shown, with what was concluded and what is now; that no other
    can is proved. The exit code is 1 where something differs.
    """
    from .engine.authoring.changes import change_lines, change_record, changes, witness_cases
    from .engine.report.records import SCHEMA_VERSION, as_json
    from .revisions import knowledge_at

    need_solver()
    before, after = knowledge_at(old), knowledge_at(new)
    if approve is not None and approve.exists():
        raise click.UsageError(f"{path_text(approve)} exists; approved cases go to a new file")
    found = changes(before, after, _readable(path or _cases_beside(new), after))
    if form == "json":
        head = {"schema_version": SCHEMA_VERSION, "version": __version__}
        click.echo(as_json({**head, **change_record(found, before, after)}).encode(), nl=False)
    else:
        for line in change_lines(found):
            say(line.strip(), indent=4 if line.startswith(" ") else 0)
    text = witness_cases(found, after)
    if approve is not None and text:
        with written_whole(approve) as stream:
            stream.write(text)
        click.echo(f"{counted(len(found.witnesses), 'patient')} -> {path_text(approve)}", err=True)
    return FINDINGS if found.any else DONE


def _cases_beside(knowledge: str) -> Path | None:
    """The regression cases that belong to a knowledge base, or to the current folder; None where there are none."""
    return next((p for p in (Path(knowledge) / "tests" / "cases", Path("tests/cases")) if p.is_dir()), None)


def _readable(path: Path | None, knowledge: Knowledge) -> list[Case]:
    """The cases that the knowledge base can read; how many it cannot is said."""
    cases: list[Case] = []
    refused = 0
    for file in case_files((str(path),)) if path else ():
        found, problems = cases_in(str(file), knowledge)
        cases += found
        refused += max(problems.refused, 1) if problems.errors else 0
    if refused:
        click.echo(f"{counted(refused, 'case')} cannot be read with the new knowledge", err=True)
    return cases


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

    files = regression_files(path)
    if not files:
        return NOTHING
    knowledge = loaded(folder)
    cases = all_cases(files, knowledge)
    if cases is None:
        return BAD_CASE
    reached = coverage_of(knowledge, cases)
    only = (origin,) if origin else ORIGINS
    for line in coverage_lines(reached, only, len(reached.seen) if every else 40):
        click.echo(line)
    percent = 100 * reached.share(only)
    click.echo(f"\n{percent:.1f} % of what cases {f'from: {origin} ' if origin else ''}should bring about")
    return FINDINGS if fail_under is not None and percent < fail_under else DONE


@click.command(
    short_help="Which small faults in the knowledge the cases would notice.",
    epilog="\b\nExamples:\n  crampdx mutate sarcoidosis --all\n  crampdx mutate --from evidence --fail-under 80\n"
    "  crampdx mutate sarcoidosis --write tests/cases/recorded.yaml",
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--cases", "path", type=click.Path(exists=True, path_type=Path), help="A case file or folder (tests/cases).")
@click.option("--from", "origin", type=click.Choice(["evidence", "recorded", "other"]), help="Count only these cases.")
@click.option("--all", "every", is_flag=True, help="List every survivor.")
@click.option("--fail-under", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit 1 where fewer are noticed.")
@click.option(
    "--write", "output", type=click.Path(dir_okay=False, path_type=Path), help="A new file: a case for each survivor."
)
@click.option("--prove", is_flag=True, help="Set apart survivors that change nothing for anybody, by proof.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@knowledge_option
def mutate(
    ids: tuple[str, ...],
    path: Path | None,
    origin: str | None,
    every: bool,
    fail_under: float | None,
    output: Path | None,
    prove: bool,
    form: str,
    folder: Path | None,
) -> int:
    """Put small faults into the knowledge base, one at a time, and see which of them the regression cases notice.

    A fault is a clause turned round, dropped or added, a limit moved by the smallest step, another strength, urgency or
    number of points, all instead of any. ID limits it to a rule, red flag, concept, score, note or advice, or to a diagnosis
    with all that belongs to it. What --write adds is `from: recorded`: it holds what is concluded today, for you to judge.
    """
    from .engine.authoring.coverage import ORIGINS
    from .engine.authoring.killing import Trial
    from .engine.authoring.mutation import mutants_of
    from .engine.authoring.survivors import result_lines, result_record, tried
    from .engine.report.records import SCHEMA_VERSION, as_json

    if output is not None and output.exists():
        raise click.BadParameter("there is a file already; name a new one", param_hint="'--write'")
    files = regression_files(path)
    if not files:
        return NOTHING
    knowledge = loaded(folder)
    mutants = [mutant for owner in _mutable(ids, knowledge) for mutant in mutants_of(knowledge, owner)]
    cases = all_cases(files, knowledge)
    if cases is None:
        return BAD_CASE
    trial = Trial(knowledge, cases)
    failing = len(cases) - trial.passing.bit_count()
    if failing:
        click.echo(f"{counted(failing, 'case')} failing already and left out; see `crampdx test`", err=True)
    result = tried(trial, mutants, (origin,) if origin else ORIGINS)
    if prove or output is not None:
        result = _patients_of_survivors(result, prove, output)
    if form == "json":
        head = {"schema_version": SCHEMA_VERSION, "version": __version__, "knowledge": knowledge.hash}
        click.echo(as_json({**head, **result_record(result)}).encode(), nl=False)
    else:
        for line in result_lines(result, None if every else 40):
            click.echo(line)
        click.echo(f"\n{100 * result.score:.1f} % noticed{f' by cases from: {origin}' if origin else ''}")
    if not mutants:
        return NOTHING
    return FINDINGS if fail_under is not None and 100 * result.score < fail_under else DONE


def _mutable(ids: tuple[str, ...], knowledge: Knowledge) -> list[str | None]:
    """What is meant by the words of the command; everything where there are none."""
    exact = {*knowledge.sourced, *knowledge.diagnoses}
    return [*dict.fromkeys(id if id in exact else subject_named(id, knowledge) for id in ids)] or [None]


def _patients_of_survivors(result: Result, prove: bool, output: Path | None) -> Result:
    """Looks for a patient who tells each survivor from the original, and writes them as cases where that is wanted; the
    result without those of which it is proved that there is none."""
    from .engine.authoring.recording import recorded
    from .engine.authoring.witness import search

    if prove:
        need_solver()
        from .engine.authoring.proof import proving_search

        made = recorded(result, proving_search(result.trial.knowledge))
    else:
        made = recorded(result, search)
    if made.found and output is not None:
        with written_whole(output) as stream:
            stream.write(made.text)
        click.echo(f"wrote {counted(len(made.found), 'case')} to {path_text(output)}, each to be judged", err=True)
    if made.unfound:
        few = ", ".join(mutant.id for mutant in made.unfound[:5]) + (" ..." if len(made.unfound) > 5 else "")
        click.echo(f"no case found for {counted(len(made.unfound), 'survivor')}: {few}", err=True)
    return replace(result, equal=made.equal)

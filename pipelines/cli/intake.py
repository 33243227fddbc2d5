"""Files handed in: `eqm template`, `check`, `ingest`, `explain`, `approve`, `withdraw`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.shared import (
    DATA_ERRORS,
    ENVIRONMENT,
    WRONG_USAGE,
    ByOption,
    HomeOption,
    JsonOption,
    RawOption,
    console,
    contract_of,
    ending,
    load_settings,
    notes,
    print_json,
    print_problems,
    progress,
    stop,
    table_of,
    with_problems,
    work_faults,
)
from pipelines.feeds import write_template
from pipelines.wording import bilingual

if TYPE_CHECKING:
    from pipelines.intake import Checked, FileState

FileArgument = Annotated[
    str, typer.Argument(metavar="FILE_ID", help="Beginning of the file's id, or its path.")
]


def template(
    feed: Annotated[str, typer.Argument(help="Name of a feed, such as students.")],
    school: Annotated[
        str | None, typer.Option("--school", help="Code or name of the school that fills it in.")
    ] = None,
    wave: Annotated[
        str | None, typer.Option("--wave", help="Wave, for results: a column a subject or item.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Subject, for item_results of one paper.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default FEED.xlsx.")
    ] = None,
    raw: RawOption = None,
    home: HomeOption = None,
) -> None:
    """Write a workbook to fill in, the school's students already in it where they are known."""
    from pipelines.rosters import Unknown, known

    settings = load_settings(raw, home)
    contract = contract_of(feed)
    path = output or Path(f"{feed}.xlsx")
    if not path.parent.is_dir():
        stop(f"no folder {path.parent}; make it first", WRONG_USAGE)
    if path.is_dir():
        stop(f"{path} is a folder; name a file", WRONG_USAGE)
    with ending({Unknown: WRONG_USAGE}):
        found = known(settings, contract, school, wave, subject)
        path.touch()
        if found.rows:  # numbers and names in clear: for the one who asked
            path.chmod(0o600)
        write_template(
            contract,
            path,
            rows=found.rows,
            wide=found.wide,
            offered=found.offered,
            usual_student_no=settings.student_no_pattern,
        )
    for note in found.notes:
        notes.print(note, markup=False)
    typer.echo(str(path))


def check(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders.", metavar="PATH...")],
    feed: Annotated[
        str | None, typer.Option("--feed", help="Feed, where the path does not name it.")
    ] = None,
    year: Annotated[
        str | None, typer.Option("--year", help="School year, such as 2024-2025, likewise.")
    ] = None,
    back: Annotated[
        Path | None,
        typer.Option(
            "--return", help="Folder of the return workbooks. [default: HOME/feedback/check]"
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What would be refused in these files, what was recognised, and a workbook to mend it in.

    Lands nothing. Feed and school year are read from the path (…/students/2024-2025/…) unless
    given.
    """
    from pipelines import intake

    settings = load_settings(home=home)
    if feed is not None:
        contract_of(feed)
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        stop(f"no file or folder {', '.join(missing)}", WRONG_USAGE)
    with work_faults():
        checked = intake.examine(settings, paths, feed, year, back or settings.feedback / "check")
    problems = [problem for one in checked for problem in one.problems]
    errors = sum(p.severity == "error" for p in problems)
    if as_json:
        print_json(with_problems(checked))
    else:
        for one in checked:
            _print_reading(one)
        print_problems(problems)
        for one in checked:
            if one.workbook:
                where = str(one.workbook)
                typer.echo(
                    bilingual("{file}: mend it in {workbook}", file=one.file, workbook=where)
                )
        cells = sum(p.count for p in problems if p.severity == "error")
        typer.echo(
            bilingual(
                "{cells} cells with errors; correct them and hand in the whole file again.",
                cells=cells,
            )
            if errors
            else bilingual("Ready to hand in.")
        )
    raise typer.Exit(DATA_ERRORS if errors else 0)


def _print_reading(one: "Checked") -> None:
    """What was made of each sheet of a file, in both languages."""
    for sheet in one.sheets:
        name = f"{one.file} {sheet.sheet}".strip()
        if not sheet.read:
            typer.echo(bilingual("{sheet}: left out, {rows} rows", sheet=name, rows=sheet.rows))
            continue
        header = "、".join(map(str, sheet.header_rows)) or "-"
        columns = "，".join(f"{text} → {meaning}" for text, meaning in sheet.columns.items())
        typer.echo(
            bilingual(
                "{sheet}: header in row {header}; {taken} rows taken, {left} left out; {columns}",
                sheet=name,
                header=header,
                taken=sheet.taken,
                left=sum(sheet.left_out.values()),
                columns=columns,
            )
        )


def ingest(
    raw: RawOption = None,
    home: HomeOption = None,
    replaces: Annotated[
        list[str] | None,
        typer.Option(
            "--replaces",
            metavar="NEW=OLD",
            help="The file NEW stands in place of OLD from now on; paths in the raw folder.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Raw files → landing zone, ledger and quarantine; nothing is built."""
    from pipelines import forget, intake, retention
    from pipelines.release import hold

    settings = load_settings(raw, home)
    pairs = [tuple(pair.split("=", 1)) for pair in replaces or ()]
    if any(len(pair) != 2 for pair in pairs):
        stop("--replaces takes NEW=OLD, two paths in the raw folder", WRONG_USAGE)
    with work_faults(), hold(settings):
        try:
            intake.require_files(settings)
        except intake.NothingHandedIn:
            if as_json:
                print_json([])
            raise
        forget.finish(settings)
        retention.finish(settings)
        for new, old in pairs:
            intake.declare_replacement(settings, new, old)
        former = intake.former_key(settings)
        with _progress_of_files(intake.files_in_all(settings)) as tell:
            reports = intake.ingest(settings, tell)
    if former:
        notes.print(intake.key_changed(settings, former), style="bold", markup=False)
    problems = [problem for report in reports for problem in report.problems]
    if as_json:
        print_json(with_problems(reports))
    else:
        table = table_of("feed", "files", "new", "unchanged", "refused", "withdrawn", "rows", "s")
        for r in reports:
            numbers = (r.files, r.new, r.reused, r.returned, r.withdrawn, r.rows_landed, r.seconds)
            table.add_row(r.feed or "(outside every feed)", *map(str, numbers))
        console.print(table)
        print_problems(problems)
    raise typer.Exit(DATA_ERRORS if any(r.returned for r in reports) else 0)


@contextmanager
def _progress_of_files(files: int) -> Iterator[Callable[[str, int], None]]:
    """A bar over this many files; told the feed and how many are done."""
    with progress() as bars:
        task = bars.add_task("", total=files)
        yield lambda feed, done: bars.update(task, advance=done, description=feed)


def explain(
    file_id: FileArgument,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason", help="The explanation, as it will be kept; without one, list what is asked."
        ),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", help="Answer the queries of this rule only; may be given again."),
    ] = None,
    by: ByOption = "",
    raw: RawOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer the queries of a file: why what was asked about is as it is.

    Those found when it was read, and those that the last build found between files and over time.
    """
    from pipelines import intake

    settings = load_settings(raw, home)
    with _said_faults():
        file = intake.waiting(settings, file_id)
        asked = [p for p in file.awaiting if not rule or p.rule in rule]
        if reason is not None:
            file = intake.explain(settings, file_id, reason, by, rule or ())
    if as_json:
        print_json({**file.as_row(), "asked": [p.as_dict() for p in asked]})
        return
    for problem in asked:
        typer.echo(f"{problem.rule}: {problem.text('zh')}\n  {problem.text('en')}")
    _tell_file(file, as_json)


def approve(
    file_ids: Annotated[
        list[str] | None, typer.Argument(metavar="FILE_ID...", help="Files to sign off.")
    ] = None,
    district: Annotated[
        str | None, typer.Option(help="Instead: all files of this district, by its code.")
    ] = None,
    feed: Annotated[str | None, typer.Option(help="Of this feed only.")] = None,
    by: ByOption = "",
    raw: RawOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The district's sign-off, of files without errors whose queries are all answered.

    The others are refused, each with its reason, and the exit code is 1.
    """
    from pipelines import intake

    if bool(file_ids) == bool(district) or (feed and not district):
        stop("give either FILE_ID... or --district CODE [--feed FEED]", WRONG_USAGE)
    with _said_faults():
        done = intake.approve(load_settings(raw, home), file_ids or (), district, feed, by)
    if as_json:
        print_json(
            {
                "approved": [file.as_row() for file in done.approved],
                "refused": [{**r.file.as_row(), "reason": r.reason} for r in done.refused],
            }
        )
    else:
        for file in done.approved:
            typer.echo(f"✓ {file.submission_id} {file.source_file}")
        for refused in done.refused:
            file = refused.file
            typer.echo(f"✗ {file.submission_id} {file.source_file}: {refused.reason}", err=True)
        typer.echo(
            bilingual(
                "{approved} files signed off, {refused} not.",
                approved=len(done.approved),
                refused=len(done.refused),
            )
        )
    raise typer.Exit(DATA_ERRORS if done.refused else 0)


def withdraw(
    file_id: FileArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Let it stand again.")] = False,
    by: ByOption = "",
    raw: RawOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a file back: it stays in the raw folder, its rows no longer stand."""
    from pipelines import intake
    from pipelines.release import hold

    settings = load_settings(raw, home)
    change = intake.give_back if undo else intake.withdraw
    with _said_faults(), hold(settings):
        file = change(settings, file_id, reason, by)
    _tell_file(file, as_json)
    if not as_json:
        typer.echo(bilingual("The next build heeds it."))


def _said_faults() -> AbstractContextManager[None]:
    """Of what is said of a file."""
    from pipelines.intake import IntakeError, NoSuchFile
    from pipelines.release import Busy

    return ending({NoSuchFile: WRONG_USAGE, IntakeError: DATA_ERRORS, Busy: ENVIRONMENT})


def _tell_file(file: "FileState", as_json: bool) -> None:
    """One file and its state, in both languages."""
    from pipelines.intake import state_name

    if as_json:
        print_json(file.as_row())
    else:
        words = " / ".join(state_name(file.state, lang) for lang in ("zh", "en"))
        typer.echo(f"{file.submission_id} {file.source_file}: {words}")

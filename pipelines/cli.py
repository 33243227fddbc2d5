"""`eqm`: the platform from the command line. Thin: each command calls one room's face."""

import json
import os
import re
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from pipelines.feeds import ContractError, load_contracts, write_template
from pipelines.settings import Settings, SettingsError
from pipelines.wording import bilingual

DATA_ERRORS, WRONG_USAGE, ENVIRONMENT = 1, 2, 3
SHOWN_PROBLEMS = 40
SHOWN_LINES = 12

EPILOG = (
    "Exit codes: 0 done · 1 the data has errors (what is good was still built and released, "
    "unless a check failed) · 2 wrong usage · 3 the environment. "
    "Every setting can be given as EQM_NAME or in eqm.toml."
)

if TYPE_CHECKING:
    from rich.progress import Progress

    from dashboards.gate import Gate
    from pipelines.intake import Checked

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="教育质量监测 · From schools' files to published figures.",
    epilog=EPILOG,
)
releases_app = typer.Typer(no_args_is_help=True, help="The releases: list, show, go back, prune.")
app.add_typer(releases_app, name="releases")
user_app = typer.Typer(no_args_is_help=True, help="Who may see what: add, grant, list, disable.")
app.add_typer(user_app, name="user")
audit_app = typer.Typer(no_args_is_help=True, help="The audit log of the gate: list, verify.")
app.add_typer(audit_app, name="audit")
retention_app = typer.Typer(
    no_args_is_help=True, help="How long school years are kept: what is over, and let it go."
)
app.add_typer(retention_app, name="retention")

RawOption = Annotated[
    Path | None, typer.Option("--raw", help="Folder of the files handed in. [default: data/raw]")
]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of all state. [default: var]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Report as JSON.")]

console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 200)
notes = Console(stderr=True, soft_wrap=True, highlight=False)


def _settings(raw: Path | None = None, home: Path | None = None, **given: Any) -> Settings:
    try:
        settings = Settings.load(raw=raw, home=home, **given)
        if settings.contracts:
            load_contracts()
    except (SettingsError, ContractError) as error:
        _stop(str(error), WRONG_USAGE)
    return settings


def _stop(text: str, code: int) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(code)


@contextmanager
def _ending(codes: Mapping[type[Exception], int]) -> Iterator[None]:
    """What can go wrong ends the command: with one line, and the exit code of its kind.

    Kinds that lie within one another stand with the inner one first. Files and databases that fail
    are the environment's fault, whatever was asked of them.
    """
    kinds: tuple[type[Exception], ...] = (*codes, OSError, SQLAlchemyError)
    try:
        yield
    except kinds as error:
        code = next((code for kind, code in codes.items() if isinstance(error, kind)), ENVIRONMENT)
        said = str(error)
        _stop(said.splitlines()[0] if said and code == ENVIRONMENT else said, code)


def _release_faults() -> AbstractContextManager[None]:
    """Of what is asked of releases."""
    from pipelines.release import Busy, NoSuchRelease, ReleaseError

    return _ending({NoSuchRelease: WRONG_USAGE, Busy: ENVIRONMENT, ReleaseError: DATA_ERRORS})


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, default=str, ensure_ascii=False, indent=2))


def _print_problems(problems: Iterable[Any]) -> None:
    """Errors first, in both languages; the rest is counted and stays in quarantine and `ops`."""
    order = {"error": 0, "query": 1, "note": 2}
    ranked = sorted(problems, key=lambda p: order[p.severity])
    for problem in ranked[:SHOWN_PROBLEMS]:
        typer.echo(f"{problem.text('zh')}\n  {problem.text('en')}")
    if len(ranked) > SHOWN_PROBLEMS:
        typer.echo(f"… {len(ranked) - SHOWN_PROBLEMS} more; --json lists all")


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


def _table(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, no_wrap=True)
    return table


@app.command()
def build(
    raw: RawOption = None,
    home: HomeOption = None,
    target: Annotated[
        str | None, typer.Option(help="Engine of the heavy models: duckdb or spark.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            help="Build the warehouse of a moment of the past, such as 2024-09-01T00:00+08:00: "
            "takes nothing in, and the release that is served stays.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Everything: take in the files, build the warehouse, publish one release."""
    from pipelines.build import BuildReport
    from pipelines.build import build as run
    from pipelines.intake import IntakeError, NoKey, NothingHandedIn
    from pipelines.release import Busy, current

    settings = _settings(raw, home, as_of=as_of, target=target)
    try:
        with _progress_of_pages() as pages:
            report = run(
                settings, say=lambda line: notes.print(f"· {line}", markup=False), pages=pages
            )
    except NothingHandedIn as error:
        if as_json:
            _print_json(BuildReport(False, current(settings), failure=str(error)).as_dict())
        _stop(str(error), DATA_ERRORS)
    except (NoKey, Busy, OSError) as error:
        _stop(str(error), ENVIRONMENT)
    except IntakeError as error:
        _stop(str(error), WRONG_USAGE)
    if report.key_made:
        made = bilingual(
            "The pseudonym key was made: {path}. Back it up: without it new files can't be joined "
            "to earlier years.",
            path=settings.pseudonym_key_file,
        )
        notes.print(made, style="bold", markup=False)
    if report.key_changed:
        notes.print(report.key_changed, style="bold", markup=False)
    if as_json:
        _print_json(report.as_dict())
        raise typer.Exit(report.exit_code)
    if report.as_of:
        if report.released:
            typer.echo(f"release {report.release_id}, as of {report.as_of}; what is served stays")
            typer.echo(report.warehouse)
        else:
            typer.echo(f"no release was made: {report.failure}", err=True)
        raise typer.Exit(report.exit_code)
    _print_problems(report.problems)
    if report.returned:
        typer.echo(f"{report.returned} files refused; copies and reasons: {settings.quarantine}")
    if report.released:
        how = "unchanged, served again" if report.reused else "made and verified"
        typer.echo(f"release {report.release_id}: {how}")
        typer.echo(str(settings.current / "site" / "index.html"))
    else:
        kept = f"release {report.release_id} stays" if report.release_id else "nothing is served"
        typer.echo(f"no release was made ({kept}): {report.failure}", err=True)
    raise typer.Exit(report.exit_code)


@contextmanager
def _bar() -> "Iterator[Progress]":
    """Room for bars while someone watches."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    watched = notes.is_terminal
    with Progress(*columns, console=notes, transient=True, disable=not watched) as bar:
        yield bar


@contextmanager
def _progress_of_files(files: int) -> Iterator[Callable[[str, int], None]]:
    """A bar over this many files; told the feed and how many are done."""
    with _bar() as bar:
        task = bar.add_task("", total=files)
        yield lambda feed, done: bar.update(task, advance=done, description=feed)


@contextmanager
def _progress_of_pages() -> Iterator[Callable[[int, int], None]]:
    """A bar while pages are made; told how many units have theirs, and of how many."""
    with _bar() as bar:
        task = bar.add_task("release/site", visible=False)
        yield lambda done, of: bar.update(task, completed=done, total=of, visible=done < of)


@app.command()
def report(
    school: Annotated[
        list[str] | None, typer.Option("--school", metavar="CODE", help="May be given again.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Of all schools.")] = False,
    release_id: Annotated[
        str | None, typer.Option("--release", metavar="ID", help="[default: the one served]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder. [default: reports/ID in the home]")
    ] = None,
    lang: Annotated[
        str | None, typer.Option("--lang", help="zh or en. [default: one report in each]")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reports of schools as PDF, two sheets of A4 each, out of what a release published."""
    from dashboards.site import NoPrinter, NoSuchSchool, ReportError, write_reports
    from pipelines.release import current, show, standing
    from pipelines.wording import LANGUAGES, Lang, translator

    langs = [one for one in LANGUAGES if lang in (None, one)]
    if bool(school) == every or not langs:
        _stop("give either --school CODE or --all, and as --lang zh or en", WRONG_USAGE)
    settings = _settings(home=home)
    name = release_id or current(settings)
    if name is None:
        _stop("no releases yet; `eqm build` makes one", WRONG_USAGE)

    def notice(one: Lang) -> str:
        words = translator(one).gettext
        return {
            "embargoed": words("For the centre alone, please do not pass on: embargoed until")
            + f" {stands.until}",
            "prepared": words("For the centre alone, please do not pass on: not published."),
        }.get(stands.state, "")

    with (
        _release_faults(),
        _ending({NoSuchSchool: WRONG_USAGE, NoPrinter: ENVIRONMENT, ReportError: DATA_ERRORS}),
        _bar() as bar,
    ):
        show(settings, name)
        stands = standing(settings, name)
        folder = out or settings.home / "reports" / name
        task = bar.add_task("reports")
        written = write_reports(
            settings.releases / name / "warehouse.duckdb",
            folder,
            release_id=name,
            codes=None if every else school,
            langs=langs,
            notice=notice,
            tell=lambda done, of: bar.update(task, completed=done, total=of),
        )
    if as_json:
        _print_json({"release": name, "files": list(map(str, written))})
    else:
        typer.echo(f"release {name}: {len(written)} reports in {folder}")


@app.command()
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
    from pipelines.release import Busy, hold

    settings = _settings(raw, home)
    pairs = [tuple(pair.split("=", 1)) for pair in replaces or ()]
    if any(len(pair) != 2 for pair in pairs):
        _stop("--replaces takes NEW=OLD, two paths in the raw folder", WRONG_USAGE)
    try:
        with hold(settings):
            intake.require_files(settings)
            forget.finish(settings)
            retention.finish(settings)
            for new, old in pairs:
                intake.declare_replacement(settings, new, old)
            former = intake.former_key(settings)
            with _progress_of_files(intake.files_in_all(settings)) as tell:
                reports = intake.ingest(settings, tell)
    except intake.NothingHandedIn as error:
        if as_json:
            _print_json([])
        _stop(str(error), DATA_ERRORS)
    except (intake.NoKey, Busy, OSError, SQLAlchemyError) as error:
        _stop(str(error).splitlines()[0], ENVIRONMENT)
    except intake.IntakeError as error:
        _stop(str(error), WRONG_USAGE)
    if former:
        notes.print(intake.key_changed(settings, former), style="bold", markup=False)
    problems = [problem for report in reports for problem in report.problems]
    if as_json:
        _print_json([{**asdict(r), "problems": [p.as_dict() for p in r.problems]} for r in reports])
    else:
        table = _table("feed", "files", "new", "unchanged", "refused", "withdrawn", "rows", "s")
        for r in reports:
            numbers = (r.files, r.new, r.reused, r.returned, r.withdrawn, r.rows_landed, r.seconds)
            table.add_row(r.feed or "(outside every feed)", *map(str, numbers))
        console.print(table)
        _print_problems(problems)
    raise typer.Exit(DATA_ERRORS if any(r.returned for r in reports) else 0)


def _intake_faults() -> AbstractContextManager[None]:
    """Of what is said of a file."""
    from pipelines.intake import IntakeError, NoSuchFile
    from pipelines.release import Busy

    return _ending({NoSuchFile: WRONG_USAGE, IntakeError: DATA_ERRORS, Busy: ENVIRONMENT})


FileArgument = Annotated[
    str, typer.Argument(metavar="FILE_ID", help="Beginning of the file's id, or its path.")
]
ByOption = Annotated[
    str, typer.Option("--by", help="Who says so. [default: the user of this machine]")
]

ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is kept in the audit log.")]


def _tell_file(file: Any, as_json: bool) -> None:
    """One file and its state, in both languages."""
    from pipelines.intake import state_name

    if as_json:
        _print_json(file.as_row())
    else:
        words = " / ".join(state_name(file.state, lang) for lang in ("zh", "en"))
        typer.echo(f"{file.submission_id} {file.source_file}: {words}")


@app.command()
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

    settings = _settings(raw, home)
    with _intake_faults():
        file = intake.waiting(settings, file_id)
        asked = [p for p in file.awaiting if not rule or p.rule in rule]
        if reason is not None:
            file = intake.explain(settings, file_id, reason, by, rule or ())
    if as_json:
        _print_json({**file.as_row(), "asked": [p.as_dict() for p in asked]})
        return
    for problem in asked:
        typer.echo(f"{problem.rule}: {problem.text('zh')}\n  {problem.text('en')}")
    _tell_file(file, as_json)


@app.command()
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
        _stop("give either FILE_ID... or --district CODE [--feed FEED]", WRONG_USAGE)
    with _intake_faults():
        done = intake.approve(_settings(raw, home), file_ids or (), district, feed, by)
    if as_json:
        _print_json(
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


@app.command()
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

    settings = _settings(raw, home)
    change = intake.give_back if undo else intake.withdraw
    with _intake_faults(), hold(settings):
        file = change(settings, file_id, reason, by)
    _tell_file(file, as_json)
    if not as_json:
        typer.echo(bilingual("The next build heeds it."))


@app.command()
def forget(
    student: Annotated[
        str,
        typer.Option(
            "--student",
            metavar="NUMBER",
            help="The student's number; - asks for it, or reads it from standard input, so that "
            "no list of commands holds it.",
        ),
    ] = "",
    reason: Annotated[
        str, typer.Option("--reason", help="Why; it is kept in the audit log and the ledger.")
    ] = "",
    by: ByOption = "",
    former_key: Annotated[
        list[Path] | None,
        typer.Option(
            "--former-key",
            metavar="FILE",
            help="A former pseudonym key, from its backup, for what was read under it.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Without asking.")] = False,
    once_more: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Instead: everybody who was forgotten, such as after a backup was put back.",
        ),
    ] = False,
    then_build: Annotated[
        bool, typer.Option("--build/--no-build", help="Make a release without the student.")
    ] = True,
    raw: RawOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """A student's right: no row of theirs stays, or is read again. Tells first what there is."""
    from pipelines.forget import again, look
    from pipelines.forget import forget as run

    if bool(student) == once_more or (student and not reason.strip()):
        _stop("give --student NUMBER --reason TEXT, or --again", WRONG_USAGE)
    settings = _settings(raw, home)
    if once_more:
        with _forget_faults():
            back = again(settings, _by(by))
        if as_json:
            _print_json({"again": back})
        else:
            typer.echo(bilingual("{count} students were there again.", count=back))
        if back and then_build:
            _build_after(settings)
        return
    number = _number(student)
    missing = [path for path in former_key or () if not path.is_file()]
    if missing:
        _stop(f"no file {missing[0]}", WRONG_USAGE)
    with _forget_faults():
        found = look(settings, number, former_key or ())
    if not as_json:
        _tell_found(found)
    if not found.anything:
        if as_json:
            _print_json({**found.as_dict(), "removed": False})
        elif not found.before:
            typer.echo(bilingual("Nobody is known by this number; nothing was done."), err=True)
        raise typer.Exit(0 if found.before else DATA_ERRORS)
    if not yes and not typer.confirm(bilingual("Remove all of it? It can't be undone.")):
        _stop(bilingual("Nothing was done."), DATA_ERRORS)
    with _forget_faults():
        found = run(settings, number, reason, _by(by), former_key or ())
    if as_json:
        _print_json({**found.as_dict(), "removed": True})
    else:
        typer.echo(bilingual("It is removed, and left out of whatever is read from now on."))
    if then_build:
        _build_after(settings)


def _number(student: str) -> str:
    """The number as it was given, asked for without showing it, or from standard input."""
    if student != "-":
        return student
    if sys.stdin.isatty():
        return str(typer.prompt(bilingual("The student's number"), hide_input=True))
    return sys.stdin.readline().strip()


def _tell_found(found: Any) -> None:
    """What a home holds of a student, without anything by which the student is known."""
    told = found.as_dict()
    if found.before:
        when = f"{found.before:%Y-%m-%d %H:%M}"
        typer.echo(bilingual("Forgotten already, on {when} (UTC).", when=when))
    table = _table("feed", "school year", "rows")
    for feed, years in told["feeds"].items():
        for year, rows in years.items():
            table.add_row(feed, year, str(rows))
    if told["feeds"]:
        console.print(table)
    for name, rows in found.releases.items():
        typer.echo(
            bilingual("release {name}: {rows} rows of the restricted area", name=name, rows=rows)
        )
    for path in told["copies"]:
        typer.echo(bilingual("a copy that holds the number, to be removed: {path}", path=path))
    for path in told["unread"]:
        typer.echo(
            bilingual("a copy that can't be looked into; see to it by hand: {path}", path=path)
        )
    for path in found.raw:
        typer.echo(
            bilingual(
                "handed in and left as it is, its rows of the student are not read: {path}",
                path=path,
            )
        )
    for key, files in found.other_keys.items():
        typer.echo(
            bilingual(
                "{files} landed files are under the former key {key} and are not looked into; "
                "give that key with --former-key.",
                files=files,
                key=key,
            )
        )


def _build_after(settings: Settings) -> None:
    """The release without what was removed; what was removed stays so even if there is none."""
    from pipelines.build import build as run
    from pipelines.intake import IntakeError
    from pipelines.release import Busy

    try:
        report = run(settings, say=lambda line: notes.print(f"· {line}", markup=False))
    except (IntakeError, Busy, OSError) as error:
        _stop(str(error), ENVIRONMENT)
    if not report.released:
        _stop(f"no release was made: {report.failure}", report.exit_code)
    notes.print(f"release {report.release_id}", markup=False)


def _forget_faults() -> AbstractContextManager[None]:
    """Of the removal of what is kept."""
    from pipelines.intake import IntakeError, NoKey
    from pipelines.release import Busy

    return _ending(
        {
            NoKey: ENVIRONMENT, Busy: ENVIRONMENT,
            IntakeError: WRONG_USAGE, SettingsError: WRONG_USAGE,
        }
    )  # fmt: skip


@retention_app.command("list")
def retention_list(
    raw: RawOption = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """School years whose time is over by the setting `retention_years`. Removes nothing."""
    from pipelines.retention import due, left_in_raw

    settings = _settings(raw, home)
    with _forget_faults():
        found, left = due(settings), left_in_raw(settings)
    if as_json:
        _print_json({"due": [asdict(d) for d in found], "left_in_raw": [asdict(d) for d in left]})
        return
    _tell_due(settings, found)
    for one in left:
        typer.echo(
            bilingual(
                "{count} files handed in lie in {folder}; that school year is over, and they are "
                "not read.",
                count=one.raw,
                folder=settings.raw / one.feed / one.school_year,
            )
        )
    if not found:
        typer.echo(bilingual("Nothing is over."))


@retention_app.command("apply")
def retention_apply(
    reason: ReasonOption,
    by: ByOption = "",
    yes: Annotated[bool, typer.Option("--yes", help="Without asking.")] = False,
    raw: RawOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let go what `eqm retention list` tells; the next build makes a release without it."""
    from pipelines.retention import apply, due

    settings = _settings(raw, home)
    with _forget_faults():
        found = due(settings)
        if not as_json:
            _tell_due(settings, found)
        if found and not yes:
            sure = typer.confirm(bilingual("Remove all of it? It can't be undone."))
            if not sure:
                _stop(bilingual("Nothing was done."), DATA_ERRORS)
        gone = apply(settings, reason, _by(by))
    if as_json:
        _print_json([asdict(one) for one in gone])
    elif gone:
        typer.echo(bilingual("It is removed; the next build makes a release without it."))
    else:
        typer.echo(bilingual("Nothing is over."))


def _tell_due(settings: Settings, found: list[Any]) -> None:
    if not found:
        return
    goes = "" if settings.retention_raw else " (stay)"
    table = _table("feed", "school year", "landed", "copies", f"raw{goes}", "")
    for one in found:
        numbers = (one.landed, one.copies, one.raw)
        table.add_row(one.feed, one.school_year, *map(str, numbers), " ".join(one.notes))
    console.print(table)


@app.command()
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

    settings = _settings(home=home)
    if feed is not None and feed not in load_contracts():
        _stop(f"no feed {feed}; the feeds are: {', '.join(sorted(load_contracts()))}", WRONG_USAGE)
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        _stop(f"no file or folder {', '.join(missing)}", WRONG_USAGE)
    try:
        checked = intake.examine(settings, paths, feed, year, back or settings.feedback / "check")
    except intake.NoKey as error:
        _stop(str(error), ENVIRONMENT)
    problems = [problem for one in checked for problem in one.problems]
    errors = sum(p.severity == "error" for p in problems)
    if as_json:
        _print_json([{**asdict(c), "problems": [p.as_dict() for p in c.problems]} for c in checked])
    else:
        for one in checked:
            _print_reading(one)
        _print_problems(problems)
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


@app.command()
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

    settings = _settings(raw, home)
    contracts = load_contracts()
    if feed not in contracts:
        _stop(f"no feed {feed}; the feeds are: {', '.join(sorted(contracts))}", WRONG_USAGE)
    path = output or Path(f"{feed}.xlsx")
    if not path.parent.is_dir():
        _stop(f"no folder {path.parent}; make it first", WRONG_USAGE)
    if path.is_dir():
        _stop(f"{path} is a folder; name a file", WRONG_USAGE)
    try:
        found = known(settings, contracts[feed], school, wave, subject)
        path.touch()
        if found.rows:  # numbers and names in clear: for the one who asked
            path.chmod(0o600)
        write_template(
            contracts[feed],
            path,
            rows=found.rows,
            wide=found.wide,
            offered=found.offered,
            usual_student_no=settings.student_no_pattern,
        )
    except Unknown as error:
        _stop(str(error), WRONG_USAGE)
    except (OSError, SQLAlchemyError) as error:
        _stop(str(error).splitlines()[0], ENVIRONMENT)
    for note in found.notes:
        notes.print(note, markup=False)
    typer.echo(str(path))


@app.command()
def sample(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to; new or empty.")],
    students: Annotated[int, typer.Option(min=1, help="Students in each school year.")] = 15_000,
    years: Annotated[int, typer.Option(min=1, max=8, help="School years, up to 2025-2026.")] = 4,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 2024,
    messy: Annotated[
        bool,
        typer.Option("--messy/--clean", help="As real schools would hand in, with all the mess."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the submissions of an invented city, and its truth beside them in OUT.truth.

    A messy city holds the rows of the clean one, but for the files that are listed as refused in
    OUT.truth/messes.json.
    """
    from pipelines.sample import write_messy, write_sample

    write = write_messy if messy else write_sample
    try:
        report = write(out, students=students, years=years, seed=seed)
    except ValueError as error:
        _stop(str(error), WRONG_USAGE)
    if as_json:
        _print_json(asdict(report))
        return
    typer.echo(
        f"{report.schools} schools, {report.students:,} students, {report.results:,} results "
        f"in {report.files:,} files: {report.out}\nwhat was put in: {report.truth}"
        + (f" ({report.messes:,} messes, in messes.json)" if messy else "")
    )


@app.command()
def status(
    raw: RawOption = None,
    home: HomeOption = None,
    owed: Annotated[bool, typer.Option("--owed", help="List who owes what, and no more.")] = False,
    files: Annotated[bool, typer.Option("--files", help="List every file, and no more.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Feeds and their freshness, files by state, who owes what, the release, the next run."""
    from pipelines.status import status as tell

    settings = _settings(raw, home)
    try:
        found = tell(settings)
    except SettingsError as error:
        _stop(str(error), WRONG_USAGE)
    if as_json and not (owed or files):
        _print_json(asdict(found))
        return
    if owed or files:
        listed = [asdict(one) for one in found.owed] if owed else found.files
        if as_json:
            _print_json(listed)
        else:
            console.print(_owed_table(found.owed) if owed else _files_table(found.files))
            if owed:
                _tell_of_days(found.owed)
        return
    table = _table("feed", "files", "landed", "refused", "rows", "newest (UTC)")
    for f in found.feeds:
        newest = f"{f.newest:%Y-%m-%d %H:%M}" if f.newest else "-"
        table.add_row(f.feed, str(f.files), str(f.landed), str(f.refused), f"{f.rows:,}", newest)
    console.print(table)
    _tell_of_files(found)
    if found.release is None:
        typer.echo("release: none yet; `eqm build` makes one")
    else:
        r = found.release
        typer.echo(
            f"release: {r.release_id}, made {r.made_at}, from {r.files} files; "
            f"{r.checks} checks, {r.failed_checks} failed"
        )
    if found.over:
        over = ", ".join(f"{one.feed} {one.school_year}" for one in found.over[:SHOWN_LINES])
        more = " …" if len(found.over) > SHOWN_LINES else ""
        typer.echo(
            bilingual(
                "kept longer than the setting retention_years says: {listed}; "
                "`eqm retention apply` lets it go, nothing else does.",
                listed=over + more,
            )
        )
    for feed, year, reported, expected in found.missing:
        typer.echo(f"{feed} {year}: {reported} of {expected} schools have reported")
    if found.last_run and found.last_run[0] == "FAILURE":
        typer.echo(
            f"last build: failed, {found.last_run[1]:%Y-%m-%d %H:%M} UTC; `eqm build` says why, "
            "and so does Dagster's interface (`eqm dev`)"
        )
    when = f"{found.next_run:%Y-%m-%d %H:%M %Z}"
    typer.echo(
        f"next run: {when}"
        if found.scheduler_running
        else f"next run: none, no scheduler is running (it would be {when}; `make dev` starts one)"
    )


def _tell_of_files(found: Any) -> None:
    """Files by state, those that wait for somebody, and what is owed, in short."""
    from pipelines.intake import state_name

    if found.states:
        words = [f"{state_name(s, 'zh')} {s} {n}" for s, n in found.states.items()]
        typer.echo("files: " + " · ".join(words))
    if found.waiting:
        console.print(_files_table(found.waiting[:SHOWN_LINES]))
        if len(found.waiting) > SHOWN_LINES:
            typer.echo(f"… {len(found.waiting) - SHOWN_LINES} more; --files lists all")
    if found.owing:
        table = _table("owed", "year or wave", "due", "of", "missing", "returned", "overdue", "")
        for o in found.owing[:SHOWN_LINES]:
            numbers = (o.expected, o.not_submitted, o.returned, o.overdue)
            more = " …" if o.not_submitted + o.returned > len(o.names) else ""
            named = "、".join(o.names) + more
            when = o.wave_id or o.school_year
            table.add_row(o.feed, when, _day(o), *map(str, numbers), named)
        console.print(table)
        _tell_of_days(found.owing[:SHOWN_LINES])
        if len(found.owing) > SHOWN_LINES:
            typer.echo(f"… {len(found.owing) - SHOWN_LINES} more; --owed lists all")


def _day(owed: Any) -> str:
    """The day on which something is due, marked where nobody has said it."""
    return f"{owed.due_on}{' ?' if owed.due_assumed else ''}"


def _tell_of_days(listed: list[Any]) -> None:
    if any(one.due_assumed for one in listed):
        typer.echo(
            bilingual(
                "? no wave says this day; it is the platform's own assumption (duties.yml), and "
                "the centre's notice goes before it."
            )
        )


def _files_table(rows: list[dict[str, Any]]) -> Table:
    table = _table("file id", "state", "", "errors", "queries open", "file")
    for r in rows:
        numbers = (str(r["errors"]), str(r["open_queries"]))
        table.add_row(r["submission_id"], r["state"], r["state_zh"], *numbers, r["source_file"])
    return table


def _owed_table(owed: list[Any]) -> Table:
    table = _table("feed", "year or wave", "unit", "", "due", "state", "", "overdue", "file")
    for o in owed:
        what = (o.feed, o.wave_id or o.school_year, o.unit_code, o.unit_name, _day(o))
        table.add_row(*what, o.state, o.state_zh, "!" if o.overdue else "", o.file)
    return table


@app.command()
def metric(
    name: Annotated[
        str | None, typer.Argument(help="Name of the figure; without one, all are listed.")
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="By what, with commas: a level (district), a group (gender), columns (subject)."
        ),
    ] = "",
    where: Annotated[
        str, typer.Option(help="Condition in SQL: \"subject = 'mathematics' and n >= 30\".")
    ] = "",
    published: Annotated[
        bool, typer.Option("--published", help="As pages show it: withheld, rounded, marked.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a published figure is, and its values in the release that is served."""
    from pipelines.metrics import BadQuestion, ask, load_metrics
    from pipelines.release import current

    if name is None:
        known = load_metrics().values()
        if as_json:
            _print_json([one.model_dump() for one in known])
            return
        listed = _table("metric", "名称", "name", "unit", "table")
        for one in known:
            listed.add_row(one.name, one.zh, one.en, one.unit, one.model)
        console.print(listed)
        return
    settings = _settings(home=home)
    served = current(settings)
    if served is None:
        _stop(f"nothing has been released under {settings.home}; run `eqm build`", DATA_ERRORS)
    warehouse = settings.releases / served / "warehouse.duckdb"
    asked = [word.strip() for word in by.split(",") if word.strip()]
    try:
        answer = ask(warehouse, name, asked, where, published)
    except BadQuestion as error:
        _stop(str(error), WRONG_USAGE)
    found = answer.metric
    if as_json:
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        _print_json({"metric": found.model_dump(), "release": served, "rows": rows})
        return
    notes.print(f"{found.zh} · {found.en}: {found.formula} {found.source}".rstrip())
    table = _table(*answer.columns)
    for row in answer.rows:
        table.add_row(*(_shown(value) for value in row))
    console.print(table)


def _shown(value: Any) -> str:
    """A value of a table on the terminal; what is not there stays empty."""
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="Port on 127.0.0.1. [default: 8400]")] = None,
    demonstration: Annotated[
        bool,
        typer.Option(
            "--demonstration",
            help="With three accounts to look around with, of the city, a district and a school.",
        ),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Serve the current release on 127.0.0.1 until Ctrl-C, to who has an account."""
    from dashboards.gate import create_app, embedded
    from pipelines.release import current

    settings = _settings(home=home, port=port)
    if current(settings) is None:
        _stop(f"nothing has been released under {settings.home}; run `eqm build`", DATA_ERRORS)
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", settings.port)) == 0:
            taken = f"port {settings.port} is in use; choose another with --port or EQM_PORT"
            _stop(taken, ENVIRONMENT)
    address = f"http://127.0.0.1:{settings.port}"
    with _gate_faults():
        gate = create_app(settings)
        if demonstration:
            _tell_demonstration(settings, gate, address)
        elif not gate.accounts.list():
            _stop(
                bilingual(
                    "There are no accounts yet. Make one: eqm user add NAME --scope city --reason "
                    "WHY; or look around with three of a demonstration: eqm serve --demonstration"
                ),
                DATA_ERRORS,
            )
        else:
            typer.echo(bilingual("Open {address}", address=f"{address}/"))
    server = embedded(gate, settings.port)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def _tell_demonstration(settings: Settings, gate: "Gate", address: str) -> None:
    """The three sign-ins, and the link that opens the page of the first."""
    from dashboards.gate import demonstrate

    shelf = gate.shelves.shelf(gate.shelves.current())
    if shelf is None:
        _stop(f"{settings.current} was made by an earlier version; run `eqm build`", DATA_ERRORS)
    given = demonstrate(settings, gate.accounts, shelf, _by(""))
    typer.echo(bilingual("Three accounts to look around with (scope, account, password):"))
    for one in given:
        typer.echo(f"  {one.scope.key:<22} {one.name:<14} {one.password}")
    typer.echo(bilingual("Open this link, which works once:"))
    typer.echo(f"  {address}/gate/enter?ticket={gate.accounts.link(given[0].name)}")


def _gate_faults() -> AbstractContextManager[None]:
    """Of what is done with an account."""
    from dashboards.gate import AccountError, Busy

    return _ending({AccountError: WRONG_USAGE, Busy: ENVIRONMENT})


ScopeOption = Annotated[
    str, typer.Option("--scope", help="What it may see: city, district:CODE or school:CODE.")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")]


def _by(by: str) -> str:
    from pipelines.intake import user

    return by or user()


def _tell_password(name: str, password: str) -> None:
    if password:
        told = bilingual(
            "The password of {name}; it is shown this once, and can be changed under /gate/:",
            name=name,
        )
        typer.echo(told)
        typer.echo(password)


@user_app.command("add")
def user_add(
    name: NameArgument,
    scope: ScopeOption,
    reason: ReasonOption,
    provider: Annotated[
        bool,
        typer.Option("--provider", help="Signs in at the city's own provider, without password."),
    ] = False,
    by: ByOption = "",
    home: HomeOption = None,
) -> None:
    """Let somebody in, with a password that is made and shown this once."""
    from dashboards.gate import Scope, open_accounts

    settings = _settings(home=home)
    with _gate_faults():
        may_see = Scope.read(scope, settings.unit_code)
        accounts = open_accounts(settings)[0]
        password = accounts.add(name, may_see, reason, _by(by), provider=provider)
    typer.echo(f"{name}: {may_see.key}")
    _tell_password(name, password)


@user_app.command("grant")
def user_grant(
    name: NameArgument,
    scope: ScopeOption,
    reason: ReasonOption,
    by: ByOption = "",
    home: HomeOption = None,
) -> None:
    """Let an account see another unit, and nothing else; its sessions end."""
    from dashboards.gate import Scope, open_accounts

    settings = _settings(home=home)
    with _gate_faults():
        may_see = Scope.read(scope, settings.unit_code)
        open_accounts(settings)[0].grant(name, may_see, reason, _by(by))
    typer.echo(f"{name}: {may_see.key}")


@user_app.command("password")
def user_password(
    name: NameArgument, reason: ReasonOption, by: ByOption = "", home: HomeOption = None
) -> None:
    """Give an account a new password; its sessions end."""
    from dashboards.gate import open_accounts

    with _gate_faults():
        password = open_accounts(_settings(home=home))[0].new_password(name, reason, _by(by))
    _tell_password(name, password)


@user_app.command("disable")
def user_disable(
    name: NameArgument,
    reason: ReasonOption,
    undo: Annotated[bool, typer.Option("--undo", help="Let it in again.")] = False,
    by: ByOption = "",
    home: HomeOption = None,
) -> None:
    """Let nobody in by an account any more; its sessions end at once."""
    from dashboards.gate import open_accounts

    with _gate_faults():
        open_accounts(_settings(home=home))[0].disable(name, reason, _by(by), undo)
    typer.echo(f"{name}: {'active' if undo else 'disabled'}")


@user_app.command("list")
def user_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Every account: what it may see, how it signs in, when it did last (UTC)."""
    from dashboards.gate import open_accounts

    with _gate_faults():
        found = open_accounts(_settings(home=home))[0].list()
    if as_json:
        _print_json([asdict(one) for one in found])
        return
    table = _table("name", "scope", "state", "signs in by", "made", "last sign-in")
    for one in found:
        times = (_moment(one.made_at), _moment(one.signed_in_at))
        table.add_row(one.name, one.scope, one.state, one.way, *times)
    console.print(table)


def _moment(seconds: int | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


@audit_app.command("list")
def audit_list(
    last: Annotated[int, typer.Option(min=1, help="So many of the newest lines.")] = 50,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who was let in, refused, granted, and who took a table away: the newest lines."""
    from dashboards.gate import open_accounts

    with _gate_faults():
        lines = open_accounts(_settings(home=home))[1].lines(last)
    if as_json:
        _print_json([asdict(line) for line in lines])
        return
    table = _table("line", "when (UTC)", "what", "who", "from", "")
    for line in lines:
        detail = ", ".join(f"{key} {value}" for key, value in line.detail.items())
        table.add_row(str(line.seq), line.at[:19], line.event, line.actor, line.address, detail)
    console.print(table)


@audit_app.command("verify")
def audit_verify(
    noted: Annotated[
        str,
        typer.Option(
            "--noted",
            metavar="LINE:DIGEST",
            help="The end that an earlier check gave; the log must still hold it.",
        ),
    ] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Whether no line of the audit log was changed, left out or put in. Exit code 1: one was."""
    from dashboards.gate import open_accounts

    if noted and not re.fullmatch(r"\d+:[0-9a-f]{64}", noted):
        _stop("--noted takes LINE:DIGEST, as `eqm audit verify` gives it", WRONG_USAGE)
    with _gate_faults():
        verdict = open_accounts(_settings(home=home))[1].verify(noted)
    if as_json:
        _print_json(asdict(verdict))
    else:
        for fault in verdict.faults:
            typer.echo(f"✗ {fault}", err=True)
        typer.echo(f"{verdict.lines} lines, up to {verdict.end}")
    raise typer.Exit(DATA_ERRORS if verdict.faults else 0)


@audit_app.command("prune")
def audit_prune(by: ByOption = "", home: HomeOption = None) -> None:
    """Remove lines older than the setting `audit_days`; a line tells of it."""
    from dashboards.gate import open_accounts

    with _gate_faults():
        gone = open_accounts(_settings(home=home))[1].prune(_by(by))
    typer.echo(f"removed {gone} lines")


@app.command()
def doctor(
    production: Annotated[
        bool,
        typer.Option(
            "--production",
            help="Also what a machine needs that serves others: modes, keys, TLS, clock, backups.",
        ),
    ] = False,
    raw: RawOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What is missing on this machine, and how to mend it."""
    from pipelines.doctor import examine

    settings = _settings(raw, home)
    findings = examine(settings)
    if production:
        from pipelines.production import inspect

        findings += inspect(settings)
    if as_json:
        _print_json([asdict(f) for f in findings])
    else:
        for f in findings:
            sign = {"ok": "✓", "hint": "·", "missing": "✗"}[f.state]
            typer.echo(f"{sign} {f.what}: {f.found}" + (f" → {f.mend}" if f.mend else ""))
    raise typer.Exit(ENVIRONMENT if any(f.state == "missing" for f in findings) else 0)


@app.command()
def dev(
    raw: RawOption = None,
    home: HomeOption = None,
    port: Annotated[int, typer.Option(help="Port of Dagster's UI on 127.0.0.1.")] = 3000,
) -> None:
    """Dagster's UI and scheduler over the same job that `eqm build` runs."""
    from pipelines.build import dagster_home

    settings = _settings(raw, home)
    os.environ |= {
        "EQM_RAW": str(settings.raw),
        "EQM_HOME": str(settings.home),
        "DAGSTER_HOME": dagster_home(settings),
    }
    dagster = str(Path(sys.executable).with_name("dagster"))
    address = ["-h", "127.0.0.1", "-p", str(port)]
    os.execv(dagster, [dagster, "dev", "-m", "pipelines.definitions", *address])


@releases_app.command("list")
def releases_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Every release, the newest first; the one that is served is marked."""
    from pipelines.release import releases, standing

    settings = _settings(home=home)
    with _release_faults():
        found = releases(settings)
        stands = {r.release_id: standing(settings, r.release_id) for r in found}
    if as_json:
        _print_json([asdict(r) | asdict(stands[r.release_id]) for r in found])
        return
    if not found:
        typer.echo("no releases yet; `eqm build` makes one")
        return
    table = _table("", "release", "made", "files", "MB", "state", "")
    for r in found:
        mark = "served" if r.current else f"as of {r.as_of}" if r.as_of else ""
        own = stands[r.release_id]
        state = f"{own.state} until {own.until}" if own.until else own.state
        size = f"{r.bytes / 1e6:.1f}"
        table.add_row(mark, r.release_id, r.made_at, str(r.files), size, state, own.reason)
    console.print(table)


@releases_app.command("show")
def releases_show(
    release_id: Annotated[str, typer.Argument(metavar="ID")], home: HomeOption = None
) -> None:
    """The record of a release: inputs, code, settings, rows, checks, seconds. As JSON."""
    from pipelines.release import show

    with _release_faults():
        _print_json(show(_settings(home=home), release_id))


@releases_app.command("rollback")
def releases_rollback(
    release_id: Annotated[str, typer.Argument(metavar="ID")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve an earlier release again, until the next build makes a new one."""
    from pipelines.ops import record_published
    from pipelines.release import hold, switch

    settings = _settings(home=home)
    with _release_faults(), hold(settings):
        switch(settings, release_id)
        record_published(settings)
    if as_json:
        _print_json({"current": release_id})
    else:
        typer.echo(f"served now: {release_id}")


@releases_app.command("embargo")
def releases_embargo(
    release_id: Annotated[str, typer.Argument(metavar="ID")],
    until: Annotated[
        str,
        typer.Option("--until", help="Until when, such as 2026-07-10T09:00, in the city's time."),
    ] = "",
    lift: Annotated[bool, typer.Option("--lift", help="Publish it to all now.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")] = "",
    by: ByOption = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a release for the centre alone until a moment; others see the one before meanwhile."""
    from pipelines.release import embargo, hold

    settings = _settings(home=home)
    if bool(until) == lift:
        _stop("give either --until MOMENT or --lift", WRONG_USAGE)
    try:
        moment = settings.moment(until) if until else datetime.now(UTC)
    except ValueError:
        _stop(f"no moment {until}; write 2026-07-10T09:00", WRONG_USAGE)
    if until and moment <= datetime.now(UTC):
        _stop(f"{until} is over; --lift publishes it now", WRONG_USAGE)
    with _release_faults(), hold(settings):
        stands = embargo(settings, release_id, moment.isoformat(), reason, _by(by))
    _tell_standing(release_id, stands, as_json)


@releases_app.command("note")
def releases_note(
    release_id: Annotated[str, typer.Argument(metavar="ID")],
    reason: Annotated[str, typer.Option("--reason", help="As viewers read it.")],
    corrects: Annotated[
        str, typer.Option("--corrects", metavar="ID", help="The release whose figures were wrong.")
    ] = "",
    by: ByOption = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a release was made; with --corrects, that it puts an earlier one right."""
    from pipelines.release import hold, note

    settings = _settings(home=home)
    with _release_faults(), hold(settings):
        stands = note(settings, release_id, reason, _by(by), corrects)
    _tell_standing(release_id, stands, as_json)


def _tell_standing(release_id: str, stands: Any, as_json: bool) -> None:
    if as_json:
        _print_json({"release_id": release_id, **asdict(stands)})
    else:
        typer.echo(
            f"{release_id}: {stands.state}" + (f" until {stands.until}" * bool(stands.until))
        )


@releases_app.command("diff")
def releases_diff(
    before: Annotated[str, typer.Argument(metavar="A")],
    after: Annotated[str, typer.Argument(metavar="B")],
    out: Annotated[
        Path | None, typer.Option("--out", help="CSV file that every change is written into.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What is another in release B than in A: its causes, and figure by figure."""
    from pipelines.release import changes, life_of

    settings = _settings(home=home)
    with _release_faults():
        found = changes(settings, before, after, most=SHOWN_LINES, out=out)
        reason = life_of(settings).note(after)
    if as_json:
        figures = [asdict(one) | {"key": dict(one.key), "kind": one.kind} for one in found.figures]
        _print_json(asdict(found) | {"figures": figures, "reason": reason})
        return
    told = "; ".join(
        f"{name} {', '.join(value) if isinstance(value, list) else value}"
        for name, value in found.causes.items()
    )
    typer.echo(f"{before} → {after}: {told or 'equal inputs, settings and code'}")
    if reason:
        typer.echo(reason)
    for table, n in found.counts.items():
        typer.echo(f"{table}: {n} changes")
        for one in (one for one in found.figures if one.table == table):
            key = ", ".join(value for _, value in one.key)
            values = f" {one.before} → {one.after}" if one.column else ""
            typer.echo(f"  {one.kind} {key} {one.column}{values}")
    if found.left_out:
        typer.echo(f"not compared: {', '.join(found.left_out)}")
    if not found.counts:
        typer.echo("no published figure is another")


@releases_app.command("prune")
def releases_prune(
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest stay.")] = 30,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove old releases; the one that is served always stays."""
    from pipelines.release import hold, prune

    settings = _settings(home=home)
    with _release_faults(), hold(settings):
        gone = prune(settings, keep)
    if as_json:
        _print_json({"removed": gone})
    else:
        typer.echo(f"removed {len(gone)}: {', '.join(gone) or 'none'}")


def main() -> None:
    """The console script. What the machine refuses is said in one line."""
    try:
        app()
    except (OSError, SQLAlchemyError) as error:
        typer.echo(str(error).splitlines()[0], err=True)
        sys.exit(ENVIRONMENT)

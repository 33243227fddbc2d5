"""What is let go: `eqm forget`, of a student; `eqm retention`, school years whose time is over."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.build import build_after
from pipelines.cli.shared import (
    DATA_ERRORS,
    WRONG_USAGE,
    ByOption,
    HomeOption,
    JsonOption,
    RawOption,
    ReasonOption,
    console,
    load_settings,
    print_json,
    stop,
    table_of,
    work_faults,
)
from pipelines.settings import Settings
from pipelines.wording import bilingual

if TYPE_CHECKING:
    from pipelines.forget import Found
    from pipelines.retention import Due

app = typer.Typer(
    no_args_is_help=True, help="How long school years are kept: what is over, and let it go."
)

YesOption = Annotated[bool, typer.Option("--yes", help="Without asking.")]


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
    yes: YesOption = False,
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
        stop("give --student NUMBER --reason TEXT, or --again", WRONG_USAGE)
    settings = load_settings(raw, home)
    if once_more:
        with work_faults():
            back = again(settings, by)
        if as_json:
            print_json({"again": back})
        else:
            typer.echo(bilingual("{count} students were there again.", count=back))
        if back and then_build:
            build_after(settings)
        return
    number = _number(student)
    missing = [path for path in former_key or () if not path.is_file()]
    if missing:
        stop(f"no file {missing[0]}", WRONG_USAGE)
    with work_faults():
        found = look(settings, number, former_key or ())
    if not as_json:
        _tell_found(found)
    if not found.anything:
        if as_json:
            print_json({**found.as_dict(), "removed": False})
        elif not found.before:
            typer.echo(bilingual("Nobody is known by this number; nothing was done."), err=True)
        raise typer.Exit(0 if found.before else DATA_ERRORS)
    _be_sure(yes)
    with work_faults():
        found = run(settings, number, reason, by, former_key or ())
    if as_json:
        print_json({**found.as_dict(), "removed": True})
    else:
        typer.echo(bilingual("It is removed, and left out of whatever is read from now on."))
    if then_build:
        build_after(settings)


def _be_sure(yes: bool) -> None:
    """Ask, unless told not to; who does not say yes ends the command."""
    if not yes and not typer.confirm(bilingual("Remove all of it? It can't be undone.")):
        stop(bilingual("Nothing was done."), DATA_ERRORS)


def _number(student: str) -> str:
    """The number as it was given, asked for without showing it, or from standard input."""
    if student != "-":
        return student
    if sys.stdin.isatty():
        return str(typer.prompt(bilingual("The student's number"), hide_input=True))
    return sys.stdin.readline().strip()


def _tell_found(found: "Found") -> None:
    """What a home holds of a student, without anything by which the student is known."""
    told = found.as_dict()
    if found.before:
        when = f"{found.before:%Y-%m-%d %H:%M}"
        typer.echo(bilingual("Forgotten already, on {when} (UTC).", when=when))
    table = table_of("feed", "school year", "rows")
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


@app.command("list")
def retention_list(
    raw: RawOption = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """School years whose time is over by the setting `retention_years`. Removes nothing."""
    from pipelines.retention import due, left_in_raw

    settings = load_settings(raw, home)
    with work_faults():
        found, left = due(settings), left_in_raw(settings)
    if as_json:
        print_json({"due": [asdict(d) for d in found], "left_in_raw": [asdict(d) for d in left]})
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


@app.command("apply")
def retention_apply(
    reason: ReasonOption,
    by: ByOption = "",
    yes: YesOption = False,
    raw: RawOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let go what `eqm retention list` tells; the next build makes a release without it."""
    from pipelines.retention import apply, due

    settings = load_settings(raw, home)
    with work_faults():
        found = due(settings)
        if not as_json:
            _tell_due(settings, found)
        if found:
            _be_sure(yes)
        gone = apply(settings, reason, by)
    if as_json:
        print_json([asdict(one) for one in gone])
    elif gone:
        typer.echo(bilingual("It is removed; the next build makes a release without it."))
    else:
        typer.echo(bilingual("Nothing is over."))


def _tell_due(settings: Settings, found: "list[Due]") -> None:
    if not found:
        return
    goes = "" if settings.retention_raw else " (stay)"
    table = table_of("feed", "school year", "landed", "copies", f"raw{goes}", "")
    for one in found:
        numbers = (one.landed, one.copies, one.raw)
        table.add_row(one.feed, one.school_year, *map(str, numbers), " ".join(one.notes))
    console.print(table)

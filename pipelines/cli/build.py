"""`eqm build`: from files to a release."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from pipelines.cli.shared import (
    ENVIRONMENT,
    HomeOption,
    JsonOption,
    RawOption,
    ending,
    load_settings,
    notes,
    print_json,
    print_problems,
    progress,
    stop,
    work_faults,
)
from pipelines.settings import Settings
from pipelines.wording import bilingual


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
    from pipelines.intake import NothingHandedIn
    from pipelines.release import current

    settings = load_settings(raw, home, as_of=as_of, target=target)
    with work_faults():
        try:
            with _progress_of_pages() as pages:
                report = run(settings, _say, pages)
        except NothingHandedIn as error:
            if as_json:
                print_json(BuildReport(False, current(settings), failure=str(error)).as_dict())
            raise
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
        print_json(report.as_dict())
        raise typer.Exit(report.exit_code)
    if report.as_of:
        if report.released:
            typer.echo(f"release {report.release_id}, as of {report.as_of}; what is served stays")
            typer.echo(report.warehouse)
        else:
            typer.echo(f"no release was made: {report.failure}", err=True)
        raise typer.Exit(report.exit_code)
    print_problems(report.problems)
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


def build_after(settings: Settings) -> None:
    """The release without what was removed; what was removed stays so even if there is none."""
    from pipelines.build import build as run
    from pipelines.intake import IntakeError
    from pipelines.release import Busy

    with ending({IntakeError: ENVIRONMENT, Busy: ENVIRONMENT}):
        report = run(settings, _say)
    if not report.released:
        stop(f"no release was made: {report.failure}", report.exit_code)
    notes.print(f"release {report.release_id}", markup=False)


def _say(line: str) -> None:
    notes.print(f"· {line}", markup=False)


@contextmanager
def _progress_of_pages() -> Iterator[Callable[[int, int], None]]:
    """A bar while pages are made; told how many units have theirs, and of how many."""
    with progress() as bars:
        task = bars.add_task("release/site", visible=False)
        yield lambda done, of: bars.update(task, completed=done, total=of, visible=done < of)

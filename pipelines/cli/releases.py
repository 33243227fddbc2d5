"""`eqm releases`: list, show, go back, embargo, explain, compare, prune."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.shared import (
    SHOWN_LINES,
    WRONG_USAGE,
    ByOption,
    HomeOption,
    JsonOption,
    console,
    load_settings,
    print_json,
    release_faults,
    stop,
    table_of,
)

if TYPE_CHECKING:
    from pipelines.life import Standing

app = typer.Typer(no_args_is_help=True, help="The releases: list, show, go back, prune.")

ReleaseArgument = Annotated[str, typer.Argument(metavar="ID")]


@app.command("list")
def releases_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Every release, the newest first; the one that is served is marked."""
    from pipelines.release import releases, standing

    settings = load_settings(home=home)
    with release_faults():
        found = releases(settings)
        stands = {r.release_id: standing(settings, r.release_id) for r in found}
    if as_json:
        print_json([asdict(r) | asdict(stands[r.release_id]) for r in found])
        return
    if not found:
        typer.echo("no releases yet; `eqm build` makes one")
        return
    table = table_of("", "release", "made", "files", "MB", "state", "")
    for r in found:
        mark = "served" if r.current else f"as of {r.as_of}" if r.as_of else ""
        own = stands[r.release_id]
        size = f"{r.bytes / 1e6:.1f}"
        table.add_row(mark, r.release_id, r.made_at, str(r.files), size, _state(own), own.reason)
    console.print(table)


@app.command("show")
def releases_show(release_id: ReleaseArgument, home: HomeOption = None) -> None:
    """The record of a release: inputs, code, settings, rows, checks, seconds. As JSON."""
    from pipelines.release import show

    with release_faults():
        print_json(show(load_settings(home=home), release_id))


@app.command("rollback")
def releases_rollback(
    release_id: ReleaseArgument,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve an earlier release again, until the next build makes a new one."""
    from pipelines.ops import record_published
    from pipelines.release import hold, switch

    settings = load_settings(home=home)
    with release_faults(), hold(settings):
        switch(settings, release_id)
        record_published(settings)
    if as_json:
        print_json({"current": release_id})
    else:
        typer.echo(f"served now: {release_id}")


@app.command("embargo")
def releases_embargo(
    release_id: ReleaseArgument,
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

    settings = load_settings(home=home)
    if bool(until) == lift:
        stop("give either --until MOMENT or --lift", WRONG_USAGE)
    try:
        moment = settings.moment(until) if until else datetime.now(UTC)
    except ValueError:
        stop(f"no moment {until}; write 2026-07-10T09:00", WRONG_USAGE)
    if until and moment <= datetime.now(UTC):
        stop(f"{until} is over; --lift publishes it now", WRONG_USAGE)
    with release_faults(), hold(settings):
        stands = embargo(settings, release_id, moment.isoformat(), reason, by)
    _tell_standing(release_id, stands, as_json)


@app.command("note")
def releases_note(
    release_id: ReleaseArgument,
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

    settings = load_settings(home=home)
    with release_faults(), hold(settings):
        stands = note(settings, release_id, reason, by, corrects)
    _tell_standing(release_id, stands, as_json)


def _tell_standing(release_id: str, stands: "Standing", as_json: bool) -> None:
    if as_json:
        print_json({"release_id": release_id, **asdict(stands)})
    else:
        typer.echo(f"{release_id}: {_state(stands)}")


def _state(stands: "Standing") -> str:
    return f"{stands.state} until {stands.until}" if stands.until else stands.state


@app.command("diff")
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

    settings = load_settings(home=home)
    with release_faults():
        found = changes(settings, before, after, most=SHOWN_LINES, out=out)
        reason = life_of(settings).note(after)
    if as_json:
        figures = [asdict(one) | {"key": dict(one.key), "kind": one.kind} for one in found.figures]
        print_json(asdict(found) | {"figures": figures, "reason": reason})
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


@app.command("prune")
def releases_prune(
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest stay.")] = 30,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove old releases; the one that is served always stays."""
    from pipelines.release import hold, prune

    settings = load_settings(home=home)
    with release_faults(), hold(settings):
        gone = prune(settings, keep)
    if as_json:
        print_json({"removed": gone})
    else:
        typer.echo(f"removed {len(gone)}: {', '.join(gone) or 'none'}")

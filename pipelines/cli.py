"""`eqm`: the platform from the command line. Thin: each command calls one room's face."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.feeds import load_contracts, write_template

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Education Quality Monitor.")


@app.callback()
def _eqm() -> None:
    """Keep `eqm` a group, so that every command is named."""


@app.command()
def template(
    feed: Annotated[str, typer.Argument(help="Name of a feed, such as students.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default FEED.xlsx.")
    ] = None,
) -> None:
    """Write a workbook to fill in."""
    contracts = load_contracts()
    if feed not in contracts:
        typer.echo(f"no feed {feed}; the feeds are: {', '.join(sorted(contracts))}", err=True)
        raise typer.Exit(2)
    path = output or Path(f"{feed}.xlsx")
    if not path.parent.is_dir():
        typer.echo(f"no folder {path.parent}; make it first", err=True)
        raise typer.Exit(2)
    typer.echo(str(write_template(contracts[feed], path)))


@app.command()
def sample(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to; new or empty.")],
    students: Annotated[int, typer.Option(min=1, help="Students in each school year.")] = 15_000,
    years: Annotated[int, typer.Option(min=1, max=8, help="School years, up to 2025-2026.")] = 4,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 2024,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Write the submissions of an invented city, and its truth beside them in OUT.truth."""
    from pipelines.sample import write_sample

    try:
        report = write_sample(out, students=students, years=years, seed=seed)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(asdict(report), default=str, ensure_ascii=False, indent=2))
        return
    typer.echo(
        f"{report.schools} schools, {report.students:,} students, {report.results:,} results "
        f"in {report.files:,} files: {report.out}\nwhat was put in: {report.truth}"
    )


def main() -> None:
    """The console script."""
    app()

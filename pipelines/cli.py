"""`eqm`: the platform from the command line. Thin: each command calls one room's face."""

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


def main() -> None:
    """The console script."""
    app()

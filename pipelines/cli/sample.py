"""`eqm sample`: an invented city to try everything with."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.shared import WRONG_USAGE, JsonOption, ending, print_json


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
    with ending({ValueError: WRONG_USAGE}):
        report = write(out, students=students, years=years, seed=seed)
    if as_json:
        print_json(asdict(report))
        return
    typer.echo(
        f"{report.schools} schools, {report.students:,} students, {report.results:,} results "
        f"in {report.files:,} files: {report.out}\nwhat was put in: {report.truth}"
        + (f" ({report.messes:,} messes, in messes.json)" if messy else "")
    )

"""What commands share: their options, how they speak, and how they end."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from pipelines.feeds import Contract, ContractError, load_contracts
from pipelines.settings import Settings, SettingsError

if TYPE_CHECKING:
    from rich.progress import Progress

DATA_ERRORS, WRONG_USAGE, ENVIRONMENT = 1, 2, 3
"""Exit codes; 0 is done."""
SHOWN_PROBLEMS = 40
SHOWN_LINES = 12

console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 200)
notes = Console(stderr=True, soft_wrap=True, highlight=False)


def _user(by: str) -> str:
    from pipelines.intake import user

    return by or user()


RawOption = Annotated[
    Path | None, typer.Option("--raw", help="Folder of the files handed in. [default: data/raw]")
]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of all state. [default: var]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
ByOption = Annotated[
    str,
    typer.Option("--by", callback=_user, help="Who says so. [default: the user of this machine]"),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is kept in the audit log.")]


def load_settings(raw: Path | None = None, home: Path | None = None, **given: Any) -> Settings:
    """The settings of a command, with what it was given in place of what is set elsewhere."""
    try:
        settings = Settings.load(raw=raw, home=home, **given)
        if settings.contracts:
            load_contracts()
    except (SettingsError, ContractError) as error:
        stop(str(error), WRONG_USAGE)
    return settings


def contract_of(feed: str) -> Contract:
    """The contract of a feed; of one that is none, the command ends."""
    contracts = load_contracts()
    if feed not in contracts:
        stop(f"no feed {feed}; the feeds are: {', '.join(sorted(contracts))}", WRONG_USAGE)
    return contracts[feed]


def served_release(settings: Settings) -> str:
    """The release that is served; where there is none, the command ends."""
    from pipelines.release import current

    served = current(settings)
    if served is None:
        stop(f"nothing has been released under {settings.home}; run `eqm build`", DATA_ERRORS)
    return served


def stop(text: str, code: int) -> NoReturn:
    """End the command with a line on standard error and an exit code."""
    typer.echo(text, err=True)
    raise typer.Exit(code)


@contextmanager
def ending(codes: Mapping[type[Exception], int]) -> Iterator[None]:
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
        stop(said.splitlines()[0] if said and code == ENVIRONMENT else said, code)


def work_faults() -> AbstractContextManager[None]:
    """Of what is read into a home, built there, or removed from it."""
    from pipelines.intake import IntakeError, NoKey, NothingHandedIn
    from pipelines.release import Busy

    return ending(
        {
            NothingHandedIn: DATA_ERRORS, NoKey: ENVIRONMENT, Busy: ENVIRONMENT,
            IntakeError: WRONG_USAGE, SettingsError: WRONG_USAGE,
        }
    )  # fmt: skip


def release_faults() -> AbstractContextManager[None]:
    """Of what is asked of releases."""
    from pipelines.release import Busy, NoSuchRelease, ReleaseError

    return ending({NoSuchRelease: WRONG_USAGE, Busy: ENVIRONMENT, ReleaseError: DATA_ERRORS})


def gate_faults() -> AbstractContextManager[None]:
    """Of what is done with an account."""
    from dashboards.gate import AccountError, Busy

    return ending({AccountError: WRONG_USAGE, Busy: ENVIRONMENT})


def print_json(content: Any) -> None:
    """A report as JSON."""
    typer.echo(json.dumps(content, default=str, ensure_ascii=False, indent=2))


def with_problems(reports: Iterable[Any]) -> list[dict[str, Any]]:
    """Reports on files for JSON, their problems with both sentences."""
    return [{**asdict(one), "problems": [p.as_dict() for p in one.problems]} for one in reports]


def print_problems(problems: Iterable[Any]) -> None:
    """Errors first, in both languages; the rest is counted and stays in quarantine and `ops`."""
    from pipelines.intake import RANK

    ranked = sorted(problems, key=lambda p: RANK[p.severity])
    for problem in ranked[:SHOWN_PROBLEMS]:
        typer.echo(f"{problem.text('zh')}\n  {problem.text('en')}")
    if len(ranked) > SHOWN_PROBLEMS:
        typer.echo(f"… {len(ranked) - SHOWN_PROBLEMS} more; --json lists all")


def table_of(*headers: str) -> Table:
    """A table without lines, to be filled."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, no_wrap=True)
    return table


@contextmanager
def progress() -> "Iterator[Progress]":
    """Room for bars while someone watches."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    watched = notes.is_terminal
    with Progress(*columns, console=notes, transient=True, disable=not watched) as bars:
        yield bars

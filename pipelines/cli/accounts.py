"""Who may see what, and who did: `eqm user`, `eqm audit`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.shared import (
    DATA_ERRORS,
    WRONG_USAGE,
    ByOption,
    HomeOption,
    JsonOption,
    ReasonOption,
    console,
    gate_faults,
    load_settings,
    print_json,
    stop,
    table_of,
)
from pipelines.settings import Settings
from pipelines.wording import bilingual

if TYPE_CHECKING:
    from dashboards.gate import Accounts, AuditLog, Scope

user_app = typer.Typer(no_args_is_help=True, help="Who may see what: add, grant, list, disable.")
audit_app = typer.Typer(no_args_is_help=True, help="The audit log of the gate: list, verify.")

ScopeOption = Annotated[
    str, typer.Option("--scope", help="What it may see: city, district:CODE or school:CODE.")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")]


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
    settings = load_settings(home=home)
    may_see = _scope(settings, scope)
    with _gate(settings) as (accounts, _):
        password = accounts.add(name, may_see, reason, by, provider=provider)
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
    settings = load_settings(home=home)
    may_see = _scope(settings, scope)
    with _gate(settings) as (accounts, _):
        accounts.grant(name, may_see, reason, by)
    typer.echo(f"{name}: {may_see.key}")


@user_app.command("password")
def user_password(
    name: NameArgument, reason: ReasonOption, by: ByOption = "", home: HomeOption = None
) -> None:
    """Give an account a new password; its sessions end."""
    with _gate(load_settings(home=home)) as (accounts, _):
        password = accounts.new_password(name, reason, by)
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
    with _gate(load_settings(home=home)) as (accounts, _):
        accounts.disable(name, reason, by, undo)
    typer.echo(f"{name}: {'active' if undo else 'disabled'}")


@user_app.command("list")
def user_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Every account: what it may see, how it signs in, when it did last (UTC)."""
    with _gate(load_settings(home=home)) as (accounts, _):
        found = accounts.list()
    if as_json:
        print_json([asdict(one) for one in found])
        return
    table = table_of("name", "scope", "state", "signs in by", "made", "last sign-in")
    for one in found:
        times = (_moment(one.made_at), _moment(one.signed_in_at))
        table.add_row(one.name, one.scope, one.state, one.way, *times)
    console.print(table)


def _moment(seconds: int | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _tell_password(name: str, password: str) -> None:
    if password:
        told = bilingual(
            "The password of {name}; it is shown this once, and can be changed under /gate/:",
            name=name,
        )
        typer.echo(told)
        typer.echo(password)


@audit_app.command("list")
def audit_list(
    last: Annotated[int, typer.Option(min=1, help="So many of the newest lines.")] = 50,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who was let in, refused, granted, and who took a table away: the newest lines."""
    with _gate(load_settings(home=home)) as (_, audit):
        lines = audit.lines(last)
    if as_json:
        print_json([asdict(line) for line in lines])
        return
    table = table_of("line", "when (UTC)", "what", "who", "from", "")
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
    if noted and not re.fullmatch(r"\d+:[0-9a-f]{64}", noted):
        stop("--noted takes LINE:DIGEST, as `eqm audit verify` gives it", WRONG_USAGE)
    with _gate(load_settings(home=home)) as (_, audit):
        verdict = audit.verify(noted)
    if as_json:
        print_json(asdict(verdict))
    else:
        for fault in verdict.faults:
            typer.echo(f"✗ {fault}", err=True)
        typer.echo(f"{verdict.lines} lines, up to {verdict.end}")
    raise typer.Exit(DATA_ERRORS if verdict.faults else 0)


@audit_app.command("prune")
def audit_prune(by: ByOption = "", home: HomeOption = None) -> None:
    """Remove lines older than the setting `audit_days`; a line tells of it."""
    with _gate(load_settings(home=home)) as (_, audit):
        gone = audit.prune(by)
    typer.echo(f"removed {gone} lines")


@contextmanager
def _gate(settings: Settings) -> "Iterator[tuple[Accounts, AuditLog]]":
    """The accounts of a home and its audit log; what goes wrong with them ends the command."""
    from dashboards.gate import open_accounts

    with gate_faults():
        accounts, audit, _ = open_accounts(settings)
        yield accounts, audit


def _scope(settings: Settings, text: str) -> "Scope":
    from dashboards.gate import Scope

    with gate_faults():
        return Scope.read(text, settings.unit_code)

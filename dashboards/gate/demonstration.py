"""Three accounts to look around with: of the city, of a district, of a school of it.

Their passwords are made at the first run and kept in the home, readable by its owner alone. In
production there is no demonstration.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from dashboards.gate.accounts import AccountError, Accounts, Scope
from dashboards.shelf import Shelf
from pipelines.settings import Settings

REASON = "demonstration on this machine"


@dataclass(frozen=True)
class SignIn:
    """What a person needs to sign in."""

    name: str
    password: str
    scope: Scope


def demonstrate(settings: Settings, accounts: Accounts, shelf: Shelf, by: str) -> list[SignIn]:
    """The three accounts over the units that a release has pages of, made where they are missing.

    Where the sample has changed and their unit is no more, they are granted another.

    Raises:
        AccountError: in production.
    """
    if settings.env == "production":
        raise AccountError("no demonstration in production; `eqm user add` makes accounts")
    kept_at = settings.gate / "demonstration.json"
    kept: dict[str, str] = json.loads(kept_at.read_text("utf-8")) if kept_at.exists() else {}
    standing = {one.name: one for one in accounts.list()}
    given = []
    for scope in _scopes(shelf, settings.unit_code):
        name = f"demo-{scope.level}"
        account = standing.get(name)
        if account is None:
            kept[name] = accounts.add(name, scope, REASON, by, demonstration=True)
        elif account.state != "demonstration":
            raise AccountError(f"{name} is no account of the demonstration, or shut")
        else:
            if account.scope != scope.key:
                accounts.grant(name, scope, REASON, by)
            if name not in kept:
                kept[name] = accounts.new_password(name, REASON, by)
        given.append(SignIn(name, kept[name], scope))
    _keep(kept_at, kept)
    return given


def _scopes(shelf: Shelf, city: str) -> list[Scope]:
    """The city, the school that has most to show, and its district.

    Without a school, the first district.
    """
    pages = [page for page in shelf.pages() if len(page.owners) > 1]
    schools = [page for page in pages if page.owners[-1].startswith("school:")]
    whole = [page for page in schools if len(page.owners) == 3]
    # The first of the largest, since they come in order.
    most = max(whole or schools or pages[:1], key=lambda page: page.size, default=None)
    scopes = [Scope("city", city)]
    for key in most.owners[1:] if most else ():
        level, _, code = key.partition(":")
        scopes.append(Scope(level, code))
    return scopes


def _keep(path: Path, kept: dict[str, str]) -> None:
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(kept, file)
    aside.replace(path)

"""A home with releases made by hand, its gate, and clients that are signed in to it."""

import re
from collections.abc import Mapping
from pathlib import Path

from werkzeug.test import Client

from dashboards.gate import Gate, Scope, create_app
from dashboards.shelf import Owners, write_shelf
from pipelines.settings import Settings

CITY: Owners = ("city:370400",)
EAST: Owners = (*CITY, "district:370402")
WEST: Owners = (*CITY, "district:370403")
EAST_SCHOOL: Owners = (*EAST, "school:3137000001")
WEST_SCHOOL: Owners = (*WEST, "school:3137000002")

SCOPES = {
    "city": "city",
    "district": "district:370402",
    "school": "school:3137000001",
}
FILES: dict[str, Owners] = {
    "index.html": CITY,
    "en/index.html": CITY,
    "district/370402/index.html": EAST,
    "en/district/370402/index.html": EAST,
    "district/370403/index.html": WEST,
    "school/3137000001/index.html": EAST_SCHOOL,
    "en/school/3137000001/index.html": EAST_SCHOOL,
    "school/3137000002/index.html": WEST_SCHOOL,
    "downloads/city.csv": CITY,
    "downloads/east.csv": EAST,
    "downloads/west.csv": WEST,
    "downloads/east-school.csv": EAST_SCHOOL,
    "downloads/west-school.csv": WEST_SCHOOL,
    "static/page.0123456789ab.js": (),
}
"""Files of a release of two districts with a school each."""


def secret(release: str, path: str) -> str:
    """What a file says; nobody else's says it."""
    return f"[{path} of {release}] "


def make_release(home: Path, name: str, files: Mapping[str, Owners] = FILES) -> None:
    """A complete release, each file of which holds its secret many times."""
    folder = home / "releases" / name
    for path in files:
        target = folder / "site" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(secret(name, path) * 100, encoding="utf-8")
    fronts: dict[str, dict[str, str]] = {"": {}, "en/": {}}
    for path, owners in files.items():
        if path.endswith("index.html"):
            fronts["en/" if path.startswith("en/") else ""][owners[-1]] = path
    write_shelf(folder / "site", files, fronts)
    (folder / "warehouse.duckdb").write_text("nobody's business")
    (folder / "release.json").write_text("{}")


def switch(home: Path, name: str) -> None:
    """Let `current` point to a release, in one step."""
    (home / "next").symlink_to(f"releases/{name}")
    (home / "next").replace(home / "current")


def settings_of(folder: Path, **more: object) -> Settings:
    """Settings of a home below a folder."""
    return Settings.load(
        raw=folder / "raw",
        home=folder / "home",
        pseudonym_key_file=folder / "key" / "pseudonym.key",
        **more,
    )


def open_gate(folder: Path, **more: object) -> Gate:
    """The gate over two releases, the first of them current."""
    home = folder / "home"
    for name in ("r1", "r2"):
        make_release(home, name)
    switch(home, "r1")
    return create_app(settings_of(folder, **more))


def account(gate: Gate, scope: str, name: str = "") -> tuple[str, str]:
    """Name and password of a new account."""
    name = name or scope.partition(":")[0]
    return name, gate.accounts.add(name, Scope.read(scope, "370400"), "a test", "tests")


def form_token(client: Client, path: str = "/gate/sign-in") -> str:
    """The hidden token of a form."""
    found = re.search(r'name="form" value="([0-9a-f]{64})"', client.get(path).text)
    assert found
    return found[1]


def sign_in(client: Client, name: str, password: str, query: str = "") -> int:
    """Fill in the form; answers the status."""
    given = {"form": form_token(client), "name": name, "password": password}
    return client.post(f"/gate/sign-in{query}", data=given).status_code


def token_of(gate: Gate, scope: str, name: str = "") -> str:
    """What the cookie of somebody of a scope holds, without the work of a password's."""
    name = name or f"demo-{scope.partition(':')[0]}"
    if name not in {one.name for one in gate.accounts.list()}:
        may_see = Scope.read(scope, "370400")
        gate.accounts.add(name, may_see, "a test", "tests", demonstration=True)
    return gate.accounts.enter(gate.accounts.link(name), "127.0.0.1")


def client_of(gate: Gate, scope: str) -> Client:
    """A client of somebody of a scope."""
    client = Client(gate)
    client.set_cookie(gate.cookie.name, token_of(gate, scope))
    return client

"""No sequence of sign-ins, grants, ends and made-up requests gives a byte of another scope."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

import hypothesis.strategies as st
from gatehouse import FILES, open_gate, settings_of, switch
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
)
from werkzeug.test import EnvironBuilder

from dashboards.gate import Refused, Scope, create_app
from dashboards.gate.accounts import GRACE, ROTATE

NAMES = ("zhang", "wang", "li", "zhao")
SCOPES = (
    "city", "district:370402", "district:370403", "school:3137000001", "school:3137000002",
    "district:3137000001", "school:370402",
)  # fmt: skip
"""The last two are of a code that another level has."""
RELEASES = ("r1", "r2")


def doubled(path: str) -> str:
    return path.replace("/", "//")


def encoded(path: str) -> str:
    return quote(path, safe="")


def all_encoded(path: str) -> str:
    return "".join(f"%{byte:02x}" for byte in path.encode())


WAYS = {
    "as it is": str,
    "encoded": encoded,
    "each letter encoded": all_encoded,
    "encoded twice": lambda path: encoded(encoded(path)),
    "overlong": lambda path: path.replace("/", "%c0%af"),
    "doubled": doubled,
    "upper case": str.upper,
    "swapped case": str.swapcase,
    "with a dot": lambda path: f"./{path}",
    "with a way back": lambda path: f"district/370402/../../{path}",
    "with an encoded way back": lambda path: f"district/370402/%2e%2e/%2e%2e/{path}",
    "with a stroke": lambda path: f"{path}/",
    "without its file": lambda path: path.removesuffix("index.html"),
    "without its stroke": lambda path: path.removesuffix("/index.html"),
    "with a zero": lambda path: f"{path}%00",
    "with a blank": lambda path: f"{path}%20",
    "backwards": lambda path: path.replace("/", "%5c"),
    "packed": lambda path: f"{path}.gz",
    "with a parameter": lambda path: f"{path};a=b",
    "wide": lambda path: path.replace("/", "\uff0f"),
}
DOORS = (
    "",
    "r/r1/",
    "r/r2/",
    "R/r1/",
    "r//",
    "r/r1//",
    "r/r2/../r1/",
    "r/current/",
    "site/",
    "en/",
)
QUERIES = ("", "r=r1", "r=r2", "r=../r2", "r=r2&r=r1", "release=r2", "next=/", "r=r3")
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"Range": "bytes=0-80"},
    {"If-None-Match": '"x"'},
    {"X-Forwarded-For": "10.0.0.1", "X-Original-URL": "/index.html"},
    {"X-Rewrite-URL": "/district/370402/", "X-Accel-Redirect": "/sent/r1/site/index.html"},
)


class Asked(NamedTuple):
    """A request, before its cookie."""

    path: str
    way: str
    door: str
    query: str
    headers: int
    method: str
    edit: str
    at: int


REQUESTS = st.builds(
    Asked,
    path=st.sampled_from(sorted(FILES)),
    way=st.sampled_from(["as it is"] * 6 + sorted(WAYS)),
    door=st.sampled_from([""] * 6 + list(DOORS)),
    query=st.sampled_from(QUERIES),
    headers=st.integers(0, len(HEADERS) - 1),
    method=st.sampled_from(["GET"] * 8 + ["HEAD", "POST"]),
    edit=st.sampled_from([""] * 10 + ["cut", "case", "other", "twice", "empty"]),
    at=st.integers(0, 42),
)


class Doors(RuleBasedStateMachine):
    """A gate, and beside it a plain model of who may see what."""

    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="eqm-doors-"))
        self.time = 1_800_000_000.0
        open_gate(self.folder)
        self.gate = create_app(settings_of(self.folder), lambda: self.time)
        self.scopes: dict[str, str] = {}
        self.shut: set[str] = set()
        self.alive: dict[str, str] = {}
        """Token → account, of sessions that may hold; what the model takes out is out for good."""
        self.born: dict[str, float] = {}

    def teardown(self) -> None:
        self.gate.store.engine.dispose()
        shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        for name, scope in zip(NAMES, SCOPES, strict=False):
            self.gate.accounts.add(name, Scope.read(scope, "370400"), "test", "t", provider=True)
            self.scopes[name] = Scope.read(scope, "370400").key

    @rule(target=tokens, name=st.sampled_from(NAMES))
    def sign_in(self, name: str) -> Any:
        try:
            token = self.gate.accounts.sign_in_by_provider(name, f"subject of {name}", "10.0.0.1")
        except Refused:
            assert name in self.shut
            return multiple()
        assert name not in self.shut
        self.alive[token] = name
        self.born[token] = self.time
        return token

    @rule(name=st.sampled_from(NAMES), scope=st.sampled_from(SCOPES))
    def grant(self, name: str, scope: str) -> None:
        self.gate.accounts.grant(name, Scope.read(scope, "370400"), "test", "t")
        self.scopes[name] = Scope.read(scope, "370400").key
        self.end(name)

    @rule(name=st.sampled_from(NAMES), undo=st.booleans())
    def disable(self, name: str, undo: bool) -> None:
        self.gate.accounts.disable(name, "test", "t", undo)
        (self.shut.discard if undo else self.shut.add)(name)
        self.end(name)

    def end(self, name: str) -> None:
        self.alive = {token: owner for token, owner in self.alive.items() if owner != name}

    @rule(token=consumes(tokens))
    def sign_out(self, token: str) -> None:
        viewer = self.gate.accounts.who(token)
        if viewer is None:
            return
        self.gate.accounts.sign_out(viewer, "10.0.0.1")
        # All ids of the session are gone; the model knows only this one for sure.
        self.alive.pop(token, None)
        assert self.gate.accounts.who(token) is None

    @rule(seconds=st.sampled_from([1, GRACE + 1, ROTATE, 1900]))
    def wait(self, seconds: int) -> None:
        self.time += seconds

    @rule(release=st.sampled_from(RELEASES))
    def switch(self, release: str) -> None:
        switch(self.folder / "home", release)

    @rule(target=tokens, token=tokens, asked=st.lists(REQUESTS, min_size=8, max_size=40))
    def ask(self, token: str, asked: list["Asked"]) -> Any:
        found = [self.one(token, request) for request in asked]
        return multiple(*(token for token in found if token))

    @rule(name=st.sampled_from(NAMES), asked=st.lists(REQUESTS, min_size=8, max_size=40))
    def sign_in_and_ask(self, name: str, asked: list["Asked"]) -> None:
        token = self.sign_in(name)
        if isinstance(token, str):
            for request in asked:
                self.one(token, request)

    def one(self, token: str, asked: "Asked") -> str | None:
        """Send a request and hold its answer against the model; a new id, if one was given."""
        target = asked.door + WAYS[asked.way](asked.path)
        held = edited(token, asked.edit, asked.at)
        twice = asked.edit == "twice"
        cookie = f"eqm={held}; eqm={token}" if twice else f"eqm={held}"
        status, answered, body = self.send(target, cookie, asked)
        # Of two cookies of one name either may count, so long as it is one that holds.
        owner = self.alive.get(held) or (self.alive.get(token) if twice else None)
        for path in re.findall(r"\[([^\[\]]*) of r\d\]", body):
            assert asked.method == "GET" and owner is not None
            assert not FILES[path] or self.scopes[owner] in FILES[path]
        plain = asked.method == "GET" and not asked.edit and asked.door == ""
        if plain and asked.way == "as it is" and owner is not None and self.fresh(held):
            own = not FILES[asked.path] or self.scopes[owner] in FILES[asked.path]
            if own and asked.query != "r=r3":
                assert status in (200, 206) and f"[{asked.path} of r" in body
            elif not own:
                fronts = ("index.html", "en/index.html")
                assert status in ((303, 404) if asked.path in fronts else (404,))
        renewed = re.findall(r"eqm=([\w-]{40,})", " ".join(answered.get("Set-Cookie", [])))
        if not renewed:
            return None
        assert owner is not None
        self.alive[renewed[0]] = owner
        self.born[renewed[0]] = self.time
        return str(renewed[0])

    def fresh(self, token: str) -> bool:
        """Whether a session is so new that it can't have run out."""
        return self.time - self.born.get(token, 0) < GRACE

    def send(
        self, target: str, cookie: str, asked: "Asked"
    ) -> tuple[int, dict[str, list[str]], str]:
        """Send a request as a server hands it over: the path unquoted once, byte by byte."""
        builder = EnvironBuilder("/", method=asked.method, headers=HEADERS[asked.headers])
        environ = builder.get_environ()
        environ["PATH_INFO"] = "/" + unquote_to_bytes(target).decode("latin-1")
        environ["QUERY_STRING"] = asked.query
        environ["HTTP_COOKIE"] = cookie
        said: list[Any] = []
        parts = self.gate(environ, lambda *given: said.append(given))
        body = b"".join(parts)
        getattr(parts, "close", lambda: None)()
        ((status, sent, *_),) = said
        grouped: dict[str, list[str]] = {}
        for name, value in sent:
            grouped.setdefault(name, []).append(value)
        code = int(status.split()[0])
        assert code < 500
        return code, grouped, body.decode()


def edited(token: str, how: str, at: int) -> str:
    """A cookie that somebody changed by hand."""
    at = min(at, len(token) - 1)
    return {
        "": token,
        "twice": token[::-1],
        "cut": token[:at] + token[at + 1 :],
        "case": token.swapcase(),
        "other": token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :],
        "empty": "",
    }[how]


Doors.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestDoors = Doors.TestCase

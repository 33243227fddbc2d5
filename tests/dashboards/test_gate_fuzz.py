"""Whatever is sent to the gate: no fault, no reflected text, no trace, no byte of another scope."""

import gzip
import os
import random
import re
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import brotli
import pytest
from gatehouse import FILES, SCOPES, account, form_token, open_gate, token_of
from werkzeug.test import Client, EnvironBuilder

from dashboards.gate import Gate

pytestmark = pytest.mark.usefixtures("quick_passwords")

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "20000"))
MARK = "zqx9marker"
"""Stands in everything that is sent; in no answer."""

WORDS = [
    *FILES,
    *(path.removesuffix("index.html") for path in FILES),
    "gate/", "gate/sign-in", "gate/sign-out", "gate/password", "gate/enter", "gate/provider",
    "r/r1/", "r/r2/district/370403/", "r/", "static/", "site.json", "release.json",
    "warehouse.duckdb", "../warehouse.duckdb", "current/site/index.html", "favicon.ico",
]  # fmt: skip
HARM = [
    "../", "..\\", "%2e%2e/", "%00", "\x00", "\r\nX: y", "//", "/./", "\u202e", "\ufeff", "%ff",
    "<script>alert(1)</script>", "' or 1=1 --", '"><img src=x>', "{{7*7}}", "${7*7}", "%s%n", "~",
    "A" * 3000, ";", "?", "#", "&", "=", "\\", "|", "`", "%", "*", "1" * 400, "-1", "\t",
    "\ud7ff", "𝕊", "İ", "ß", "é", MARK,
]  # fmt: skip
HEADERS = [
    "Accept-Encoding", "Range", "If-Range", "If-None-Match", "If-Modified-Since", "Cookie",
    "Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Original-URL", "X-Rewrite-URL",
    "X-Accel-Redirect", "Content-Type", "Content-Length", "Authorization", "Referer", "Origin",
    "Sec-Fetch-Site", "User-Agent", "X-HTTP-Method-Override", "Transfer-Encoding", "Accept",
]  # fmt: skip
GOOD = [
    "gzip", "br", "bytes=0-3", "bytes=-1", "*", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b", "multipart/form-data", "application/json", "same-origin",
    "cross-site", "0", "5", "99999999999999999999", "W/", '"x"',
]  # fmt: skip
METHODS = [*["GET"] * 8, "HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS", "X"]
FIELDS = ["form", "name", "password", "old", "new", "next", "lang", "r", "ticket", "code", "state"]


class Fuzzer:
    """Makes up requests by a seed."""

    def __init__(
        self, seed: int, cookies: list[str], forms: list[str], door: tuple[str, str]
    ) -> None:
        self._chance = random.Random(seed)
        self._cookies, self._forms = cookies, forms
        self._door = door
        """Cookie and token of a form of the sign-in, which open the way to what is behind it."""

    def word(self) -> str:
        """A path, a harm, or both in one."""
        chance = self._chance
        text = chance.choice(WORDS)
        for _ in range(chance.choice((0, 0, 0, 1, 2))):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(HARM) + text[at:]
        kind = chance.randrange(8)
        if kind == 0:
            return text.swapcase()
        if kind == 1:
            return quote(text, safe="")
        if kind == 2:
            return quote(quote(text, safe=""), safe="")
        return text

    def value(self) -> str:
        """What stands in a header, a cookie or a field."""
        chance = self._chance
        kind = chance.randrange(6)
        if kind == 0:
            return MARK + chance.choice(HARM)
        if kind == 1:
            return chance.choice(GOOD)
        if kind == 2:
            return chance.choice(self._forms)
        if kind == 3:
            return "".join(chr(chance.randrange(1, 0x3000)) for _ in range(chance.randrange(40)))
        return self.word()

    def cookie(self) -> str:
        """A cookie that holds, one that was edited, or several."""
        chance = self._chance
        kept = chance.choice(self._cookies)
        kind = chance.randrange(8)
        if kind == 0:
            at = chance.randrange(len(kept))
            kept = kept[:at] + chance.choice("aZ_-0\x7f;") + kept[at + 1 :]
        elif kind == 1:
            kept = f"{chance.choice(self._cookies)[:-1]}; eqm={self.value()}"
        elif kind == 2:
            kept = self.value()
        return f"eqm={kept}"

    def pairs(self, numbers: tuple[int, ...]) -> str:
        """Fields of a form or a query."""
        names = [self._chance.choice(FIELDS) for _ in range(self._chance.choice(numbers))]
        return "&".join(f"{name}={quote(self.value())}" for name in names)

    def request(self) -> dict[str, Any]:
        """The environment of a request, as a server hands it over."""
        chance = self._chance
        environ: dict[str, Any] = EnvironBuilder("/").get_environ()
        environ["REQUEST_METHOD"] = chance.choice(METHODS)
        path = "/" + self.word()
        environ["PATH_INFO"] = path.encode("utf-8", "surrogatepass").decode("latin-1")
        if chance.random() < 0.1:
            environ["PATH_INFO"] = environ["PATH_INFO"][chance.randrange(2) :]
        environ["QUERY_STRING"] = self.pairs((0, 0, 1, 3))
        if chance.random() < 0.8:
            environ["HTTP_COOKIE"] = _latin(self.cookie())
        for name in chance.sample(HEADERS, chance.choice((0, 1, 2, 5))):
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
            environ[key] = _latin(self.value())
        if environ["REQUEST_METHOD"] in ("POST", "PUT"):
            text = self.pairs((0, 2, 4))
            if chance.random() < 0.5:
                cookie = f"eqm-form={self._door[0]}; {environ.get('HTTP_COOKIE', '')}"
                environ["HTTP_COOKIE"] = cookie
                text = f"form={self._door[1]}&name={quote(self.value())}&{text}"
                if chance.random() < 0.5:
                    environ["PATH_INFO"] = "/gate/sign-in"
            body = text.encode()
            body = b"\xff\xfe" + body if chance.random() < 0.1 else body
            environ["wsgi.input"] = BytesIO(body)
            environ.setdefault("CONTENT_LENGTH", str(len(body)))
            if chance.random() < 0.8:
                environ["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
        return environ


def _latin(text: str) -> str:
    return text.replace("\r", "").replace("\n", "").encode("utf-8", "replace").decode("latin-1")


def answer(gate: Gate, environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body, as a server reads them."""
    started: list[tuple[int, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], _info: object = None) -> Any:
        started.append((int(status.split()[0]), headers))

    parts = gate(environ, start)
    body = b"".join(parts)
    close = getattr(parts, "close", None)
    if close:
        close()
    ((status, headers),) = started
    return status, headers, body


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_no_request_brings_the_gate_down(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    database: str,
) -> None:
    """Every header, cookie, form, parameter and path, by a seed; `FUZZ_REQUESTS` sets how many.

    Fewer of them over Postgres, which refuses other texts than SQLite does.
    """
    url, number = "", REQUESTS
    if database == "postgres":
        url, number = request.getfixturevalue("postgres").database(), REQUESTS // 10
    monkeypatch.setattr("dashboards.gate.accounts.ACCOUNT_TRIES", 10**9)
    monkeypatch.setattr("dashboards.gate.accounts.ADDRESS_TRIES", 10**9)
    gate = open_gate(tmp_path, accounts_url=url)
    tokens = {scope: token_of(gate, text) for scope, text in SCOPES.items()}
    name, password = account(gate, "city", "zhang")
    client = Client(gate)
    token = form_token(client)
    kept = client.get_cookie("eqm-form")
    assert kept is not None
    forms = [token, name, password[:-1], "r1", "r2"]
    fuzzer = Fuzzer(20261128, list(tokens.values()), forms, (kept.value, token))
    seen: dict[int, int] = {}
    for _ in range(number):
        environ = fuzzer.request()
        told = {k: v for k, v in environ.items() if isinstance(v, str)}
        cookie = environ.get("HTTP_COOKIE", "")
        status, headers, body = answer(gate, environ)
        seen[status] = seen.get(status, 0) + 1
        assert status < 500, told
        assert MARK.encode() not in body and b"Traceback" not in body, told
        assert b"<script>alert" not in body and body[:2] != b"49", told
        for header, value in headers:
            assert "\n" not in value and "\r" not in value and "\x00" not in value, told
            assert header in ("Location", "Set-Cookie") or MARK not in value, told
        names = {header.lower() for header, _ in headers}
        assert "content-security-policy" in names and "x-content-type-options" in names, told
        if status in (200, 206) and environ["REQUEST_METHOD"] == "GET":
            assert _belongs(body, headers, cookie, tokens), told
    assert "a fault in the gate" not in caplog.text
    refused = [line for line in gate.audit.lines() if line.event == "sign_in_refused"]
    assert len(refused) > number / 200, "the sign-in itself was reached"
    assert gate.audit.verify().faults == []
    assert {200, 303, 401, 403, 404, 405} <= seen.keys() and seen[200] > number / 50


def _belongs(
    body: bytes, headers: list[tuple[str, str]], cookie: str, tokens: dict[str, str]
) -> bool:
    """Whether a file that was sent is of a scope whose session the cookie holds."""
    packed = dict(headers).get("Content-Encoding")
    if packed:
        body = brotli.decompress(body) if packed == "br" else gzip.decompress(body)
    found = re.match(rb"\[(.*?) of r\d\]", body)
    if not found or (owners := FILES.get(found[1].decode())) is None:
        return True
    units = {"city": "city:370400", "district": "district:370402", "school": "school:3137000001"}
    holds = [scope for scope, token in tokens.items() if token in cookie]
    return bool(holds) and (not owners or any(units[scope] in owners for scope in holds))

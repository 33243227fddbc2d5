"""The gate sends files of a release, with the right headers, to whom they belong, and no other."""

import gc
import gzip
import logging
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import brotli
import pytest
from gatehouse import (
    FILES,
    SCOPES,
    account,
    client_of,
    form_token,
    make_release,
    open_gate,
    secret,
    settings_of,
    sign_in,
    switch,
    token_of,
)  # fmt: skip
from werkzeug.test import Client, EnvironBuilder, TestResponse

from dashboards.gate import Gate, create_app, embedded
from dashboards.gate.audit import Tally
from dashboards.shelf import read_shelf

pytestmark = pytest.mark.usefixtures("quick_passwords")

UNITS = {
    "city": "city:370400",
    "district": "district:370402",
    "school": "school:3137000001",
}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """A gate over two releases; tests that change it make their own."""
    return open_gate(tmp_path_factory.mktemp("gate"))


@pytest.fixture(scope="module")
def clients(gate: Gate) -> dict[str, Client]:
    """A client of each scope."""
    return {scope: client_of(gate, text) for scope, text in SCOPES.items()}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every refusal is told of here, also the hundredth."""
    monkeypatch.setattr(Tally, "FULL", 10**9)
    yield


def served(client: Client, path: str, method: str = "GET", **headers: str) -> TestResponse:
    """An answer; `headers` with _ for -."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.open(path, method=method, headers=given)


# Each route × each scope × each method


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "RANGE"])
@pytest.mark.parametrize("scope", ["city", "district", "school", "nobody"])
@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("door", ["/", "/r/r1/", "/r/r2/"])
def test_each_file_for_each_scope(
    gate: Gate, clients: dict[str, Client], door: str, path: str, scope: str, method: str
) -> None:
    client = clients.get(scope) or Client(gate)
    release = "r2" if "r2" in door else "r1"
    if method == "RANGE":
        answer = served(client, door + path, Range="bytes=3-12")
    else:
        answer = served(client, door + path, method)
    owners = FILES[path]
    whole = (secret(release, path) * 100).encode()
    assert "Content-Security-Policy" in answer.headers
    if method == "POST":
        assert answer.status_code == 405 and answer.headers["Allow"] == "GET, HEAD"
    elif scope == "nobody":
        assert answer.status_code == 303 and answer.data == b""
        assert answer.headers["Location"].startswith("/gate/sign-in")
    elif not owners or UNITS[scope] in owners:
        assert answer.status_code == (206 if method == "RANGE" else 200)
        assert answer.data == {"GET": whole, "HEAD": b"", "RANGE": whole[3:13]}[method]
        length = 10 if method == "RANGE" else len(whole)
        assert answer.headers["Content-Length"] == str(length)
    elif path in ("index.html", "en/index.html"):
        # The front page of somebody else's level leads to one's own.
        assert answer.status_code == 303 and answer.data == b""
    else:
        missing = served(client, f"{door}nowhere/{path}", "HEAD" if method == "HEAD" else "GET")
        assert answer.status_code == missing.status_code == 404
        assert answer.data == missing.data and answer.headers == missing.headers


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("language", ["", "en/"])
def test_the_front_page_is_that_of_the_scope(
    clients: dict[str, Client], scope: str, language: str
) -> None:
    front = {"city": "", "district": "district/370402/", "school": "school/3137000001/"}[scope]
    page = served(clients[scope], f"/{language}")
    if front:
        assert page.headers["Location"] == f"/{language}{front}"
        page = served(clients[scope], page.headers["Location"])
    assert page.text.startswith(secret("r1", f"{language}{front}index.html"))


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere.html",
        "/../release.json",
        "/%2e%2e/release.json",
        "/%2e%2e/warehouse.duckdb",
        "/..%2f..%2fr1%2fwarehouse.duckdb",
        "/site.json",
        "/index.html.gz",
        "/r/../current/release.json",
        "/r/%2e%2e/",
        "/r/r3/",
        "/r//district/370402/",
        "/r/r1/../release.json",
        "/r/r1/..%2frelease.json",
        "/static/",
        "/district/",
        "/DISTRICT/370402/",
        "/district/370402/index.html/",
        "/district/370402/index.html%00",
        "/district/370402/%0d%0aSet-Cookie:%20a=b",
        "/%ff%fe",
        "/district%2f370403%5cindex.html",
        "/./index.html",
    ],
)
@pytest.mark.parametrize("scope", SCOPES)
def test_what_is_not_a_page_is_not_found(clients: dict[str, Client], path: str, scope: str) -> None:
    response = clients[scope].get(path)
    assert response.status_code == 404
    assert "未找到此页" in response.text and "Page not found" in response.text
    assert "Content-Security-Policy" in response.headers
    assert len(response.data) == len(clients[scope].get("/nowhere").data)


def test_outside_the_scope_takes_the_time_of_a_missing_page(
    gate: Gate, clients: dict[str, Client]
) -> None:
    """The same is done in the same order, also where the log is written: no clock could tell."""
    cookie = {"Cookie": f"{gate.cookie.name}={token_of(gate, SCOPES['school'])}"}
    asked = {
        path: EnvironBuilder(path, headers=cookie).get_environ()
        for path in ("/school/3137000001/", "/district/370403/", "/district/370499/")
    }
    done: dict[str, list[str]] = {}
    # What is looked up once and then known is known to all.
    for path in (*asked, *asked):
        done[path] = calls(lambda path=path: gate(dict(asked[path]), lambda *_: None))
    own, there, missing = done.values()
    assert own != there == missing and len(there) > 100


def calls(do: Callable[[], object]) -> list[str]:
    """Every function that is called meanwhile, of Python and of C, in order."""
    called: list[str] = []

    def note(frame: FrameType, event: str, function: Any) -> None:
        if event == "call":
            called.append(f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}")
        elif event == "c_call":
            called.append(function.__qualname__)

    gc.collect()
    gc.disable()
    sys.setprofile(note)
    try:
        do()
    finally:
        sys.setprofile(None)
        gc.enable()
    return called


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_only_reading_is_allowed(gate: Gate, clients: dict[str, Client], method: str) -> None:
    for client in (*clients.values(), Client(gate)):
        for path in ("/", "/district/370403/", "/nowhere"):
            assert client.open(path, method=method).status_code == 405
    assert clients["city"].open("/gate/", method=method).status_code == 405


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("scope", ["city", "district", "school", "nobody"])
@pytest.mark.parametrize(
    ("path", "reading", "sending"),
    [
        ("/gate", 303, 405),
        ("/gate/", 200, 405),
        ("/gate/sign-in", 200, 403),
        ("/gate/sign-out", 405, 403),
        ("/gate/password", 405, 403),
        ("/gate/enter", 401, 405),
        ("/gate/provider", 404, 404),
        ("/gate/provider/back", 404, 404),
        ("/gate/nowhere", 404, 404),
        ("/gate/../index.html", 404, 404),
    ],
)
def test_the_gates_own_pages(
    gate: Gate,
    clients: dict[str, Client],
    path: str,
    reading: int,
    sending: int,
    scope: str,
    method: str,
) -> None:
    """Without a form's token nothing is sent; who is not signed in has no account's page."""
    answer = (clients.get(scope) or Client(gate)).open(path, method=method)
    expected = sending if method == "POST" else reading
    if scope == "nobody" and (path, method) in {
        ("/gate/", "GET"), ("/gate/", "HEAD"),
        ("/gate/password", "POST"), ("/gate/sign-out", "POST"),
    }:  # fmt: skip
        expected = 303
    if (path, method) == ("/gate/enter", "HEAD"):
        expected = 200
    assert answer.status_code == expected
    assert "Content-Security-Policy" in answer.headers
    assert method != "HEAD" or answer.data == b""


def test_what_stands_behind_the_question_mark_is_not_written_down(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    server = embedded(gate, 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with caplog.at_level(logging.INFO), socket.create_connection(server.server_address) as line:
        line.sendall(b"GET /gate/enter?ticket=tickettickettick HTTP/1.0\r\n\r\n")
        assert b"401" in line.recv(1000)
    server.shutdown()
    thread.join()
    assert "GET /gate/enter 401" in caplog.text and "tickettick" not in caplog.text


# Releases


def test_the_front_page_follows_current(tmp_path: Path) -> None:
    gate = open_gate(tmp_path)
    client = client_of(gate, "city")
    assert client.get("/").text.startswith(secret("r1", "index.html"))
    switch(tmp_path / "home", "r2")
    assert client.get("/").text.startswith(secret("r2", "index.html"))
    assert client.get("/r/r1/").text.startswith(secret("r1", "index.html"))
    assert client.get("/r/r1").headers["Location"] == "/r/r1/"


def test_a_page_that_is_open_keeps_its_own_files(tmp_path: Path) -> None:
    """Scripts by their name, tables by the release in their address, whatever came after."""
    home, gate = tmp_path / "home", open_gate(tmp_path)
    make_release(home, "r0", {**FILES, "static/old.0123456789ab.js": ()})
    client = client_of(gate, "district:370402")
    assert client.get("/static/old.0123456789ab.js").status_code == 200
    assert client.get("/static/older.0123456789ab.js").status_code == 404
    for release in ("r0", "r1", "r2"):
        table = client.get(f"/downloads/east.csv?r={release}")
        assert table.text.startswith(secret(release, "downloads/east.csv"))
        assert client.get(f"/downloads/west.csv?r={release}").status_code == 404
    assert client.get("/downloads/east.csv?r=../r2").text.startswith("[downloads/east.csv of r1")
    assert client.get("/downloads/east.csv?r=r9").status_code == 404


def test_before_the_first_release(tmp_path: Path) -> None:
    gate = create_app(settings_of(tmp_path))
    assert Client(gate).get("/").status_code == 303
    response = client_of(gate, "city").get("/")
    assert response.status_code == 503 and "尚未就绪" in response.text
    (tmp_path / "home" / "releases" / "r0" / "site").mkdir(parents=True)
    (tmp_path / "home" / "releases" / "r0" / "site" / "index.html").write_text("unlisted")
    (tmp_path / "home" / "releases" / "r0" / "release.json").write_text("{}")
    switch(tmp_path / "home", "r0")
    response = client_of(gate, "city").get("/")
    assert response.status_code == 503, "a release without a list says nothing of whose it is"


def test_a_file_that_was_cleared_away_is_not_found(tmp_path: Path) -> None:
    gate = open_gate(tmp_path)
    client = client_of(gate, "city")
    assert client.get("/").status_code == 200
    for file in (tmp_path / "home" / "releases" / "r1" / "site").glob("index.html*"):
        file.unlink()
    assert client.get("/").status_code == 404


# How files are sent


def test_headers(clients: dict[str, Client]) -> None:
    client = clients["city"]
    page = client.get("/")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "script-src 'self';" in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Cache-Control"] == "private, no-cache"
    assert "immutable" in client.get("/static/page.0123456789ab.js").headers["Cache-Control"]
    table = client.get("/downloads/city.csv")
    assert table.headers["Content-Type"] == "text/csv; charset=utf-8"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("gzip;q=1.0, br;q=0", "gzip"),
        ("deflate", None),
        ("", None),
        ("abrot, gzipped", None),
    ],
)
def test_packed_forms_hold_the_same(
    clients: dict[str, Client], accepted: str, encoding: str | None
) -> None:
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding]
    answer = served(clients["city"], "/", Accept_Encoding=accepted)
    assert answer.headers.get("Content-Encoding") == encoding
    assert unpack(answer.data) == (secret("r1", "index.html") * 100).encode()
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert int(answer.headers["Content-Length"]) == len(answer.data)


def test_an_unchanged_page_is_not_sent_again(clients: dict[str, Client]) -> None:
    packed = served(clients["city"], "/", Accept_Encoding="gzip").headers["ETag"]
    plain = clients["city"].get("/").headers["ETag"]
    assert packed != plain, "two forms are two things to a cache"
    for tag in (plain, packed, f"W/{plain}", f'"other", {plain}', "*"):
        answer = served(clients["city"], "/", If_None_Match=tag)
        assert answer.status_code == 304 and answer.data == b""
    assert served(clients["city"], "/", If_None_Match='"other"').status_code == 200
    # A tag tells nothing of what is not one's own.
    other = clients["city"].get("/district/370403/").headers["ETag"]
    answer = served(clients["district"], "/district/370403/", If_None_Match=other)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("wanted", "status", "first", "last"),
    [
        ("bytes=0-0", 206, 0, 0),
        ("bytes=10-", 206, 10, None),
        ("bytes=-7", 206, -7, None),
        ("bytes=0-999999999", 206, 0, None),
        ("bytes=999999-", 416, None, None),
        ("bytes=-0", 416, None, None),
        ("bytes=9-3", 200, 0, None),
        ("bytes=0-1,5-6", 200, 0, None),
        ("lines=0-1", 200, 0, None),
        ("bytes=--1", 200, 0, None),
        ("bytes=1e3-", 200, 0, None),
    ],
)
def test_ranges(
    clients: dict[str, Client], wanted: str, status: int, first: int | None, last: int | None
) -> None:
    whole = (secret("r1", "downloads/city.csv") * 100).encode()
    answer = served(clients["city"], "/downloads/city.csv", Range=wanted, Accept_Encoding="br")
    assert answer.status_code == status
    if first is None:
        assert answer.headers["Content-Range"] == f"bytes */{len(whole)}"
        assert secret("r1", "downloads/city.csv") not in answer.text
    else:
        assert answer.data == whole[first : None if last is None else last + 1]
        assert "Content-Encoding" not in answer.headers
    tag = clients["city"].get("/downloads/city.csv").headers["ETag"]
    path = "/downloads/city.csv"
    assert served(clients["city"], path, Range="bytes=1-2", If_Range=tag).status_code == 206
    assert served(clients["city"], path, Range="bytes=1-2", If_Range='"x"').status_code == 200


def test_nginx_is_told_which_file_and_sends_nothing_by_itself(tmp_path: Path) -> None:
    gate = open_gate(tmp_path, sent_by="nginx")
    answer = client_of(gate, "district:370402").get("/district/370402/")
    assert answer.headers["X-Accel-Redirect"] == "/sent/r1/site/district/370402/index.html"
    assert answer.data == b"" and "ETag" not in answer.headers
    answer = client_of(gate, "district:370402").get("/district/370403/")
    assert answer.status_code == 404 and "X-Accel-Redirect" not in answer.headers


def test_the_list_tells_of_every_file(gate: Gate, tmp_path: Path) -> None:
    make_release(tmp_path, "r1")
    shelf = read_shelf(tmp_path / "releases" / "r1")
    assert shelf is not None and len(shelf) == len(FILES)
    assert {item.owners[-1] for item in shelf.pages()} == {
        owners[-1] for owners in FILES.values() if owners
    }
    assert read_shelf(tmp_path) is None


# Signing in and out


def test_sign_in_leads_to_what_was_asked_for_and_sign_out_ends_it(tmp_path: Path) -> None:
    gate = open_gate(tmp_path)
    name, password = account(gate, "district:370402")
    client = Client(gate)
    door = client.get("/school/3137000001/").headers["Location"]
    assert door == "/gate/sign-in?next=/school/3137000001/"
    given = {"form": form_token(client, door), "name": f" {name.upper()} ", "password": password}
    answer = client.post(door, data=given)
    assert answer.status_code == 303 and answer.headers["Location"] == "/school/3137000001/"
    cookies = answer.headers.getlist("Set-Cookie")
    (own,) = (c for c in cookies if c.startswith("eqm="))
    assert "HttpOnly" in own and "SameSite=Lax" in own
    assert client.get("/school/3137000001/").status_code == 200
    page = client.get("/gate/")
    assert name in page.text and "370402" in page.text
    kept = client.get_cookie("eqm")
    assert kept is not None
    answer = client.post("/gate/sign-out", data={"form": form_token(client, "/gate/")})
    assert answer.status_code == 303 and answer.headers["Clear-Site-Data"] == '"cache"'
    assert client.get("/school/3137000001/").status_code == 303
    client.set_cookie("eqm", kept.value)
    assert client.get("/school/3137000001/").status_code == 303, "the old cookie opens nothing"
    events = [(line.event, line.actor) for line in gate.audit.lines()]
    assert events == [
        ("account_added", "tests"), ("signed_in", name), ("signed_out", name),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "there",
    ["//evil.example", "https://evil.example/", "/district/370403/", "/nowhere", "/\\evil", "x"],
)
def test_sign_in_leads_nowhere_else(tmp_path: Path, there: str) -> None:
    gate = open_gate(tmp_path)
    client = Client(gate)
    name, password = account(gate, "district:370402")
    given = {"form": form_token(client), "name": name, "password": password}
    answer = client.post("/gate/sign-in", data=given, query_string={"next": there})
    assert answer.status_code == 303 and answer.headers["Location"] == "/"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_door_speaks_both_languages_without_a_script(gate: Gate, lang: str) -> None:
    page = Client(gate).get(f"/gate/sign-in?lang={lang}").text
    assert ("登录" if lang == "zh" else "Sign in") in page
    assert "<script" not in page and " style=" not in page and "<style" not in page
    assert "http" not in page


def test_a_form_of_another_site_is_refused(tmp_path: Path) -> None:
    gate = open_gate(tmp_path)
    name, password = account(gate, "city")
    given = {"name": name, "password": password}
    client = Client(gate)
    assert client.post("/gate/sign-in", data=given).status_code == 403
    token = form_token(client)
    assert Client(gate).post("/gate/sign-in", data={**given, "form": token}).status_code == 403
    cross = client.post(
        "/gate/sign-in", data={**given, "form": token}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert cross.status_code == 403
    assert sign_in(client, name, password) == 303
    # A form of before the sign-in is none of after it.
    assert client.post("/gate/sign-out", data={"form": token}).status_code == 403
    assert client.get("/").status_code == 200


def test_the_id_changes_at_sign_in_and_in_use(tmp_path: Path) -> None:
    clock = Clock()
    gate = open_gate(tmp_path)
    gate = create_app(settings_of(tmp_path), clock)
    client = client_of(gate, "city")
    first = client.get_cookie("eqm")
    assert first is not None
    clock.now += 16 * 60
    assert client.get("/").status_code == 200
    second = client.get_cookie("eqm")
    assert second is not None and second.value != first.value
    old = Client(gate)
    old.set_cookie("eqm", first.value)
    assert old.get("/").status_code == 200, "what was under way is not cut off"
    clock.now += 61
    assert old.get("/").status_code == 303
    assert client.get("/").status_code == 200
    clock.now += 31 * 60
    assert client.get("/").status_code == 303, "nobody was there for half an hour"


def test_a_session_ends_in_the_evening(tmp_path: Path) -> None:
    clock = Clock()
    open_gate(tmp_path)
    gate = create_app(settings_of(tmp_path), clock)
    client = client_of(gate, "city")
    for _ in range(12 * 6 - 1):
        clock.now += 600
        assert client.get("/").status_code == 200
    clock.now += 700
    assert client.get("/").status_code == 303


def test_the_cookie_is_for_https_alone_where_the_gate_is(tmp_path: Path) -> None:
    gate = open_gate(tmp_path, public_url="https://jc.example.cn")
    client = Client(gate, use_cookies=False)
    name, password = account(gate, "city")
    page = client.get("/gate/sign-in", base_url="https://jc.example.cn")
    (kept,) = page.headers.getlist("Set-Cookie")
    assert kept.startswith("__Host-eqm-form=") and "Secure" in kept and "SameSite=Strict" in kept
    form = page.text.partition('name="form" value="')[2][:64]
    answer = client.post(
        "/gate/sign-in",
        data={"form": form, "name": name, "password": password},
        headers={"Cookie": kept.partition(";")[0]},
        base_url="https://jc.example.cn",
    )
    given = answer.headers.getlist("Set-Cookie")[0]
    assert given.startswith("__Host-eqm=") and "; Secure" in given and "Path=/;" in given
    assert "Strict-Transport-Security" in answer.headers


def test_one_can_change_ones_password(tmp_path: Path) -> None:
    gate = open_gate(tmp_path)
    name, password = account(gate, "city")
    here, elsewhere = Client(gate), Client(gate)
    assert sign_in(here, name, password) == sign_in(elsewhere, name, password) == 303

    def change(old: str, new: str) -> int:
        given = {"form": form_token(here, "/gate/"), "old": old, "new": new}
        return here.post("/gate/password", data=given).status_code

    assert change("wrong", "a new password of mine") == 401
    assert change(password, "too short") == 401
    assert change(password, "a new password of mine") == 200
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 303, "whoever else was in is out"
    assert sign_in(Client(gate), name, password) == 401
    assert sign_in(Client(gate), name, "a new password of mine") == 303


def test_a_large_form_is_not_read(gate: Gate) -> None:
    answer = Client(gate).post("/gate/sign-in", data={"name": "x" * 20_000})
    assert answer.status_code == 413


def test_a_busy_database_is_said_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate = open_gate(tmp_path)
    client = client_of(gate, "city")

    words = ("/secret/path of mine", "secret of mine")

    def broken(**_values: object) -> None:
        raise OSError(words[0])

    def faulty(**_values: object) -> None:
        raise KeyError(words[1])

    with sqlite3.connect(tmp_path / "home" / "gate" / "accounts.sqlite") as con:
        con.execute("alter table gate_session rename to elsewhere")
    assert client.get("/").status_code == 503
    con.execute("alter table elsewhere rename to gate_session")
    con.close()
    assert client.get("/").status_code == 200
    monkeypatch.setattr(gate.accounts._who, "ask", broken)
    assert client.get("/").status_code == 503
    monkeypatch.setattr(gate.accounts._who, "ask", faulty)
    answer = client.get("/")
    assert (
        answer.status_code == 500 and "secret" not in answer.text and "KeyError" not in answer.text
    )
    assert "secret of mine" not in caplog.text and "KeyError" in caplog.text
    assert "/secret/path" not in caplog.text

"""The gate obeys what became of releases: an embargo, a preparation, and the end of either."""

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from gatehouse import FILES, client_of, make_release, secret, settings_of, switch
from werkzeug.test import Client

from dashboards.gate import Gate, create_app
from pipelines.life import FILE, Event, tell

NOON = 1_800_000_000.0
"""2027-01-15T08:00Z."""
UNTIL = "2027-01-15T08:20:00+00:00"
OWN = {
    "city": "index.html",
    "district": "district/370402/index.html",
    "school": "school/3137000001/index.html",
}
SCOPES = {"city": "city", "district": "district:370402", "school": "school:3137000001"}


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(tmp_path: Path, clock: Clock) -> Gate:
    """r1 was published, r2 is served to the centre until it is everybody's, r3 is prepared."""
    home = tmp_path / "home"
    for name in ("r1", "r2", "r3"):
        make_release(home, name)
    tell(
        home / "releases",
        Event("published", "r1", "2027-01-01T00:00:00+00:00"),
        Event("embargoed", "r2", "2027-01-14T00:00:00+00:00", until=UNTIL),
        Event(
            "published", "r2", "2027-01-14T00:00:00+00:00", since="r1",
            causes={"files_changed": 3, "settings": ["pass_share"]}, changed={"attainment": 1253},
        ),
        Event("prepared", "r3", "2027-01-14T12:00:00+00:00"),
    )  # fmt: skip
    switch(home, "r2")
    return create_app(settings_of(tmp_path), clock)


@pytest.fixture
def as_of(gate: Gate) -> Callable[[str], Client]:
    """A client of somebody of a level."""
    return lambda level: client_of(gate, SCOPES[level])


@pytest.mark.parametrize("level", ["district", "school"])
def test_all_others_see_the_release_before_until_the_embargo_is_over(
    as_of: Callable[[str], Client], clock: Clock, level: str
) -> None:
    client, page = as_of(level), OWN[level]
    assert client.get(f"/{page}").text.startswith(secret("r1", page))
    hidden = client.get(f"/r/r2/{page}")
    nowhere = client.get(f"/r/r9/{page}")
    assert hidden.status_code == 404
    assert (hidden.data, dict(hidden.headers)) == (nowhere.data, dict(nowhere.headers))
    for path in ("/r/r2", "/r/r2/", f"/{page}?r=r2", "/r/r3", f"/r/r3/{page}"):
        assert client.get(path).status_code == 404, path
    clock.now += 1199
    assert client.get(f"/r/r2/{page}").status_code == 404
    clock.now += 1
    # Nothing was written or started: the hour has come.
    assert client.get(f"/{page}").text.startswith(secret("r2", page))
    assert client.get(f"/r/r2/{page}").status_code == 200
    old = client.get(f"/r/r1/{page}")
    assert old.status_code == 200 and old.text.startswith(secret("r1", page))
    assert old.headers["Link"] == f'</{page}>; rel="latest-version"'
    assert "Link" not in client.get(f"/r/r2/{page}").headers


def test_the_centre_sees_all_of_them(as_of: Callable[[str], Client]) -> None:
    client = as_of("city")
    assert client.get("/index.html").text.startswith(secret("r2", "index.html"))
    for name in ("r1", "r2", "r3"):
        for path in FILES:
            if not path.startswith("static/"):
                assert client.get(f"/r/{name}/{path}").text.startswith(secret(name, path))


def test_downloads_are_under_the_embargo_too(as_of: Callable[[str], Client], clock: Clock) -> None:
    client = as_of("district")
    assert client.get("/downloads/east.csv?r=r2").status_code == 404
    assert client.get("/downloads/east.csv").text.startswith(secret("r1", "downloads/east.csv"))
    clock.now += 1200
    assert client.get("/downloads/east.csv?r=r2").status_code == 200


def test_an_embargo_that_is_set_while_the_gate_runs_holds_at_once(
    gate: Gate, as_of: Callable[[str], Client], tmp_path: Path, clock: Clock
) -> None:
    clock.now += 1200
    client, page = as_of("school"), OWN["school"]
    assert client.get(f"/{page}").text.startswith(secret("r2", page))
    tell(tmp_path / "home" / "releases", Event("embargoed", "r2", UNTIL, until="2028-01-01T00:00Z"))
    assert client.get(f"/{page}").text.startswith(secret("r1", page))
    assert client.get(f"/r/r2/{page}").status_code == 404


def test_where_nothing_was_public_yet_there_is_nothing(
    gate: Gate, as_of: Callable[[str], Client], tmp_path: Path
) -> None:
    tell(tmp_path / "home" / "releases", Event("embargoed", "r1", UNTIL, until=UNTIL))
    assert as_of("school").get("/").status_code == 503
    assert as_of("city").get("/index.html").status_code == 200


def test_a_damaged_list_opens_nothing(
    gate: Gate, as_of: Callable[[str], Client], tmp_path: Path
) -> None:
    with (tmp_path / "home" / "releases" / FILE).open("a") as file:
        file.write("{")
    for path in ("/", f"/{OWN['school']}", f"/r/r2/{OWN['school']}"):
        assert as_of("school").get(path).status_code == 500


def test_the_state_of_a_release_is_told_to_its_pages(
    as_of: Callable[[str], Client], clock: Clock, tmp_path: Path
) -> None:
    def told(level: str, release: str) -> dict[str, str]:
        answer = as_of(level).get(f"/gate/standing/{release}")
        assert answer.status_code == 200
        return dict(json.loads(answer.text))

    # In the time of the city.
    assert told("city", "r2") == {"state": "embargoed", "until": "2027-01-15 16:20", "reason": ""}
    assert told("city", "r3")["state"] == "prepared"
    assert told("school", "r1")["state"] == "published"
    # What is not there yet is told as what never was.
    assert told("school", "r2") == told("school", "r3") == told("school", "r9") == {"state": ""}
    clock.now += 1200
    assert told("school", "r1")["state"] == "superseded"
    note = Event("noted", "r2", UNTIL, reason="八中数学更正", corrects="r1")
    tell(tmp_path / "home" / "releases", note)
    assert told("school", "r1") == {"state": "corrected", "until": "", "reason": "八中数学更正"}
    assert Client(as_of("city").application).get("/gate/standing/r1").text.strip() == '{"state":""}'


def test_the_list_of_releases_says_what_changed_to_whom_it_may(
    as_of: Callable[[str], Client], clock: Clock, tmp_path: Path
) -> None:
    tell(tmp_path / "home" / "releases", Event("noted", "r2", UNTIL, reason="更正 <8> 班"))
    city = as_of("city").get("/gate/releases").text
    assert "限监测中心内部，至 2027-01-15 16:20" in city and "attainment 1,253" in city
    assert "更正 3 份文件；设置项：pass_share" in city and "更正 &lt;8&gt; 班" in city
    assert "r3" not in city
    school = as_of("school").get("/gate/releases?lang=en").text
    assert "r1" in school and "published" in school and "r2" not in school
    clock.now += 1200
    school = as_of("school").get("/gate/releases?lang=en").text
    assert school.index("/r/r2/") < school.index("/r/r1/")
    assert "3 files corrected; settings: pass_share" in school and "1,253" not in school
    assert as_of("city").get("/gate/releases").headers["Cache-Control"] == "no-store"
    stranger = Client(as_of("city").application)
    for path in ("/gate/releases", "/gate/releases.atom"):
        assert stranger.get(path).headers["Location"] == "/gate/sign-in"


def test_the_feed_is_atom_and_holds_what_the_list_holds(
    as_of: Callable[[str], Client], clock: Clock
) -> None:
    atom = "{http://www.w3.org/2005/Atom}"
    feed = Xml.fromstring(as_of("school").get("/gate/releases.atom").text)
    assert feed.tag == f"{atom}feed"
    assert [entry.findtext(f"{atom}title") for entry in feed.iter(f"{atom}entry")] == [
        "r1 · 已发布"
    ]
    clock.now += 1200
    answer = as_of("school").get("/gate/releases.atom?lang=en")
    assert answer.content_type == "application/atom+xml; charset=utf-8"
    feed = Xml.fromstring(answer.text)
    entries = list(feed.iter(f"{atom}entry"))
    assert [entry.findtext(f"{atom}id") for entry in entries] == [
        "http://localhost/r/r2/", "http://localhost/r/r1/"
    ]  # fmt: skip
    for holder in (feed, *entries):
        for name in ("id", "title", "updated"):
            assert holder.findtext(f"{atom}{name}")
    assert feed.findtext(f"{atom}updated") == "2027-01-14T00:00:00+00:00"
    assert feed.findtext(f"{atom}author/{atom}name") == "Education quality monitoring"

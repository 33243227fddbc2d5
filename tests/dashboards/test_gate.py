"""The gate sends files of a release with the right headers, and nothing else."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from dashboards.gate import create_app


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with two releases, the first of them current."""
    for release in ("r1", "r2"):
        site = tmp_path / "releases" / release / "site"
        (site / "en").mkdir(parents=True)
        (site / "static").mkdir()
        (site / "index.html").write_text(f"page of {release}")
        (site / "en" / "index.html").write_text(f"english page of {release}")
        (site / "static" / "page.0123456789ab.js").write_text("1")
        (site / "table.csv").write_text("a")
        (tmp_path / "releases" / release / "release.json").write_text("{}")
    (tmp_path / "current").symlink_to("releases/r1")
    return tmp_path


@pytest.fixture
def client(home: Path) -> FlaskClient:
    """A client of the gate over that home."""
    return create_app(home).test_client()


def test_the_front_page_follows_current(client: FlaskClient, home: Path) -> None:
    assert client.get("/").text == "page of r1"
    (home / "next").symlink_to("releases/r2")
    (home / "next").replace(home / "current")
    assert client.get("/").text == "page of r2"
    assert client.get("/en/").text == "english page of r2"
    assert client.get("/r/r1/").text == "page of r1"
    assert client.get("/r/r1/en/index.html").text == "english page of r1"


def test_a_folder_without_its_slash_is_sent_on(client: FlaskClient) -> None:
    response = client.get("/en")
    assert response.status_code == 308
    assert client.get("/en", follow_redirects=True).text == "english page of r1"
    assert client.get("/r/r2/en", follow_redirects=True).text == "english page of r2"


def test_headers(client: FlaskClient) -> None:
    page = client.get("/")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "script-src 'self';" in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Cache-Control"] == "no-cache"
    assert "immutable" in client.get("/static/page.0123456789ab.js").headers["Cache-Control"]
    assert client.get("/table.csv").headers["Content-Type"] == "text/csv; charset=utf-8"


def test_an_unchanged_page_is_not_sent_again(client: FlaskClient) -> None:
    tag = client.get("/").headers["ETag"]
    assert client.get("/", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere.html",
        "/../release.json",
        "/%2e%2e/release.json",
        "/r/../current/release.json",
        "/r/%2e%2e/",
        "/r/r3/",
        "/r/r1/../release.json",
        "/static/",
    ],
)
def test_what_is_not_a_page_is_not_found(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert "未找到此页" in response.text
    assert "Content-Security-Policy" in response.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading_is_allowed(client: FlaskClient, method: str) -> None:
    response = client.open("/", method=method)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert client.head("/").status_code == 200


def test_before_the_first_release(tmp_path: Path) -> None:
    response = create_app(tmp_path).test_client().get("/")
    assert response.status_code == 503
    assert "尚无已发布的数据" in response.text

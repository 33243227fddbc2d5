"""Releases: made visible at once, found again, gone back to, cleared up, and never half there."""

from pathlib import Path

import duckdb
import pytest

from pipelines import release
from pipelines.release import Building, Busy, NoSuchRelease, NotVerified, ReleaseError
from pipelines.settings import Settings

A, B, C = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"
TABLES = ["marts.attainment"]
PAGE = '<link href="static/page.css"><a href="en/">English</a>'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(
        raw=tmp_path / "raw", home=tmp_path / "home", pseudonym_key_file=tmp_path / "key"
    )


def fill(building: Building) -> Building:
    """What a build leaves: a warehouse, two pages, a download."""
    with duckdb.connect(str(building.warehouse)) as con:
        con.execute("create schema marts; create table marts.attainment as select 1 as n")
    for name in ("static/page.css", "index.html", "en/index.html"):
        path = building.site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (building.site / "index.html").write_text(PAGE)
    building.downloads.mkdir()
    (building.downloads / "t.csv").write_bytes(b"\xef\xbb\xbfa\r\n1\r\n")
    return building


def make(settings: Settings, name: str, made_at: str) -> None:
    building = fill(release.begin(settings, name))
    building.work.write_text("scratch")
    inputs = [{"source_file": name, "file_sha256": "", "state": "landed"} for name in "ab"]
    release.publish(settings, building, {"made_at": made_at, "inputs": inputs})


def test_nothing_is_served_before_the_first_release(settings: Settings) -> None:
    assert release.current(settings) is None
    assert release.releases(settings) == []


def test_a_release_appears_whole_and_without_scratch(settings: Settings) -> None:
    make(settings, A, "2026-01-01")
    assert release.current(settings) == A
    assert settings.current.readlink() == Path("releases") / A
    assert sorted(p.name for p in settings.current.resolve().iterdir()) == [
        "downloads", "release.json", "site", "warehouse.duckdb"
    ]  # fmt: skip
    (only,) = release.releases(settings)
    assert (only.release_id, only.files, only.current) == (A, 2, True)


def test_a_build_in_the_making_is_no_release(settings: Settings) -> None:
    make(settings, A, "2026-01-01")
    fill(release.begin(settings, B))
    assert release.current(settings) == A
    assert [r.release_id for r in release.releases(settings)] == [A]
    with pytest.raises(NoSuchRelease, match=B):
        release.switch(settings, B)
    assert release.open_building(settings, B).path.name.startswith(f"{B}-")


def test_what_a_dead_build_left_is_swept_away(settings: Settings) -> None:
    left = fill(release.begin(settings, A)).path
    fresh = release.begin(settings, B)
    assert list(settings.releases.iterdir()) == [fresh.path]
    assert not left.exists() and not list(fresh.path.iterdir())
    again = release.begin(settings, B)
    assert again.path != fresh.path and not fresh.path.exists()
    with pytest.raises(ReleaseError, match="whole job"):
        release.open_building(settings, A)


def test_a_folder_without_its_record_is_made_anew(settings: Settings) -> None:
    """A removal that was cut short leaves files without a record."""
    make(settings, A, "2026-01-01")
    (settings.releases / A / "release.json").unlink()
    assert release.releases(settings) == []
    building = release.begin(settings, A)
    assert not building.complete
    release.publish(settings, fill(building), {"made_at": "2026-01-02", "inputs": []})
    assert release.current(settings) == A


def test_the_same_release_is_used_again(settings: Settings) -> None:
    make(settings, A, "2026-01-01")
    make(settings, B, "2026-01-02")
    again = release.begin(settings, A)
    assert again.complete
    release.publish(settings, again, {})
    assert release.current(settings) == A
    assert release.show(settings, A)["made_at"] == "2026-01-01"


def test_going_back_serves_the_earlier_one(settings: Settings) -> None:
    make(settings, A, "2026-01-01")
    make(settings, B, "2026-01-02")
    release.switch(settings, A)
    assert release.current(settings) == A
    for wrong in (C, "nonsense", "../x", ""):
        with pytest.raises(NoSuchRelease):
            release.switch(settings, wrong)
    assert release.current(settings) == A


def test_clearing_up_keeps_the_newest_and_the_served(settings: Settings) -> None:
    for name, day in ((A, "2026-01-01"), (B, "2026-01-02"), (C, "2026-01-03")):
        make(settings, name, day)
    release.switch(settings, A)
    assert release.prune(settings, keep=1) == [B]
    assert {r.release_id for r in release.releases(settings)} == {A, C}


def test_only_one_build_works_on_a_home(settings: Settings) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from pipelines import release; "
        "from pipelines.settings import Settings; "
        "s = Settings.load(raw=Path(sys.argv[1]), home=Path(sys.argv[2]), "
        "pseudonym_key_file=Path(sys.argv[3]))\n"
        "with release.hold(s): pass"
    )
    given = [str(settings.raw), str(settings.home), str(settings.pseudonym_key_file)]
    other = [sys.executable, "-c", code, *given]
    with release.hold(settings):
        busy = subprocess.run(other, capture_output=True, text=True, check=False)
        assert busy.returncode and Busy.__name__ in busy.stderr
    assert subprocess.run(other, check=False).returncode == 0


def test_the_name_follows_inputs_and_settings_alone() -> None:
    name = release.release_id("x", {"a": 1, "b": 2})
    assert name == release.release_id("x", {"b": 2, "a": 1})
    assert len({name, release.release_id("y", {"a": 1, "b": 2}), release.release_id("x", {})}) == 3
    # The first of the models is the one that is published.
    models = [{"models": {"a": [], "b": []}}, {"models": {"b": [], "a": []}}]
    assert len({release.release_id("x", given) for given in models}) == 2


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ('<a href="gone.html">', "index.html: gone.html: leads nowhere"),
        ('<a href="../../release.json">', "leads out of the site"),
        ('<script src="https://example.org/x.js">', "leads out of the release"),
        ('<img src="//example.org/x.png">', "leads out of the release"),
    ],
)
def test_a_page_that_leads_astray_is_refused(settings: Settings, page: str, fault: str) -> None:
    building = fill(release.begin(settings, A))
    assert release.verify(building, TABLES) == 2
    (building.site / "index.html").write_text(PAGE + page)
    with pytest.raises(NotVerified, match=fault):
        release.verify(building, TABLES)


def test_links_of_the_analyst_area_are_followed_too(settings: Settings) -> None:
    building = fill(release.begin(settings, A))
    building.analysis.mkdir()
    (building.analysis / "index.html").write_text('<a href="../site/index.html">')
    with pytest.raises(NotVerified, match=r"analysis/index\.html: .*leads out of the site"):
        release.verify(building, TABLES)


def test_what_is_missing_is_named(settings: Settings) -> None:
    building = fill(release.begin(settings, A))
    (building.site / "index.html").unlink()
    (building.downloads / "t.csv").write_bytes(b"a\n")
    with pytest.raises(NotVerified) as error:
        release.verify(building, [*TABLES, "ops.release"])
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
        "warehouse.duckdb", "site/index.html is missing", "downloads/t.csv"
    ]  # fmt: skip

"""What becomes of a release: embargoed, published, superseded, corrected; and what changed."""

import csv
import json
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from typer.testing import CliRunner

from pipelines import release
from pipelines.cli import app
from pipelines.life import FILE, Event, Life, read_life, tell
from pipelines.metrics import load_models
from pipelines.release import NoSuchRelease, ReleaseError
from pipelines.release.changes import KEYS
from pipelines.settings import PROJECT, Settings, SettingsError

A, B, C = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"
SOON, LONG_AGO = "2126-07-10T09:00:00+08:00", "2020-07-10T09:00:00+08:00"
NOW = 1_800_000_000.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(
        raw=tmp_path / "raw", home=tmp_path / "home", pseudonym_key_file=tmp_path / "key"
    )


def rows(**more: Any) -> list[tuple[Any, ...]]:
    """Pass rates of three units: code, rate, mark."""
    told: dict[str, Any] = {"D1": 0.8, "D2": 0.7, "D3": 0.6} | more
    return [(code, rate, "c" if rate is None else None) for code, rate in told.items()]


def make(
    settings: Settings,
    name: str,
    made_at: str,
    held: list[tuple[Any, ...]] | None = None,
    *,
    serve: bool = True,
    **more: Any,
) -> None:
    """A release with a table of pass rates and one of no known grain."""
    building = release.begin(settings, name)
    with duckdb.connect(str(building.warehouse)) as con:
        con.execute("create schema published")
        con.execute(
            "create table published.pass_rate_trend (level varchar, unit_code varchar, "
            "stage varchar, subject varchar, school_year varchar, pass_rate double, mark varchar)"
        )
        con.executemany(
            "insert into published.pass_rate_trend values "
            "('district', $1, 'all', 'all', '2025-2026', $2, $3)",
            held or rows(),
        )
        con.execute("create table published.new_thing as select 1 as a")
    inputs = [{"source_file": "a.csv", "file_sha256": "1", "state": "landed"}]
    record = {"made_at": made_at, "inputs": inputs, "settings": {"pass_share": 0.6}} | more.get(
        "record", {}
    )
    release.publish(settings, building, record, serve)


def states(settings: Settings) -> dict[str, str]:
    return {
        one.release_id: release.standing(settings, one.release_id).state
        for one in release.releases(settings)
    }


def public(settings: Settings) -> str:
    """What those see who are not of the centre."""
    current = release.current(settings) or ""
    return release.life_of(settings).public(current, time.time())


def test_a_newer_release_supersedes_the_one_before(settings: Settings) -> None:
    make(settings, A, "2026-01-01")
    assert states(settings) == {A: "published"}
    make(settings, B, "2026-01-02")
    assert states(settings) == {A: "superseded", B: "published"}
    release.switch(settings, A)
    assert states(settings) == {A: "published", B: "superseded"}
    told = [(e.what, e.release) for e in release.life_of(settings).events]
    assert told == [("published", A), ("published", B), ("published", A)]


def test_the_same_release_again_is_no_event(settings: Settings) -> None:
    for _ in range(3):
        make_again = release.begin(settings, A)
        if not make_again.complete:
            make(settings, A, "2026-01-01")
        else:
            release.publish(settings, make_again, {})
    assert len(release.life_of(settings).events) == 1


def test_an_embargo_keeps_a_release_from_all_others_until_it_is_over(settings: Settings) -> None:
    make(settings, A, "2026-01-01")
    make(settings, B, "2026-01-02")
    stands = release.embargo(settings, B, SOON, "to be read first", "zhang")
    assert (stands.state, stands.until) == ("embargoed", "2126-07-10T01:00:00+00:00")
    assert release.current(settings) == B and public(settings) == A
    assert states(settings) == {A: "published", B: "embargoed"}
    over = Life(release.life_of(settings).events)
    assert over.public(B, time.time() + 200 * 365 * 86400) == B
    release.embargo(settings, B, LONG_AGO, "read", "zhang")
    assert public(settings) == B
    assert states(settings) == {A: "superseded", B: "published"}


def test_a_setting_embargoes_what_is_made_and_nothing_that_was_public(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "raw": tmp_path / "raw", "home": tmp_path / "home", "pseudonym_key_file": tmp_path / "key",
    }  # fmt: skip
    free = Settings.load(**given)
    make(free, A, "2026-01-01")
    held = Settings.load(**given, embargo_until="2126-07-10T09:00")
    # Without a zone it is the city's time.
    assert held.embargo_until_utc == "2126-07-10T01:00:00+00:00"
    assert held.figures() == free.figures()
    make(held, B, "2026-01-02")
    make(held, C, "2026-01-03")
    assert states(held) == {A: "published", B: "embargoed", C: "embargoed"}
    assert public(held) == A and release.current(held) == C
    # The inputs are those of A again.
    release.publish(held, release.begin(held, A), {})
    assert public(held) == A == release.current(held)
    make_over = Settings.load(**given, embargo_until="2020-01-01")
    release.switch(make_over, B, make_over.embargo_until_utc)
    assert states(make_over)[B] == "embargoed"
    with pytest.raises(SettingsError, match="no moment soon"):
        Settings.load(**given, embargo_until="soon")


def test_the_first_release_of_all_may_be_embargoed(settings: Settings) -> None:
    make(settings, A, "2026-01-01")
    release.embargo(settings, A, SOON, "", "")
    assert public(settings) == ""


def test_what_is_made_and_not_served_is_prepared(settings: Settings) -> None:
    make(settings, A, "2026-01-01")
    make(settings, B, "2026-01-02", serve=False)
    assert states(settings) == {A: "published", B: "prepared"}
    assert not release.life_of(settings).seen(B, time.time())
    release.switch(settings, B)
    assert states(settings) == {A: "superseded", B: "published"}


def test_a_correction_is_said_of_the_release_that_was_wrong(settings: Settings) -> None:
    make(settings, A, "2026-01-01")
    make(settings, B, "2026-01-02")
    assert release.note(settings, B, "八中数学更正", "zhang", A).reason == "八中数学更正"
    stands = release.standing(settings, A)
    assert (stands.state, stands.reason) == ("corrected", "八中数学更正")
    with pytest.raises(ReleaseError, match="itself"):
        release.note(settings, B, "x", "zhang", B)
    for wrong in (C, "../x"):
        with pytest.raises(NoSuchRelease):
            release.note(settings, B, "x", "zhang", wrong)
        with pytest.raises(NoSuchRelease):
            release.embargo(settings, wrong, SOON, "", "")


def test_releases_of_before_events_were_told_are_everybodys(settings: Settings) -> None:
    make(settings, A, "2026-01-01T00:00:00+00:00")
    (settings.releases / FILE).unlink()
    assert states(settings) == {A: "published"}
    make(settings, B, "2026-01-02")
    first, second = release.life_of(settings).events
    assert (first.release, first.at) == (A, "2026-01-01T00:00:00+00:00")
    assert (second.release, second.since) == (B, A)
    release.embargo(settings, B, SOON, "", "")
    assert public(settings) == A


def test_the_newest_that_was_told_is_the_one_before_whichever_is_served(settings: Settings) -> None:
    """Gone back from, it may have been kept; what only the centre saw of the past was not told."""
    assert release.newest_told(settings) is None
    make(settings, A, "2026-01-01")
    make(settings, B, "2026-01-02")
    release.switch(settings, A)
    assert release.current(settings) == A and release.newest_told(settings) == B
    make(settings, C, "2026-01-03", serve=False)
    assert release.newest_told(settings) == B
    assert release.prune(settings, keep=1) == [] and release.newest_told(settings) == B


def test_clearing_up_keeps_what_others_see_during_an_embargo(settings: Settings) -> None:
    make(settings, A, "2026-01-01")
    make(settings, B, "2026-01-02")
    make(settings, C, "2026-01-03")
    for name in (B, C):
        release.embargo(settings, name, SOON, "", "")
    assert release.prune(settings, keep=1) == [B]
    assert public(settings) == A


def test_a_damaged_list_lets_nobody_guess(settings: Settings) -> None:
    make(settings, A, "2026-01-01")
    path = settings.releases / FILE
    for damage in ('{"what": "embar', '{"what": "embargoed", "whom": "x"}', "[]"):
        path.write_text(path.read_text().splitlines()[0] + "\n" + damage + "\n")
        with pytest.raises(ReleaseError, match="line 2"):
            release.life_of(settings)
        with pytest.raises(ValueError, match="line 2"):
            read_life(settings.releases)


def test_events_are_kept_word_by_word(tmp_path: Path) -> None:
    event = Event("published", A, "t", since=B, causes={"settings": ["x"]}, changed={"t": 2})
    tell(tmp_path, Event("noted", A, "t", reason="“一”\n二", by="z"), event)
    tell(tmp_path, Event("prepared", C, "t"))
    assert read_life(tmp_path).events[1] == event
    assert read_life(tmp_path).note(A) == "“一”\n二"
    assert len((tmp_path / FILE).read_text(encoding="utf-8").splitlines()) == 3


def test_changes_are_told_figure_by_figure_with_their_causes(
    settings: Settings, tmp_path: Path
) -> None:
    make(settings, A, "2026-01-01", rows(D4=None, D5=0.5))
    later = rows(D1=0.81, D4=0.4, D3=None, D6=0.9)
    inputs = [
        {"source_file": "a.csv", "file_sha256": "2", "state": "landed"},
        {"source_file": "b.csv", "file_sha256": "3", "state": "landed"},
        {"source_file": "c.csv", "file_sha256": "4", "state": "returned"},
    ]
    told = {"inputs": inputs, "settings": {"pass_share": 0.5}, "code": {"digest": "new"}}
    make(settings, B, "2026-01-02", later, record=told)
    found = release.changes(settings, A, B, most=99, out=tmp_path / "out.csv")
    assert found.causes == {
        "files_new": 1, "files_changed": 1, "settings": ["pass_share"], "code": True,
    }  # fmt: skip
    figures = [
        (dict(one.key)["unit_code"], one.column, one.kind, one.before, one.after)
        for one in found.figures
    ]
    assert figures == [
        ("D1", "pass_rate", "changed", 0.8, 0.81),
        ("D3", "pass_rate", "withheld", 0.6, None),
        ("D3", "mark", "changed", None, "c"),
        ("D4", "pass_rate", "shown", None, 0.4),
        ("D4", "mark", "changed", "c", None),
        ("D5", "", "gone", True, None),
        ("D6", "", "added", None, True),
    ]
    assert found.counts == {"pass_rate_trend": 7}
    # Of which it is not known what tells rows apart.
    assert found.left_out == ("new_thing",)
    lines = list(csv.reader((tmp_path / "out.csv").open(encoding="utf-8-sig", newline="")))
    assert len(lines) == 8 and lines[1][2:] == ["pass_rate", "changed", "0.8", "0.81"]
    assert release.changes(settings, A, B, most=2).counts == found.counts
    assert release.changes(settings, A, A).counts == {}
    assert release.life_of(settings).events[-1].changed == {"pass_rate_trend": 7}
    assert release.life_of(settings).events[-1].causes == found.causes


def test_every_published_table_is_compared_by_what_tells_its_rows_apart() -> None:
    path = PROJECT / "dbt_project" / "models" / "published" / "published.yml"
    without = set()
    for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
        table = model["name"].removeprefix("published_")
        (unique,) = (
            given["arguments"]["columns"]
            for test in model["data_tests"]
            for rule, given in test.items()
            if rule in ("primary_key", "unique_together")
        )
        known = load_models().get(table)
        key = KEYS.get(table) or (known.grain if known else None)
        if key is None:
            without.add(table)
        else:
            assert set(unique) <= set(key), table
            assert set(key) <= {column["name"] for column in model["columns"]}, table
    assert without == {"dictionary", "made_with", "metric", "submission_duty", "submission_problem"}


def test_what_cannot_be_compared_is_published_all_the_same(settings: Settings) -> None:
    make(settings, A, "2026-01-01")
    (settings.releases / A / "warehouse.duckdb").write_text("no database")
    make(settings, B, "2026-01-02")
    assert release.current(settings) == B
    assert release.life_of(settings).events[-1].changed == {}


def test_the_commands(settings: Settings, tmp_path: Path) -> None:
    make(settings, A, "2026-01-01")
    make(settings, B, "2026-01-02", rows(D1=0.9))

    def eqm(*words: str) -> Any:
        return CliRunner().invoke(app, ["releases", *words, "--home", str(settings.home)])

    assert (
        "changed district, D1, all, all, 2025-2026 pass_rate 0.8 → 0.9" in eqm("diff", A, B).output
    )
    assert "no published figure is another" in eqm("diff", A, A).output
    done = eqm("embargo", B, "--until", "2126-07-10T09:00", "--reason", "first the centre")
    assert done.exit_code == 0 and "embargoed until 2126-07-10T01:00" in done.output
    listed = {one["release_id"]: one for one in json.loads(eqm("list", "--json").output)}
    assert listed[B]["state"] == "embargoed" and listed[A]["state"] == "published"
    assert "embargoed until" in eqm("list").output
    assert eqm("embargo", B, "--lift").output == f"{B}: published\n"
    assert eqm("note", B, "--reason", "更正", "--corrects", A).exit_code == 0
    assert "corrected" in eqm("list").output
    for wrong in (
        ["embargo", B], ["embargo", B, "--lift", "--until", "2126-01-01"],
        ["embargo", B, "--until", "soon"], ["embargo", B, "--until", "2020-01-01"],
        ["embargo", C, "--lift"], ["diff", A, C], ["note", C, "--reason", "x"],
    ):  # fmt: skip
        assert eqm(*wrong).exit_code == 2, wrong
    (settings.releases / FILE).write_text("damaged")
    assert eqm("list").exit_code == 1

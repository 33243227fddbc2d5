"""What a build may use again of the last one: exactly what rests on nothing that changed."""

import json
from pathlib import Path

import duckdb
import pytest

from pipelines import kept, release
from pipelines.feeds import load_contracts
from pipelines.intake import Standing
from pipelines.settings import Settings
from pipelines.warehouse import WarehouseError

PROJECT = {
    "sources": {
        "source.schools": {"schema": "standing", "name": "schools"},
        "source.results": {"schema": "standing", "name": "monitoring_results"},
        "source.files": {"schema": "ops", "name": "submission"},
    },
    "nodes": {
        "model.schools": {"depends_on": {"nodes": ["source.schools"]}},
        "model.scores": {"depends_on": {"nodes": ["source.results", "model.schools"]}},
        "model.reporting": {"depends_on": {"nodes": ["source.files", "model.schools"]}},
        "seed.plan": {"depends_on": {}},
        "test.schools": {"depends_on": {"nodes": ["model.schools"]}},
        "test.scores": {"depends_on": {"nodes": ["model.scores", "model.schools"]}},
    },
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(
        raw=tmp_path / "raw", home=tmp_path / "home", pseudonym_key_file=tmp_path / "key"
    )


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(PROJECT))
    return path


def view(settings: Settings, **changed: str) -> Standing:
    """A frozen state in which these feeds are not as they were."""
    own = dict.fromkeys(load_contracts(), "as it was") | changed
    path = settings.standing / "0123456789abcdef"
    path.mkdir(parents=True, exist_ok=True)
    return Standing("digest", path, dict.fromkeys(own, 0), [], own)


def building(settings: Settings, submissions: int = 1) -> release.Building:
    """A release in the making, with a table and nothing found wrong."""
    with release.hold(settings):
        begun = release.begin(settings, "0123456789ab")
    with duckdb.connect(str(begun.work)) as con:
        con.execute("create schema if not exists ops")
        con.execute(f"create table ops.submission as select range as n from range({submissions})")
    begun.quality.write_text(json.dumps([{"feed": "schools", "rule": "columns"}]))
    return begun


def digests(settings: Settings, manifest: Path, submissions: int = 1, **feeds: str) -> dict:  # type: ignore[type-arg]
    work = building(settings, submissions).work
    return kept.digests(settings, manifest, view(settings, **feeds), work)


def changed(one: dict[str, str], other: dict[str, str]) -> set[str]:
    assert one.keys() == other.keys() == PROJECT["nodes"].keys()
    return {name for name in one if one[name] != other[name]}


def test_nothing_changes_where_nothing_changed(settings: Settings, manifest: Path) -> None:
    assert not changed(digests(settings, manifest), digests(settings, manifest))


def test_a_feed_changes_what_rests_on_it_and_nothing_else(
    settings: Settings, manifest: Path
) -> None:
    before = digests(settings, manifest)
    results = digests(settings, manifest, monitoring_results="another file")
    assert changed(before, results) == {"model.scores", "test.scores"}
    schools = digests(settings, manifest, schools="another file")
    assert changed(before, schools) == set(before) - {"seed.plan"}
    files = digests(settings, manifest, submissions=2)
    assert changed(before, files) == {"model.reporting"}


def test_a_setting_changes_all_and_another_place_nothing(
    settings: Settings, manifest: Path, tmp_path: Path
) -> None:
    before = digests(settings, manifest)
    stricter = settings.model_copy(update={"pass_share": 0.7})
    assert changed(before, digests(stricter, manifest)) == set(PROJECT["nodes"])
    # The first model of value added is the one that is published.
    models = dict(reversed(settings.value_added_models.items()))
    other = settings.model_copy(update={"value_added_models": models})
    assert changed(before, digests(other, manifest)) == set(PROJECT["nodes"])
    moved = settings.model_copy(update={"home": tmp_path / "another"})
    assert not changed(before, digests(moved, manifest))


def keep(settings: Settings, tests: dict[str, dict[str, object]]) -> None:
    begun = building(settings)
    kept.note(settings, begun, {"model.schools": "d", "test.schools": "e"}, tests)
    kept.keep(settings, begun, view(settings))
    assert not begun.work.exists()


def test_the_next_build_finds_tables_tests_and_suites(settings: Settings) -> None:
    keep(settings, {"test.schools": {"passed": True}})
    with release.hold(settings):
        following = release.begin(settings, "ba9876543210")
    kept.lend(settings, following, view(settings))
    with duckdb.connect(str(following.work), read_only=True) as con:
        assert con.execute("select count(*) from ops.submission").fetchone() == (1,)
    made = kept.made(following)
    assert made.nodes == {"model.schools": "d", "test.schools": "e"}
    assert made.tests == {"test.schools": {"passed": True}}
    assert made.suites["schools"] == {
        "of": kept.suites_of(view(settings))["schools"],
        "rows": [{"feed": "schools", "rule": "columns"}],
    }
    other = kept.suites_of(view(settings, schools="another file"))
    of = {feed for feed, digest in other.items() if made.suites[feed]["of"] != digest}
    contracts = load_contracts().items()
    assert of == {"schools", *(feed for feed, c in contracts if "schools" in c.depends_on)}
    # What a build works in is a copy: the next one finds all as it was.
    following.work.unlink()
    kept.lend(settings, following, view(settings))
    assert following.work.exists()


def test_tables_of_other_settings_are_not_lent(settings: Settings) -> None:
    keep(settings, {"test.schools": {}})
    other = settings.model_copy(update={"pass_share": 0.7})
    with release.hold(other):
        following = release.begin(other, "ba9876543210")
    kept.lend(other, following, view(other))
    assert not following.work.exists()
    assert kept.made(following) == kept.Made()


def test_views_of_a_home_that_was_moved_look_at_the_rows_that_stand_there(
    settings: Settings, tmp_path: Path
) -> None:
    begun = building(settings)
    place = kept.show_standing(settings, view(settings))
    (place / "schools").mkdir()
    rows = place / "schools" / "rows.parquet"
    with duckdb.connect(str(begun.work)) as con:
        con.execute(f"copy (select 1 as n) to '{rows}' (format parquet)")
        con.execute("create schema staging")
        con.execute(f"create view staging.schools as from read_parquet('{place}/schools/*')")
        con.execute("create view ops.counted as select count(*) from staging.schools")
    kept.note(settings, begun, {}, {})
    kept.keep(settings, begun, view(settings))
    moved = settings.model_copy(update={"home": tmp_path / "another"})
    settings.home.rename(moved.home)
    with release.hold(moved):
        following = release.begin(moved, "ba9876543210")
    kept.lend(moved, following, view(moved))
    with duckdb.connect(str(following.work), read_only=True) as con:
        assert con.execute("from ops.counted").fetchone() == (1,)


@pytest.mark.parametrize("record", ["", "[]", '{"nodes": {}, "unknown": 1}'])
def test_a_record_that_is_cut_short_or_older_is_none(settings: Settings, record: str) -> None:
    keep(settings, {"test.schools": {}})
    (settings.kept / kept.RECORD).write_text(record)
    with release.hold(settings):
        following = release.begin(settings, "ba9876543210")
    kept.lend(settings, following, view(settings))
    assert not following.work.exists()


def test_a_test_that_did_not_run_is_no_test_that_passed(settings: Settings) -> None:
    begun = building(settings)
    with pytest.raises(WarehouseError, match="1 tests did not run"):
        kept.note(settings, begun, {"model.schools": "d", "test.schools": "e"}, {})


def test_a_moment_of_the_past_leaves_the_tables_of_today(settings: Settings) -> None:
    keep(settings, {"test.schools": {}})
    before = (settings.kept / kept.RECORD).read_bytes()
    past = settings.model_copy(update={"as_of": "2024-09-01"})
    begun = building(past)
    kept.note(past, begun, {}, {})
    kept.keep(past, begun, view(past))
    assert begun.work.exists()
    assert (settings.kept / kept.RECORD).read_bytes() == before


def test_a_database_that_is_mostly_room_is_made_anew(settings: Settings) -> None:
    begun = building(settings)
    with duckdb.connect(str(begun.work)) as con:
        con.execute("create table large as select hash(range) as h from range(2000000)")
    with duckdb.connect(str(begun.work)) as con:
        con.execute("drop table large")
        con.execute("checkpoint")
    kept.note(settings, begun, {}, {})
    kept.keep(settings, begun, view(settings))
    with release.hold(settings):
        following = release.begin(settings, "ba9876543210")
    kept.lend(settings, following, view(settings))
    assert not following.work.exists()

"""What a build may use again of the last one: exactly what rests on nothing that changed."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines import kept, parts, release
from pipelines.feeds import load_contracts
from pipelines.intake import Standing
from pipelines.settings import Settings
from pipelines.warehouse import WarehouseError


def node(*reads: str, **meta: object) -> dict[str, Any]:
    """A node of dbt's manifest."""
    return {"depends_on": {"nodes": list(reads)}, "config": {"meta": meta}}


PROJECT: dict[str, dict[str, Any]] = {
    "sources": {
        "source.schools": {"schema": "standing", "name": "schools"},
        "source.results": {
            "schema": "standing", "name": "monitoring_results", "meta": {"parts": "wave_id, grade"},
        },
        "source.files": {"schema": "ops", "name": "submission"},
    },
    "nodes": {
        "model.schools": node("source.schools"),
        "model.scores": node("source.results", "model.schools", parts="wave_id, grade"),
        "model.papers": node("model.scores", parts="paper_no"),
        "model.items": node("model.scores", "model.waves", parts="wave_id"),
        "model.growth": node("model.scores", parts="paper_no", parts_through="following"),
        "model.waves": node("source.results", parts_alone=True),
        "model.trend": node("model.papers"),
        "model.beyond": node("model.trend", "model.papers", parts="paper_no"),
        "model.reporting": node("source.files", "model.schools"),
        "seed.plan": {"depends_on": {}},
        "test.schools": node("model.schools"),
        "test.scores": node("model.scores", "model.schools"),
    },
}  # fmt: skip
RESTS_ON_RESULTS = {
    "model.scores", "model.papers", "model.items", "model.growth", "model.trend", "model.beyond",
    "test.scores",
}  # fmt: skip
ROWS = "('2024', 4, 'a', 60.0), ('2024', 6, 'b', 61.0), ('2025', 4, 'a', 62.0)"
"""Wave, grade, student and score of the results that stand."""


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


def view(settings: Settings, results: str = ROWS, **changed: str) -> Standing:
    """A frozen state of these results in which these feeds are not as they were."""
    own = dict.fromkeys(load_contracts(), "as it was") | {"monitoring_results": results} | changed
    path = settings.standing / "0123456789abcdef"
    folder = path / "monitoring_results" / "2024-2025"
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        con.execute(
            f"copy (select * exclude(score), null as school_code, null as class_no, "
            "'english' as subject, score, 'present' as status, '2024-2025' as school_year "
            f"from (values {results}) as v (wave_id, grade, student_key, score)) "
            f"to '{folder}/rows.parquet'"
        )
    return Standing("digest", path, dict.fromkeys(own, 0), [], own)


def building(settings: Settings, submissions: int = 1) -> release.Building:
    """A release in the making, with its tables and nothing found wrong."""
    with release.hold(settings):
        begun = release.begin(settings, "0123456789ab")
    with duckdb.connect(str(begun.work)) as con:
        con.execute("create schema if not exists ops")
        con.execute(f"create table ops.submission as select range as n from range({submissions})")
        con.execute("create schema intermediate")
        con.execute(
            "create table intermediate.int_papers as select * from (values "
            "(1, '2024', 4), (2, '2024', 4), (3, '2024', 6), (4, '2025', 4), (5, '2026', 6)) "
            "as v (paper_no, wave_id, grade)"
        )
        con.execute(
            "create table intermediate.following as "
            "select '2024' as wave_id, '2025' as following_wave_id"
        )
    begun.quality.write_text(json.dumps([{"feed": "schools", "rule": "columns"}]))
    return begun


def state(settings: Settings, manifest: Path, submissions: int = 1, **feeds: str) -> kept.State:
    begun = building(settings, submissions)
    return kept.state(settings, manifest, view(settings, **feeds), begun)


def changed(one: kept.State, other: kept.State) -> set[str]:
    """Nodes of another digest."""
    assert one.nodes.keys() == other.nodes.keys()
    return {n for n in PROJECT["nodes"] if one.nodes[n] != other.nodes[n]}


def test_nothing_changes_where_nothing_changed(settings: Settings, manifest: Path) -> None:
    assert not changed(state(settings, manifest), state(settings, manifest))


def test_a_feed_changes_what_rests_on_it_and_nothing_else(
    settings: Settings, manifest: Path
) -> None:
    before = state(settings, manifest)
    results = state(settings, manifest, results=ROWS.replace("61", "16"))
    assert changed(before, results) == RESTS_ON_RESULTS
    schools = state(settings, manifest, schools="another file")
    assert changed(before, schools) == set(PROJECT["nodes"]) - {"seed.plan", "model.waves"}
    files = state(settings, manifest, submissions=2)
    assert changed(before, files) == {"model.reporting"}


def test_the_same_rows_of_another_file_change_nothing(settings: Settings, manifest: Path) -> None:
    before = state(settings, manifest)
    first, rest = ROWS.split(", (", 1)
    other = state(settings, manifest, results=f"({rest}, {first}")
    assert other.rows["monitoring_results"]["of"] != before.rows["monitoring_results"]["of"]
    assert not changed(before, other)


def replaced(
    settings: Settings, manifest: Path, before: kept.State, now: kept.State
) -> dict[str, set[parts.Part]]:
    """What is replaced of tables that were made from the one, when the other stands."""
    last = kept.Made(nodes=before.nodes, rows=before.rows)
    return kept.concerned(manifest, last, now, building(settings).work)


def test_of_tables_with_parts_those_are_replaced_that_the_change_concerns(
    settings: Settings, manifest: Path
) -> None:
    before = state(settings, manifest)
    now = state(settings, manifest, results=ROWS.replace("61", "16"))
    found = replaced(settings, manifest, before, now)
    # What rests on more than parts of its inputs is not among them.
    assert found == {
        "model.scores": {("2024", 6)},
        "model.papers": {("2024", 6)},
        "model.items": {("2024", None)},
        "model.growth": {("2024", 6), ("2025", None)},
    }
    told = json.loads(parts.told(found, building(settings).work))
    conditions = {name: told["sets"][place] for name, place in told["of"].items()}
    assert conditions["model.papers"] == {
        "wave_id": "wave_id in ('2024')",
        "wave_id, grade": "((wave_id = '2024' and grade = 6))",
        "paper_no": "paper_no in (3)",
    }
    assert conditions["model.growth"]["paper_no"] == "paper_no in (3, 4)"


def test_rows_that_come_go_or_move_concern_their_parts(settings: Settings, manifest: Path) -> None:
    before = state(settings, manifest)

    def found(results: str) -> set[parts.Part] | None:
        now = state(settings, manifest, results=results)
        return replaced(settings, manifest, before, now).get("model.papers")

    assert found(ROWS + ", ('2024', 4, 'a', 60.0)") == {("2024", 4)}
    assert found(ROWS.replace("('2024', 4, 'a', 60.0), ", "")) == {("2024", 4)}
    assert found(ROWS.replace("'2024', 4", "'2025', 4")) == {("2024", 4), ("2025", 4)}
    # Whatever else changes with them, a table is made as a whole.
    schools = state(settings, manifest, results=ROWS.replace("61", "16"), schools="another")
    assert replaced(settings, manifest, before, schools) == {}
    # A wave more gives other numbers to waves, on which items rest as a whole.
    more = state(settings, manifest, results=ROWS + ", ('2026', 6, 'c', 60.0)")
    assert replaced(settings, manifest, before, more).keys() == {
        "model.scores", "model.papers", "model.growth",
    }  # fmt: skip


def test_of_many_parts_a_table_is_made_as_a_whole(settings: Settings, manifest: Path) -> None:
    before = state(settings, manifest)
    many = ", ".join(f"('w{number}', 4, 'a', 60.0)" for number in range(parts.MOST))
    assert not replaced(settings, manifest, before, state(settings, manifest, results=many))


def test_a_setting_changes_all_and_another_place_nothing(
    settings: Settings, manifest: Path, tmp_path: Path
) -> None:
    before = state(settings, manifest)
    stricter = settings.model_copy(update={"pass_share": 0.7})
    assert changed(before, state(stricter, manifest)) == set(PROJECT["nodes"])
    # The first model of value added is the one that is published.
    models = dict(reversed(settings.value_added_models.items()))
    other = settings.model_copy(update={"value_added_models": models})
    assert changed(before, state(other, manifest)) == set(PROJECT["nodes"])
    moved = settings.model_copy(update={"home": tmp_path / "another"})
    assert not changed(before, state(moved, manifest))


def keep(settings: Settings, tests: dict[str, dict[str, object]]) -> None:
    begun = building(settings)
    kept.note(settings, begun, kept.State({"model.schools": "d", "test.schools": "e"}, {}), tests)
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
    kept.note(settings, begun, kept.State({}, {}), {})
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
        kept.note(settings, begun, kept.State({"model.schools": "d", "test.schools": "e"}, {}), {})


def test_a_moment_of_the_past_leaves_the_tables_of_today(settings: Settings) -> None:
    keep(settings, {"test.schools": {}})
    before = (settings.kept / kept.RECORD).read_bytes()
    past = settings.model_copy(update={"as_of": "2024-09-01"})
    begun = building(past)
    kept.note(past, begun, kept.State({}, {}), {})
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
    kept.note(settings, begun, kept.State({}, {}), {})
    kept.keep(settings, begun, view(settings))
    with release.hold(settings):
        following = release.begin(settings, "ba9876543210")
    kept.lend(settings, following, view(settings))
    assert not following.work.exists()

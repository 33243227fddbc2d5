"""The staging layer: what stands there is what the contracts say, for every feed."""

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from pipelines import warehouse
from pipelines.feeds import Contract, codes, load_contracts
from pipelines.feeds.contract import ORIGIN
from pipelines.feeds.staging import STAGING, files, write

from .conftest import FEEDS, PROJECT, City, home_in

CONTRACTS = load_contracts()


@pytest.fixture(scope="module")
def tests(city: City) -> dict[str, dict[str, Any]]:
    """Name → test, as dbt read them."""
    manifest = json.loads((city.warehouse.parent / "target" / "manifest.json").read_text())
    nodes = manifest["nodes"].values()
    return {node["name"]: node for node in nodes if node["resource_type"] == "test"}


def own_columns(contract: Contract) -> list[str]:
    """What a feed's file lands, without where each row came from."""
    return [name for name in contract.landed if name not in ORIGIN]


def test_the_staging_layer_is_the_one_that_the_contracts_give() -> None:
    """A contract added, changed or taken out: `python -m pipelines.feeds.staging` has to follow."""
    wanted = files()
    models = {path.relative_to(PROJECT) for path in (PROJECT / STAGING).glob("*.sql")}
    assert models == {path for path in wanted if path.match("stg_*.sql")}
    for path, text in wanted.items():
        assert (PROJECT / path).read_text(encoding="utf-8") == text, path


def test_writing_follows_the_contracts(tmp_path: Path) -> None:
    stale, kept = tmp_path / STAGING / "stg_no_more.sql", tmp_path / "models" / "sources.yml"
    stale.parent.mkdir(parents=True)
    (tmp_path / "macros").mkdir()
    stale.write_text("select 1")
    kept.write_text("version: 2")
    assert set(write(tmp_path)) == {stale, *(tmp_path / path for path in files())}
    assert not stale.exists() and kept.exists()
    assert write(tmp_path) == []


def test_a_contract_with_awkward_words_gives_yaml_that_says_them() -> None:
    """What a person may write in a description: colons, quotes, a hash, a word that YAML reads."""
    awkward = CONTRACTS["districts"].model_dump()
    awkward["description"] = "Units: \"county\" # and 'zone', one row a unit. yes"
    text = files({"districts": Contract.model_validate(awkward)})[STAGING / "staging.yml"]
    (model,) = yaml.safe_load(text)["models"]
    assert awkward["description"] in model["description"]


@pytest.mark.parametrize("feed", FEEDS)
def test_a_feed_has_a_model_of_its_columns_and_types(city: City, feed: str) -> None:
    contract = CONTRACTS[feed]
    with duckdb.connect(str(city.warehouse), read_only=True) as con:
        described = con.execute(f"describe staging.stg_{feed}").fetchall()
    found = {row[0]: row[1].lower() for row in described}
    assert list(found) == [*own_columns(contract), "school_year"]
    assert found == {name: contract.landed[name] for name in found}


@pytest.mark.parametrize("feed", FEEDS)
def test_staging_changes_no_value(city: City, feed: str) -> None:
    """Names and types, nothing else; the one default is tested below."""
    landed = f"read_parquet('{city.warehouse.parent}/standing/{feed}/*/*.parquet')"
    names = ", ".join(name for name in own_columns(CONTRACTS[feed]) if name != "lessons")
    with duckdb.connect(str(city.warehouse), read_only=True) as con:
        own = f"select {names}, school_year from"
        rows = con.sql(f"{own} {landed}")
        staged = con.sql(f"{own} staging.stg_{feed}")
        assert len(rows) == len(staged) == len(city.feeds[feed]) > 0
        assert rows.except_(staged).fetchall() == staged.except_(rows).fetchall() == []


def test_an_observation_is_of_one_lesson_unless_more_are_given(city: City) -> None:
    with duckdb.connect(str(city.warehouse), read_only=True) as con:
        found = con.execute("select period, lessons from staging.stg_lesson_observations")
        assert set(found.fetchall()) == {("1", 1), ("2", 2), (None, 1)}


@pytest.mark.parametrize("feed", FEEDS)
def test_a_feed_is_tested_by_its_contract(tests: dict[str, Any], feed: str) -> None:
    contract = CONTRACTS[feed]

    def arguments(name: str) -> Any:
        node = tests[f"{feed}_{name}"]
        assert node["attached_node"] == f"model.eqm.stg_{feed}"
        return node["test_metadata"]["kwargs"]

    key = arguments("key")
    assert key["columns"] == contract.landed_key
    if "never_null" in key:
        filled = {*key["columns"], *key["never_null"]}
    else:  # where a part of the key may be lacking, by a test of its own
        filled = set(arguments("required")["columns"])
    assert filled >= {c.landed_name for c in contract.columns if c.required} | {"school_year"}
    coded = {c.landed_name: c.codes for c in contract.columns if c.type == "code"}
    if coded:
        assert arguments("codes")["code_sets"].items() >= coded.items()
    for column in contract.columns:
        if column.references:
            given = arguments(f"{column.landed_name}_known")
            other, _, target = column.references.partition(".")
            assert given["columns"][0] == column.landed_name
            assert (given["to_columns"][0], f"stg_{other}" in given["to"]) == (target, True)
            severity = tests[f"{feed}_{column.landed_name}_known"]["config"]["severity"].lower()
            loses_scores = (feed, other) == ("monitoring_results", "monitoring_waves")
            assert severity == ("error" if loses_scores else "warn")


def failing(city: City, test: str, **relations: str) -> list[tuple[Any, ...]]:
    """What a test of the staging layer finds in these made relations (name → query)."""
    compiled = next((city.warehouse.parent / "target" / "compiled").rglob(f"{test}.sql"))
    with duckdb.connect() as con:
        con.execute("attach ':memory:' as work; create schema work.staging")
        for name, query in relations.items():
            con.execute(f"create table work.staging.{name} as {query}")
        return con.execute(compiled.read_text(encoding="utf-8")).fetchall()


def test_only_a_value_outside_its_code_set_fails(city: City) -> None:
    kinds = [*codes()["area_kind"], "Urban", "suburban", None]
    areas = f"select unnest({kinds!r}) as area_kind".replace("None", "null")
    found = failing(city, "residential_areas_codes", stg_residential_areas=areas)
    assert found == [("Urban",), ("suburban",)]
    items = "select grade::int as grade, 'it' as subject from range(0, 14) as t (grade)"
    assert failing(city, "item_map_codes", stg_item_map=items) == [(0, "it"), (13, "it")]


def test_only_a_row_without_a_key_of_its_own_or_what_is_required_fails(city: City) -> None:
    visits = """
        select * from (values ('E1', 'S1', 1, null, null, '2024-2025'),
            ('E1', null, 1, 'x', 2, '2024-2025'), ('E1', 'S1', 2, 'x', 2, null),
            ('E1', 'S1', 3, 'x', 2, '2024-2025'), ('E1', 'S1', 3, 'y', 1, null)
        ) as v (official_code, school_code, visited_on, topic, problems_solved, school_year)"""
    found = failing(city, "official_visits_key", stg_official_visits=visits)
    # The key, how often it occurs, and how many of its rows have no school year.
    expected = {("E1", None, 1, 1, 0), ("E1", "S1", 2, 1, 1), ("E1", "S1", 3, 2, 1)}
    assert set(found) == expected and len(found) == 3


def test_a_reference_is_to_the_register_of_its_year_and_none_is_no_reference(city: City) -> None:
    staff = "select 'T1' as staff_code, '2023-2024' as school_year union all select null, null"
    logs = """
        select * from (values ('T1', '2023-2024'), ('T1', '2024-2025'), ('T1', '2024-2025'),
            (null, '2023-2024')) as v (staff_code, school_year)"""
    found = failing(city, "training_logs_staff_code_known", stg_staff=staff, stg_training_logs=logs)
    assert found == [("T1", "2024-2025")]


def test_what_a_later_register_leaves_out_is_told_and_stops_nothing(city: City) -> None:
    """School 5 is on the register of two years, not on the newest, where rows still name it."""
    warned = set(re.findall(r"Warning in test (\w+)", city.words))
    assert warned == {
        f"{feed}_school_code_known"
        for feed in ("students", "monitoring_results", "official_visits")
    }
    assert "WARN=3 ERROR=0" in city.words


def test_rows_of_students_are_sealed_in_restricted_only(city: City, tmp_path: Path) -> None:
    """Staging has items, scores and the roll by student; none of it is in what pages may read."""
    sealed = tmp_path / "sealed.duckdb"
    warehouse.seal(city.warehouse, sealed)
    with duckdb.connect(str(sealed), read_only=True) as con:
        columns = con.execute(
            "select schema_name, column_name from duckdb_columns() where not internal"
        ).fetchall()
        views = con.execute("select view_name from duckdb_views() where not internal").fetchall()
    assert {schema for schema, _ in columns} == set(warehouse.KEPT)
    assert {schema for schema, name in columns if name == "student_key"} == {"restricted"}
    assert views == []


def test_the_documentation_has_every_feed_in_both_languages(city: City, tmp_path: Path) -> None:
    settings = home_in(tmp_path)
    folder = city.warehouse.parent
    warehouse.write_docs(settings, folder / "standing", city.warehouse, folder / "target", tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    for feed, contract in CONTRACTS.items():
        assert f"model.eqm.stg_{feed}" in page
        # The page holds dbt's own JSON, in which Chinese is escaped.
        assert json.dumps(f"{contract.title} · {contract.description}")[1:-1] in page


def test_every_source_model_and_column_is_described() -> None:
    """The grain of a model stands in its description."""
    for path in (PROJECT / "models").rglob("*.yml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        tables = [t for s in content.get("sources", []) for t in s["tables"]]
        for each in [*content.get("models", []), *tables]:
            assert "one row " in each["description"].lower(), each["name"]
            assert all(column["description"] for column in each["columns"]), each["name"]


@pytest.mark.parametrize("feed", FEEDS)
def test_sources_name_the_columns_of_the_contract(feed: str) -> None:
    text = (PROJECT / STAGING / "sources.yml").read_text(encoding="utf-8")
    (standing,) = yaml.safe_load(text)["sources"]
    table = next(t for t in standing["tables"] if t["name"] == feed)
    assert [column["name"] for column in table["columns"]] == list(CONTRACTS[feed].landed)

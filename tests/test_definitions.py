"""The graph that `make dev` shows: it reads like the house, and its names are the relations'."""

import json
from typing import Any

import dagster as dg
import pytest

from pipelines import data_tests, warehouse
from pipelines.definitions import JOB, TESTS, build_definitions
from pipelines.feeds import load_contracts
from pipelines.settings import Settings
from pipelines.warehouse import DBT_PROJECT

LAYERS = ["raw", "landing", "standing", "staging", "intermediate", "marts", "published", "release"]
"""The drawing, top to bottom."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("graph")
    return Settings.load(
        raw=folder / "raw", home=folder / "home", pseudonym_key_file=folder / "key"
    )


@pytest.fixture(scope="module")
def definitions(settings: Settings) -> dg.Definitions:
    return build_definitions(settings)


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> Any:
    return definitions.resolve_asset_graph()


def layer(key: dg.AssetKey) -> str:
    """Where the asset stands; what disclosure is worked out from are marts already."""
    return "marts" if key.path[-1].startswith("int_disclosure") else key.path[0]


def test_data_flows_one_way(graph: Any) -> None:
    order = {name: i for i, name in enumerate(LAYERS)}
    order |= {"seeds": order["raw"], "ops": order["standing"], "restricted": order["marts"]}
    keys = graph.get_all_asset_keys()
    assert {layer(key) for key in keys} == set(order)
    for key in keys:
        for parent in graph.get(key).parent_keys:
            assert order[layer(parent)] <= order[layer(key)], (parent, key)
            # The attainment of a layer is made from the layer before; nothing reaches further up.
            if layer(key) == "published":
                assert layer(parent) == "marts"


def test_every_file_of_a_feed_reaches_the_release(graph: Any) -> None:
    upstream: set[dg.AssetKey] = set()
    todo = {dg.AssetKey(["release", "current"])}
    while todo:
        key = todo.pop()
        upstream.add(key)
        todo |= graph.get(key).parent_keys - upstream
    for feed in load_contracts():
        assert dg.AssetKey(["raw", feed]) in upstream, feed


def test_an_asset_has_the_name_of_its_model(graph: Any) -> None:
    models = {
        (path.relative_to(DBT_PROJECT / "models").parts[0], path.stem.removeprefix("published_"))
        for path in (DBT_PROJECT / "models").rglob("*.sql")
    }
    keys = {tuple(key.path) for key in graph.get_all_asset_keys()}
    assert models <= keys


def test_each_feed_has_its_suite_and_each_tested_table_its_check(
    graph: Any, settings: Settings
) -> None:
    checks = {(tuple(k.asset_key.path), k.name) for k in graph.asset_check_keys}
    assert {(("standing", feed), "contract") for feed in load_contracts()} <= checks
    assert (("release", "warehouse"), "disclosure") in checks
    assert (("marts", "attainment"), TESTS) in checks
    tested = data_tests.tables(json.loads(warehouse.manifest(settings).read_text("utf-8")))
    assert tested["test.eqm.assert_intervals_match_the_literature"] == "marts.attainment"
    assert {path for path, name in checks if name == TESTS} == {
        tuple(table.split(".")) for table in tested.values()
    }


def test_the_night_is_at_two_in_the_city(definitions: dg.Definitions) -> None:
    schedule = definitions.resolve_schedule_def("nightly")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "Asia/Shanghai")
    assert schedule.job_name == JOB


def test_every_asset_is_described(graph: Any) -> None:
    for key in graph.get_all_asset_keys():
        assert graph.get(key).description, key

"""The shape of the project: who reads whom, who may, who uses it, and that dbt has no complaint."""

import json
import re
from collections import defaultdict
from typing import Any

import duckdb
import pytest

from dashboards.analysis.record import QUERIES
from dashboards.pages import PAGES, Published, Unit, school_report
from dashboards.pages.base import Row
from pipelines.metrics import ask, load_metrics, load_models

from .conftest import CITY, City

READS = {
    "staging": {"standing"},
    # Seeds are the plan's targets.
    "intermediate": {"staging", "intermediate", "seeds"},
    # What of the marts' numbers is told is decided once they are all there.
    "disclosure": {"staging", "intermediate", "disclosure", "marts"},
    "marts": {"intermediate", "disclosure", "marts", "ops", "seeds"},
    "restricted": {"intermediate", "restricted"},
    "published": {"marts"},
}
"""Layer → what its models may read: layers, the seeds, and sources by name."""
ACCESS = {
    "staging": "protected", "intermediate": "protected", "disclosure": "protected",
    "marts": "public",
    "restricted": "private", "published": "public",
}  # fmt: skip


@pytest.fixture(scope="module")
def manifest(city: City) -> dict[str, Any]:
    """The project as dbt read it."""
    path = city.warehouse.parent / "target" / "manifest.json"
    described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return described


def models(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Unique id → model."""
    nodes = manifest["nodes"].items()
    return {key: node for key, node in nodes if node["resource_type"] == "model"}


def layer(manifest: dict[str, Any], key: str) -> str:
    """The layer of a model, the name of a source, or `seeds`."""
    kind = key.partition(".")[0]
    if kind == "source":
        return str(manifest["sources"][key]["source_name"])
    if kind == "seed":
        return "seeds"
    own, *folders = manifest["nodes"][key]["fqn"][1:-1]
    return "disclosure" if folders == ["disclosure"] and own == "intermediate" else str(own)


def test_each_layer_reads_the_one_before(manifest: dict[str, Any]) -> None:
    """No mart, no page's table and no analyst's copy skips the preparation."""
    found: dict[str, set[str]] = defaultdict(set)
    for key, model in models(manifest).items():
        own = layer(manifest, key)
        read = {layer(manifest, other) for other in model["depends_on"]["nodes"]}
        assert read <= READS[own], f"{key} reads {sorted(read - READS[own])}"
        assert own == "staging" or not re.search(r"\bstaging\s*\.", model["raw_code"]), key
        found[own] |= read
    assert found == READS, "a permission that nobody uses is one too many"


def test_dbt_itself_refuses_what_skips_a_layer(manifest: dict[str, Any]) -> None:
    """Access by layer; the rows of single students are private to their group."""
    groups = defaultdict(set)
    for key, model in models(manifest).items():
        own = layer(manifest, key)
        assert model["access"] == ACCESS[own], key
        groups[own].add(model["group"])
    prepared = ("staging", "intermediate", "disclosure")
    assert all(groups[own] == {"preparation"} for own in prepared)
    assert (groups["restricted"], groups["published"]) == ({"restricted"}, {"published"})
    folders = {m["fqn"][2] for k, m in models(manifest).items() if layer(manifest, k) == "marts"}
    assert groups["marts"] == folders, "a folder of marts is a group of that name"
    assert set().union(*groups.values()) == {g["name"] for g in manifest["groups"].values()}


def exposed(manifest: dict[str, Any]) -> dict[str, set[str]]:
    """Exposure → tables that it names, as `schema.table`."""
    nodes = manifest["nodes"]
    return {
        one["name"]: {
            f"{nodes[k]['schema']}.{nodes[k]['alias']}" for k in one["depends_on"]["nodes"]
        }
        for one in manifest["exposures"].values()
    }


def tables_of(con: duckdb.DuckDBPyConnection, query: str) -> set[str]:
    """Tables of the warehouse that a query reads, as `schema.table`."""
    named = con.get_table_names(query.replace("?", "null"), qualified=True)
    # DuckDB tells the alias too, quotes words of its own (`dictionary`), and names what the query
    # makes itself without a schema.
    return {name.partition(" ")[0].replace('"', "") for name in named if "." in name}


class Recorded(Published):
    """A published layer that remembers which of its tables were asked."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        super().__init__(connection)
        self.con, self.asked = connection, set[str]()

    def rows(self, query: str, parameters: Any = ()) -> list[Row]:
        self.asked |= tables_of(self.con, query)
        return super().rows(query, parameters)


OWN = {"analysis", "eqm_metric", "school_report"}
"""What is no page."""


def test_every_page_has_an_exposure_of_what_it_reads(city: City, manifest: dict[str, Any]) -> None:
    used = exposed(manifest)
    asked: dict[str, set[str]] = defaultdict(set)
    with duckdb.connect(str(city.warehouse), read_only=True) as con:
        for page in PAGES:
            published = Recorded(con)
            page.build(published, Unit(CITY, "全市", "the city", page.level), "en")
            asked[page.template.removesuffix(".html")] |= published.asked
    assert asked == {name: used[name] for name in used.keys() - OWN}


def test_the_report_of_a_school_has_an_exposure_of_what_it_reads(
    city: City, manifest: dict[str, Any]
) -> None:
    with duckdb.connect(str(city.warehouse), read_only=True) as con:
        published = Recorded(con)
        ((code, name),) = con.execute(
            "select unit_code, unit_name from published.unit where level = 'school' limit 1"
        ).fetchall()
        school_report.build(published, Unit(code, name, name, "school"), "en")
    assert exposed(manifest)["school_report"] == published.asked


def test_the_analyst_area_has_an_exposure_of_what_it_reads(
    city: City, manifest: dict[str, Any]
) -> None:
    with duckdb.connect(str(city.warehouse), read_only=True) as con:
        read = {table for query in QUERIES.values() for table in tables_of(con, query)}
    assert exposed(manifest)["analysis"] == read


def test_the_metrics_have_an_exposure_of_what_they_read(manifest: dict[str, Any]) -> None:
    names = {f"{model['schema']}.{model['alias']}" for model in models(manifest).values()}
    read = {f"{schema}.{name}" for schema in ("marts", "published") for name in load_models()}
    assert exposed(manifest)["eqm_metric"] == (read & names) | {"marts.unit", "published.unit"}


def test_every_metric_answers(city: City) -> None:
    """Each by itself; one of each table by district where it has units, and by its groups."""
    of_table = {metric.model: metric.name for metric in load_metrics().values()}
    for metric in load_metrics().values():
        assert metric.column in ask(city.warehouse, metric.name).columns
    for model in load_models().values():
        levels = ["district"] if model.has_units else []
        for word in [*levels, *model.groups]:
            ask(city.warehouse, of_table[model.name], [word])
    with_groups = ask(city.warehouse, "training_hours", ["mode"])
    assert {row[0] for row in with_groups.rows} == {"online"}


def test_dbt_warns_of_nothing_in_the_project(city: City) -> None:
    """All of it is parsed, built and tested; what tests find in the data they tell one by one."""
    said = [line for line in city.words.splitlines() if re.search("warn|deprecat", line, re.I)]
    told = r"WARN \d+ \w+ \.+ \[WARN|Warning in test \w+ \(models/staging|warn if != 0"
    told += r"|Completed with \d+ warnings|Done\. PASS="
    assert [line for line in said if not re.search(told, line)] == []
    # Which they can tell of all files only when nothing was parsed before.
    assert "saved manifest not found" in city.words

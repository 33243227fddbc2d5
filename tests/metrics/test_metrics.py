"""Each figure is defined once, and the warehouse answers with the rows it holds."""

import json
import re
from pathlib import Path

import duckdb
import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.metrics import BadQuestion, MetricError, ask, load_metrics, load_models
from pipelines.metrics.catalogue import ENTRIES
from pipelines.metrics.pages import HOW_TO_ADD, files
from pipelines.settings import PROJECT, Settings
from tests.release import test_release as release

MODELS = PROJECT / "dbt_project" / "models"


def described() -> dict[str, dict[str, str]]:
    """Model → column → description, of every mart."""
    found: dict[str, dict[str, str]] = {}
    for path in (MODELS / "marts").rglob("*.yml"):
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", []):
            found[model["name"]] = {c["name"]: c["description"] for c in model["columns"]}
    return found


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as con:
        for schema, mark in (("marts", ""), ("published", ", null as mark")):
            con.execute(f"create schema {schema}")
            con.execute(
                f"""create table {schema}.unit as select * from (values
                    ('city', 'C', '全市'),
                    ('district', 'D1', '市中区'), ('district', 'D2', '滕州市')
                ) as v (level, unit_code, unit_name)"""
            )
            con.execute(
                f"""create table {schema}.attainment as
                select '2024-2025' as school_year, 'W' as wave_id, 8 as grade, *,
                    rate - 0.1 as pass_low, rate + 0.1 as pass_high {mark}
                from (values
                    ('mathematics', 'city', 'C', 'all', 'all', 300, 0.5),
                    ('mathematics', 'city', 'C', 'gender', 'female', 150, 0.625),
                    ('mathematics', 'city', 'C', 'gender', 'male', 150, 0.375),
                    ('mathematics', 'district', 'D1', 'all', 'all', 100, 0.75),
                    ('mathematics', 'district', 'D2', 'all', 'all', 200, 0.375),
                    ('english', 'district', 'D2', 'all', 'all', 200, 0.25)
                ) as v (subject, level, unit_code, group_kind, group_value, n, rate)"""
            )
            con.execute(f"alter table {schema}.attainment rename rate to pass_rate")
            con.execute(f"alter table {schema}.attainment alter pass_rate type double")
    return path


def test_every_metric_stands_in_a_model_under_the_words_of_its_entry() -> None:
    marts = described()
    for metric in load_metrics().values():
        columns = marts[metric.model]
        assert set(metric.columns) <= set(columns), metric.name
        if metric.column == metric.name:
            assert columns[metric.column] == f"{{{{ doc('{metric.name}') }}}}", metric.name
    for model in load_models().values():
        assert set(model.grain) <= set(marts[model.name])


def test_what_is_written_from_the_metrics_is_up_to_date() -> None:
    for path, text in files().items():
        assert (PROJECT / path).read_text(encoding="utf-8") == text, f"{path}: run make docs"


def test_a_level_chooses_rows_and_works_nothing_out(warehouse: Path) -> None:
    answer = ask(warehouse, "pass_rate", ["district"], "subject = 'mathematics'")
    figures = ("pass_rate", "pass_low", "pass_high", "n")
    assert answer.columns[:2] == ("unit_code", "unit_name") and answer.columns[-4:] == figures
    assert [(row[0], row[1], row[-4], row[-1]) for row in answer.rows] == [
        ("D1", "市中区", 0.75, 100), ("D2", "滕州市", 0.375, 200)
    ]  # fmt: skip
    (whole,) = ask(warehouse, "pass_rate").rows
    assert 0.5 in whole and "group_value" not in ask(warehouse, "pass_rate").columns


def test_groups_and_columns_to_ask_by(warehouse: Path) -> None:
    answer = ask(warehouse, "pass_rate", ["subject", "gender"], "n >= 100")
    assert answer.columns[:2] == ("subject", "group_value")
    assert [row[1] for row in answer.rows] == ["female", "male"]
    published = ask(warehouse, "pass_rate", ["district"], "unit_name = '滕州市'", published=True)
    assert published.columns[-1] == "mark" and len(published.rows) == 2


@pytest.mark.parametrize(
    ("name", "by", "where", "told"),
    [
        ("pass_rat", [], "", "the metrics are: candidates"),
        ("pass_rate", ["colour"], "", "there are: city, district"),
        ("pass_rate", [], "subjekt = 'english'", "The columns are: "),
        (
            "pass_rate",
            [],
            "true) or (select count(*) from read_csv('/etc/passwd')) > 0 --",
            "syntax error",
        ),
        ("pass_rate", [], "true); drop table marts.attainment; select (1", "read-only"),
        ("low_rate", [], "", "has no low_rate"),
    ],
)
def test_what_does_not_exist_is_said(
    warehouse: Path, name: str, by: list[str], where: str, told: str
) -> None:
    with pytest.raises(BadQuestion, match=re.escape(told)):
        ask(warehouse, name, by, where)
    assert len(ask(warehouse, "pass_rate", ["district"]).rows) == 3


def test_rows_of_one_measure_and_models_without_a_city(warehouse: Path) -> None:
    with duckdb.connect(str(warehouse)) as con:
        con.execute(
            """create table marts.equity as
            select '2024-2025' as school_year, 'W' as wave_id, 8 as grade, 'english' as subject,
                measure, 'school' as dimension, 'city' as level, 'C' as unit_code, value,
                value as ci_low, value as ci_high, 9 as n
            from (values ('gini', 0.125), ('theil', 0.25)) as v (measure, value)"""
        )
        con.execute(
            """create table marts.value_added as
            select '2024-2025' as school_year, 'W' as wave_id, 8 as grade, 'english' as subject,
                level, unit_code, 0.5 as effect, 0.25 as ci_low, 0.75 as ci_high, 30 as n
            from (values ('school', 'S'), ('district', 'D2')) as v (level, unit_code)"""
        )
    (row,) = ask(warehouse, "gini").rows
    assert row[-4] == 0.125 and "measure" not in ask(warehouse, "gini").columns
    (row,) = ask(warehouse, "value_added").rows
    assert "滕州市" in row
    (row,) = ask(warehouse, "value_added", ["school"]).rows
    assert row[0] == "S"
    with pytest.raises(BadQuestion, match="there are: district, school, school_year"):
        ask(warehouse, "value_added", ["city"])


def test_an_entry_that_is_wrong_is_named(tmp_path: Path) -> None:
    content = yaml.safe_load(ENTRIES.read_text(encoding="utf-8"))
    path = tmp_path / "metrics.yml"
    content["metrics"]["pass_rate"]["unit"] = "apples"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(MetricError, match="pass_rate: unit"):
        load_metrics(path)
    content["metrics"]["pass_rate"] |= {"unit": "share", "only": {"colour": "red"}}
    another = tmp_path / "another.yml"
    another.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(
        MetricError, match="pass_rate: only: not in the grain of attainment: colour"
    ):
        load_metrics(another)
    del content["metrics"]["pass_rate"]["only"]
    content["metrics"]["pass_rate"] |= {"model": "attainmint"}
    other = tmp_path / "other.yml"
    other.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(MetricError, match="no model attainmint"):
        load_metrics(other)


def test_a_metric_is_added_as_the_page_says(warehouse: Path, tmp_path: Path) -> None:
    """The page's own entry, and a column of the table, are all it takes."""
    (entry,) = [
        text
        for text in re.findall(r"```yaml\n(.*?)```", HOW_TO_ADD.read_text("utf-8"), re.DOTALL)
        if "formula" in text
    ]
    content = yaml.safe_load(ENTRIES.read_text(encoding="utf-8"))
    content["metrics"] |= yaml.safe_load(entry)
    path = tmp_path / "metrics.yml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    with duckdb.connect(str(warehouse)) as con:
        con.execute("alter table marts.attainment add column good_only_rate double default 0.2")
    (row,) = ask(warehouse, "good_only_rate", entries=path).rows
    assert row[-2:] == (0.2, 300)
    written = files(load_metrics(path))
    assert all("良好未优秀率" in text for text in written.values())


def test_on_the_command_line(
    tmp_path: Path, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQM_RAW", str(tmp_path / "raw"))
    monkeypatch.setenv("EQM_HOME", str(tmp_path / "home"))
    run = CliRunner().invoke
    assert "eqm build" in run(app, ["metric", "pass_rate"]).output
    settings = Settings.load()
    release.make(settings, release.A, "2026-01-01")
    warehouse.rename(settings.current / "warehouse.duckdb")
    asked = ["metric", "pass_rate", "--by", "district", "--where", "subject = 'english'", "--json"]
    told = json.loads(run(app, asked).stdout)
    assert [row["pass_rate"] for row in told["rows"]] == [0.25]
    assert told["metric"]["zh"] == "合格率"
    assert "0.2500" in run(app, asked[:-1]).stdout
    assert run(app, ["metric", "nonsense"]).exit_code == 2
    assert "合格率" in run(app, ["metric"]).stdout

"""The page of methods and data: the same for everybody, in words, with what protection costs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import pytest
import yaml
from made_up_city import City, Rendered, write_warehouse

from dashboards.pages import Published, View, methods
from dashboards.pages.dictionary import dictionary
from dashboards.shelf import read_shelf
from pipelines.metrics import load_metrics
from pipelines.settings import PROJECT
from pipelines.wording import translator

Look = Callable[..., View]


@pytest.fixture
def look(view_of: Look) -> Look:
    """The view in a language."""
    return partial(view_of, methods.build)


def test_only_figures_that_are_published_are_explained(look: Look) -> None:
    assert look(City()).context["metrics"] == [
        ("合格率", "达到合格线的学生占实考人数的比例。", "比例（0～1）", "Interval of Wilson 1927",
         "attainment.pass_rate"),
    ]  # fmt: skip


def test_the_dictionary_parts_names_from_meanings(look: Look) -> None:
    attainment, added = look(City()).context["tables"]
    assert (attainment.name, attainment.meaning) == (
        "学业质量",
        "One row per paper. As pages show it.",
    )
    assert attainment.columns[0] == (
        "合格率",
        "pass_rate",
        "double",
        "达到合格线的学生占实考人数的比例。",
    )
    assert (added.name, added.columns) == ("增值评价", ())
    english = look(City(), "en").context["tables"][0]
    assert (english.name, english.columns[1][3]) == (
        "Attainment",
        "Students whom nobody has put into Chinese.",
    )


def test_the_cost_of_protection_is_drawn_and_told(look: Look) -> None:
    view = look(City())
    told = view.context["protection"]
    assert told["title"] == "各表中计入公布数值的人数占比：学业质量 94%、增值评价 94%"
    assert told["heads"] == ["公布", "隐去：不足 10 人", "补充隐去"]
    name, cells = told["lines"][0]
    assert (name, [cell.text for cell in cells]) == ("学业质量（数值）", ["82%", "6%", "12%"])
    assert [bar.x[0] for bar in view.figures["protection"].data] == [0.82, 0.06, 0.12]


def test_settings_of_one_number_are_told(look: Look) -> None:
    view = look(City(), "en")
    assert view.context["settings"] == [
        ("Baseline year of the plan", "2023-2024", "plan_baseline_year"),
        ("Pass mark where a paper names none, share of the full mark", "0.6", "pass_share"),
    ]
    assert view.context["software"] == [("duckdb", "2.0.0")]


def test_it_is_everybodys_and_leads_home(whole: Rendered) -> None:
    shelf = read_shelf(whole.folder)
    assert shelf is not None
    for path in ("methods.html", "en/methods.html", *(f"downloads/{n}" for n in methods.FILES)):
        item = shelf.find(path)
        assert item is not None and item.owners == (), path
    page = whole.page(place="methods.html")
    assert '<a href="index.html">首页</a>' in page
    assert "合格率</a>" not in page, "whose pages there are is not known there"
    school = whole.page(place="school/3137000001/submissions.html")
    assert '<a href="../../methods.html">方法与数据</a>' in school


def test_an_empty_city_still_says_how_to_read(look: Look) -> None:
    view = look(City(results=False, registered=False))
    assert view.context["protection"] is None and not view.figures and not view.downloads
    assert view.context["headline"] == "数值怎样得来、怎样解读"


def test_every_published_figure_is_explained_in_chinese() -> None:
    described = PROJECT / "dbt_project" / "models" / "published" / "published.yml"
    published = {
        (model["name"].removeprefix("published_"), column["name"])
        for model in yaml.safe_load(described.read_text(encoding="utf-8"))["models"]
        for column in model["columns"]
    }
    measures = (PROJECT / "dbt_project/macros/disclosure.sql").read_text(encoding="utf-8")
    told = [
        m
        for m in load_metrics().values()
        if (m.model, m.column) in published and (m.model != "equity" or f"'{m.name}'" in measures)
    ]
    words = translator("zh")
    assert len(told) > 20
    assert not [m.name for m in told if words.gettext(m.formula) == m.formula]


def test_a_figure_has_the_unit_of_its_metric_and_what_is_not_described_has_none(
    tmp_path: Path,
) -> None:
    write_warehouse(tmp_path / "w.duckdb", City())
    with duckdb.connect(str(tmp_path / "w.duckdb")) as con:
        con.execute(
            "insert into published.dictionary values ('attainment', 3, 'bare', 'double', '')"
        )
        # A column of several figures of different units has none of its own.
        con.execute(
            "insert into published.metric by name "
            "select 'attainment' as table_name, 'n' as column_name, unnest(['sd', 'share']) as unit"
        )
        told = dictionary(Published(con))
    rate, n, bare = told["attainment"].columns
    assert (rate.zh, rate.en, rate.unit) == (
        "合格率", "Share of n at or above the pass mark.", "share",
    )  # fmt: skip
    assert (n.zh, n.unit) == ("实考人数", "")
    assert (bare.zh, bare.en, bare.unit) == ("", "", "")

"""The page of equity: gaps are said where intervals bear them out, and told where they may be."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from made_up_city import DISTRICTS, City

from dashboards.pages import View, equity
from dashboards.pages.papers import main_papers

Look = Callable[..., View]


@pytest.fixture
def look(view_of: Look) -> Look:
    """The view of the city or of a district, in a language."""
    return partial(view_of, equity.build)


def test_the_headline_claims_what_intervals_bear_out(look: Look) -> None:
    view = look(City())
    assert view.context["headline"] == "乡村与城区：3 份试卷中，前者偏低 2 份、差异不明确 1 份"
    assert view.context["sentences"] == [
        "与 2025–2026学年相比，3 份试卷的差距：明确缩小 1 份、变化不明确 2 份。",
        "女生与男生：3 份试卷中，前者偏高 3 份。",
    ]
    wide = "update published.equity set ci_low = -1, ci_high = 1, stands = 'unclear'"
    unclear = look(City(), "en", change=wide)
    assert unclear.context["headline"] == (
        "Rural against urban: of 3 papers none shows a clear difference"
    )
    assert "not clearly changed in any of 3 papers" in unclear.context["sentences"][0]


@pytest.mark.parametrize(
    ("now", "before", "moved"),
    [
        ((-0.1, -0.2, 0.0), (-0.4, -0.5, -0.3), 1),
        ((-0.4, -0.5, -0.3), (-0.1, -0.2, 0.0), -1),
        ((-0.1, -0.2, 0.0), (-0.2, -0.3, -0.1), 0),
        ((-0.1, None, None), (-0.4, -0.5, -0.3), 0),
        ((None, None, None), (-0.4, -0.5, -0.3), 0),
    ],
)
def test_a_gap_moved_where_the_difference_is_beyond_chance(
    now: tuple[Any, ...], before: tuple[Any, ...], moved: int
) -> None:
    names = ("value", "ci_low", "ci_high")
    rows = [dict(zip(names, ends, strict=True)) for ends in (now, before)]
    assert equity.changed(*rows) == moved


def test_figures_tables_and_download_hold_the_same(look: Look) -> None:
    view = look(City())
    rural = view.context["gaps"]["panels"][0]
    assert [cell.text for _, cells in rural["lines"] for cell in cells] == [
        "−0.40（−0.48～−0.32）", "−0.10（−0.18～−0.02）", "−0.40（−0.48～−0.32）",
        "−0.40（−0.48～−0.32）", "−0.05（−0.13～0.03）", "−0.05（−0.13～0.03）",
    ]  # fmt: skip
    drawn = [x for bar in view.figures["gap-locale_rural"].data for x in bar.x]
    rows = [
        row["value"]
        for row in view.downloads[0].rows
        if row["dimension"] == "locale_rural" and row["school_year"] == "2026-2027"
    ]
    assert sorted(drawn) == sorted(rows)
    trend = view.figures["trend-6-mathematics-locale_rural"].data[0]
    assert (list(trend.x), list(trend.y)) == (["2025–26", "2026–27"], [-0.4, -0.4])


def test_what_is_withheld_or_not_estimated_is_marked_and_not_drawn(look: Look) -> None:
    view = look(City(), code="370402")
    assert [panel["name"] for panel in view.context["gaps"]["panels"]] == [
        "gap-locale_rural",
        "gap-gender",
    ]
    hidden = look(City(), code="370403").context["spread"]
    assert not hidden["drawn"]
    assert {cell.mark for _, cells in hidden["lines"] for cell in cells} == {"c"}


def test_parts_of_the_differences_between_schools_add_up(look: Look) -> None:
    parts = look(City()).context["parts"]
    assert parts["title"] == "校际差异中 25% 来自区（市）之间"
    name, cells = parts["lines"][0]
    assert (name, [cell.text for cell in cells]) == ("6 年级 语文", ["25%", "75%"])
    assert look(City(), code="370402").context["parts"] is None


def test_resources_stand_against_the_limit_of_their_stage(look: Look) -> None:
    resources = look(City()).context["resources"]
    assert resources["title"] == "办学条件：4 项差异系数中 2 项不超过上限"
    names = [name for name, _ in resources["stages"][0]["lines"]]
    assert names == ["骨干教师", "教学及辅助用房"], "in the order of the national measures"
    cells = resources["stages"][0]["lines"][0][1]
    assert [cell.text for cell in cells] == ["0.71（0.61～0.81）", "超过上限", "0 / 2"]
    few = look(City(), code="370481").context["resources"]
    assert few["title"] == "办学条件：学校太少，无法比较" and not few["stages"][0]["drawn"]


def test_a_district_sees_itself_against_the_others_and_no_other_by_name(look: Look) -> None:
    view = look(City(), code="370481")
    assert view.context["districts"]["title"] == (
        "本区（市）与其他区（市）：3 份试卷中，前者偏高 3 份"
    )
    assert {row["unit_code"] for one in view.downloads for row in one.rows} == {"370481"}
    told = repr(view.context)
    assert not [name for code, name in DISTRICTS.items() if code != "370481" and name in told]
    city = look(City()).context["districts"]
    assert city["heads"] == list(DISTRICTS.values())


def test_communities_are_counted_and_not_named(look: Look) -> None:
    communities = look(City(), "en").context["communities"]
    assert communities["title"] == (
        "Communities of town and country: of 2 stages and subjects the gap closes in 1, "
        "widens in 0, and is not clear in 1"
    )
    assert [cell.text for cell in communities["lines"][0][1]] == [
        "0.44 (0.34 to 0.54)", "−0.06 (−0.09 to −0.03)", "12", "5", "1",
    ]  # fmt: skip
    none = "update published.community_gap set value = null, ci_low = null, ci_high = null"
    assert "暂不能判断" in look(City(), change=none).context["communities"]["title"]


def test_a_first_year_has_no_trend(look: Look) -> None:
    view = look(City(years=("2026-2027",)))
    assert view.context["trends"] == []
    assert view.context["headline"].startswith("乡村与城区：3 份试卷中")
    assert view.context["sentences"] == ["女生与男生：3 份试卷中，前者偏高 3 份。"]


def test_a_city_without_results_says_so(look: Look) -> None:
    view = look(City(results=False))
    assert view.context["headline"] == "暂无可比较的数据：尚未收到成绩和办学条件"
    assert not view.figures and not view.downloads


def test_one_paper_of_each_stage_is_shown_by_itself() -> None:
    papers = [(4, "chinese"), (6, "mathematics"), (4, "mathematics"), (8, "mathematics")]
    assert main_papers(papers) == [(6, "mathematics"), (8, "mathematics")]
    assert main_papers([(9, "physics"), (5, "science")]) == [(5, "science")]
    assert main_papers([]) == []

"""The front page: five numbers that claim no more than they may, what is due, what is missing."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from made_up_city import DISTRICTS, SCHOOLS, City, Rendered

from dashboards.figures import spark
from dashboards.pages import PAGES, Unit, View, overview, ways
from dashboards.pages.sentences import Teller

Look = Callable[..., View]


@pytest.fixture
def look(view_of: Look) -> Look:
    """The view of the city, or of a district, in a language."""
    return partial(view_of, overview.build)


def card(view: View, name: str) -> overview.Card:
    (found,) = [one for one in view.context["cards"] if one.name == name]
    return found


def test_the_headline_is_that_of_the_pass_rate(look: Look) -> None:
    view = look(City())
    assert view.context["headline"] == "全市合格率 80.0%，比上年高 1.9 个百分点（95%区间 1.2～2.6）"
    rate = card(view, "合格率")
    assert rate.value == "80.0%" and rate.page == "pass-rates.html" and rate.line
    assert rate.lines[1] == "比上年高 1.9 个百分点（95%区间 1.2～2.6）"
    assert rate.pace == "进度线 84.5%" and rate.status == "not_distinguishable"


@pytest.mark.parametrize(
    ("low", "change", "high", "said"),
    [
        (0.2, 0.9, 1.6, "0.9 percentage points higher than the year before"),
        (-1.6, -0.9, -0.2, "0.9 percentage points lower than the year before (change: 95%"),
        (-0.2, 0.5, 1.2, "the difference from the year before is not clear (+0.5"),
        (0.0, 0.5, 1.0, "the difference from the year before is not clear"),
    ],
)
def test_a_change_claims_no_more_than_its_interval(
    low: float, change: float, high: float, said: str
) -> None:
    assert said in Teller("en").change(change, low, high, "the year before")


def test_each_unit_counts_its_schools_not_its_mean_alone(look: Look) -> None:
    lines = card(look(City()), "随堂监测达标率").lines
    assert lines[1] == "与上年的差异尚不明确（−0.1 个百分点，95%区间 −0.6～0.4）"
    assert lines[2] == "11 所学校中 9 所达到要求，2 所尚未达到，1 所暂无监测记录"


def test_targets_are_counted_as_the_plan_counts_them(look: Look) -> None:
    plan = card(look(City()), "达标或按进度的目标")
    assert plan.value == "2 / 8"
    assert plan.lines == (
        "达标 1 项、按进度 1 项、滞后 3 项、逾期 1 项、未报送 1 项、未到期 1 项",
    )  # fmt: skip


def test_duties_and_training_stand_beside_the_plans_pace(look: Look) -> None:
    view = look(City())
    duty = card(view, "校长（书记）听评课完成")
    assert (duty.value, duty.status, duty.pace) == ("59%", "behind", "")
    assert duty.lines == ("97 人中 57", "2025–2026学年全年 59%")
    trained = card(view, "教师培训覆盖")
    assert trained.value == "79.2%" and trained.lines == ("760 人中 602", "2026年7月31日为 79.2%")


def test_in_a_citys_first_years_training_is_told_with_how_far_records_reach(look: Look) -> None:
    young = "update published.training_coverage set is_whole_window = false"
    trained = card(look(City(), change=young), "教师培训覆盖")
    assert (trained.value, trained.mark, trained.line) == ("79.2%", "", "")
    assert trained.lines == ("760 人中 602", "记录尚不足整个期限")


def test_of_few_persons_nothing_is_told(look: Look) -> None:
    first, second = list(DISTRICTS)[:2]
    band = card(look(City(), code=first), "校长（书记）听评课完成")
    assert (band.value, band.mark, band.lines) == ("≥90%", "u", ("21 人",))
    none = card(look(City(), code=second), "校长（书记）听评课完成")
    assert (none.value, none.mark, none.status) == ("", "c", "")


def test_what_is_overdue_comes_before_what_is_due_soon(look: Look) -> None:
    assert look(City()).context["due"]["title"] == "1 项目标逾期"
    soon = (
        "update published.plan_target set line_from = '2026-08-01', line_to = '2027-07-31' "
        "where target_id in ('A3', 'B1') and level = 'city'"
    )
    due = look(City(), change=soon).context["due"]
    assert due["title"] == "1 项目标逾期，另有 2 项将在 60 天内到期而尚未达标"
    assert [(name, status) for name, status, *_ in due["lines"]] == [
        ("基地校", "overdue"), ("实践基地", "behind"), ("校长听课", "behind"),
    ]  # fmt: skip
    late = soon.replace("'2027-07-31'", "'2027-09-30'")
    assert look(City(), change=late).context["due"]["title"] == "1 项目标逾期"
    reached = "update published.plan_target set status = 'reached'"
    assert look(City(), change=reached).context["due"] is None


def test_what_is_missing_is_named(look: Look) -> None:
    assert look(City()).context["missing"] == [
        "本次监测有 3 所学校尚未报送。",
        "本次监测有 1 份文件退回修改，更正前不计入其新内容。",
        "规划目标：成果，尚未收到材料。",
    ]
    assert look(City(), code="370402").context["missing"] == []


def test_a_city_in_its_first_days_says_that_it_knows_nothing(look: Look) -> None:
    view = look(City(results=False, registered=False))
    assert view.context["headline"] == "暂无数据：尚未收到报送材料"
    assert {one.mark for one in view.context["cards"]} == {"x"}
    plan_alone = look(City(results=False), "en")
    assert plan_alone.context["headline"].startswith(
        "8 targets of the plan: 1\N{NO-BREAK SPACE}reached"
    )


def test_a_withheld_rate_is_not_told(look: Look) -> None:
    def withhold(row: dict[str, Any]) -> None:
        if row["school_year"] == "2026-2027" and row["unit_code"] == "370400":
            row["mark"] = "c"

    view = look(City(edit=withhold))
    assert "为保护个人信息，此处不显示" in view.context["headline"]
    assert (card(view, "合格率").value, card(view, "合格率").mark) == ("", "c")
    rows = {row["figure"]: row for row in view.downloads[0].rows}
    assert rows["pass_rate"]["value"] is None and rows["pass_rate"]["mark"] == "c"


def test_a_rate_of_one_or_two_is_a_band(look: Look) -> None:
    def band(row: dict[str, Any]) -> None:
        if row["school_year"] == "2026-2027" and row["unit_code"] == "370400":
            row |= dict.fromkeys(("pass_rate", "pass_low", "pass_high", "year_change_points"))
            row["pass_band"] = ">=99"

    view = look(City(edit=band))
    assert view.context["headline"] == "全市 2026–2027学年合格率：≥99%"
    assert (card(view, "合格率").value, card(view, "合格率").lines) == ("≥99%", ())
    rows = {row["figure"]: row for row in view.downloads[0].rows}
    assert rows["pass_rate"]["value"] == ">=99"


def test_the_download_holds_the_numbers_of_the_page(look: Look) -> None:
    rows = {row["figure"]: row for row in look(City()).downloads[0].rows}
    assert rows["pass_rate"]["value"] == 0.8 and rows["pass_rate"]["change_points"] == 1.9
    assert rows["inclass_rate"]["value"] == 0.829
    assert rows["targets_behind"]["value"] == 3 and "targets_not_shown" not in rows


def test_every_page_leads_to_the_others_of_its_unit(whole: Rendered) -> None:
    front = whole.page(place="index.html")
    assert '<a href="index.html" aria-current="page">总览</a>' in front
    assert '<a href="plan.html">达标</a>' in front
    part = whole.page("en", "district/370402/plan.html")
    assert '<a href="../../../en/district/370402/index.html">Overview</a>' in part
    assert 'aria-current="page">The plan</a>' in part
    school = whole.page(place="school/3137000001/index.html")
    assert '<a href="../../school/3137000001/value-added.html">增值</a>' in school
    city = Unit("370400", "全市", "the city")
    paths = [way.path for way in ways(PAGES[0], city, "zh")]
    assert paths == [page.path for page in PAGES if page.level == "city" or page.everybody]


def test_a_small_line_keeps_small_steps_small() -> None:
    assert spark([0.5]) == [] and spark([None, 0.5]) == []
    flat = spark([0.80, 0.81])
    assert flat == [(4.0, 17.2), (116.0, 14.8)]
    steep = spark([0.2, None, 0.8])
    assert steep == [(4.0, 28.0), (116.0, 4.0)]


def test_a_school_has_its_own_numbers_and_nobody_elses(look: Look) -> None:
    code, name, district = SCHOOLS[0]
    view = look(City(), code=code)
    assert view.context["headline"] == name, "no trend of schools is made up here"
    checks = card(view, "随堂监测达标率")
    assert (checks.value, checks.page) == ("84.0%", "")
    learnt = card(view, "素养")
    assert (learnt.value, learnt.page) == ("1 / 2", "competencies.html")
    assert learnt.lines == ("高于全市 / 全部结果", "偏高 1 项、差异不明确 1 项", "2026–2027学年")
    added = card(view, "增值")
    assert (added.value, added.mark, added.lines) == ("", "z", ("暂无可公布的结果",))
    owed = card(view, "报送")
    assert owed.value == "1 / 3" and owed.lines[1] == "待更正 1 项、待说明 1 项"
    assert view.context["missing"] == ["报送：待说明 1 项。", "报送：待更正 1 项。"]
    told = repr((view.context, view.downloads))
    assert DISTRICTS[district] not in told
    assert not [other for one, other, _ in SCHOOLS[1:] if one in told]


def test_a_school_of_which_nothing_is_known_says_so(look: Look) -> None:
    view = look(City(results=False, registered=False), code=SCHOOLS[0][0])
    assert {one.value for one in view.context["cards"]} == {""}
    assert not view.downloads and view.context["missing"] == []

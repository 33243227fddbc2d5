"""The page of the plan: every target once, its status, both readings, and nothing withheld."""

import csv
import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_up_city import DISTRICTS, City, Rendered, plan_rows

from dashboards.pages import plan
from dashboards.pages.sentences import Teller

Render = Callable[[City], Rendered]


def text(path: Path) -> str:
    """A page without its mark-up, spaces as a reader sees them."""
    page = path.read_text(encoding="utf-8")
    page = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture(scope="module")
def pages(whole: Rendered) -> dict[str, str]:
    """The pages of the city and of a district, by language."""
    found = {}
    for lang, folder in (("zh", ""), ("en", "en/")):
        found[lang] = text(whole.site / folder / "plan.html")
        found[f"{lang} district"] = text(whole.site / folder / "district/370402/plan.html")
    return found


def test_the_headline_counts_every_target_once(pages: dict[str, str]) -> None:
    said = "规划 8 项目标：达标 1 项，按进度 1 项，滞后 3 项，逾期 1 项，未报送 1 项，未到期 1 项"
    assert said in pages["zh"]
    assert "8 targets of the plan: 1 reached, 1 on pace, 3 behind pace, 1 overdue" in pages["en"]
    assert "规划 3 项目标：达标 2 项，不显示 1 项" in pages["zh district"]


def test_what_is_late_and_what_is_not_reported_is_named(pages: dict[str, str]) -> None:
    assert "逾期：基地校（还差 13 所）。" in pages["zh"]
    assert "尚未收到材料：成果，暂不判断。" in pages["zh"]
    assert "Overdue: Base schools (13 schools to go)." in pages["en"]


def test_no_counts_of_nothing() -> None:
    assert Teller("zh").targets({"reached": 0, None: 0}, plan.STATUSES) == "规划 0 项目标："


def test_both_readings_stand_side_by_side(pages: dict[str, str]) -> None:
    assert "1 项目标的文字有两种理解（口径待定）" in pages["zh"]
    assert "口径：百分点 +5.5 个百分点" in pages["zh"]
    assert "另一口径：相对值 +7.4%（相对值）" in pages["zh"]
    assert "Other reading: Percent +7.4% (relative)" in pages["en"]


def test_a_pace_within_the_interval_is_no_verdict(whole: Rendered, rendered: Render) -> None:
    """The rise of 5.5 points has 4.7 to 6.2 as its interval, which holds the 5.0 of the pace."""
    assert "区间包含进度线，暂难判断" in text(whole.site / "plan.html")

    def narrow(row: dict[str, Any]) -> None:
        if row["change_low"] is not None:
            row |= {"change_low": 5.3, "change_high": 5.7}

    sure = text(rendered(City(edit=narrow)).site / "plan.html")
    assert "95%区间 5.3～5.7" in sure and "暂难判断" not in sure


def test_a_share_says_of_how_many_and_who_is_lacking(pages: dict[str, str]) -> None:
    assert "88% 60 所中 53 100% 各不低于 1 处" in pages["zh"]
    assert "还差 7 所" in pages["zh"] and "5 所未收到材料；2 所不足" in pages["zh"]
    assert "88% 53 of 60 schools 100% each at least 1 base" in pages["en"]
    assert "区（市）达标 6/6" in pages["zh"], "districts beside the city"
    assert "全市 88%" in pages["zh district"], "the city beside a district"


def test_of_few_persons_nothing_is_told(whole: Rendered, pages: dict[str, str]) -> None:
    """Withheld cells have a mark and no status; what lacks fewer than three is a band."""
    row = next(r for r in plan_rows(City()) if r["level"] == "city" and r["target_id"] == "B4")
    assert row["actual"] is None
    assert "校长轮训" in pages["zh"] and "≥95%" in pages["zh"] and "≥90%" in pages["zh"]
    part = (whole.site / "district" / "370402" / "plan.html").read_text(encoding="utf-8")
    (line,) = re.findall(r'<tr data-item="B1".*?</tr>', part, re.S)
    cells = re.sub(r"<svg.*?</svg>", "", line, flags=re.S)
    assert re.findall(r'class="mark">(.)<', cells) == ["c", "c", "c", "c"]
    assert 'data-status=""' in line and "全市 59%" in line


def test_a_district_is_told_of_itself_and_the_city(whole: Rendered) -> None:
    for folder in ("", "en/"):
        page = (whole.site / folder / "district" / "370402" / "plan.html").read_text("utf-8")
        assert DISTRICTS["370402"] in page
        assert not [name for code, name in DISTRICTS.items() if code != "370402" and name in page]
        assert "downloads/plan-targets-370402.csv" in page
        assert "plan-targets-districts.csv" not in page


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened))


def test_the_table_is_its_download(whole: Rendered) -> None:
    page = (whole.site / "plan.html").read_text(encoding="utf-8")
    lines = re.findall(r'<tr data-item="(\w+)" data-status="(\w*)" data-measure="(\d+)"', page)
    rows = rows_of(whole.folder / "downloads" / "plan-targets.csv")
    assert [(r["target_id"], r["measure"]) for r in rows] == [(i, m) for i, _, m in lines]
    default = [r for r in rows if r["is_default"] == "True"]
    assert {r["target_id"]: r["status"] for r in default} == {i: s for i, s, _ in lines}
    parts = rows_of(whole.folder / "downloads" / "plan-targets-districts.csv")
    assert len(parts) == 3 * len(DISTRICTS)
    assert all(not r["actual"] and not r["status"] for r in parts if r["mark"] == "c")


def test_the_figure_counts_what_the_table_counts(whole: Rendered) -> None:
    page = (whole.site / "plan.html").read_text(encoding="utf-8")
    (table,) = re.findall(r'<table data-table="measures">.*?</table>', page, re.S)
    counts = [int(n) for n in re.findall(r"<td>(?:<span[^>]*>)?(\d+)", table)]
    assert sum(counts) == 8
    (label,) = re.findall(r'role="img" aria-label="([^"]*)"', page)
    assert label == (
        "各项举措的目标状态：1 实践育人：达标 1、按进度 1、滞后 1、逾期 1；"
        "2 教师队伍：滞后 2、未报送 1、未到期 1"
    )


def test_a_city_without_a_plan(rendered: Render) -> None:
    made = rendered(City(results=False, registered=False))
    page = (made.site / "plan.html").read_text(encoding="utf-8")
    assert "暂无规划目标可显示" in page and "<table" not in page and "plotly" not in page


@pytest.mark.parametrize(
    ("row", "bar"),
    [
        ({"actual": 50.0, "threshold": 100.0, "pace": 75.0}, plan.Bar(50.0, 100.0, 75.0)),
        ({"actual": 125.0, "threshold": 100.0, "pace": 75.0}, plan.Bar(100.0, 80.0, 60.0)),
        ({"actual": -2.0, "threshold": 10.0, "pace": 5.0}, plan.Bar(0.0, 100.0, 50.0)),
        ({"actual": None, "threshold": 10.0, "pace": 5.0}, None),
        ({"actual": 1.0, "threshold": 0.0, "pace": 0.0}, None),
        ({"actual": 40.0, "threshold": 50.0, "pace": 50.0, "comparator": "<="}, None),
    ],
)
def test_a_bar_goes_to_what_is_asked(row: dict[str, Any], bar: plan.Bar | None) -> None:
    assert plan.bar_of({"comparator": ">="} | row) == bar

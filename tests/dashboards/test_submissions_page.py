"""The page of submissions: what is missing, what must be mended, to each its own and no more."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from made_up_city import DISTRICTS, SCHOOLS, City

from dashboards.pages import View, submissions
from dashboards.pages.submissions import MOST_LINES
from pipelines.feeds import duties, load_contracts
from pipelines.wording import translator
from pipelines.wording.labels import FEED_ORDER, feed_name

Look = Callable[..., View]


@pytest.fixture
def look(view_of: Look) -> Look:
    """The view of the city, of a district or of a school, in a language."""
    return partial(view_of, submissions.build)


def test_the_headline_counts_what_is_owed_this_school_year(look: Look) -> None:
    assert look(City()).context["headline"] == (
        "2026–2027学年应报送 43 项，已入库 22 项（51%）；"
        "逾期未报送 9 项、待更正 3 项、待说明 3 项、校验中 3 项、未到期 3 项"
    )
    assert look(City(), "en", code=SCHOOLS[7][0]).context["headline"] == (
        "2026–2027: everything that is owed is in (3)"
    )
    assert look(City()).context["sentences"] == [
        "其他学年逾期未报送或待处理的项数：2022–2023学年 1。"
    ]


def test_numbers_of_figure_table_and_download_are_the_same(look: Look) -> None:
    view = look(City())
    board, table = view.context["board"], view.downloads[0].rows
    in_table = {head: int(cells[0].text) for head, _code, cells in board["lines"]}
    assert in_table == {"学校名录": 1, "教职工名册": 12, "学生名册": 12, "监测成绩": 12,
                        "干部调研": 6}  # fmt: skip
    drawn: dict[Any, float] = {}
    for bar in view.figures["feeds"].data:
        for name, share in zip(bar.y, bar.x, strict=True):
            drawn[name] = drawn.get(name, 0) + share
    assert all(abs(whole - 1) < 1e-4 for whole in drawn.values())
    newest = [row for row in table if row["school_year"] == "2026-2027"]
    assert sum(row[kind] for row in newest for kind in submissions.PROGRESS) == 43
    late = next(cells[-2].text for name, _, cells in board["lines"] if name == "干部调研")
    assert late == "6"


def test_the_city_names_no_school_and_no_file(look: Look) -> None:
    view = look(City())
    assert view.context["waiting"] == [] and view.context["matrix"] is None
    told = repr((view.context, [one.rows for one in view.downloads]))
    assert not [name for code, name, _ in SCHOOLS if code in told or name in told]
    assert view.context["causes"] == [("高于满分", "错误", "3", "2,553")]


def test_a_district_sees_its_schools_and_their_files(look: Look) -> None:
    view = look(City(), code="370402")
    own = [code for code, _, district in SCHOOLS if district == "370402"]
    assert [code for _, code, _, _ in view.context["matrix"]["lines"]] == own
    assert {row["unit_code"] for row in view.downloads[0].rows} == {*own, "370402"}
    files = view.context["waiting"]
    assert [one.code for one in files] == ["370402", "3137000001", "3137000006"]
    assert files[1].workbook == "3137000001.0000000000000000.xlsx"
    other = look(City(), code="370403")
    assert other.context["waiting"] == [] and other.context["causes"] == []
    assert "3137000001" not in repr((other.context, [one.rows for one in other.downloads]))


def test_a_school_sees_its_own_and_what_to_do(look: Look) -> None:
    code, _, district = SCHOOLS[0]
    view = look(City(), code=code)
    assert [(one.feed, one.said) for one in view.context["duties"]] == [
        ("教职工名册", "已入库"),
        ("学生名册", "待更正"),
        ("监测成绩", "待说明"),
    ]
    (file,) = view.context["waiting"]
    assert (file.file, file.causes) == (f"{code}.csv", "高于满分 ×2")
    assert file.lines[1] == (
        "七年级｜第 3～4 行，共 2 处｜数学",
        "读到 …，满分为 120。请核对成绩。",
    )
    told = repr((view.context, [one.rows for one in view.downloads]))
    others = [name for one, name, _ in SCHOOLS[1:] if one in told or name in told]
    assert not others and DISTRICTS[district] not in told


def test_a_file_of_several_schools_is_for_whoever_sent_it(look: Look) -> None:
    code = SCHOOLS[1][0]
    view = look(City(), code=code)
    staff = view.context["duties"][0]
    assert (staff.said, staff.file) == ("待更正", "370402.csv")
    assert staff.step == "此文件含多所学校，由报送单位处理，本校无需操作。"
    assert view.context["waiting"] == []
    assert view.context["duties"][2].step == "已过截止日期，请尽快报送。"


def test_of_a_bad_file_not_everything_is_written_out(look: Look) -> None:
    (file,) = look(City(), code=SCHOOLS[5][0]).context["waiting"]
    assert len(file.lines) == MOST_LINES and file.more == 10


def test_nothing_handed_in_says_so(look: Look) -> None:
    for code in ("", "370402", SCHOOLS[0][0]):
        view = look(City(results=False, registered=False), code=code)
        assert view.context["headline"] == "尚无应报送事项：还没有收到学校名录"
        assert not view.figures and not view.downloads


def test_feeds_go_by_the_names_of_their_contracts() -> None:
    words = translator("zh")
    assert {feed: feed_name(feed, words) for feed in FEED_ORDER} == {
        feed: contract.title for feed, contract in load_contracts().items()
    }
    assert set(FEED_ORDER) == set(duties())

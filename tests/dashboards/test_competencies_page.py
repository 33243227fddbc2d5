"""The page of competencies: against the city, with intervals, and whether it was asked well."""

from collections.abc import Callable
from functools import partial

import pandas as pd
import pytest
from made_up_city import DISTRICTS, SCHOOLS, City

from dashboards.figures.items import heat_map
from dashboards.figures.template import BLUE_WASH, ORANGE_WASH
from dashboards.pages import View, competencies

Look = Callable[..., View]


@pytest.fixture
def look(view_of: Look) -> Look:
    """The view of the city, of a district or of a school, in a language."""
    return partial(view_of, competencies.build)


def test_the_headline_counts_what_intervals_bear_out(look: Look) -> None:
    assert look(City()).context["headline"] == (
        "各区（市）核心素养：12 项结果中，高于全市 4 项、低于全市 4 项、差异不明确 4 项"
    )
    view = look(City(), "en", code=SCHOOLS[0][0])
    assert view.context["headline"] == "Of 2 competencies: 1 above the city, 1 not clear"
    assert view.context["sentences"] == [
        "Furthest above the city, in percentage points: Grade 9 Mathematics 几何直观 +4 (1 to 7)."
    ]


def test_figure_table_and_download_hold_the_same(look: Look) -> None:
    view = look(City())
    (paper,) = view.context["heat"]
    heat = view.figures[paper["name"]].data[0]
    layout = view.figures[paper["name"]].layout
    assert list(layout.xaxis.ticktext) == ["几何直观", "数感与运<br>算能力"]
    assert list(layout.yaxis.categoryarray) == list(DISTRICTS.values()), "in the order of codes"
    drawn = {
        (name, int(base)): (share if colour == BLUE_WASH else -share, text)
        for name, base, colour, share, text in zip(
            heat.y, heat.base, heat.marker.color, heat.marker.opacity, heat.text, strict=True
        )
    }
    rows = {
        (row["unit_code"], row["dimension_value"]): row
        for row in view.downloads[0].rows
        if row["level"] == "district"
    }
    for name, code, cells in paper["lines"]:
        row = rows[code, "数感与运算能力"]
        value, text = drawn[name, 1]
        assert value == pytest.approx(row["difference_points"] / 4.5)
        sign = {"above": "▲", "below": "▼"}.get(row["stands"], "")
        said = f"{abs(row['difference_points']):.1f}"
        assert text.startswith(sign) and said in text
        assert said in cells[1].below and cells[1].text == f"{100 * row['score_ratio']:.1f}%"
        assert name == DISTRICTS[code]
    assert [head for head in paper["heads"] if isinstance(head, tuple)] == [
        ("几何直观", "题目偏少")
    ]


def test_colour_alone_says_nothing(look: Look) -> None:
    """Without a sign a difference is not clear: the text says so where the colour does not."""
    heat = look(City()).figures["heat-9-mathematics"].data[0]
    for colour, share, text in zip(heat.marker.color, heat.marker.opacity, heat.text, strict=True):
        assert ("▲" in text) == (share > 0.5 and colour == BLUE_WASH)
        assert ("▼" in text) == (share > 0.5 and colour == ORANGE_WASH)


def test_a_school_sees_itself_and_the_city(look: Look) -> None:
    code, _, district = SCHOOLS[0]
    view = look(City(), code=code)
    (paper,) = view.context["own"]
    assert [kind for kind, _ in paper["groups"]] == ["核心素养", "内容领域", "认知层次"]
    ratio, city, difference, items = paper["groups"][0][1][0][1]
    assert (ratio.text, city.text) == ("74%", "70.4%")
    assert difference.text == "▲ +4（1～7）" and items.below == "题目偏少"
    assert view.context["heat"] == [] and view.context["items"] is None
    assert {row["unit_code"] for one in view.downloads for row in one.rows} == {code}
    told = repr((view.context, view.figures))
    assert DISTRICTS[district] not in told
    assert not [name for other, name, _ in SCHOOLS[1:] if other in told]


def test_what_is_withheld_is_marked_and_not_drawn(look: Look) -> None:
    code = SCHOOLS[1][0]
    view = look(City(), code=code)
    assert view.context["headline"] == "素养：此处暂无可公布的结果"
    (paper,) = view.context["own"]
    assert not paper["drawn"] and not view.figures
    cells = paper["groups"][0][1][0][1]
    assert [cell.mark for cell in cells[:3]] == ["c", "", "c"]
    district = look(City(), code="370402")
    (heat,) = district.context["heat"]
    own = next(cells for _, one, cells in heat["lines"] if one == code)
    assert {cell.mark for cell in own} == {"c"}


def test_a_difference_may_be_withheld_where_the_ratio_is_told(look: Look) -> None:
    """And the city's own ratio: a few were corrected there."""
    change = (
        "update published.competency set difference_points = null, difference_low = null,"
        " difference_high = null, stands = null, difference_mark = 'c' where level <> 'city';"
        "update published.competency set score_ratio = null, mark = 'c' where level = 'city'"
    )
    code = SCHOOLS[0][0]
    view = look(City(), code=code, change=change)
    (paper,) = view.context["own"]
    ratio, city, difference, _ = paper["groups"][0][1][0][1]
    assert (ratio.text, ratio.mark) == ("74%", "")
    assert (city.mark, difference.mark) == ("c", "c")
    assert view.context["headline"] == "素养：此处暂无可公布的结果"
    (heat,) = look(City(), change=change).context["heat"]
    assert {cell.text for *_, cells in heat["lines"] for cell in cells} != {""}
    assert {row["difference_mark"] for row in view.downloads[0].rows} == {"c"}


def test_items_stand_in_their_order_and_say_why_to_look(look: Look) -> None:
    items = look(City()).context["items"]
    assert items["title"] == "4 道试题中 1 道值得关注"
    (paper,) = items["papers"]
    assert [number for number, *_ in paper["lines"]] == ["1", "2", "10", "13(2)"]
    assert paper["flagged"] == "2（过易、区分度偏低）"
    assert {cell.mark for cell in paper["lines"][3][2]} == {"x"}
    (blue, orange) = look(City()).figures["items-9-mathematics"].data
    assert len(blue.x) == 2 and list(orange.x) == [0.7]


def test_papers_without_items_are_left_out(look: Look) -> None:
    quality = look(City(), "en").context["quality"]
    assert [(paper, year) for paper, year, _ in quality] == [("Grade 9 Mathematics", "2026–2027")]
    assert [cell.text for cell in quality[0][2]] == ["4", "0.87", "5.3", "0.70", "0.35", "100%"]


def test_without_items_nothing_is_claimed(look: Look) -> None:
    for code in ("", "370402", SCHOOLS[0][0]):
        view = look(City(results=False), code=code)
        assert view.context["headline"] == "尚未收到小题得分，暂无素养诊断"
        assert not view.figures and not view.downloads


def test_a_heat_map_of_one_cell() -> None:
    frame = pd.DataFrame(
        [{"name": "a", "column": "x", "value": None, "text": "c", "hover": "withheld"}]
    )
    figure = heat_map(frame, ["a", "b"], ["x", "y"], 5)
    (heat,) = figure.data
    # Its mark, on no colour; and there is room for all.
    assert (*heat.text, *heat.marker.opacity, *heat.y) == ("c", 0, "a")
    assert list(figure.layout.yaxis.categoryarray) == ["a", "b"]
    assert list(figure.layout.xaxis.range) == [0, 2]

"""The page of classrooms: counts and shares of staff, rates with intervals, nobody by name."""

from collections.abc import Callable
from functools import partial

import pandas as pd
import pytest
from made_up_city import DISTRICTS, SCHOOLS, City

from dashboards.figures import distribution, share_bars, share_distribution
from dashboards.pages import View, classrooms

Look = Callable[..., View]


@pytest.fixture
def look(view_of: Look) -> Look:
    """The view of the city, or of a district, in a language."""
    return partial(view_of, classrooms.build)


def test_the_headline_counts_schools_not_the_mean_alone(look: Look) -> None:
    assert look(City()).context["headline"] == (
        "随堂监测：11 所学校中 9 所达到要求，2 所尚未达到，1 所暂无监测记录"
    )
    assert look(City(), "en").context["headline"] == (
        "In-class check: of 11 schools 9 reach what is asked of each, 2 do not yet, "
        "1 have no check on record"
    )


def test_staff_are_told_in_counts_and_shares(look: Look) -> None:
    view = look(City())
    assert view.context["sentences"] == [
        "校长（书记）：97 人中 57 人已完成本学年听评课任务（59%）。",
        "其他校级干部：97 人中 57 人已完成本学年听评课任务（59%）。",
        "772 名教师中 13 人本学年尚未被听课（1.7%）。",
    ]
    duty = view.context["duties"][0]
    assert [line[0] for line in duty.lines] == ["全市", *DISTRICTS.values()]
    shares = [line[2][2] for line in duty.lines]
    assert [(cell.text, cell.mark) for cell in shares[:3]] == [
        ("59%", ""),
        ("≥90%", "u"),
        ("", "c"),
    ]


def test_of_a_district_no_other_is_told(look: Look) -> None:
    view = look(City(), code="370402")
    told = {code for duty in view.context["duties"] for _, code, _ in duty.lines}
    assert told == {"370400", "370402"}
    own = [code for code, _, district in SCHOOLS if district == "370402"]
    assert [code for _, code, _ in view.context["checks"]["lines"]] == own
    assert {row["unit_code"] for one in view.downloads for row in one.rows} == {
        "370400", "370402", *own,
    }  # fmt: skip
    assert all(download.name.endswith("-370402.csv") for download in view.downloads)


def test_schools_of_the_city_are_a_distribution_not_a_list(look: Look) -> None:
    view = look(City())
    assert view.context["checks"]["spread"] == [("79%", "80%", "1 所"), ("84%", "85%", "11 所")]
    assert not [name for _, name, _ in SCHOOLS if name in str(view.context["checks"])]


def test_a_rate_says_its_interval_and_no_more(look: Look) -> None:
    assert look(City()).context["checks"]["title"] == (
        "随堂监测达标率 82.9%（95%区间 82.6%～83.3%），"
        "与上年的差异尚不明确（−0.1 个百分点，95%区间 −0.6～0.4）"
    )


def test_withheld_schools_are_not_told(look: Look) -> None:
    hide = (
        "update published.inclass_check set tested = null, rate = null, ci_low = null, "
        "ci_high = null, lessons = null, mark = 'c' where unit_code = '3137000001'"
    )
    view = look(City(), code="370402", change=hide)
    first = view.context["checks"]["lines"][0]
    assert {cell.mark for cell in first[2]} == {"c"} and not any(cell.text for cell in first[2])


def test_a_city_without_records_says_so(look: Look) -> None:
    view = look(City(results=False, registered=False))
    assert view.context["headline"] == "暂无听评课记录：尚未收到报送材料"
    assert not view.figures and not view.downloads


def test_bars_start_at_nothing_and_say_why_one_is_missing() -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "share": [0.59, None], "said": ["59%", "not shown"]})
    made = share_bars(frame, reference=0.5, reference_label="city 50%")
    assert made.layout.xaxis.range[0] == 0 and list(made.data[0].x) == [0.59, None]
    assert [note.text for note in made.layout.annotations] == ["59%", "not shown", "city 50%"]


@pytest.mark.parametrize(
    ("shares", "counted"),
    [
        ([], []),
        ([0.79, 0.84, 0.849, 0.85], [(79, 80, 1), (84, 85, 2), (85, 86, 1)]),
        ([0.2, 0.85, 1.0], [(20, 25, 1), (85, 90, 1), (95, 100, 1)]),
        ([1.0, 1.0], [(99, 100, 2)]),
        ([0.0], [(0, 1, 1)]),
    ],
)
def test_every_share_is_counted_once(
    shares: list[float], counted: list[tuple[int, int, int]]
) -> None:
    assert distribution(shares) == counted
    figure = share_distribution(shares, 0.8, "80%")
    assert sum(figure.data[0].y) == len(shares)
    low, high = figure.layout.xaxis.range
    assert 0 <= low <= 80 <= high <= 100

"""The page of training: persons, not attendances, are reached; nobody is named."""

from collections.abc import Callable
from functools import partial

import pytest
from made_up_city import City

from dashboards.pages import View, training

Look = Callable[..., View]


@pytest.fixture
def look(view_of: Look) -> Look:
    """The view of the city, or of a district, in a language."""
    return partial(view_of, training.build)


def test_the_headline_counts_persons(look: Look) -> None:
    view = look(City())
    assert view.context["headline"] == "教师：760 人中 602 人在规定期限内参加过培训（79.2%）"
    assert view.context["sentences"] == [
        "校长：58 人中 ≥95% 在规定期限内参加过培训",
        "教师：760 人中 33 人将在 180 天内到期（4.3%）",
    ]


def test_persons_and_attendances_stand_side_by_side(look: Look) -> None:
    teachers = look(City()).context["populations"][0]
    cells = teachers.lines[0][2]
    assert [cell.text for cell in cells] == ["760", "602", "79.2%", "1,027", "13,976"]
    assert [day for day, _ in teachers.years] == ["2026年7月31日", "2027年6月26日"]


def test_a_share_that_rests_on_too_short_records_says_so(look: Look) -> None:
    short = "update published.training_coverage set is_whole_window = false where not is_latest"
    teachers = look(City(), change=short).context["populations"][0]
    assert teachers.years[0][0] == "2026年7月31日（记录尚不足整个期限）"


def test_of_few_persons_nothing_is_told(look: Look) -> None:
    view = look(City(), "en", code="370402")
    assert view.context["sentences"][0] == "Principals: not shown, to protect personal data"
    principals = view.context["populations"][1]
    assert principals.lapse_alternative == "" and "lapsing-principal" not in view.figures
    own = next(cells for _, code, cells in principals.lines if code == "370402")
    assert {cell.mark for cell in own} == {"c"} and not any(cell.text for cell in own)
    band = next(cells for _, code, cells in principals.lines if code == "370400")
    assert [cell.text for cell in band[:3]] == ["58", "", "≥95%"]


def test_of_a_district_no_other_is_told(look: Look) -> None:
    view = look(City(), code="370403")
    assert {r["unit_code"] for one in view.downloads for r in one.rows} == {"370400", "370403"}
    assert [one.name for one in view.downloads] == [
        "training-coverage-370403.csv",
        "training-lapse-370403.csv",
    ]


def test_what_is_not_reported_is_no_nought(look: Look) -> None:
    none = (
        "update published.training_coverage set covered = null, rate = null, attendances = null, "
        "hours = null, mark = 'x' where population = 'teacher'"
    )
    view = look(City(), change=none)
    assert view.context["headline"] == "教师：尚未收到培训记录"
    cells = view.context["populations"][0].lines[0][2]
    assert [(cell.text, cell.mark) for cell in cells[:3]] == [("760", ""), ("", "x"), ("", "x")]


def test_a_city_without_records_says_so(look: Look) -> None:
    view = look(City(results=False, registered=False))
    assert view.context["headline"] == "暂无培训记录：尚未收到报送材料"
    assert not view.figures and not view.downloads and not view.context["populations"]

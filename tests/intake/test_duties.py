"""Who owes what by when: worked out by hand for a city of three schools and two waves."""

from datetime import date

import pytest
from pydantic import ValidationError

from pipelines.feeds import duties
from pipelines.feeds.duties import Duty
from pipelines.intake import Owed, explain, owed
from tests.intake.conftest import FILES, NUMBERS, YEAR, Handed

RESULTS = "monitoring_results"
FIRST, SECOND, JUNIOR = "3137000001", "3137000002", "3137000003"


def of(handed: Handed, feed: str, today: date = date(2024, 7, 10)) -> dict[tuple[str, str], Owed]:
    """What is owed of a feed, by wave and unit."""
    return {
        (o.wave_id, o.unit_code): o for o in owed(handed.settings, today=today) if o.feed == feed
    }


@pytest.fixture
def city(handed: Handed) -> Handed:
    """The tiny city with a junior school and a second wave that nobody has sat yet."""
    handed.add("schools/s.csv", f"{JUNIOR},第一小学附属中学,370402,初中,城区,公办")
    handed.add(
        "monitoring_waves/w.csv", "W24B,市,学业质量监测,2024-07-01,五年级,语文,100",
        "W24J,市,学业质量监测,2024-07-01,七年级,语文,100",
    )  # fmt: skip
    return handed


def test_schools_owe_the_waves_whose_grades_they_teach(city: Handed) -> None:
    city.ingest()
    found = of(city, RESULTS)
    assert set(found) == {
        ("W24", FIRST), ("W24", SECOND), ("W24B", FIRST), ("W24B", SECOND), ("W24J", JUNIOR)
    }  # fmt: skip
    mine = found["W24", FIRST]
    assert (mine.unit_name, mine.level, mine.due_on) == ("第一小学", "school", date(2024, 7, 4))
    # `S03` in its file is an unusual number.
    assert {k: o.state for k, o in found.items()} == {
        ("W24", FIRST): "landed", ("W24", SECOND): "awaiting_explanation",
        ("W24B", FIRST): "not_submitted", ("W24B", SECOND): "not_submitted",
        ("W24J", JUNIOR): "not_submitted",
    }  # fmt: skip
    assert found["W24", SECOND].state_zh == "待情况说明" and found["W24", SECOND].queries > 0
    assert not any(o.overdue for o in found.values())
    late = of(city, RESULTS, date(2024, 7, 16))
    assert {k for k, o in late.items() if o.overdue} == {k for k in found if k[0] != "W24"}
    assert not of(city, RESULTS, date(2024, 7, 15))["W24B", FIRST].overdue


def test_yearly_duties_fall_on_days_of_the_school_year(city: Handed) -> None:
    city.ingest()
    roll = of(city, "students", date(2023, 10, 1))
    assert {o.due_on for o in roll.values()} == {date(2023, 9, 30)}
    assert [(k[1], o.state, o.overdue) for k, o in roll.items()] == [
        (FIRST, "landed", False),
        (SECOND, "awaiting_explanation", False),
        (JUNIOR, "not_submitted", True),
    ]
    (lessons,) = {o.due_on for o in of(city, "lesson_observations").values()}
    assert lessons == date(2024, 7, 15)
    (register,) = of(city, "schools").values()
    assert (register.unit_code, register.level, register.state) == ("370400", "city", "landed")
    (findings,) = of(city, "supervision_findings").values()
    assert (findings.unit_code, findings.unit_name, findings.state) == (
        "370402", "市中区", "not_submitted"
    )  # fmt: skip


def test_a_school_that_opened_later_or_closed_owes_nothing(city: Handed) -> None:
    header = FILES["schools/s.csv"].splitlines()[0] + ",建校日期,撤并日期"
    city.write(
        "schools/s.csv",
        f"{header}\n{FIRST},第一小学,370402,小学,城区,公办,,\n"
        f"{SECOND},第二小学,370402,小学,农村,公办,,2024-06-25\n"
        f"3137000004,第四小学,370402,小学,城区,公办,2024-06-28,\n",
    )
    city.ingest()
    assert set(of(city, RESULTS)) == {
        ("W24", FIRST), ("W24", SECOND), ("W24B", FIRST), ("W24B", "3137000004")
    }  # fmt: skip


def test_a_wave_of_a_district_or_a_school_is_owed_there_only(city: Handed) -> None:
    city.add("districts/d.csv", "370403,薛城区,县")
    city.add("schools/s.csv", "3137000009,第九小学,薛城区,小学,城区,公办")
    header = "监测批次,组织层级,区划代码,学校标识码,监测类型,监测日期,年级,学科,满分"
    city.write(
        "monitoring_waves/own.csv",
        f"{header}\nD1,区,370403,,统一考试,2024-05-10,五年级,语文,100\n"
        f"S1,校,,{FIRST},统一考试,2024-05-11,五年级,语文,100\n",
    )
    city.ingest()
    found = of(city, RESULTS)
    assert {k for k in found if k[0] in ("D1", "S1")} == {("D1", "3137000009"), ("S1", FIRST)}


@pytest.mark.parametrize(
    ("name", "wave", "units"),
    [
        (f"{JUNIOR}.csv", "W24J", {JUNIOR}),
        ("第一小学附属中学七年级.csv", "W24J", {JUNIOR}),
        # The longer name is meant, not the shorter one in it.
        ("报送/第一小学附属中学/成绩.csv", "W24J", {JUNIOR}),
        ("W24B-第一小学.csv", "W24B", {FIRST}),
        ("成绩.csv", "W24B", set()),
    ],
)
def test_a_refused_file_is_its_schools(city: Handed, name: str, wave: str, units: set[str]) -> None:
    city.write(f"{RESULTS}/{name}", "监测批次,学籍号\nW24,1\n")
    city.ingest()
    found = of(city, RESULTS, date(2024, 8, 1))
    returned = {unit for (w, unit), o in found.items() if o.state == "returned" and w == wave}
    assert returned == units
    for unit in units:
        one = found[wave, unit]
        assert one.overdue and one.errors > 0 and one.file.endswith(name.split("/")[-1])
        assert len(one.submission_id) == 16


def test_a_broken_version_counts_for_those_whose_rows_stand_behind_it(city: Handed) -> None:
    city.ingest()
    city.add(f"{RESULTS}/a.csv", "x,y,z,,,5,1,70,60,130")
    city.ingest()
    mine = of(city, RESULTS)["W24", FIRST]
    assert (mine.state, mine.files) == ("returned", 2)
    assert of(city, RESULTS)["W24", SECOND].state == "awaiting_explanation"


def test_one_file_of_a_district_answers_for_all_its_schools(city: Handed) -> None:
    lines = FILES["students/a.csv"].splitlines()
    for name in ("a", "b"):
        (city.settings.raw / "students" / YEAR / f"{name}.csv").unlink()
    city.write(
        "students/all.csv",
        "\n".join([*lines, f"G370499201001015555,,{SECOND},5,1,女",
                   f"G370499201001016666,,{JUNIOR},7,1,女"]) + "\n",
    )  # fmt: skip
    city.ingest()
    assert {o.state for o in of(city, "students").values()} <= {"landed", "awaiting_explanation"}
    explain_all = [o.submission_id for o in of(city, "students").values() if o.queries]
    for one in set(explain_all):
        explain(city.settings, one, "属实")
    assert {o.state for o in of(city, "students").values()} == {"landed"}
    assert len({o.submission_id for o in of(city, "students").values()}) == 1
    assert NUMBERS[0] not in str(of(city, "students"))


def test_nothing_is_owed_where_nothing_was_handed_in(handed: Handed) -> None:
    assert owed(handed.settings) == []


def test_every_duty_is_of_a_feed_and_says_when() -> None:
    assert set(duties()) >= {"schools", "students", RESULTS}
    for wrong in (
        {"by": "school", "per": "year", "due": 14},
        {"by": "school", "per": "wave", "due": "09-30"},
        {"by": "school", "per": "year", "due": "9-30"},
        {"by": "class", "per": "year", "due": "09-30"},
    ):
        with pytest.raises(ValidationError):
            Duty.model_validate(wrong)

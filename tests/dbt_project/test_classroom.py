"""Observed lessons and training of a made city against the same figures worked out in pandas."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from pipelines.feeds import load_contracts
from tests.oracle import agree, classroom, training

from .conftest import CITY, City, Row, run_dbt

YEARS = ["2022-2023", "2023-2024", "2024-2025"]
DISTRICTS = ["370402", "370481", "3704SZ"]
SCHOOLS = [f"31370000{i:02}" for i in range(9)]
SELECT = "+path:models/marts/classroom +path:models/marts/training"
CLASSROOM = "fact_observation fact_visit observation_duty observation_duty_unit observed_quality"
CLASSROOM += " inclass_check standard_lesson_coverage never_observed observation_network"
TRAINING = "fact_training training_coverage training_lapse training_volume training_inclass"
TRAINING += " training_association"


def _schools() -> list[Row]:
    """School 7 changes its district, 6 is left out of the newest register, 5 has closed."""
    out: list[Row] = []
    for year in YEARS:
        for i, code in enumerate(SCHOOLS):
            if (i == 6 and year == YEARS[2]) or (i == 8 and year == YEARS[0]):
                continue
            moved = i == 7 and year == YEARS[2]
            out.append(
                {"school_code": code, "school_name": f"样例{i}校", "school_year": year}
                | {"district_code": DISTRICTS[0 if moved else i % 2 + (i == 4)]}
                | {"stage": ["primary", "junior", "nine_year"][i % 3]}
                | {"locale": ["urban", "rural", "town"][i % 3]}
                | {"ownership": "public", "community_code": f"C{i // 2}" if i < 6 else None}
                | {"closed_on": "2023-12-01" if i == 5 else None}
            )
    return out


def _staff(random: np.random.Generator) -> list[Row]:
    """Every kind of change of post that registers can tell, then ninety who mostly stay."""

    def person(code: str, *posts: tuple[int, str, str | None, str | None, str | None]) -> list[Row]:
        out: list[Row] = []
        for year, role, school, started, left in posts:
            district = DISTRICTS[int(school[-1]) % 2] if school else None
            out.append(
                {"staff_code": code, "role": role, "school_code": school, "started_on": started}
                | {"left_on": left, "district_code": district, "school_year": YEARS[year]}
                | {"level": "school" if school else "city", "subject": None}
            )
        return out

    s, old = SCHOOLS, "2010-08-25"
    out = [
        # From teacher to principal within a year, told by the next register.
        *person("A1", (0, "teacher", s[0], old, None), (1, "teacher", s[0], old, None)),
        *person("A1", (2, "principal", s[0], "2024-03-01", None)),
        # Leader, then principal of another school in mid-year of the register itself.
        *person("A2", (0, "school_leader", s[1], old, None)),
        *person("A2", (1, "principal", s[2], "2023-08-01", "2024-02-29")),
        *person("A2", (2, "secretary", s[2], "2024-03-01", None)),
        # Principal and secretary of one school by turns: owes once.
        *person(
            "A3", (1, "principal", s[3], old, None), (2, "secretary", s[3], "2024-11-15", None)
        ),
        # Newcomers of the second register: one in post since the year before, one of old.
        *person("A4", (1, "principal", s[4], "2023-01-10", None)),
        *person("A5", (1, "principal", s[5], old, None)),
        # Left within the year; gone without a day; a school that no newest register names.
        *person("A6", (0, "school_leader", s[6], old, "2023-02-10")),
        *person("A7", (0, "secretary", s[7], old, None), (1, "secretary", s[7], old, None)),
        *person("A8", (0, "principal", s[6], old, None), (1, "principal", s[6], old, None)),
        *person("A8", (2, "principal", s[6], old, None)),
        # Officials of the city and of a district, one into office on the last day of a year.
        *person("E1", *((y, "education_official", None, old, None) for y in range(3))),
        *person("E3", (1, "education_official", None, "2024-07-31", None)),
        # A post that begins after the last day with evidence.
        *person("A9", (2, "school_leader", s[8], "2025-07-10", None)),
        # Two days of taking a post that contradict their registers.
        *person("X1", (0, "teacher", s[0], "2022-11-01", None)),
        *person("X1", (1, "principal", s[1], "2023-01-10", None)),
        *person("X1", (2, "school_leader", s[1], "2023-09-01", None)),
        *person("X2", (0, "teacher", s[2], old, None), (2, "principal", s[2], "2023-03-01", None)),
        # Never observed, the last year in a school of which nothing has come in.
        *person("N1", *((y, "teacher", s[3], old, None) for y in range(3))),
    ]
    for year in YEARS:
        out.append(
            {"staff_code": "E2", "role": "education_official", "level": "district", "subject": None}
            | {"school_code": None, "district_code": DISTRICTS[1], "started_on": old}
            | {"left_on": None, "school_year": year}
        )
    roles = ["teacher", "principal", "secretary", "school_leader", "researcher"]
    for i in range(90):
        role = str(random.choice(roles, p=[0.7, 0.1, 0.06, 0.1, 0.04]))
        school = int(random.integers(0, 9))
        started = old if i % 3 else f"202{2 + i % 4}-{1 + i % 12:02}-{1 + i % 28:02}"
        for year in range(i % 7 == 0, 3 - (i % 5 == 0)):
            if i % 11 == 0 and year == 1:
                school = (school + 1) % 9
            out += person(f"T{i:02}", (year, role, SCHOOLS[school], started, None))
            out[-1]["subject"] = "english" if i % 2 else "mathematics"
    return [row for row in out if row["started_on"] is None or str(row["started_on"]) < "2025-08"]


def _lessons(random: np.random.Generator, staff: list[Row]) -> list[Row]:
    """Observed lessons with every gap and contradiction; school 3 hands in none in 2024-2025."""
    people = sorted({str(r["staff_code"]) for r in staff} - {"N1"})
    heads = [str(r["staff_code"]) for r in staff if r["role"] != "teacher"]
    taught = [[p for i, p in enumerate(people) if i % 6 != 2 * year] for year in range(3)]
    out: list[Row] = []
    for i in range(1500):
        year = int(random.integers(0, 3))
        day = pd.Timestamp(f"{2022 + year}-08-20") + pd.Timedelta(days=int(random.integers(0, 310)))
        if i % 60 == 0:
            day += pd.Timedelta(days=365)  # a slip, or handed in a year early
        if i % 61 == 0:
            day -= pd.Timedelta(days=400)  # handed in late
        parts = random.integers(10, 26, 4)
        school = SCHOOLS[int(random.integers(0, 9))]
        tested = None if i % 9 == 0 else int(random.integers(0, 50))
        passed = None if tested is None else int(random.binomial(tested, 0.78 + 0.03 * (i % 5)))
        out.append(
            {"observed_on": str(day.date()), "observer_code": str(random.choice(heads))}
            | {"teacher_code": str(random.choice(taught[year])), "school_code": school, "grade": 5}
            | {"class_no": str(random.integers(1, 4)), "school_year": YEARS[year]}
            | {"subject": ["english", "mathematics", "pe"][i % 3]}
            | {"period": None if i % 4 == 0 else str(random.integers(1, 4))}
            | {"lessons": [None, 1, 2, 3, 4, 5, 1, 1][i % 8], "score": int(parts.sum())}
            | dict(zip(classroom.PARTS[1:], (int(p) for p in parts), strict=True))
            | {"standard_lesson": None if i % 7 == 0 else bool(parts.sum() > 70)}
            | {"inclass_tested": tested, "inclass_passed": passed}
        )
    for i, row in enumerate(out[:240]):
        if i % 3 == 0:  # a second observer of the same lesson, with the same figures or others
            other = row | {"observer_code": heads[i % len(heads)]}
            out.append(other if i % 2 else other | {"inclass_passed": 0})
        if i % 5 == 0:  # the same lesson once more for another class, another day's hour elsewhere
            out += [row | {"class_no": "9"}, row | {"school_code": SCHOOLS[i % 9], "class_no": "8"}]
        if i % 17 == 0:
            row |= {"score": None, "design_score": None, "inclass_passed": 60}
    out = [r for r in out if r["school_code"] != SCHOOLS[3] or str(r["observed_on"]) < "2024-08"]
    seen = pd.DataFrame(out).drop_duplicates(
        ["observer_code", "observed_on", "teacher_code", "class_no", "period"]
    )
    return [{str(k): v for k, v in row.items()} for row in seen.astype(object).to_dict("records")]


def _trainings(random: np.random.Generator, staff: list[Row]) -> list[Row]:
    """Trainings that end on the edges of months and of leap years, some not yet held."""
    people = sorted({str(r["staff_code"]) for r in staff})
    ends = ["2022-08-31", "2022-09-30", "2023-02-28", "2023-05-31", "2023-08-31", "2024-02-29"]
    ends += ["2024-03-30", "2024-03-31", "2024-10-15", "2025-01-31", "2025-06-20", "2026-03-01"]
    early = ["2021-05-31", "2021-10-31", "2020-02-29", "2022-02-28"]
    out: list[Row] = []
    for i in range(400):
        end = (ends + early)[int(random.integers(0, 16))]
        year = classroom.year_of(pd.Timestamp(end).date())
        out.append(
            {"staff_code": str(random.choice(people)), "programme_code": f"P{i % 37}"}
            | {"session_no": str(i), "programme_name": None, "started_on": end, "ended_on": end}
            | {"programme_kind": ["grand_lecture", "principal_course", "other"][i % 3]}
            | {"level": [None, "city", "district", "school"][i % 4]}
            | {"mode": ["concentrated", "online", "concentrated", "school_based"][i % 4]}
            | {"hours": None if i % 5 == 0 else 4 + i % 7 / 2}
            | {"completed": [True, True, True, False, None][i % 5]}
            | {"school_year": min(max(year, YEARS[0]), YEARS[2])}
        )
    return out


def made_classrooms() -> dict[str, pd.DataFrame]:
    """Feeds of a small city in which everything happens that a register or a record can say."""
    random = np.random.default_rng(20240311)
    staff = _staff(random)
    visits: list[Row] = [
        {"official_code": code, "school_code": school, "visited_on": day, "school_year": year}
        | {"topic": None, "problems_solved": None if school == SCHOOLS[1] else 2}
        for code, days in {
            "E1": ["2022-10-01", "2023-01-05", "2023-03-03", "2023-10-10", "2025-03-01"],
            "E2": ["2024-10-01", "2024-11-01", "2025-02-01"],
            "A1": ["2024-05-05"],
            "nobody": ["2024-05-06", "2026-05-06"],
        }.items()
        for i, day in enumerate(days)
        for school, year in [(SCHOOLS[i], "2024-2025" if day > "2024-08" else classroom.year_of(
            pd.Timestamp(day).date()))]
    ]  # fmt: skip
    students: list[Row] = [
        {"student_key": f"{i:064x}", "school_code": SCHOOLS[i % 9], "grade": 5 + i % 2}
        | {"class_no": str(1 + i % 4), "gender": "male"}
        | {"school_year": year}
        for i in range(200)
        for year in YEARS[1:]
    ]
    feeds = {
        "districts": [
            {"district_code": d, "district_name": d, "district_kind": "county", "school_year": y}
            for y in YEARS
            for d in DISTRICTS
        ],
        "schools": _schools(),
        "staff": staff,
        "students": students,
        "lesson_observations": _lessons(random, staff),
        "official_visits": visits,
        "training_logs": _trainings(random, staff),
    }
    contracts = load_contracts()
    return {
        feed: pd.DataFrame(given).reindex(columns=[*contracts[feed].landed]).astype(object)
        for feed, given in feeds.items()
    }


def expected(feeds: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Every mart of the two rooms by the second method."""
    place = classroom.Place(feeds, CITY)
    lessons, visits = classroom.observations(place), classroom.visits(place)
    duty, checks = classroom.duty(place, lessons, visits), classroom.inclass(place, lessons)
    logs = training.attendances(place)
    covered = training.coverage(place, logs)
    points = training.beside_checks(place, covered, checks)
    return {
        "fact_observation": lessons,
        "fact_visit": visits,
        "observation_duty": duty,
        "observation_duty_unit": classroom.duty_units(place, duty),
        "observed_quality": classroom.quality(place, lessons),
        "inclass_check": checks,
        "standard_lesson_coverage": classroom.coverage(place, lessons),
        "never_observed": classroom.unseen(place, lessons),
        "observation_network": classroom.network(place, lessons),
        "fact_training": logs,
        "training_coverage": covered,
        "training_lapse": training.lapses(place, logs),
        "training_volume": training.volume(place, logs),
        "training_inclass": points,
        "training_association": training.association(points),
    }


KEYS = {
    "fact_observation": ["observer_code", "observed_on", "teacher_code", "class_no", "period"],
    "fact_visit": ["official_code", "school_code", "visited_on"],
    "observation_duty": ["school_year", "staff_code"],
    "observation_duty_unit": ["school_year", "level", "unit_code", "role"],
    "observed_quality": ["school_year", "level", "unit_code", "subject"],
    "inclass_check": ["school_year", "level", "unit_code"],
    "standard_lesson_coverage": ["school_year", "level", "unit_code", "population"],
    "never_observed": ["school_year", "staff_code"],
    "observation_network": ["school_year", "observer_school_code", "observed_school_code"],
    "fact_training": ["staff_code", "programme_code", "session_no"],
    "training_coverage": ["as_of", "population", "level", "unit_code"],
    "training_lapse": ["population", "staff_code"],
    "training_volume": ["school_year", "level", "unit_code", "group_kind", "group_value"],
    "training_inclass": ["school_year", "school_code"],
    "training_association": ["school_year", "stage", "outcome"],
}


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> City:
    """The made city of lessons and training, built once."""
    feeds = made_classrooms()
    warehouse, words = run_dbt(tmp_path_factory.mktemp("taught"), feeds, SELECT)
    return City(feeds, warehouse, words)


@pytest.fixture(scope="module")
def second(taught: City) -> dict[str, pd.DataFrame]:
    """The same marts by the second method."""
    return expected(taught.feeds)


def plain(frame: pd.DataFrame, numbers: set[str]) -> pd.DataFrame:
    """Numbers as floats, days and truths as text, nothing as nothing."""
    out = {}
    for name in frame.columns:
        column = frame[name].astype(object)
        if name in numbers:
            out[name] = pd.to_numeric(column.where(column.notna(), np.nan)).astype(float)
            continue
        day = name.endswith("_on") or name in ("as_of", "from_day", "to_day")
        texts = ["" if pd.isna(v) else str(v)[:10] if day else str(v) for v in column]
        out[name] = pd.Series(texts, index=frame.index, dtype=object)
    return pd.DataFrame(out, index=frame.index)


@pytest.mark.parametrize("mart", KEYS)
def test_every_figure_agrees(mart: str, taught: City, second: dict[str, pd.DataFrame]) -> None:
    with duckdb.connect(str(taught.warehouse), read_only=True) as connection:
        types = dict(
            connection.execute(
                "select column_name, data_type from information_schema.columns"
                " where table_schema = 'marts' and table_name = ?",
                [mart],
            ).fetchall()
        )
    numbers = {n for n, t in types.items() if t.startswith(("INT", "BIGINT", "DOUBLE", "DECIMAL"))}
    theirs = second[mart].reindex(columns=[*types])
    assert len(theirs) > 0
    dull = {n for n in types if theirs[n].isna().all()}
    assert dull <= {"programme_name", "topic"}, "a column that is never filled proves nothing"
    found = taught.table(f"marts.{mart}")
    agree(plain(found, numbers), plain(theirs, numbers), KEYS[mart])


def test_the_made_city_has_every_case(second: dict[str, pd.DataFrame]) -> None:
    lessons = second["fact_observation"]
    reasons = {"dated_after_year", "lessons_out_of_range", "no_post", "no_duty", "duplicate"}
    assert set(lessons["not_counted_reason"].dropna()) == reasons
    told_again = lessons[lessons["is_dated"] & ~lessons["has_check"]]
    assert (told_again["inclass_tested"] > 0).any() and lessons["is_crowded_day"].any()
    assert lessons["two_schools_at_once"].any() and lessons["is_weekend"].any()
    duty = second["observation_duty"]
    assert set(duty["status"]) == {"reached", "on_pace", "behind", "not_reported", "not_due"}
    assert (duty["posts"] > 1).any() and (duty["days"] < duty["days_in_year"]).any()
    meets = second["inclass_check"]["meets"]
    assert meets.isna().any() and (meets == True).any() and (meets == False).any()  # noqa: E712
    assert set(second["never_observed"]["status"]) == {"not_observed", "not_reported"}
    assert set(second["training_lapse"]["status"]) == {"covered", "lapsed", "never_trained"}


def test_a_person_who_lapses_is_one_fewer_covered(taught: City) -> None:
    """The list of persons adds up to the share of the latest day."""
    lapse = taught.table("marts.training_lapse")
    share = taught.table("marts.training_coverage").query("level == 'city'")
    newest = share[share["as_of"] == share["as_of"].max()].set_index("population")
    for population, group in lapse.groupby("population"):
        assert len(group) == newest.loc[population, "persons"]
        assert (group["status"] == "covered").sum() == newest.loc[population, "covered"]


def test_doubling_every_record_of_a_lesson_leaves_rates_alone(taught: City, tmp_path: Path) -> None:
    """Twice the teachers, observers and lessons of the same kind: the same shares."""
    feeds = dict(taught.feeds)
    own = {"staff": "staff_code", "training_logs": "staff_code", "official_visits": "official_code"}
    for feed, column in own.items():
        twin = feeds[feed].assign(**{column: feeds[feed][column] + "b"})
        feeds[feed] = pd.concat([feeds[feed], twin])
    twin = feeds["lesson_observations"].copy()
    for column in ("observer_code", "teacher_code"):
        twin[column] += "b"
    feeds["lesson_observations"] = pd.concat([feeds["lesson_observations"], twin])
    warehouse, _ = run_dbt(tmp_path, feeds, SELECT)
    doubled = City(feeds, warehouse)
    for mart, column in (
        ("observation_duty_unit", "rate"),
        ("inclass_check", "rate"),
        ("training_coverage", "rate"),
        ("observed_quality", "standard_rate"),
    ):
        figures = [*KEYS[mart], column]
        agree(doubled.table(f"marts.{mart}")[figures], taught.table(f"marts.{mart}")[figures],
              KEYS[mart])  # fmt: skip


def test_empty_feeds_give_empty_tables(nothing: City) -> None:
    for mart in (CLASSROOM + " " + TRAINING + " fact_programme fact_finding").split():
        assert nothing.table(f"marts.{mart}").empty, mart


def test_without_records_nothing_is_said_to_be_zero(tmp_path: Path) -> None:
    """Registers alone: who owes what is known, what was done is not."""
    feeds = {k: v for k, v in made_classrooms().items() if k in ("districts", "schools", "staff")}
    warehouse, _ = run_dbt(tmp_path, feeds, SELECT)
    city = City(feeds, warehouse)
    duty = city.table("marts.observation_duty")
    assert len(duty) > 0 and duty["owed"].notna().all()
    assert set(duty["status"]) == {"not_reported"} and duty["done"].isna().all()
    units = city.table("marts.observation_duty_unit")
    assert units["rate"].isna().all() and (units["not_reported"] == units["persons"]).all()
    teachers = city.table("marts.standard_lesson_coverage")
    assert teachers["covered"].isna().all() and (teachers["total"] > 0).all()
    assert set(city.table("marts.never_observed")["status"]) == {"not_reported"}
    assert city.table("marts.training_coverage").empty

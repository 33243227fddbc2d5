"""What must not matter: how rows lie in files, who else is there, how many are just alike."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Once

from . import conftest
from .conftest import City, run_dbt, write_standing
from .test_attainment import ROOM, built_once, marked_city
from .test_classroom import KEYS
from .test_diagnosis import made_items
from .test_plan import made_plan

ROOMS = "attainment classroom training diagnosis plan"
SELECT = " ".join(f"+path:models/marts/{room}" for room in ROOMS.split())
SELECT += " +path:models/restricted"
MARTS = (
    "attainment pass_all pass_rate_trend score_distribution score_quantile"
    " attainment_reconciliation fact_observation fact_visit observation_duty observation_duty_unit"
    " observed_quality inclass_check standard_lesson_coverage never_observed observation_network"
    " fact_training training_coverage training_lapse training_volume training_inclass"
    " item_quality paper_quality competency item_coverage plan_target plan_evidence"
)
RESTRICTED = "fact_score fact_item dim_student"
ADDED = "370499"
"""The district that is added: with a wave of its own, lessons and training."""
OFFICE = "lesson_observations training_logs staff programme_register official_visits"
OFFICE += " supervision_findings residential_areas external_benchmarks"
PAST = re.compile(r"3137002[0-9]{3}")
SUMS = {
    "observation_duty_unit": "persons judged met on_pace behind not_reported not_due owed_by_all "
    "lessons_met done",
    "observed_quality": "records lessons teachers judged standard",
    "inclass_check": "tested passed lessons checks schools schools_checked schools_met",
    "standard_lesson_coverage": "total covered",
    "training_coverage": "persons covered attendances hours",
    "training_volume": "persons attendances completed hours attendances_with_hours",
    "plan_target": "numerator denominator",
}
"""Marts in which the city counts everyone: figures of its rows that add up over districts."""
PLAN_KEY = ["target_id", "reading", "as_of", "level", "unit_code"]


def whole_city() -> dict[str, pd.DataFrame]:
    """The made cities of all rooms side by side, with schools, pupils and staff of their own."""
    feeds, other = marked_city(made_items()), made_plan()
    for feed, rows in other.items():
        own = rows.copy()
        for column in own.columns.intersection(["school_code", "holder_code"]):
            own[column] = own[column].replace(r"^31370000", "31370005", regex=True)
        if "student_key" in own:
            own["student_key"] = "c" + own["student_key"].str[1:]
        if "wave_id" in own:
            own = own[own["wave_id"].isin(["X24", "X25", "N25"])]
        beside = feeds.get(feed)
        if beside is None or feed in OFFICE.split():
            feeds[feed] = own
            continue
        feeds[feed] = pd.concat([beside, own.reindex(columns=beside.columns)], ignore_index=True)
    feeds["districts"] = feeds["districts"].drop_duplicates(["district_code", "school_year"])
    return feeds


@pytest.fixture(scope="module")
def plain(once: Once) -> City:
    return built_once(once)


@pytest.fixture(scope="module")
def whole(once: Once) -> City:
    """All rooms in one warehouse, as handed in."""
    feeds = whole_city()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_RESOURCE_TYPES", "model seed")
        home = once("whole_city", lambda home: run_dbt(home, feeds, SELECT))
    return City(feeds, home / "work.duckdb")


@pytest.fixture(autouse=True)
def models_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests of the models have run over the plain city."""
    monkeypatch.setenv("DBT_RESOURCE_TYPES", "model seed")


def built(home: Path, feeds: dict[str, pd.DataFrame]) -> City:
    warehouse, words = run_dbt(home, feeds, ROOM)
    return City(feeds, warehouse, words)


def key_of(table: pd.DataFrame) -> list[str]:
    """The columns of words, which tell the rows of every mart apart, with grade and band."""
    own = ("wave_id", "student_key", "grade", "subject", "stage", "school_year", "level")
    own += ("unit_code", "group_kind", "group_value", "band_from", "reason")
    return [name for name in own if name in table]


def lines(table: pd.DataFrame) -> Counter[tuple[str, ...]]:
    """Rows to the last bit, and how often each occurs; a mere running number is left out."""
    own = table.drop(columns=["sitting_no"], errors="ignore")
    return Counter(own.astype(str).itertuples(index=False, name=None))


def renamed(schools: Sequence[str]) -> dict[str, str]:
    """Other codes for the schools, in the opposite order."""
    last = len(schools) - 1
    return {code: f"3137002{last - i:03}" for i, code in enumerate(sorted(schools))}


def with_codes(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """With the schools' codes of the city as handed in, also within other codes and keys."""
    own = table.copy()
    codes = {new: old for old, new in names.items()}
    for column in own.columns:
        if pd.api.types.is_string_dtype(own[column]) or own[column].dtype == object:
            own[column] = own[column].replace(codes)
            mixed = own[column].astype(str).str.contains(PAST)
            own.loc[mixed, column] = own.loc[mixed, column].str.replace(
                PAST, lambda found: codes.get(found[0], found[0]), regex=True
            )
    return own


def test_neither_order_nor_files_nor_codes_nor_another_district_matter(
    whole: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows shuffled, each feed in ten files a year, schools' codes in the opposite order.

    There is a district more too, with a school, pupils, a wave with items, staff, lessons and
    training of its own. Every row of the city is found again, to the last bit; where the city
    counts everybody its row has grown by just what the new district's row says. Left aside are
    `plan_summary` and `training_association`, which are of the whole city alone.
    """
    random = np.random.default_rng(11)
    names = renamed(whole.feeds["schools"]["school_code"].unique())
    added = another_district(whole.feeds)
    feeds = {}
    for feed, rows in whole.feeds.items():
        own = rows.copy()
        for column in own.columns.intersection(["school_code", "holder_code"]):
            own[column] = own[column].replace(names)
        every = pd.concat([own, added[feed]], ignore_index=True) if feed in added else own
        feeds[feed] = every.iloc[random.permutation(len(every))]

    def scattered(folder: Path, feeds: dict[str, pd.DataFrame]) -> None:
        for part in range(10):
            share = {feed: rows.iloc[part::10] for feed, rows in feeds.items()}
            write_standing(folder.with_name(f"part{part}"), share)
        for path in folder.parent.glob("part*/*/*/part.parquet"):
            target = folder.joinpath(*path.parts[-3:-1], f"{path.parts[-4]}.parquet")
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)

    monkeypatch.setattr(conftest, "write_standing", scattered)
    warehouse, _ = run_dbt(tmp_path, feeds, SELECT)
    other = City(feeds, warehouse)
    for mart in MARTS.split() + RESTRICTED.split():
        schema = "restricted" if mart in RESTRICTED.split() else "marts"
        rows = whole.table(f"{schema}.{mart}")
        others = with_codes(other.table(f"{schema}.{mart}"), names)
        assert len(others) >= len(rows) > 0, mart
        if "reason" in rows and "wave_id" in rows:
            # The pupils added are on the city's rolls, and have no result in the city's waves.
            rows = rows[rows["reason"] != "no_result"]
        if mart in SUMS:
            key = PLAN_KEY if mart == "plan_target" else KEYS[mart]
            grown_by_the_added(mart, rows, others, key)
            rows = rows[rows["level"] != "city"]
            assert len(rows)
        lost = lines(rows) - lines(others)
        assert not lost, (mart, len(lost), next(iter(lost)))


def grown_by_the_added(mart: str, rows: pd.DataFrame, others: pd.DataFrame, key: list[str]) -> None:
    """The city's sums are the former ones and those of the district that was added."""
    sums = SUMS[mart].split()
    unit = ["level", "unit_code"]

    def of(table: pd.DataFrame, code: str) -> pd.DataFrame:
        own = table[table["unit_code"] == code].set_index([k for k in key if k not in unit])
        return own[sums].astype(float)

    if mart == "training_volume":
        # Whoever holds no post on the day counts in the city and in no district.
        rows, others = (
            table[table["group_kind"].eq("role") & table["group_value"].ne("unknown")]
            for table in (rows, others)
        )
    before, after = of(rows, conftest.CITY), of(others, conftest.CITY)
    new = of(others, ADDED)
    if mart == "plan_target":
        # Not every target is judged district by district.
        shares = others[others["is_share"] & (others["unit_code"] == ADDED)]
        keys = pd.MultiIndex.from_frame(shares[[k for k in key if k not in unit]])
        before, after, new = (frame.loc[frame.index.isin(keys)] for frame in (before, after, new))
    assert len(before) and len(new) and (new.sum() > 0).any(), mart
    expected = before.add(new, fill_value=0).reindex(after.index)
    pd.testing.assert_frame_equal(
        after.fillna(0).sort_index(), expected.fillna(0).sort_index(), check_exact=False, rtol=1e-12
    )


def another_district(feeds: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Two schools with pupils, staff, lessons and a wave, once more under other codes."""
    tested, taught = "3137000002", "3137000500"
    codes = {tested: "3137000900", taught: "3137000901"}
    codes |= dict.fromkeys(("370402", "370481", "3704SZ"), ADDED)
    staff = feeds["staff"]
    elsewhere = staff.loc[staff["school_code"] != taught, "staff_code"]
    people = set(staff["staff_code"]) - set(elsewhere)
    lessons = feeds["lesson_observations"]
    own = {
        "districts": feeds["districts"].query("district_code == '370402'"),
        "schools": feeds["schools"].query("school_code in @codes"),
        "students": feeds["students"].query("school_code in @codes"),
        "monitoring_waves": feeds["monitoring_waves"].query("wave_id == 'D25'"),
        "monitoring_results": feeds["monitoring_results"].query(
            "school_code == @tested and wave_id == 'D25'"
        ),
        "item_map": feeds["item_map"].query("wave_id == 'D25'"),
        "staff": staff[staff["staff_code"].isin(people)],
        "lesson_observations": lessons[
            lessons["school_code"].eq(taught)
            & (lessons["observer_code"].isin(people) | lessons["teacher_code"].isin(people))
        ],
        "training_logs": feeds["training_logs"].query("staff_code in @people"),
    }
    sat = set(own["monitoring_results"]["student_key"])
    points = feeds["item_results"]
    own["item_results"] = points[points["wave_id"].eq("D25") & points["student_key"].isin(sat)]
    added = {}
    for feed, rows in own.items():
        assert len(rows), feed
        rows = rows.copy()
        for column in rows.columns.intersection(["school_code", "district_code"]):
            rows[column] = rows[column].replace(codes)
        for column in ("staff_code", "observer_code", "teacher_code"):
            if column in rows:
                rows[column] = "Z" + rows[column]
        if "student_key" in rows:
            rows["student_key"] = "f" + rows["student_key"].str[1:]
        if "wave_id" in rows:
            rows["wave_id"] = "D25X"
        added[feed] = rows
    return added


def test_twice_as_many_of_each_student_leave_every_rate(plain: City, tmp_path: Path) -> None:
    feeds = marked_city()
    for feed in ("students", "monitoring_results"):
        twins = feeds[feed].assign(student_key="f" + feeds[feed]["student_key"].str[1:])
        feeds[feed] = pd.concat([feeds[feed], twins], ignore_index=True)
    other = built(tmp_path, feeds)
    kept = {
        "marts.attainment": "participation_rate mean_score score_ratio pass_rate good_rate "
        "excellent_rate low_rate mean_z sd_score mean_t",
        "marts.pass_all": "rate",
        "marts.pass_rate_trend": "pass_rate change_points change_percent pace_rate "
        "year_change_points mean_z change_z year_change_z",
        "marts.score_distribution": "band_to share cumulative_share",
        "restricted.fact_score": "z t_score percentile",
    }
    doubled = {"candidates", "n", "exempt", "passed_all", "students", "effective_n"}
    for mart, rates in kept.items():
        rows, others = plain.table(mart), other.table(mart)
        key = key_of(rows)
        rows, others = rows.set_index(key).sort_index(), others.set_index(key).sort_index()
        if mart != "restricted.fact_score":
            assert rows.index.equals(others.index)
        for rate in rates.split():
            pd.testing.assert_series_equal(
                rows[rate], others[rate].reindex(rows.index), rtol=0, atol=1e-9
            )
        for count in doubled.intersection(rows):
            assert np.allclose(2 * rows[count], others[count], rtol=1e-12), (mart, count)

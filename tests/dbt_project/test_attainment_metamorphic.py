"""What must not matter: how rows lie in files, who else is there, how many are just alike."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Once

from . import conftest
from .conftest import City, run_dbt, write_standing
from .test_attainment import MARTS, ROOM, built_once, marked_city

SCHOOLS = [f"313700000{i}" for i in range(9)]
RENAMED = dict(zip(SCHOOLS, [f"313700010{8 - i}" for i in range(9)], strict=True))
"""Other codes, in the opposite order."""


@pytest.fixture(scope="module")
def plain(once: Once) -> City:
    return built_once(once)


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


def of_plain(table: pd.DataFrame) -> pd.DataFrame:
    """With the schools' codes of the plain city again."""
    own = table.copy()
    for column in ("school_code", "enrolled_school_code", "class_code", "unit_code"):
        if column in own:
            codes = {code: school for school, code in RENAMED.items()}
            own[column] = own[column].replace(codes, regex=True)
    return own


def test_neither_order_nor_files_nor_codes_nor_another_district_matter(
    plain: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows shuffled, each feed in ten files a year, schools' codes in the opposite order.

    There is a district more too, with a school, pupils and a wave of its own. Every row of the
    plain city is found again, to the last bit.
    """
    random = np.random.default_rng(11)
    added = another_district(marked_city())
    feeds = {}
    for feed, rows in marked_city().items():
        own = rows.copy()
        for column in own.columns.intersection(["school_code", "holder_code"]):
            own[column] = own[column].replace(RENAMED)
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
    other = built(tmp_path, feeds)
    for mart in MARTS:
        rows, others = plain.table(mart), of_plain(other.table(mart))
        if "reason" in rows:
            # The pupils added are on the city's rolls, and have no result in the city's waves.
            rows = rows[rows["reason"] != "no_result"]
        key = key_of(rows)
        assert len(rows) and not rows.duplicated(key).any()
        assert len(others) >= len(rows)
        both = others.merge(rows[key], on=key)
        pd.testing.assert_frame_equal(
            rows.sort_values(key, ignore_index=True), both.sort_values(key, ignore_index=True),
            check_exact=True,
        )  # fmt: skip


def another_district(feeds: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The first school with its pupils and its district's wave, once more under other codes."""
    codes = {"3137000000": "3137000900", "370402": "370499"}
    results, schools, students = (
        feeds[feed].query("school_code == '3137000000'")
        for feed in ("monitoring_results", "schools", "students")
    )
    added = {
        "districts": feeds["districts"].query("district_code == '370402'").copy(),
        "schools": schools.copy(),
        "students": students.copy(),
        "monitoring_waves": feeds["monitoring_waves"].query("wave_id == 'D25'").copy(),
        "monitoring_results": results.query("wave_id == 'D25'").copy(),
    }
    for rows in added.values():
        assert len(rows)
        for column in rows.columns.intersection(["school_code", "district_code"]):
            rows[column] = rows[column].replace(codes)
        if "student_key" in rows:
            rows["student_key"] = "f" + rows["student_key"].str[1:]
        if "wave_id" in rows:
            rows["wave_id"] = "D25X"
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

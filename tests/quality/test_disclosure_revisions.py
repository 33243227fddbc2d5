"""What a correction of a few students tells by what was told before it: nothing."""

from dataclasses import replace
from itertools import pairwise

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from pipelines.quality.disclosure import audit, fates, load_rules
from pipelines.quality.disclosure.rules import Rules
from tests.quality.made_up_cells import CITY, Numbers, listed, numbers, warehouse

RULES = load_rules()
CARELESS = replace(RULES, revised=0)
Release = duckdb.DuckDBPyConnection
STUDENTS = [[40, 41], [50, 52], [60, 61]]
PASSED = [[20, 25], [30, 33], [41, 38]]


def counts(*, more: dict[int, tuple[int, int]] | None = None) -> tuple[Numbers, Numbers]:
    """Students and those who passed; of girls of some schools so many more of either."""
    students, passed = np.array(STUDENTS), np.array(PASSED)
    for school, (others, better) in (more or {}).items():
        students[school, 0] += others
        passed[school, 0] += better
    return numbers(students), numbers(passed)


def told(
    given: tuple[Numbers, Numbers], served: Release | None = None, rules: Rules = RULES
) -> Release:
    """The release of these students, held against the one before."""
    return warehouse(given[0], rules, given[1], served=served)


def revised(release: Release) -> set[tuple[str, str]]:
    """Unit and gender of the cells of which nothing but the number is told."""
    return set(
        release.sql(
            "select unit_code, group_value from marts.disclosure_cell"
            " where is_revised and fate = 'shown'"
        ).fetchall()
    )


def untold(release: Release) -> set[tuple[str, str]]:
    """Those whose share of passing is neither told nor a band."""
    return set(
        release.sql(
            "select unit_code, group_value from published.attainment"
            " where n is not null and pass_rate is null and pass_band is null"
        ).fetchall()
    )


GIRLS = {("S0", "female"), ("S0", "all"), (CITY, "female"), (CITY, "all")}
"""Whom a girl of the first school is one of."""


@pytest.mark.parametrize("change", [(-1, 0), (-1, -1), (1, 1), (0, 1), (-9, -5)])
def test_of_those_whom_a_few_left_no_share_is_told(change: tuple[int, int]) -> None:
    first = told(counts())
    after = counts(more={0: change})
    careless = told(after, first, CARELESS)
    assert untold(careless) == set()
    found = audit(careless, RULES, first).leaks
    assert {(leak.cell["unit_code"], leak.cell["group_value"]) for leak in found} >= {
        ("S0", "female")
    }
    assert {leak.of for leak in found} == {"passed"}
    second = told(after, first)
    assert revised(second) == untold(second) == GIRLS
    assert audit(second, RULES, first).leaks == []
    # Nor does the warehouse keep by what the scores differ of those who are gone.
    kept = second.sql(
        "select n = last_n, last_score_thousandths is not null from marts.disclosure_cell"
        " where is_revised"
    ).fetchall()
    assert kept and all(same == has for same, has in kept)


def test_of_ten_it_is() -> None:
    first = told(counts())
    second = told(counts(more={0: (-10, -5)}), first)
    assert untold(second) == set()
    assert audit(second, RULES, first).leaks == []


def test_of_ten_in_two_corrections_it_is_after_the_second() -> None:
    releases = [told(counts())]
    for more in ({0: (-5, -2)}, {0: (-10, -5)}):
        releases.append(told(counts(more=more), releases[-1]))
    assert [untold(release) for release in releases] == [set(), GIRLS, set()]
    for before, now in pairwise(releases):
        assert audit(now, RULES, before).leaks == []


def test_a_correction_that_is_undone_is_none() -> None:
    """Where as many are counted as before, and their scores are those of before."""
    for change, undone in (((0, -2), set()), ((-5, -2), GIRLS)):
        releases = [told(counts())]
        for more in ({0: change}, {}):
            releases.append(told(counts(more=more), releases[-1]))
        assert [untold(release) for release in releases] == [set(), GIRLS, undone]


def test_a_second_correction_is_held_against_what_was_last_told() -> None:
    releases = [told(counts())]
    for more in ({0: (-5, -2)}, {0: (-6, -2)}, {0: (-12, -2)}):
        releases.append(told(counts(more=more), releases[-1]))
    assert [untold(release) for release in releases] == [set(), GIRLS, GIRLS, set()]


def test_what_hides_a_few_among_many_is_withheld_beside_them() -> None:
    """Of one school one leaves, of another twelve: the city less those twelve would tell of her."""
    first = told(counts())
    after = counts(more={0: (-1, -1), 1: (-12, -7)})
    second = told(after, first)
    assert GIRLS - {(CITY, "female"), (CITY, "all")} <= untold(second)
    assert untold(second) > GIRLS - {(CITY, "female"), (CITY, "all")}
    assert audit(second, RULES, first).leaks == []
    careless = told(after, first, CARELESS)
    assert audit(careless, RULES, first).leaks


def test_a_large_city_keeps_its_rate() -> None:
    """In a rate of 60,000 to one decimal one is not seen."""
    students = np.array([[40, 41], [30_000, 30_030]])
    passed = np.array([[20, 25], [20_011, 19_013]])
    first = told((numbers(students), numbers(passed)))
    students[0, 0] -= 1
    second = told((numbers(students), numbers(passed)), first)
    assert ("S0", "female") in untold(second)
    assert (CITY, "all") not in untold(second)
    assert audit(second, RULES, first).leaks == []
    # It is told of another number than before, so that both are held against the next one.
    last = second.sql(
        "select last_n from marts.disclosure_cell"
        f" where unit_code = '{CITY}' and group_value = 'all'"
    ).fetchall()
    assert last == [(60_111,)]


@pytest.mark.parametrize(("passed", "is_told"), [(4201, True), (4203, False), (4217, False)])
def test_a_unit_keeps_its_rate_where_that_does_not_tell(passed: int, is_told: bool) -> None:
    """Of 8,500 a decimal stands for 8 or 9 students: whether one more passed it tells at times."""
    students, theirs = np.array([[4250, 4250]]), np.array([[2100, passed - 2100]])
    first = told((numbers(students), numbers(theirs)))
    students[0, 0] -= 1
    second = told((numbers(students), numbers(theirs)), first)
    assert ((CITY, "all") not in untold(second)) == is_told
    assert audit(second, RULES, first).leaks == []


@pytest.mark.parametrize(("boys", "passed_of_them", "is_told"), [(2, 1, False), (32, 16, True)])
def test_a_unit_of_many_is_not_told_by_the_others_either(
    boys: int, passed_of_them: int, is_told: bool
) -> None:
    """Its rate would be any of two, the city's without the other schools is one of them; and of two
    boys, one of whom is gone, what it was and is would tell."""
    students = np.array([[11, 32], [8804, boys], [23, 4085]])
    passed = np.array([[6, 16], [4402, passed_of_them], [12, 2042]])
    first = told((numbers(students), numbers(passed)))
    students[1:, 1] -= [1, 10]
    passed[2, 1] -= 3
    second = told((numbers(students), numbers(passed)), first)
    assert (("S1", "all") not in untold(second)) == is_told
    assert untold(second)
    assert audit(second, RULES, first).leaks == []


def test_another_score_is_a_correction_though_nobody_is_graded_otherwise() -> None:
    """That she still has passed would be told of the one whose score was corrected."""
    n, passed = counts()
    cells, sums = listed(n, passed)
    before = fates(cells, sums, RULES)
    served = cells.append_column("fate", before["fate"])
    for name in before.column_names:
        if name not in (*served.column_names, "made_from"):
            served = served.append_column(name, before[name])
    at = cells.column_names.index("score_thousandths")
    hers = [(row["unit_code"], row["group_value"]) in GIRLS for row in cells.to_pylist()]
    points = np.array(cells["score_thousandths"]) + 500 * np.array(hers)
    after = fates(cells.set_column(at, "score_thousandths", pa.array(points)), sums, RULES, served)
    assert after["is_revised"].to_pylist() == hers
    # What an older version of the platform did not count is not compared.
    older = served.drop_columns(["score_thousandths", "is_revised", "last_n"])
    same = fates(cells, sums, RULES, older)
    assert not any(same["is_revised"].to_pylist())


def test_what_was_corrected_stays_hidden_from_who_kept_an_older_release() -> None:
    """Of a school whose boys nobody was ever told of, one passes less; later another school grows.

    By the second release and the third nothing can be told of the first school, which is as it
    was; by the first and the third it could, were the city told and the other school.
    """
    students = np.array([[87, 1689], [4, 60]])
    passed = np.array([[44, 844], [2, 30]])
    releases = [told((numbers(students), numbers(passed)))]
    passed[1, 1] -= 3
    releases.append(told((numbers(students), numbers(passed)), releases[-1]))
    students[0, 1] += 24
    releases.append(told((numbers(students), numbers(passed)), releases[-1]))
    assert ("S1", "all") in revised(releases[2])
    assert len(revised(releases[2]) & {("S0", "all"), (CITY, "all")}) > 0
    for before in releases[:2]:
        assert audit(releases[2], RULES, before).leaks == []


@pytest.mark.parametrize(
    ("change", "stated"), [((-1, -1), True), ((0, 1), True), ((-10, -5), False), ((0, 0), False)]
)
def test_a_unit_left_alone_may_not_tell_of_a_few_by_the_mean_of_all(
    change: tuple[int, int], stated: bool
) -> None:
    """How far another school lies from it is told otherwise than before."""
    first = told(counts())
    second = told(counts(more={0: change}), first)
    for release, mean in ((first, 0.11), (second, 0.12)):
        release.execute(
            "update published.attainment set mean_z = ? where unit_code = 'S1' and n is not null",
            [mean],
        )
    found = [leak for leak in audit(second, RULES, first).leaks if "rest on all" in leak.of]
    assert bool(found) == stated
    if stated:
        (leak,) = found
        assert (leak.cell["level"], leak.cell["unit_code"]) == ("city", CITY)
        assert "rows of attainment" in str(leak)
    release.execute("update published.attainment set mean_z = 0.11 where mean_z is not null")
    assert not [leak for leak in audit(second, RULES, first).leaks if "rest on all" in leak.of]


def with_matched(n: int, points: int, sat: int = 40, passed: int = 20) -> tuple[pa.Table, pa.Table]:
    """Cells and sums of a school: who sat, and those of them with an earlier score, whose points of
    then and now are given."""
    key = {"school_year": "Y", "wave_id": "W", "grade": 7, "subject": "s", "stage": "all"}
    unit = {"level": "school", "unit_code": "S", "group_kind": "all", "group_value": "all"}
    none = dict.fromkeys(("good", "excellent", "low"))
    rows = [
        {"cell_no": 0, "topic": "results", "n": sat, "passed": passed, "score_thousandths": 2_000},
        {"cell_no": 1, "topic": "matched", "n": n, "passed": None, "score_thousandths": points},
    ]
    cells = pa.Table.from_pylist(
        [row | key | unit | none | {"is_published": True, "absent": 0, "exempt": 0} for row in rows]
    )
    for name in none:
        place = cells.column_names.index(name)
        cells = cells.set_column(place, name, cells[name].cast(pa.int64()))
    bound = {"sum_no": 0, "kind": "matched", "is_loose": True, "total_no": 0, "part_no": 1}
    return cells, pa.Table.from_pylist([bound | {"beyond": 0}])


@pytest.mark.parametrize(
    ("after", "effect_is_told"),
    [
        (with_matched(35, 3_500), True),
        # An earlier score is another.
        (with_matched(35, 3_510), False),
        # Of those who sat ten passed more, so that as many are others here.
        (with_matched(35, 3_510, passed=30), True),
        (with_matched(25, 2_500), True),
    ],
    ids=["as it was", "one earlier score", "ten who sat", "ten fewer"],
)
def test_an_effect_does_not_tell_of_the_one_whose_earlier_score_was_corrected(
    after: tuple[pa.Table, pa.Table], effect_is_told: bool
) -> None:
    cells, sums = with_matched(35, 3_500)
    before = fates(cells, sums, RULES)
    served = cells
    for name in before.column_names:
        if name not in (*cells.column_names, "made_from"):
            served = served.append_column(name, before[name])
    found = fates(*after, RULES, served)
    assert found["is_revised"].to_pylist() == [False, not effect_is_told]
    # An older version of the platform kept none of these.
    at = served.column_names.index("score_thousandths")
    older = served.set_column(at, "score_thousandths", pa.array([2_000, None]))
    assert not any(fates(*with_matched(35, 3_510), RULES, older)["is_revised"].to_pylist())

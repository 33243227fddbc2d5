"""Estimates of the last build stand where what they rest on is the same, and only there."""

from collections.abc import Iterator
from functools import partial

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.again import Part, made_by_part, of_last_build, ordered, parts, with_origin

SCHEMA = with_origin(("paper_no", pa.int32()), ("total", pa.float64()), ("n", pa.int64()))
Rows = list[tuple[int, float | None]]
ROWS = st.lists(st.tuples(st.integers(0, 4), st.none() | st.floats(-9, 9)), max_size=30)


class Work:
    """Adds up a paper's scores, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, own: pa.Table) -> pa.Table:
        self.asked += 1
        scores = [score for score in own["score"].to_pylist() if score is not None]
        return pa.table({"total": [sum(scores)], "n": [len(scores)]})


def papers(rows: Rows) -> Iterator[Part]:
    table = pa.table(
        {
            "paper_no": pa.array([row[0] for row in rows], pa.int32()),
            "score": pa.array([row[1] for row in rows], pa.float64()),
        }
    )
    for (paper,), own in parts(ordered(table, "paper_no", "score"), "paper_no"):
        yield {"paper_no": paper}, partial(list, (own,))


def run(rows: Rows, before: pa.Table | None = None, given: object = None) -> tuple[pa.Table, int]:
    work = Work()
    return made_by_part(papers(rows), work, SCHEMA, before, given), work.asked


@given(ROWS, ROWS)
def test_with_an_earlier_outcome_it_is_the_same_as_without(first: Rows, second: Rows) -> None:
    before, _ = run(first)
    assert run(second, before)[0].equals(run(second)[0])


@given(ROWS)
def test_nothing_is_worked_on_twice(rows: Rows) -> None:
    before, asked = run(rows)
    assert asked == len({paper for paper, _ in rows})
    again, asked = run(rows, before)
    assert asked == 0
    assert again.equals(before)


def test_a_paper_is_known_under_another_number() -> None:
    before, _ = run([(1, 0.5), (3, 2.5)])
    after, asked = run([(2, 0.5), (4, 2.5), (4, 1.0)], before)
    assert asked == 1
    assert after["paper_no"].to_pylist() == [2, 4]
    assert after["total"].to_pylist() == [0.5, 3.5]


@pytest.mark.parametrize("rows", [[(1, 0.5), (1, None)], [(1, 0.5 + 2**-50)], [(1, None)]])
def test_a_missing_score_or_a_last_digit_is_a_change(rows: Rows) -> None:
    before, _ = run([(1, 0.5)])
    assert run(rows, before)[1] == 1


def test_another_setting_is_a_change() -> None:
    before, _ = run([(1, 0.5)], given=10)
    assert run([(1, 0.5)], before, given=10)[1] == 0
    assert run([(1, 0.5)], before, given=11)[1] == 1


def test_an_outcome_of_other_columns_is_none() -> None:
    before, _ = run([(1, 0.5)])
    assert run([(1, 0.5)], before.drop_columns(["n"]))[1] == 1


def test_the_outcome_of_the_last_build_is_read_where_there_is_one() -> None:
    with duckdb.connect() as con:
        assert of_last_build(con, '"memory"."main"."fits"') is None
        before, _ = run([(1, 0.5), (2, None)])
        con.register("rows_in", before)
        con.execute("create table fits as select * from rows_in")
        table = of_last_build(con, '"memory"."main"."fits"')
        assert run([(1, 0.5), (2, None)], table) == (before, 0)
        # In a transaction too, which must go on.
        con.execute("begin")
        assert of_last_build(con, '"memory"."main"."others"') is None
        con.execute("select 1")
        con.execute("commit")

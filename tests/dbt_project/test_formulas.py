"""Macros that are formulas, run in DuckDB on generated rows against plain Python."""

import calendar
import math
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal, getcontext
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
import pandas as pd
import pytest
import yaml
from dbt_common.clients.jinja import MaterializationExtension
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import PROJECT

Rows = list[tuple[Any, ...]]
Z = Decimal("1.959963984540054")
getcontext().prec = 50

DAYS = st.dates(date(1990, 2, 1), date(2095, 12, 31)) | st.builds(
    # Ends of months and of leap years, where calendars go wrong.
    lambda year, month, back: (
        date(year, month, calendar.monthrange(year, month)[1]) - timedelta(days=back)
    ),
    st.integers(1996, 2048),
    st.sampled_from([1, 2, 3, 7, 8, 12]),
    st.integers(-1, 3),
)
TRIALS = st.integers(1, 60) | st.integers(1, 3_000_000)
COUNTS = st.builds(lambda n, share: (round(n * share), n), TRIALS, st.floats(0, 1))


def macros(**settings: object) -> Any:
    """The project's macros as DuckDB has them, with its default settings or others."""
    values = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    sources = sorted((PROJECT / "macros").glob("*.sql"))
    environment = jinja2.Environment(extensions=["jinja2.ext.do", MaterializationExtension])
    module: Any = None

    def dispatch(name: str) -> Callable[..., str]:
        found: Callable[..., str] = getattr(module, f"default__{name}")
        return found

    environment.globals |= {
        "var": (values | settings).get,
        "return": lambda value: value,
        "adapter": SimpleNamespace(dispatch=dispatch),
    }
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    module = environment.from_string(text).module
    return module


SQL = macros()


def asked(rows: Rows, columns: dict[str, str], **expressions: str) -> pd.DataFrame:
    """The expressions over all rows at once; `columns` names and types their values."""
    marks = ", ".join(f"cast(? as {kind})" for kind in columns.values())
    names = ", ".join(columns)
    told = ", ".join(f"{sql} as {name}" for name, sql in expressions.items())
    with duckdb.connect() as connection:
        given_rows = ", ".join(f"({marks}, {i})" for i in range(len(rows)))
        table = f"(values {given_rows}) as t({names}, row_no)"
        query = f"select {names}, {told} from {table} order by row_no"
        flat = [value for row in rows for value in row]
        return connection.execute(query, flat).df()


def wilson(k: int, n: int) -> tuple[float, float]:
    """The two rates whose distance from k / n is z of their standard errors: roots of a quadratic.

    Worked out with fifty digits.
    """
    middle = 2 * k + Z * Z
    root = Z * (Z * Z + 4 * Decimal(k) * (n - k) / n).sqrt()
    return float((middle - root) / (2 * (n + Z * Z))), float((middle + root) / (2 * (n + Z * Z)))


def rate_of(count: str, n: str) -> str:
    rate: str = SQL.ratio(count, n)
    return rate


@settings(max_examples=12)
@given(st.lists(COUNTS, min_size=40, max_size=80))
def test_wilsons_interval_is_that_of_the_quadratic_and_holds_the_rate(rows: Rows) -> None:
    rate = rate_of("k", "n")
    found = asked(
        rows,
        {"k": "bigint", "n": "bigint"},
        rate=rate,
        low=SQL.wilson_low(rate, "n"),
        high=SQL.wilson_high(rate, "n"),
        more_low=SQL.wilson_low(rate_of("(k + 1)", "n"), "n"),
        more_high=SQL.wilson_high(rate_of("(k + 1)", "n"), "n"),
        rest_low=SQL.wilson_low(rate_of("(n - k)", "n"), "n"),
        wide_low=SQL.wilson_low(rate_of("(4 * k)", "(4 * n)"), "(4 * n)"),
        wide_high=SQL.wilson_high(rate_of("(4 * k)", "(4 * n)"), "(4 * n)"),
    )
    expected = [wilson(k, n) for k, n in rows]
    assert found["low"].tolist() == pytest.approx([low for low, _ in expected], abs=1e-14)
    assert found["high"].tolist() == pytest.approx([high for _, high in expected], abs=1e-14)
    assert (found["low"] >= 0).all() and (found["high"] <= 1).all()
    assert (found["low"] <= found["rate"]).all() and (found["rate"] <= found["high"]).all()
    assert ((found["low"] == 0) == (found["k"] == 0)).all()
    assert ((found["high"] == 1) == (found["k"] == found["n"])).all()
    # One success more moves both ends up; four times the trials draw them in.
    rises = found["k"] < found["n"]
    assert (found["more_low"] > found["low"])[rises].all()
    assert (found["more_high"] > found["high"])[rises].all()
    assert (found["wide_low"] >= found["low"]).all()
    assert (found["wide_high"] <= found["high"]).all()
    assert (1 - found["rest_low"]).tolist() == pytest.approx(found["high"].tolist(), abs=1e-14)


def test_nobody_has_no_rate_and_no_interval() -> None:
    rate = rate_of("k", "n")
    low, high = SQL.wilson_low(rate, "n"), SQL.wilson_high(rate, "n")
    rows: Rows = [(0, 0), (None, 5), (0, None)]
    found = asked(rows, {"k": "bigint", "n": "bigint"}, rate=rate, low=low, high=high)
    assert found[["rate", "low", "high"]].isna().all(axis=None)


@settings(max_examples=12)
@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=30, max_size=60))
def test_newcombes_interval_holds_the_difference_and_turns_with_it(pairs: Rows) -> None:
    rows = [(*one, *other) for one, other in pairs]
    ends = {}
    for mine, k, n in (("a", "k", "n"), ("b", "l", "m")):
        rate = rate_of(k, n)
        ends |= {mine: rate, f"{mine}_low": SQL.wilson_low(rate, n)}
        ends |= {f"{mine}_high": SQL.wilson_high(rate, n)}
    found = asked(
        rows,
        {"k": "bigint", "n": "bigint", "l": "bigint", "m": "bigint"},
        low=SQL.newcombe_low(ends["a"], ends["a_low"], ends["b"], ends["b_high"]),
        high=SQL.newcombe_high(ends["a"], ends["a_high"], ends["b"], ends["b_low"]),
        turned_low=SQL.newcombe_low(ends["b"], ends["b_low"], ends["a"], ends["a_high"]),
        turned_high=SQL.newcombe_high(ends["b"], ends["b_high"], ends["a"], ends["a_low"]),
    )
    for (k, n, j, m), low, high in zip(rows, found["low"], found["high"], strict=True):
        (a_low, a_high), (b_low, b_high) = wilson(k, n), wilson(j, m)
        a, b = k / n, j / m
        assert low == pytest.approx(a - b - math.hypot(a - a_low, b_high - b), abs=1e-13)
        assert high == pytest.approx(a - b + math.hypot(a_high - a, b - b_low), abs=1e-13)
        assert -1 - 1e-12 <= low <= a - b <= high <= 1 + 1e-12
        # Never wider than both intervals laid end to end, nor narrower than either.
        assert a_low - b_high - 1e-12 <= low and high <= a_high - b_low + 1e-12
        assert low <= min(a_low - b, a - b_high) + 1e-12
    assert (-found["turned_high"]).tolist() == pytest.approx(found["low"].tolist(), abs=1e-14)
    assert (-found["turned_low"]).tolist() == pytest.approx(found["high"].tolist(), abs=1e-14)


def months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or the end of a shorter one."""
    year, month = divmod(12 * day.year + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


@pytest.mark.parametrize("months", [1, 6, 11, 12, 24, 36])
@settings(max_examples=8)
@given(st.lists(DAYS, min_size=60, max_size=120))
def test_a_training_lapses_on_the_first_day_whose_window_leaves_it_out(
    months: int, days: list[date]
) -> None:
    rows = [(day,) for day in days]
    found = asked(rows, {"day": "date"}, lapse=SQL.lapse_day("day", str(months)))
    for day, lapse in zip(days, found["lapse"].dt.date, strict=True):
        # No month is shorter than 28 days, so that the search begins within the window.
        first = day + timedelta(days=28 * months - 3)
        assert months_before(first, months) < day
        while months_before(first, months) < day:
            first += timedelta(days=1)
        assert lapse == first, day


@pytest.mark.parametrize("starts", [8, 9, 1])
@settings(max_examples=6)
@given(st.lists(DAYS, min_size=60, max_size=120))
def test_each_day_lies_in_one_school_year_and_each_year_follows_on(
    starts: int, days: list[date]
) -> None:
    sql = macros(school_year_start_month=starts)
    year = sql.school_year_of("day")
    first_day, after = sql.year_start(f"({year})"), sql.next_year_start(f"({year})")
    rows = [(day,) for day in days]
    found = asked(rows, {"day": "date"}, year=year, first=first_day, after=after)
    for day, row in zip(days, found.itertuples(), strict=True):
        first = day.year if day.month >= starts else day.year - 1
        assert row.year == f"{first}-{first + 1}"
        assert row.first.date() == date(first, starts, 1)
        assert row.after.date() == date(first + 1, starts, 1)
        assert row.first.date() <= day < row.after.date()

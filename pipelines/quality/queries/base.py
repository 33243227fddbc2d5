"""What a plausibility query is, where its rows lie, and the bounds that it judges by.

The desk reads every finding, so a query is judged strictly: at the level `LEVEL` for all units of
a wave together (Bonferroni; Dunn 1961, doi:10.1080/01621459.1961.10482090), which holds however
the units depend on each other. Tail probabilities are upper bounds in closed form, so the true
level is lower still and no query needs more than SQL.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

LEVEL = 0.01
"""Chance that a query finds anything in a wave in which there is nothing to find, at most."""


@dataclass(frozen=True)
class Query:
    """One rule of the layer `between` that is looked for in the standing rows.

    The SQL answers one row a finding, with the columns `source_file` and, where they apply,
    `sheet`, `row_first`, `row_last`, `rows`, `school_year`, `wave_id`, `school_code`, `grade`,
    `class_no`, `subject`, `person`, `found`, `expected`, and `strength`, by which findings are
    ranked (higher: more to ask about).
    """

    rule: str
    feed: str
    """The feed whose files the findings name."""
    sql: str


def query(rule: str, feed: str) -> Callable[[Callable[[], str]], Query]:
    """Make a query of a function that answers its SQL; the docstring names the method's source."""

    def made(sql: Callable[[], str]) -> Query:
        return Query(rule, feed, sql())

    return made


FIRST_YEAR = "try_cast(left(school_year, 4) as integer)"
"""The calendar year in which a school year starts; null where a folder names none."""


def place(
    sheet: str = "source_sheet", first: str = "source_row", last: str = "source_row", only: str = ""
) -> str:
    """`sheet`, `row_first` and `row_last` of a group; of rows on several sheets no numbers.

    Args:
        sheet, first, last: columns that say where a row, or a part of the group, lies.
        only: predicate of the rows that are meant; empty for all.
    """
    these = f"filter (where {only})" if only else ""
    one = f"min({sheet}) {these} is not distinct from max({sheet}) {these}"
    return f"""
        case when {one} then coalesce(min({sheet}) {these}, '') else '' end as sheet,
        case when {one} then min({first}) {these} end as row_first,
        case when {one} then max({last}) {these} end as row_last
    """


def place_of(alias: str) -> str:
    """`place` of the rows of one relation of several, and `rows`, how many there are."""
    return f"""{place(f"{alias}.source_sheet", f"{alias}.source_row", f"{alias}.source_row")},
        count(*)::bigint as rows"""


def in_files(units: str, keys: Iterable[str], cells: str = "cell") -> str:
    """One row for each unit and file that holds rows of it.

    Args:
        units: query or name of a relation, one row a unit, in parentheses if a query.
        keys: columns of `cells` that name the unit.
        cells: query or name of the relation that tells the files.
    """
    on = " and ".join(f"c.{key} is not distinct from u.{key}" for key in keys)
    return f"""
        select u.*, c.source_file, {place("c.source_sheet", "c.row_first", "c.row_last")},
            sum(c.rows)::bigint as rows
        from {units} as u join {cells} as c on {on}
        group by all
    """


MACROS = """
create or replace temp macro normal_tail(z) as
    -- Two-sided, for z > 0 (Gordon 1941, doi:10.1214/aoms/1177731721).
    least(1, 2 * exp(-z * z / 2) / (z * sqrt(2 * pi())));
create or replace temp macro binomial_tail(k, n, p) as
    -- P(X >= k) (Hoeffding 1963, doi:10.1080/01621459.1963.10500830, theorem 1).
    case when k <= n * p then 1 else exp(
        -k * ln(k / n / p) - case when k < n then (n - k) * ln((1 - k / n) / (1 - p)) else 0 end
    ) end;
create or replace temp macro poisson_tail(k, mean) as
    -- P(X >= k) by Chernoff's bound (Mitzenmacher & Upfal 2005, theorem 5.4).
    case when k <= mean then 1 else exp(k - mean - k * ln(k / mean)) end;
create or replace temp macro chi_square_tail(x, df) as
    -- Chernoff's bound (Dasgupta & Gupta 2003, doi:10.1002/rsa.10073, lemma 2.2).
    case when x <= df then 1 else exp(-df / 2 * (x / df - 1 - ln(x / df))) end;
create or replace temp macro percent(x) as format('{:.0f}%', 100 * x);
"""

"""Checks a standing view: DuckDB finds the witnesses, Great Expectations judges them.

A feed has millions of rows and a school's machine has little memory, so no feed is loaded. DuckDB
makes a *witness frame* instead, a few dozen rows for any feed. Each of its columns holds

- every distinct value where a rule names a set (codes, flags, grades),
- both extremes where a rule names limits (numbers, days),
- the values that do not fit, and one that does, where a rule names a pattern,
- a null if the feed's column holds one,

padded by repeating its first value. A set that is exceeded keeps its strangers, so no column is
longer than its set and a sample of them. A column-wise expectation holds on the witness frame if
and only if it holds on the feed: the frame holds only values of the feed, and of the values that
break a rule at least one, since a range is broken by an extreme or by nothing. What concerns the
table (equal keys, references that lead nowhere) is counted in SQL and stands in the frame as a
column of its own, which must be 0.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from pipelines.feeds import Contract, load_contracts
from pipelines.feeds.contract import quoted
from pipelines.quality.rules import SHAPE, Rule, expression, name, rules_of

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 20
"""So many values that break a rule enter the witness frame."""
SHOWN = 5


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one rule on one feed."""

    feed: str
    rule: str
    column: str
    passed: bool
    rows: int
    failed_rows: int
    detail: str


def validate_feed(standing: Path, feed: str) -> list[CheckResult]:
    """The outcome of every rule of one feed of a standing view."""
    return validate(standing, [feed])


def validate(
    standing: Path, feeds: Iterable[str], megabytes: int | None = None
) -> list[CheckResult]:
    """The outcome of every rule of these feeds, in the order of the contracts' columns.

    Args:
        standing: `<feed>/<school year>/*.parquet`.
        feeds: those that are checked.
        megabytes: so much memory may DuckDB take before it writes to disk, if not what it would.

    Raises:
        KeyError: there is no contract of that name.
        FileNotFoundError: the standing view holds no file of a feed.
    """
    contracts = load_contracts()
    landed = list(contracts)
    judge = Judge()
    with connection(megabytes) as con:
        return [
            result
            for feed in feeds
            for result in check(con, judge, standing, contracts[feed], landed)
        ]


@contextmanager
def connection(megabytes: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in so much memory, which writes to a folder of its own what does not fit."""
    limit = {} if megabytes is None else {"memory_limit": f"{megabytes}MB"}
    with (
        tempfile.TemporaryDirectory() as spill,
        duckdb.connect(config={"temp_directory": spill, **limit}) as con,
    ):
        con.execute("set enable_progress_bar = false")
        # Landed files never change, and each question would read all their footers.
        con.execute("set parquet_metadata_cache = true")
        yield con


def _view(con: duckdb.DuckDBPyConnection, view: str, standing: Path, feed: str) -> None:
    if not any((standing / feed).glob("*/*.parquet")):
        raise FileNotFoundError(f"no rows of {feed} in {standing}")
    files = quoted(f"{standing}/{feed}/*/*.parquet")
    con.execute(
        f"create or replace view {name(view)} as select * from "
        f"read_parquet({files}, union_by_name = true, hive_partitioning = false)"
    )


def _scalars(con: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] = con.execute(query).fetchall()[0]
    return row


def _first_column(con: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    return [row[0] for row in con.execute(query).fetchall()]


def _types(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    return {row[0]: row[1] for row in con.execute(f"describe {relation}").fetchall()}


def _misfits(con: duckdb.DuckDBPyConnection, contract: Contract) -> dict[str, str]:
    """Columns that are missing or of another type than the contract's, and what they are."""
    wanted = ", ".join(f"null::{sql} as {name(c)}" for c, sql in contract.landed.items())
    expected, found = _types(con, f"select {wanted}"), _types(con, "feed")
    return {
        column: f"{column} is {found.get(column, 'missing')}, not {sql_type}"
        for column, sql_type in expected.items()
        if found.get(column) != sql_type
    }


def check(
    con: duckdb.DuckDBPyConnection,
    judge: "Judge",
    standing: Path,
    contract: Contract,
    landed_feeds: Iterable[str],
) -> list[CheckResult]:
    """The outcome of every rule of one contract."""
    landed = set(landed_feeds)
    _view(con, "feed", standing, contract.feed)
    for other in landed.intersection(contract.depends_on):
        _view(con, other, standing, other)
    misfits = _misfits(con, contract)
    rules = [SHAPE, *rules_of(contract, landed)]
    able = [rule for rule in rules if not misfits.keys() & set(rule.needs)]
    rows, failed = _count(con, [rule for rule in able if rule is not SHAPE])
    failed[SHAPE] = len(misfits)
    judged: dict[Rule, tuple[bool, str]] = {}
    if rows or misfits:
        asked = able if rows else [SHAPE]
        frame = witness_frame(con, contract, asked, failed)
        judged = judge(contract.feed, frame, asked)
    results = []
    for rule in rules:
        if rule in able:
            passed, error = judged.get(rule, (rows == 0, "" if rows == 0 else "no verdict"))
            failed_rows = failed[rule] if rule is not SHAPE else (rows if misfits else 0)
            detail = error or _detail(con, rule, failed_rows, misfits)
            if passed == bool(failed[rule]) and not error:
                detail = f"verdict and count disagree; {detail}".rstrip("; ")
                passed = False
        else:
            passed, failed_rows = False, rows
            broken = [misfits[c] for c in rule.needs if c in misfits]
            detail = f"not checked: {', '.join(broken)}"
        results.append(
            CheckResult(contract.feed, rule.name, rule.column, passed, rows, failed_rows, detail)
        )
    return results


def _count(con: duckdb.DuckDBPyConnection, rules: list[Rule]) -> tuple[int, dict[Rule, int]]:
    """Rows of the feed, and rows that break each rule: one pass for all rules on values."""
    simple = [rule for rule in rules if rule.kind != "count"]
    counts = ["count(*)", *(f"count(*) filter (where {rule.breaks})" for rule in simple)]
    rows, *numbers = _scalars(con, f"select {', '.join(counts)} from feed")
    failed = dict(zip(simple, numbers, strict=True))
    for rule in rules:
        if rule.kind == "count":
            failed[rule] = _scalars(con, rule.breaks)[0] if rows else 0
    return rows, failed


def _broken_values(con: duckdb.DuckDBPyConnection, rule: Rule, value: str, n: int) -> list[Any]:
    query = f"select distinct {value} as v from feed where {rule.breaks} order by v limit {n}"
    return _first_column(con, query)


def witness_frame(
    con: duckdb.DuckDBPyConnection, contract: Contract, rules: list[Rule], failed: dict[Rule, int]
) -> "pd.DataFrame":
    """The witness frame of the relation `feed` for these rules; see the module's text."""
    import pandas as pd

    columns: dict[str, list[Any]] = {rule.frame_column: [] for rule in rules}
    limits: dict[str, str] = {}
    for rule in rules:
        held = columns[rule.frame_column]
        if rule.kind == "count":
            held.append(float(failed[rule]))
            continue
        value = expression(rule.column, contract.landed[rule.column])
        values = f"select {value} as v from feed where {name(rule.column)} is not null"
        if rule.kind == "set":
            fitting = f"select distinct v from ({values} and not ({rule.breaks})) order by v"
            held += _first_column(con, fitting)
        elif rule.kind == "range":
            limits[rule.column] = value
        elif rule.kind == "pattern":
            held += _first_column(con, f"{values} and not ({rule.breaks}) limit 1")
        else:
            held += _first_column(con, f"{values} limit 1")
        if failed[rule] and rule.kind in ("set", "pattern"):
            held += _broken_values(con, rule, value, SAMPLE)
    own = [column for column in columns if column in contract.landed]
    asked = [f"count(*) - count({name(column)})" for column in own]
    asked += [f"{end}({value})" for value in limits.values() for end in ("min", "max")]
    if asked:
        found = _scalars(con, f"select {', '.join(asked)} from feed")
        for i, column in enumerate(limits):
            ends = found[len(own) + 2 * i : len(own) + 2 * i + 2]
            columns[column] += [end for end in ends if end is not None]
        for column, nulls in zip(own, found, strict=False):
            columns[column] += [None] if nulls else []
    height = max(map(len, columns.values()))
    return pd.DataFrame({c: held + held[:1] * (height - len(held)) for c, held in columns.items()})


def _detail(
    con: duckdb.DuckDBPyConnection, rule: Rule, failed_rows: int, misfits: dict[str, str]
) -> str:
    if not failed_rows and rule.name != "columns":
        return ""
    if rule.name == "columns":
        return ", ".join(misfits.values())
    if rule.personal or rule.kind in ("not_null", "count"):
        return f"{failed_rows} rows"
    values = _broken_values(con, rule, name(rule.column), SHOWN)
    return f"{failed_rows} rows, such as {', '.join(map(str, values))}"


class Judge:
    """One ephemeral Great Expectations context; called with a frame and the rules on it."""

    def __init__(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.enable_analytics(False)
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._source = context.data_sources.add_pandas("witnesses")

    def __call__(
        self, feed: str, frame: "pd.DataFrame", rules: list[Rule]
    ) -> dict[Rule, tuple[bool, str]]:
        """Whether each rule holds on the frame, and the error if it could not be judged.

        A metric that failed never counts as a pass, whatever the verdict beside it says.
        """
        import great_expectations as gx

        suite = gx.ExpectationSuite(
            name=feed, expectations=[expectation(rule, i) for i, rule in enumerate(rules)]
        )
        assets = {asset.name for asset in self._source.assets}
        if feed in assets:
            self._source.delete_asset(feed)
        asset = self._source.add_dataframe_asset(feed)
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
        found: dict[Rule, tuple[bool, str]] = {}
        for result in batch.validate(suite, result_format="BASIC").results:
            configuration: Any = result.expectation_config
            rule = rules[configuration.meta["rule"]]
            error = _error(result.exception_info)
            found[rule] = (result.success is True and not error, error)
        return found


def expectation(rule: Rule, index: int) -> Any:
    """The rule as an expectation, which knows the rule's place in its list."""
    import great_expectations.expectations as gxe

    given: dict[str, Any] = {"column": rule.frame_column, "meta": {"rule": index}}
    if rule.kind == "not_null":
        return gxe.ExpectColumnValuesToNotBeNull(**given)
    if rule.kind == "set":
        return gxe.ExpectColumnValuesToBeInSet(**given, value_set=list(rule.values))
    if rule.kind == "range":
        return gxe.ExpectColumnValuesToBeBetween(**given, min_value=rule.low, max_value=rule.high)
    if rule.kind == "pattern":
        return gxe.ExpectColumnValuesToMatchRegex(**given, regex=rf"\A(?:{rule.pattern})\Z")
    return gxe.ExpectColumnValuesToBeBetween(**given, min_value=0, max_value=0)


def _error(info: dict[str, Any] | None) -> str:
    """What a metric raised; the information is flat, or nested by metric."""
    if not info:
        return ""
    entries = [info] if "raised_exception" in info else list(info.values())
    raised = [e for e in entries if e.get("raised_exception")]
    return "; ".join(f"not judged: {e.get('exception_message')}" for e in raised)

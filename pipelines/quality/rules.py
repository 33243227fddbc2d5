"""What must hold of a landed feed: one list of rules, derived from its contract.

A rule on the values of a column is a predicate in SQL that says which rows break it, and the same
as an expectation. A rule on a whole table is the number of rows that break it, which must be 0.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pipelines.feeds import Column, Contract, codes
from pipelines.feeds.contract import FIRST_DAY, LAST_DAY, MONTH, PARTS_WITHIN, RowRule, quoted

DATES = tuple(int(f"{day:%Y%m%d}") for day in (FIRST_DAY, LAST_DAY))
"""First and last day, as a number, that a date in a file may name."""

STUDENT_KEY = r"[0-9a-f]{64}"
SCHOOL_YEAR = r"[0-9]{4}-[0-9]{4}"
NAMED_ORIGIN = ("school_year", "source_file", "file_sha256")
"""Columns of the origin that every row must carry."""

ROW_RULES: dict[str, list[tuple[str, str, tuple[str, ...], str]]] = {
    "monitoring_results": [
        (
            "score_only_if_present",
            "score",
            ("score", "status"),
            "score is not null and status is distinct from 'present'",
        )
    ]
}
"""What no contract can say: name, column, columns read, and which rows break it."""

Kind = Literal["not_null", "set", "range", "pattern", "count"]


@dataclass(frozen=True)
class Rule:
    """One rule of one feed."""

    name: str
    column: str
    kind: Kind
    needs: tuple[str, ...]
    """Landed columns that the rule reads."""
    breaks: str
    """Which rows break it (SQL predicate); for `count`, the query that counts them."""
    values: tuple[str | int, ...] = ()
    low: float | None = None
    high: float | None = None
    pattern: str = ""
    personal: bool = False
    """Whether the values must not be shown."""

    @property
    def frame_column(self) -> str:
        """The column of the witness frame on which the rule is checked."""
        return f"{self.name}({self.column})" if self.kind == "count" else self.column


SHAPE = Rule("columns", "", "count", (), "")
"""The landed columns and their types are the contract's; counted by whoever reads the files."""


def _(message: str) -> str:
    """Mark a message for the catalogue; it is translated when shown."""
    return message


TITLES: dict[str, str] = {
    "columns": _("Columns as the contract says"),
    "not_null": _("Filled in"),
    "in_set": _("One of"),
    "in_range": _("Within"),
    "pattern": _("Of the form"),
    "unique_key": _("Key stands once"),
    "refers": _("Stands in the list it refers to"),
    "score_only_if_present": _("A score only where the student was present"),
    "dates_in_order": _("No day before the one it follows"),
    "part_within_whole": _("The part not larger than the whole"),
    "parts_make_whole": _("The parts make the whole"),
    "marks_in_order": _("Marks from the lowest to the full mark"),
}
"""What each rule says, msgids of the catalogue."""
TOLD_ONLY = {"refers", "parts_make_whole"}
"""Rules whose breach is told and holds nothing back.

A register may have changed since rows were held against it: units that only results name are kept
under their code. Parts that do not make their whole are a query of the intake, and such rows are
taken.
"""


def name(column: str) -> str:
    """A column's name as an SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def expression(column: str, sql_type: str) -> str:
    """A column's value as the witness frame holds it: text, or a double.

    A day is the number 20240305, so that days compare as they follow each other; a day that no
    calendar has (infinity) is 0. Decimals are cast to double, which keeps their order.
    """
    sql = name(column)
    if sql_type == "date":
        return (
            f"case when {sql} is not null then coalesce("
            f"(year({sql}) * 10000 + month({sql}) * 100 + day({sql}))::double, 0) end"
        )
    if sql_type in ("varchar", "boolean"):
        return f"{sql}::varchar"
    return f"{sql}::double"


def _not_null(column: str) -> Rule:
    return Rule("not_null", column, "not_null", (column,), f"{name(column)} is null")


def _set(column: str, sql_type: str, values: tuple[str | int, ...]) -> Rule:
    listed = ", ".join(quoted(v) if isinstance(v, str) else str(v) for v in values)
    breaks = f"{expression(column, sql_type)} not in ({listed})"
    return Rule("in_set", column, "set", (column,), breaks, values=values)


def _range(column: str, sql_type: str, low: float | None, high: float | None) -> Rule:
    value = expression(column, sql_type)
    limits = [f"{value} < {low!r}"] if low is not None else []
    limits += [f"{value} > {high!r}"] if high is not None else []
    breaks = " or ".join(limits)
    return Rule("in_range", column, "range", (column,), breaks, low=low, high=high)


def _pattern(column: str, pattern: str, personal: bool = False) -> Rule:
    breaks = f"not regexp_full_match({name(column)}, {quoted(pattern)})"
    return Rule("pattern", column, "pattern", (column,), breaks, pattern=pattern, personal=personal)


def _column_rules(column: Column, sql_type: str) -> list[Rule]:
    landed = str(column.landed_name)
    rules = [_not_null(landed)] if column.required else []
    if column.type == "code":
        rules.append(_set(landed, sql_type, tuple(codes()[str(column.codes)])))
    elif column.type == "grade":
        rules.append(_set(landed, sql_type, tuple(range(1, 13))))
    elif column.type == "date":
        rules.append(_range(landed, sql_type, *DATES))
    elif column.type == "month":
        rules.append(_pattern(landed, MONTH))
    elif column.type == "student_no":
        rules.append(_pattern(landed, STUDENT_KEY, personal=True))
    elif column.pattern and sql_type == "varchar":
        rules.append(_pattern(landed, column.pattern))
    elif column.min is not None or column.max is not None:
        rules.append(_range(landed, sql_type, column.min, column.max))
    return rules


def _row_rule(rule: RowRule) -> Rule:
    """A contract's rule on the columns of one row, where they are filled."""
    first, last = rule.columns[0], rule.columns[-1]
    greater: list[tuple[str, str]] = []
    match rule.rule:
        case "dates_out_of_order":
            own, greater = "dates_in_order", [(first, last)]
        case "more_than":
            own, greater = "part_within_whole", [(first, last)]
        case "mark_order":
            # Neighbours, as intake compares them; and each with the full mark.
            marks = rule.columns[:-1]
            own, greater = "marks_in_order", [*pairwise(marks), *((mark, last) for mark in marks)]
        case "parts_and_whole":
            own = "parts_make_whole"
    breaks = " or ".join(f"{name(a)} > {name(b)}" for a, b in greater)
    if not greater:
        parts = " + ".join(map(name, rule.columns[1:]))
        breaks = f"abs({name(first)} - ({parts})) > {PARTS_WITHIN}"
    query = f"select count(*) from feed where {breaks}"
    return Rule(own, ", ".join(rule.columns), "count", tuple(rule.columns), query)


def rules_of(contract: Contract, landed_feeds: Collection[str]) -> list[Rule]:
    """The rules of a feed; its rows are the relation `feed`, another feed's the one of its name.

    A reference into a feed that is not landed can't be checked and gives no rule.
    """
    rules: list[Rule] = []
    for column in contract.columns:
        if column.landed_name:
            rules += _column_rules(column, contract.landed[column.landed_name])
    rules += [_not_null(origin) for origin in NAMED_ORIGIN]
    rules.append(_pattern("school_year", SCHOOL_YEAR))
    keys = ", ".join(name(k) for k in contract.landed_key)
    # By their hashes first, in a third of the memory; of equal hashes the keys decide.
    twice = f"select hash({keys}) as h from feed group by h having count(*) > 1"
    rules.append(
        Rule(
            "unique_key",
            ", ".join(contract.landed_key),
            "count",
            tuple(contract.landed_key),
            f"select coalesce(sum(n), 0)::bigint from (select count(*) as n from feed "
            f"where hash({keys}) in ({twice}) group by {keys} having count(*) > 1)",
        )
    )
    for column in contract.columns:
        if not (column.references and column.landed_name):
            continue
        feed, _, target = column.references.partition(".")
        if feed in landed_feeds:
            own, there = name(column.landed_name), name(target)
            query = (
                f"select count(*) from feed where {own} is not null and {own} not in "
                f"(select {there} from {name(feed)} where {there} is not null)"
            )
            rules.append(Rule("refers", column.landed_name, "count", (column.landed_name,), query))
    rules += map(_row_rule, contract.rules)
    for rule, on, needs, breaks in ROW_RULES.get(contract.feed, []):
        query = f"select count(*) from feed where {breaks}"
        rules.append(Rule(rule, on, "count", needs, query))
    return rules

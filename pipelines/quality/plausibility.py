"""Asks about standing rows that are allowed but unlikely: queries to confirm, never accusations.

Each query is one SQL statement over aggregates that are made once (`queries/shared.py`). It says
what was found and what was expected, and in which file; what it means the school says.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipelines.feeds import codes, load_contracts, rules
from pipelines.feeds.contract import quoted
from pipelines.quality.queries import MACROS, QUERIES, SHARED
from pipelines.quality.rules import name
from pipelines.quality.validate import connection
from pipelines.wording import bilingual

SHOWN = 50
"""Findings of a rule and school year that are told, the strongest first."""
MORE = "more_findings"
"""The rule that tells how many others there are."""
STAGES: dict[str, tuple[int, ...]] = {
    "primary": tuple(range(1, 7)),
    "junior": tuple(range(7, 10)),
    "senior": tuple(range(10, 13)),
}
UNIONS = {
    "nine_year": ("primary", "junior"),
    "secondary": ("junior", "senior"),
    "twelve_year": ("primary", "junior", "senior"),
}
"""Stages of a school that are several of a pupil's."""
UNIT = ["school_year", "wave_id", "school_code", "grade", "class_no", "subject", "person"]
FINDING = """
create temp table finding (
    place integer, rule varchar, feed varchar, source_file varchar, sheet varchar,
    row_first integer, row_last integer, rows bigint, school_year varchar, wave_id varchar,
    school_code varchar, grade integer, class_no varchar, subject varchar, person varchar,
    found varchar, expected varchar, strength double
)
"""


@dataclass(frozen=True)
class Finding:
    """Something to confirm or explain, about a unit's rows in one file.

    The first nine fields are those of a problem of the intake, by name and order. Nothing in it
    names a student.
    """

    rule: str
    file: str
    """`source_file` of the rows; the folder of feed and year where a finding counts others."""
    sheet: str
    row_first: int | None
    row_last: int | None
    count: int
    """Rows that it is about."""
    column: str
    """What it is about, in the words of a file: wave, school, grade and class, subject, person."""
    found: str
    expected: str
    asked: str
    """The rule of the query: `rule`, unless the finding counts others of that rule."""
    feed: str
    school_year: str
    wave_id: str
    school_code: str
    grade: int | None
    class_no: str
    subject: str
    person: str
    """Work identifier, and the day or period if it is about one; or a training session."""


def plausible(
    standing: Path,
    *,
    pass_share: float = 0.60,
    start_month: int = 8,
    stages: Mapping[str, Sequence[int]] = STAGES,
    pointed: Collection[str] = (),
    megabytes: int | None = None,
) -> list[Finding]:
    """What a standing view should be asked about, in an order that depends on its rows alone.

    Args:
        standing: `<feed>/<school year>/*.parquet`, sound by its contracts; a feed may be absent.
        pass_share: pass mark over full mark, where a wave names none.
        start_month: month in which a school year starts.
        stages: grades of each stage.
        pointed: `source_file` of files that write classes as 7.1, and none as 7.10.
        megabytes: so much memory may DuckDB take before it writes to disk, if not what it would.
    """
    with connection(megabytes) as con:
        con.execute("set variable pass_share = $1::double", [pass_share])
        con.execute("set variable start_month = $1::integer", [start_month])
        _stages(con, stages)
        _views(con, standing)
        con.execute("create temp table pointed as select unnest($1::varchar[]) as source_file",
                    [sorted(pointed)])  # fmt: skip
        con.execute(MACROS)
        for shared in SHARED:
            con.execute(shared)
        con.execute(FINDING)
        for place, query in enumerate(QUERIES):
            con.execute(
                f"insert into finding by name select {place} as place, "
                f"{quoted(query.rule)} as rule, {quoted(query.feed)} as feed, * from ({query.sql})"
            )
        return _ranked(con)


def _stages(con: duckdb.DuckDBPyConnection, stages: Mapping[str, Sequence[int]]) -> None:
    unions = {
        union: [g for s in parts for g in stages.get(s, ())] for union, parts in UNIONS.items()
    }
    con.execute("create temp table stage_grade (stage varchar, grade integer)")
    con.executemany(
        "insert into stage_grade values (?, ?)",
        [[stage, grade] for stage, grades in {**stages, **unions}.items() for grade in grades],
    )


def _views(con: duckdb.DuckDBPyConnection, standing: Path) -> None:
    """A view a feed, with the contract's columns; empty where nothing was handed in."""
    for feed, contract in load_contracts().items():
        if any((standing / feed).glob("*/*.parquet")):
            files = quoted(f"{standing}/{feed}/*/*.parquet")
            rows = f"read_parquet({files}, union_by_name = true, hive_partitioning = false)"
            columns = ", ".join(map(name, contract.landed))
            con.execute(f"create temp view {name(feed)} as select {columns} from {rows}")
        else:
            columns = ", ".join(f"null::{t} as {name(c)}" for c, t in contract.landed.items())
            con.execute(f"create temp view {name(feed)} as select {columns} where false")


def _ranked(con: duckdb.DuckDBPyConnection) -> list[Finding]:
    """The strongest findings of each rule and school year; how many others there are."""
    # Rounded, since sums of doubles differ in the last digits from run to run.
    rows = con.execute(
        f"""
        with ranked as (
            select *, count(*) over (partition by rule, school_year) as others,
                row_number() over (
                    partition by rule, school_year
                    order by round(strength, 6) desc, source_file, {", ".join(UNIT)}, found
                ) as nth
            from finding
        )
        select place, nth, rule, feed, source_file, coalesce(sheet, ''), row_first, row_last, rows,
            found, coalesce(expected, ''), others, {", ".join(UNIT)}
        from ranked where nth <= {SHOWN}
        order by place, school_year, nth
        """
    ).fetchall()
    findings: list[Finding] = []
    for _, nth, rule, feed, file, sheet, first, last, count, found, expected, others, *unit in rows:
        year, wave, school, grade, class_no, subject, person = unit
        told = (wave or "", school or "", grade, class_no or "", subject or "", person or "")
        where = _in_words(*told)
        findings.append(
            Finding(
                rule, file, sheet, first, last, count, where, found, expected, rule, feed, year,
                *told,
            )
        )  # fmt: skip
        if nth == SHOWN and others > SHOWN:
            rest = others - SHOWN
            findings.append(
                Finding(
                    MORE, f"{feed}/{year}", "", None, None, rest, "", str(rest),
                    bilingual(rules()[rule].title), rule, feed, year, "", "", None, "", "", "",
                )
            )  # fmt: skip
    return findings


def _in_words(
    wave: str, school: str, grade: int | None, class_no: str, subject: str, person: str
) -> str:
    known = codes()
    group = known["grade"][str(grade)][0] if grade is not None else ""
    group += f"{class_no}班" if class_no else ""
    paper = known["subject"][subject][0] if subject else ""
    return " ".join(part for part in (wave, school, group, paper, person) if part)

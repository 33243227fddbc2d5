"""Text cells to typed values, in SQL generated from a contract: one pass for many files.

In: table `cells` (file_no, sheet, row, _wide, _total, and one text column a canonical name).
Out: table `typed` (the same, typed; the tidied text stays beside it as `raw_<name>`) and table
`found` (file_no, sheet, row, col, rule, found, expected), one row a cell that is wrong.
"""

import duckdb
import pyarrow as pa

from pipelines.feeds import Column, Contract, codes
from pipelines.feeds.contract import FIRST_DAY, LAST_DAY, MONTH, SQL_TYPES, normalise, quoted

FULL_WIDTH = "".join(chr(c) for c in range(0xFF10, 0xFF5B)) + "．－／：，＋"
HALF_WIDTH = "".join(chr(c - 0xFEE0) for c in range(0xFF10, 0xFF5B)) + ".-/:,+"
BLANKS = " \t\r\n\u3000\u00a0\ufeff"
NOTHING = ("", "-", "—", "——", "/")
DAYS = (
    "['%Y-%m-%d', '%Y/%m/%d', '%Y.%m.%d', '%Y%m%d', '%Y年%m月%d日', "
    "'%Y-%m-%d %H:%M:%S', '%Y/%m/%d %H:%M:%S']"
)
MONTHS = "['%Y-%m', '%Y/%m', '%Y.%m', '%Y%m', '%Y年%m月']"
SERIAL = "[1-7][0-9]{4}"
"""A day as a spreadsheet counts it, from 1927 to 2118."""
NUMBER = r"[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]{0,3}0*)?"
"""A comma parts thousands, and nothing else: 8,5 is no 85."""

BAD = {
    "code": "bad_code",
    "grade": "bad_grade",
    "integer": "bad_integer",
    "number": "bad_number",
    "score": "bad_score",
    "date": "bad_date",
    "month": "bad_date",
    "flag": "bad_flag",
}
"""The rule that a cell breaks whose text is no value of the column's type."""

TABLES = """
create or replace temp table found (
    file_no integer, sheet varchar, row integer, col varchar,
    rule varchar, found varchar, expected varchar
)
"""


def half_width(sql: str) -> str:
    """SQL of a text with its full-width letters, digits and marks made half-width."""
    # Asked first, since translate takes 30 times as long as the question and most text is plain.
    return (
        f"if(regexp_matches({sql}, {quoted(f'[{FULL_WIDTH}]')}), "
        f"translate({sql}, {quoted(FULL_WIDTH)}, {quoted(HALF_WIDTH)}), {sql})"
    )


def as_word(sql: str) -> str:
    """SQL of a text as table `words` spells it."""
    return rf"lower(regexp_replace({sql}, '\s', '', 'g'))"


def _words(con: duckdb.DuckDBPyConnection) -> None:
    rows = sorted(
        {
            (name, normalise(word), code)
            for name, values in codes().items()
            for code, words in values.items()
            for word in (code, *words)
        }
    )
    table = pa.table(
        {name: [row[i] for row in rows] for i, name in enumerate(("code_set", "word", "code"))}
    )
    con.register("words_in", table)
    con.execute("create or replace temp table words as select * from words_in")
    con.unregister("words_in")


def _tidy(column: Column) -> str:
    """Text without blanks around it; a mark for nothing is null. Prose keeps its full width."""
    text = f'"{column.name}"'
    prose = column.type == "text" and not (column.pattern or column.references)
    tidied = f"trim({text if prose else half_width(text)}, {quoted(BLANKS)})"
    # `not in (…)` would be planned as a join, at a second a column.
    for mark in NOTHING:
        tidied = f"nullif({tidied}, {quoted(mark)})"
    return tidied


def _day(x: str) -> str:
    serial = f"case when regexp_full_match({x}, '{SERIAL}') then {x} end"
    day = (
        f"coalesce(try_strptime({x}, {DAYS})::date, "
        f"date '1899-12-30' + try_cast({serial} as integer))"
    )
    return _likely(day)


def _likely(day: str) -> str:
    """SQL of a day, null where no school has one like it."""
    return f"case when {day} between date '{FIRST_DAY}' and date '{LAST_DAY}' then {day} end"


def _number(x: str, sql_type: str) -> str:
    plain = f"replace({x}, ',', '')"
    return f"case when regexp_full_match({x}, '{NUMBER}') then try_cast({plain} as {sql_type}) end"


def _value(column: Column) -> str:
    """SQL of a column's typed value out of `tidy as t`."""
    x, sql_type = f't."raw_{column.name}"', SQL_TYPES[column.type]
    if column.code_set:
        return f"w_{column.name}.code::{sql_type}"
    match column.type:
        case "integer":
            number = _number(x, "decimal(18,3)")
            return f"case when {number} = floor({number}) then try_cast({number} as integer) end"
        case "number" | "score":
            return _number(x, sql_type)
        case "date":
            return _day(x)
        case "month":
            month = f"strftime(coalesce({_day(x)}, try_strptime({x}, {MONTHS})::date), '%Y-%m')"
            return f"case when regexp_full_match({month}, {quoted(MONTH)}) then {month} end"
        case "student_no":
            return rf"upper(regexp_replace({x}, '^''|\s', '', 'g'))"
        case _:
            return x


def template_words(code_set: str | None) -> str:
    """The words of a code set as templates show them, as an SQL literal."""
    return quoted("、".join(words[0] for words in codes().get(code_set or "", {}).values()))


def header_of_score(contract: Contract) -> str:
    """SQL of the header under which a score stands: the subject's own in the wide form."""
    wide = contract.wide
    if wide is None:
        return quoted(contract.column("score").header)
    plain = quoted(contract.column(wide.values).header)
    return f'case when _wide then "raw_{wide.names}" else {plain} end'


def _has_status(contract: Contract) -> bool:
    return any(c.name == "status" and c.codes == "score_status" for c in contract.columns)


def clean(con: duckdb.DuckDBPyConnection, contract: Contract, usual_student_no: str) -> None:
    """Make `typed` and `found` out of `cells`.

    A status word in a score cell is a status (`缺考`); a score without a word is present.
    """
    con.execute(TABLES)
    _words(con)
    columns = [c for c in contract.columns if c.type != "dropped"]
    joins = [
        f"""left join words as w_{c.name} on w_{c.name}.code_set = '{c.code_set}'
        and w_{c.name}.word = {as_word(f't."raw_{c.name}"')}"""
        for c in columns
        if c.code_set
    ]
    values = {c.name: _value(c) for c in columns}
    if _has_status(contract):
        joins.append(
            f"""left join words as w_word on w_word.code_set = 'score_status'
            and w_word.word = {as_word("t.raw_score")}"""
        )
        values["status"] = (
            "coalesce(case when w_word.code <> coalesce(w_status.code, w_word.code) then null "
            "else coalesce(w_word.code, w_status.code) end, "
            "case when t.raw_score is not null and w_word.code is null "
            "and t.raw_status is null then 'present' end)"
        )
    filled = " or ".join(f'"raw_{c.name}" is not null' for c in columns if not _named(c, contract))
    con.execute(
        f"""
        create or replace temp table typed as
        -- Materialised, or the tidying would be done again for the filter.
        with tidy as materialized (
            select file_no, sheet, row, _wide, {half_width("_total")} as _total,
                {", ".join(f'{_tidy(c)} as "raw_{c.name}"' for c in columns)}
            from cells
        ),
        filled as (
            select * from tidy
            where {filled}
        )
        select t.*, {", ".join(f'{v} as "{n}"' for n, v in values.items())}
        from filled as t {" ".join(joins)}
        """
    )
    for column in columns:
        _check(con, column, contract, usual_student_no)
    if _has_status(contract):
        _check_status(con, contract)


def _named(column: Column, contract: Contract) -> bool:
    """Whether the wide form fills this column from a header, so that it says nothing of a row."""
    return contract.wide is not None and column.name == contract.wide.names


def _insert(
    con: duckdb.DuckDBPyConnection, where: str, rule: str, column: str, got: str, expected: str
) -> None:
    """Rows of `typed` that break a rule; `column`, `got` and `expected` are SQL."""
    con.execute(
        f"""
        insert into found
        select file_no, sheet, row, {column}, '{rule}', coalesce(({got})::varchar, ''),
            ({expected})::varchar
        from typed where {where}
        """
    )


def shown_number(sql: str) -> str:
    """SQL of what may be shown of a student number: at most its last four characters."""
    # What is no longer than a name might be one.
    return f"'…' || if(length({sql}) >= 8, right({sql}, 4), '')"


def _check(
    con: duckdb.DuckDBPyConnection, column: Column, contract: Contract, usual_student_no: str
) -> None:
    raw, value, header = f'"raw_{column.name}"', f'"{column.name}"', quoted(column.header)
    if contract.wide and column.name == contract.wide.values:
        header = header_of_score(contract)

    def insert(where: str, rule: str, expected: str = "''", got: str = raw) -> None:
        _insert(con, where, rule, header, got, expected)

    words = template_words(column.code_set)
    if column.required:
        insert(f"{raw} is null", "required", header, "''")
    if column.type == "score":
        words = template_words("score_status")
        word = as_word(raw)
        known = "(select word from words where code_set = 'score_status')"
        insert(
            f"{raw} is not null and {value} is null and {word} not in {known}", "bad_score", words
        )
    elif column.name == "status" and _has_status(contract):
        insert(f"{raw} is not null and {value} is null and raw_score is null", "bad_code", words)
    elif column.type in BAD:
        insert(f"{raw} is not null and {value} is null", BAD[column.type], words)
    if column.pattern:
        fits = f"regexp_full_match({raw}, {quoted(column.pattern)})"
        insert(f"not {fits}", "bad_text", quoted(column.pattern))
    if column.min is not None:
        insert(f"{value} < {column.min}", "below_min", f"'{column.min:g}'")
    if column.max is not None:
        insert(f"{value} > {column.max}", "above_max", f"'{column.max:g}'")
    if column.type == "text" and any(c.type == "student_no" for c in contract.columns):
        # One column too far, and the number would be landed in clear.
        insert(f"regexp_full_match(upper({raw}), {quoted(usual_student_no)})", "misplaced_number")
    if column.type == "student_no":
        power = f"regexp_matches({value}, '^[0-9.]+E[+]?[0-9]+$')"
        zeros = f"regexp_full_match({value}, '[0-9]{{12,}}000')"
        usual = f"regexp_full_match({value}, {quoted(usual_student_no)})"
        shown = rf"regexp_replace({value}, '^([0-9][.]?[0-9]{{0,2}})[0-9]*', '\1')"
        insert(power, "truncated_number", got=shown)
        insert(f"{zeros} and not {power}", "truncated_number", got=shown_number(value))
        insert(f"not ({usual} or {power} or {zeros})", "unusual_number", got=shown_number(value))


def _check_status(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    column = header_of_score(contract)
    _insert(
        con,
        "score is not null and (status <> 'present' or (status is null and raw_status is null))",
        "score_without_presence",
        column,
        "coalesce(raw_status, status)",
        "''",
    )
    _insert(
        con,
        "raw_score is not null and score is null and raw_status is not null and status is null",
        "score_without_presence",
        column,
        "raw_score || ' / ' || raw_status",
        "''",
    )

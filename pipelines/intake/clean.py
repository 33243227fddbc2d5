"""Text cells to typed values, in SQL generated from a contract: one pass for many files.

In: table `cells`, one row a row of a file: file_no, sheet, row, one text column a canonical name,
and in the wide form `_total` and the lists `_names` and `_values` (headers and cells of subjects
or items). Out: table `typed`, one row a landed row, typed, with the tidied text that later checks
speak of beside it as `raw_<name>`; and rows of table `found` (file_no, sheet, row, col, rule,
found, expected), one a cell that is wrong. Shared columns are cleaned once a row of the file.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from pipelines.feeds import Column, Contract, codes, load_contracts
from pipelines.feeds.contract import FIRST_DAY, LAST_DAY, MONTH, SQL_TYPES, normalise, quoted

FULL_WIDTH = "".join(chr(c) for c in range(0xFF10, 0xFF5B)) + "．－／：，＋"
HALF_WIDTH = "".join(chr(c - 0xFEE0) for c in range(0xFF10, 0xFF5B)) + ".-/:,+"
BLANKS = " \t\r\n\u3000\u00a0\ufeff"
NOTHING = ("-", "—", "——", "/", "")
"""Marks for nothing."""
DAMAGED = r"#(REF!|N/A|DIV/0!|VALUE!|NAME\?|NUM!|NULL!|GETTING_DATA|SPILL!|CALC!)"
"""What a spreadsheet shows where a formula has no value."""
A_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
"""How the reader writes a cell that is a day."""
MAX_TEXT = 2000
"""Characters; no cell of a feed needs as many."""
HAN_DIGITS = "一二三四五六七八九"
DAYS = (
    "['%Y-%m-%d', '%Y/%m/%d', '%Y.%m.%d', '%Y%m%d', '%Y年%m月%d日', "
    "'%Y年%m月%d号', '%Y-%m-%d %H:%M:%S', '%Y/%m/%d %H:%M:%S', '%Y-%m-%d %H:%M', '%Y/%m/%d %H:%M']"
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

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_DIGIT = (
    "coalesce(not regexp_full_match({x}, '[GJ][0-9]{{17}}[0-9X]') or right({x}, 1) = "
    "substr('10X98765432', 1 + ("
    + " + ".join(
        f"{weight} * try_cast(substr({{x}}, {at + 2}, 1) as integer)"
        for at, weight in enumerate(WEIGHTS)
    )
    + ") % 11, 1), true)"
)
"""Whether the last character of a number of the form G or J + 18 is that of MOD 11-2 (ISO 7064)."""

TABLES = """
create temp table if not exists found (
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


def _tidy(column: Column, sql: str | None = None) -> str:
    """Text without blanks around it; a mark for nothing is null. Prose keeps its full width."""
    text = sql or f'"{column.name}"'
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
        case "number":
            return _number(x, sql_type)
        case "score":
            return _number(f"rtrim({x}, '分')", sql_type)
        case "date":
            return _day(x)
        case "month":
            month = f"strftime(coalesce({_day(x)}, try_strptime({x}, {MONTHS})::date), '%Y-%m')"
            return f"case when regexp_full_match({month}, {quoted(MONTH)}) then {month} end"
        case "student_no":
            return rf"upper(regexp_replace({x}, '^''|[\s\x{{200b}}\x{{feff}}]', '', 'g'))"
        case "class" | "item":
            return f"{column.type}_words.{column.type}_no"
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


def number_of(text: str) -> int | None:
    """A whole number up to 99 in Arabic or Chinese digits: 3, 三, 十二."""
    if re.fullmatch("[0-9]{1,2}", text):
        return int(text)
    match = re.fullmatch(f"([{HAN_DIGITS}]?)(十?)([{HAN_DIGITS}]?)", text)
    if not match or not text:
        return None
    tens, ten, ones = match.groups()
    if tens and ones and not ten:
        return None
    ones = ones or ("" if ten else tens)
    value = (HAN_DIGITS.index(tens) + 1 if tens and ten else 1) * 10 if ten else 0
    return value + (HAN_DIGITS.index(ones) + 1 if ones else 0)


GRADE_WORDS = sorted(
    ((word, int(code)) for code, words in codes()["grade"].items() for word in words),
    key=lambda pair: -len(pair[0]),
)
CLASS_WITH_GRADE = re.compile(f"({'|'.join(word for word, _ in GRADE_WORDS)})(.+)")
CLASS = re.compile(r"\(?([0-9]{1,2}|[一二三四五六七八九十]{1,3})\)?班?")
DOTTED_CLASS = re.compile(r"([0-9]{1,2})[.-]([0-9]{1,2})班?")
LONG_CLASS = re.compile(r"([1-9]|1[0-2])(0[1-9]|[1-9][0-9])班?")


def read_class(text: str) -> tuple[str, int | None]:
    """A class as it is landed, and the grade that is written with it.

    3, 3班, (3)班, 三班 and 03 are 3; 七年级(3)班, 初一3班, 7.3 and 7-3 are 3 of grade 7; 703 may be
    that too, or a class of this name. Whatever else is left as it is.
    """
    plain = "".join(text.split())
    grades = dict(GRADE_WORDS)
    match = CLASS_WITH_GRADE.fullmatch(plain)
    if match and (own := CLASS.fullmatch(match[2])):
        number = number_of(own[1])
        if number:
            return str(number), grades[match[1]]
    match = DOTTED_CLASS.fullmatch(plain)
    if match and 1 <= int(match[1]) <= 12 and int(match[2]):
        return str(int(match[2])), int(match[1])
    match = CLASS.fullmatch(plain)
    if match and (number := number_of(match[1])):
        return str(number), None
    return plain, None


def long_class(text: str) -> tuple[int, str] | None:
    """Grade and class that a class such as 703 may stand for."""
    match = LONG_CLASS.fullmatch("".join(text.split()))
    return (int(match[1]), str(int(match[2]))) if match else None


def read_item(pattern: str) -> Callable[[str], str]:
    """What makes the number of an item out of 第1题, T1, 1 or 21（2）."""
    compiled = re.compile(pattern)

    def read(text: str) -> str:
        plain = "".join(text.split()).upper()
        match = compiled.fullmatch(plain)
        return match[1] if match else plain

    return read


def _lookups(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Tables `class_words` and `item_words`: what the distinct texts of `tidy` mean."""
    for column in contract.columns:
        if column.type == "class":
            texts = _distinct(con, f'select distinct "raw_{column.name}" from tidy')
            rows = [
                (text, *read_class(text), *(long_class(text) or (None, None))) for text in texts
            ]
            _fill(con, "class_words", ["word", "class_no", "grade", "long_grade", "long_class"],
                  ["varchar", "varchar", "integer", "integer", "varchar"], rows)  # fmt: skip
        elif column.type == "item":
            wide = load_contracts()["item_results"].wide
            read = read_item(wide.pattern if wide and wide.pattern else "(.*)")
            query = f'select distinct "raw_{column.name}" from tidy'
            if contract.wide and contract.wide.names == column.name:
                query += f" union select distinct {half_width('unnest(_names)')} from tidy"
            rows = [(text, read(text)) for text in _distinct(con, query)]
            _fill(con, "item_words", ["word", "item_no"], ["varchar", "varchar"], rows)


def _distinct(con: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    return [row[0] for row in con.execute(query).fetchall() if row[0] is not None]


def _fill(
    con: duckdb.DuckDBPyConnection,
    table: str,
    names: list[str],
    types: list[str],
    rows: list[tuple[object, ...]],
) -> None:
    arrow = {"varchar": pa.string(), "integer": pa.int32()}
    made = pa.table(
        {
            n: pa.array([r[i] for r in rows], arrow[t])
            for i, (n, t) in enumerate(zip(names, types, strict=True))
        }
    )
    con.register("lookup_in", made)
    con.execute(f"create or replace temp table {table} as select * from lookup_in")
    con.unregister("lookup_in")


def clean(con: duckdb.DuckDBPyConnection, contract: Contract, usual_student_no: str) -> None:
    """Make `typed` out of `cells`, and add to `found`.

    A status word in a score cell is a status (`缺考`); a score without a word is present.
    """
    con.execute(TABLES)
    _words(con)
    columns = [c for c in contract.columns if c.type != "dropped"]
    wide = [c for c in columns if contract.wide and c.name in _of_cells(contract)]
    shared = [c for c in columns if c not in wide]
    con.execute(
        f"""
        create or replace temp table tidy as
        select file_no, sheet, row, {half_width("_total")} as _total, _names, _values,
            {", ".join(f'{_tidy(c)} as "raw_{c.name}"' for c in columns)}
        from cells
        """
    )
    _lookups(con, contract)
    con.execute(
        f"""
        create or replace temp table shared as
        select t.*, {", ".join(f'{_value(c)} as "{c.name}"' for c in shared)}
            {", class_words.grade as _class_grade" if _has_class(contract) else ""}
        from tidy as t {" ".join(_joins(shared))}
        """
    )
    con.execute("drop table tidy")
    if _has_class(contract):
        _read_classes(con, contract)
    find(con, "shared", [f for c in shared for f in _faults(c, contract, usual_student_no)])
    for column in shared:
        if column.type == "student_no":
            _check_digits(con, column, usual_student_no)
    if not wide:
        con.execute("create or replace temp table typed as select *, false as _wide from shared")
        return
    _unfold(con, contract, wide)
    faults = [f for c in wide for f in _faults(c, contract, usual_student_no)]
    find(con, "typed", faults + (_status_faults(contract) if _has_status(contract) else []))


def _of_cells(contract: Contract) -> set[str]:
    """Columns that hang on a cell of the wide form: its header, its value, the status in it."""
    if contract.wide is None:
        return set()
    own = {contract.wide.names, contract.wide.values}
    return own | ({"status"} if _has_status(contract) else set())


def _has_class(contract: Contract) -> bool:
    return any(c.type == "class" for c in contract.columns)


def _joins(columns: list[Column]) -> list[str]:
    """Joins that give the words of codes, classes and items their meaning."""
    joins = [
        f"""left join words as w_{c.name} on w_{c.name}.code_set = '{c.code_set}'
        and w_{c.name}.word = {as_word(f't."raw_{c.name}"')}"""
        for c in columns
        if c.code_set
    ]
    for c in columns:
        if c.type in ("class", "item"):
            joins.append(f'left join {c.type}_words on {c.type}_words.word = t."raw_{c.name}"')
    return joins


def _read_classes(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Grade out of the class where only that says it; a contradiction of the two is found."""
    name = next(c.name for c in contract.columns if c.type == "class")
    header = quoted(contract.column(name).header)
    con.execute(
        f"""
        update shared as s set "{name}" = w.long_class, _class_grade = w.long_grade
        from class_words as w
        where w.word = s."raw_{name}" and w.long_grade = s.grade
        """
    )
    con.execute("update shared set grade = _class_grade where raw_grade is null")
    raw = f'"raw_{name}"'
    agrees = f'"{name}" <> {raw} and (_class_grade is null or _class_grade = grade)'
    shown = f"""concat_ws('/', grade, "{name}")"""
    faults = [
        Fault("_class_grade <> grade", "grade_beside_class", header, raw, "raw_grade"),
        Fault(agrees, "tidied_class", header, raw, shown),
    ]
    find(con, "shared", faults)


def _unfold(con: duckdb.DuckDBPyConnection, contract: Contract, wide: list[Column]) -> None:
    """`typed`: one row a subject (or item) of each row of `shared`."""
    assert contract.wide is not None
    names, values = contract.wide.names, contract.wide.values
    name, value = contract.column(names), contract.column(values)
    con.execute(
        f"""
        create or replace temp table unfolded as
        select * exclude (_names, _values), false as _wide from shared where _names is null
        union all by name
        select * exclude (_names, _values, _name, _value, "raw_{names}", "raw_{values}"),
            true as _wide,
            {_tidy(name, "_name")} as "raw_{names}", {_tidy(value, "_value")} as "raw_{values}"
        from (
            select *, unnest(_names) as _name, unnest(_values) as _value
            from shared where _names is not null
        )
        """
    )
    con.execute("drop table shared")
    joins = _joins(wide)
    typed = {c.name: _value(c) for c in wide}
    if _has_status(contract):
        joins.append(
            f"""left join words as w_word on w_word.code_set = 'score_status'
            and w_word.word = {as_word("t.raw_score")}"""
        )
        typed["status"] = (
            "coalesce(case when w_word.code <> coalesce(w_status.code, w_word.code) then null "
            "else coalesce(w_word.code, w_status.code) end, "
            "case when t.raw_score is not null and w_word.code is null "
            "and t.raw_status is null then 'present' end)"
        )
    con.execute(
        f"""
        create or replace temp table typed as
        select t.*, {", ".join(f'{v} as "{n}"' for n, v in typed.items())}
        from unfolded as t {" ".join(joins)}
        """
    )
    con.execute("drop table unfolded")


@dataclass(frozen=True)
class Fault:
    """One rule as SQL over a table: which rows break it, and what to say of them."""

    where: str
    rule: str
    column: str
    found: str
    expected: str = "''"


def find(con: duckdb.DuckDBPyConnection, table: str, faults: list[Fault]) -> None:
    """Add to `found` the rows of a table that break a rule.

    One pass tells which rows break any; the few that do are then asked which.
    """
    if not faults:
        return
    anything = " or ".join(f"({fault.where})" for fault in faults)
    con.execute(f"create or replace temp table suspects as select * from {table} where {anything}")
    if not con.execute("select 1 from suspects limit 1").fetchall():
        return
    for fault in faults:
        con.execute(
            f"""
            insert into found
            select file_no, sheet, row, {fault.column}, '{fault.rule}',
                coalesce(({fault.found})::varchar, ''), ({fault.expected})::varchar
            from suspects where {fault.where}
            """
        )


def shown_number(sql: str) -> str:
    """SQL of what may be shown of a student number: at most its last four characters."""
    # What is no longer than a name might be one.
    return f"'…' || if(length({sql}) >= 8, right({sql}, 4), '')"


def _faults(column: Column, contract: Contract, usual_student_no: str) -> list[Fault]:
    """What can be wrong with the cells of one column."""
    raw, value, header = f'"raw_{column.name}"', f'"{column.name}"', quoted(column.header)
    if contract.wide and column.name == contract.wide.values:
        header = header_of_score(contract)
    faults: list[Fault] = []

    def fault(where: str, rule: str, expected: str = "''", got: str = raw) -> None:
        faults.append(Fault(where, rule, header, got, expected))

    words = template_words(column.code_set)
    damaged = f"starts_with({raw}, '#') and regexp_full_match({raw}, {quoted(DAMAGED)})"
    unsound = f"({damaged} or starts_with({raw}, '='))"
    fault(damaged, "damaged_cell")
    fault(f"starts_with({raw}, '=')", "formula_without_value", got="''")
    fault(f"length({raw}) > {MAX_TEXT}", "too_long", f"'{MAX_TEXT}'", f"left({raw}, 20)")
    if column.required:
        fault(f"{raw} is null and {value} is null", "required", header, "''")
    if column.type in ("class", "item") or (column.pattern and column.type == "text"):
        a_day = f"regexp_full_match({raw}, {quoted(A_DAY)})"
        fault(a_day, "turned_into_date")
        unsound = f"({unsound} or {a_day})"
    wrong = f"{raw} is not null and {value} is null and not {unsound}"
    if column.type == "score":
        words = template_words("score_status")
        known = "(select word from words where code_set = 'score_status')"
        fault(f"{wrong} and {as_word(raw)} not in {known}", "bad_score", words)
    elif column.name == "status" and _has_status(contract):
        fault(f"{wrong} and raw_score is null", "bad_code", words)
    elif column.type in BAD:
        fault(wrong, BAD[column.type], words)
    if column.pattern:
        fits = f"regexp_full_match({raw}, {quoted(column.pattern)})"
        hint = quoted(column.format_hint or column.pattern)
        fault(f"not {fits} and not {unsound}", "bad_text", hint)
    if column.min is not None:
        fault(f"{value} < {column.min}", "below_min", f"'{column.min:g}'")
    if column.max is not None:
        fault(f"{value} > {column.max}", "above_max", f"'{column.max:g}'")
    numbered = any(c.type == "student_no" for c in contract.columns)
    if column.type in ("text", "class") and numbered:
        # One column too far, and the number would be landed in clear.
        fault(f"regexp_full_match(upper({raw}), {quoted(usual_student_no)})", "misplaced_number")
    if column.type == "student_no":
        power = f"regexp_matches({value}, '^[0-9.]+E[+]?[0-9]+$')"
        zeros = f"regexp_full_match({value}, '[0-9]{{12,}}000')"
        usual = f"regexp_full_match({value}, {quoted(usual_student_no)})"
        shown = rf"regexp_replace({value}, '^([0-9][.]?[0-9]{{0,2}})[0-9]*', '\1')"
        last = shown_number(value)
        fault(power, "truncated_number", got=shown)
        fault(f"{zeros} and not {power}", "truncated_number", got=last)
        fault(
            f"not {usual} and not {unsound} and not ({power} or {zeros})",
            "unusual_number",
            got=last,
        )
    return faults


def _check_digits(con: duckdb.DuckDBPyConnection, column: Column, usual_student_no: str) -> None:
    """Usual numbers whose last character is not that of MOD 11-2; asked once a number."""
    value = f'"{column.name}"'
    con.execute(
        f"""
        insert into found
        with numbers as (select distinct {value} as number from shared),
        wrong as (
            select number from numbers
            where regexp_full_match(number, {quoted(usual_student_no)})
                and not {CHECK_DIGIT.format(x="number")}
        )
        select file_no, sheet, row, {quoted(column.header)}, 'check_digit',
            {shown_number(value)}, ''
        from shared where {value} in (select number from wrong)
        """
    )


def _status_faults(contract: Contract) -> list[Fault]:
    header = header_of_score(contract)
    return [
        Fault(
            "score is not null "
            "and (status <> 'present' or (status is null and raw_status is null))",
            "score_without_presence",
            header,
            "coalesce(raw_status, status)",
        ),
        Fault(
            "raw_score is not null and score is null and raw_status is not null and status is null",
            "score_without_presence",
            header,
            "raw_score || ' / ' || raw_status",
        ),
    ]

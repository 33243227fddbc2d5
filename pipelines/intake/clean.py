"""Text cells to typed values, in SQL generated from a contract.

A column of a million cells holds few different texts, so each text is read once: its meaning, and
what is wrong with it, stand in a small table, and the rows carry its number there. In: the cells of
many files. `clean` makes table `shared`, one row a row of a file; `unfold` makes table `typed` of
it, one row a landed row, with `seq`, which numbers rows in the order of the files. Beside a value
stands its tidied text, `raw_<name>`, of which later checks speak. Both add rows to table `found`,
one a cell that is wrong.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.feeds import Column, Contract, codes, load_contracts
from pipelines.feeds.contract import FIRST_DAY, LAST_DAY, MONTH, SQL_TYPES, normalise, quoted
from pipelines.intake.classes import long_class, read_class, read_item

FULL_WIDTH = "".join(chr(c) for c in range(0xFF10, 0xFF5B)) + "．－／：，＋（）"
HALF_WIDTH = "".join(chr(c - 0xFEE0) for c in range(0xFF10, 0xFF5B)) + ".-/:,+()"
BLANKS = " \t\r\n\u3000\u00a0\ufeff"
ANY_BLANK = r"[\s\x{00a0}\x{200b}\x{3000}\x{feff}]"
"""As a regular expression, inside a text too."""
NOTHING = ("-", "—", "——", "/", "")
"""Marks for nothing."""
DAMAGED = r"#(REF!|N/A|DIV/0!|VALUE!|NAME\?|NUM!|NULL!|GETTING_DATA|SPILL!|CALC!)"
"""What a spreadsheet shows where a formula has no value."""
A_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
"""How the reader writes a cell that is a day."""
MAX_TEXT = 2000
"""Characters; no cell of a feed needs as many."""
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

AS_THEY_ARE = ("file_no", "sheet", "row", "id", "_total")
"""Columns of the cells that are no texts of the contract."""

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
    return rf"lower(regexp_replace({sql}, '{ANY_BLANK}', '', 'g'))"


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


def _tidied(column: Column, source: str) -> str:
    """Query of `source` with `raw`: its text `word` without blanks around; null where it is a mark
    for nothing. Prose keeps its full width.

    In two steps, so that what comes of the first is named, and not written out wherever it is used.
    """
    prose = column.type == "text" and not (column.pattern or column.references)
    trimmed = f"trim({'word' if prose else half_width('word')}, {quoted(BLANKS)})"
    if column.type == "student_no":
        # As nearly all are; asked first, since these texts are the most.
        trimmed = f"if(regexp_full_match(word, '[0-9A-Z]+'), word, {trimmed})"
    # `not in (…)` would be planned as a join, at a second a column.
    marks = " ".join(f"when {quoted(mark)} then null" for mark in NOTHING)
    raw = f"case word {marks} else word end"
    if column.type == "text" and not prose:
        # A code that was typed as a number, and shown with commas.
        grouped = "regexp_full_match(word, '[0-9]{1,3}(,[0-9]{3})+')"
        raw = f"if({grouped}, replace(word, ',', ''), {raw})"
    return f"select *, {raw} as raw from (select * replace ({trimmed} as word) from {source})"


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
    """SQL of a column's typed value out of its tidied text `raw`."""
    x, sql_type = "raw", SQL_TYPES[column.type]
    if column.code_set:
        return f"w.code::{sql_type}"
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
            plain = rf"upper(regexp_replace({x}, '^''|{ANY_BLANK}', '', 'g'))"
            return f"if(regexp_full_match({x}, '[0-9A-Z]+'), {x}, {plain})"
        case "class":
            return "c.class_no"
        case "item":
            return "c.item_no"
        case _:
            return x


def template_words(code_set: str | None) -> str:
    """The words of a code set as templates show them, as an SQL literal."""
    return quoted("、".join(words[0] for words in codes().get(code_set or "", {}).values()))


def absences() -> str:
    """The words for having no score, as an SQL literal."""
    known = codes()["score_status"].items()
    return quoted("、".join(words[0] for code, words in known if code != "present"))


def header_of_score(contract: Contract) -> str:
    """SQL of the header under which a score stands: the subject's own in the wide form."""
    wide = contract.wide
    if wide is None:
        return quoted(contract.column("score").header)
    plain = quoted(contract.column(wide.values).header)
    return f'case when _wide then "raw_{wide.names}" else {plain} end'


def _has_status(contract: Contract) -> bool:
    return any(c.name == "status" and c.codes == "score_status" for c in contract.columns)


# Each text once ----------------------------------------------------------------------------------


def _encode(cells: pa.Table) -> tuple[pa.Table, dict[str, pa.Array]]:
    """Cells with the number of each text in place of it, and the texts by column.

    Lists of cells (the wide form) share their texts with the plain column that they stand for.
    """
    texts: dict[str, pa.Array] = {}
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    for name in cells.column_names:
        values = cells[name]
        if name in AS_THEY_ARE:
            columns[name] = values
        elif not name.startswith("_list_"):
            plain = _plain(values)
            lists = f"_list_{name}"
            if lists in cells.column_names:
                listed = cells[lists].combine_chunks()
                both = pa.concat_arrays([plain, _plain(listed.flatten())]).dictionary_encode()
                columns[name] = both.indices.slice(0, len(plain))
                columns[lists] = pa.ListArray.from_arrays(
                    listed.offsets, both.indices.slice(len(plain)), mask=listed.is_null()
                )
            else:
                both = plain.dictionary_encode()
                columns[name] = both.indices
            texts[name] = both.dictionary
    return pa.table(columns), texts


def _plain(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return pc.fill_null(values.cast(pa.string()), "")


def _mean(
    con: duckdb.DuckDBPyConnection,
    column: Column,
    contract: Contract,
    texts: pa.Array,
    usual_student_no: str,
) -> None:
    """Tables `m_<name>` (id, raw, value, …) and `f_<name>` (id, rule, found, expected).

    The first says what each text means, the second what is wrong with some.
    """
    own = pa.table({"id": np.arange(len(texts), dtype=np.int32), "word": texts})
    con.register("texts_in", own)
    more, joins = "", ""
    if column.code_set:
        joins = f"left join words as w on w.code_set = {quoted(column.code_set)}"
        joins += f" and w.word = {as_word('raw')}"
    elif column.type == "score":
        more = ", w.code as word"
        joins = f"left join words as w on w.code_set = 'score_status' and w.word = {as_word('raw')}"
    elif column.type in ("class", "item"):
        _read(con, column, texts)
        joins = (
            "left join class_words as c on c.word = raw"
            if column.type == "class"
            else ("left join item_words as c on c.word = raw")
        )
        more = ", c.grade, c.long_grade, c.long_class" if column.type == "class" else ""
    con.execute(
        f"""
        create or replace temp table "m_{column.name}" as
        with tidied as ({_tidied(column, "texts_in")})
        select id, raw, {_value(column)} as value {more} from tidied {joins}
        """
    )
    con.unregister("texts_in")
    faults = _faults(column, contract, usual_student_no)
    each = " union all ".join(
        f"select id, '{f.rule}' as rule, coalesce(({f.found})::varchar, '') as found, "
        f'({f.expected})::varchar as expected from "m_{column.name}" where {f.where}'
        for f in faults
    )
    odd = " or ".join(f"({f.where})" for f in faults)
    if column.type == "student_no":
        # One question of most numbers, which are usual, in place of one a fault.
        odd = f"not coalesce({_is_sound(usual_student_no)}, false)"
    con.execute(
        f"""
        create or replace temp table "f_{column.name}" as
        with odd as (select * from "m_{column.name}" where {odd})
        {each}
        """
    )


def _is_sound(usual_student_no: str) -> str:
    """SQL of whether a number is usual, and its check digit right."""
    usual = f"regexp_full_match(value, {quoted(usual_student_no)})"
    return f"{usual} and (left(value, 1) not in ('G', 'J') or {CHECK_DIGIT.format(x='value')})"


def _read(con: duckdb.DuckDBPyConnection, column: Column, texts: pa.Array) -> None:
    """Table `class_words` or `item_words`: what the texts of a class or an item mean."""
    table = pa.table({"word": texts})
    con.register("words_in", table)
    tidied = con.execute(f"select distinct raw from ({_tidied(column, 'words_in')})").fetchall()
    con.unregister("words_in")
    known = [text for (text,) in tidied if text is not None]
    if column.type == "class":
        rows = [(text, *read_class(text), *(long_class(text) or (None, None))) for text in known]
        types = {"word": pa.string(), "class_no": pa.string(), "grade": pa.int32(),
                 "long_grade": pa.int32(), "long_class": pa.string()}  # fmt: skip
    else:
        wide = load_contracts()["item_results"].wide
        read = read_item(wide.pattern if wide and wide.pattern else "(.*)")
        rows = [(text, read(text)) for text in known]
        types = {"word": pa.string(), "item_no": pa.string()}
    made = pa.table(
        {n: pa.array([r[i] for r in rows], t) for i, (n, t) in enumerate(types.items())}
    )
    con.register("words_in", made)
    con.execute(f"create or replace temp table {column.type}_words as select * from words_in")
    con.unregister("words_in")


# Rows --------------------------------------------------------------------------------------------


def clean(
    con: duckdb.DuckDBPyConnection, contract: Contract, cells: pa.Table, usual_student_no: str
) -> None:
    """Make `shared` out of cells, and add to `found`.

    Args:
        con: holds `found`; the tables of an earlier call are replaced.
        contract: of the feed.
        cells: one row a row of a file: `file_no`, `sheet`, `row`, `id` (numbers the rows over all
            calls), `_total`, one text column a canonical name, and in the wide form the lists
            `_list_<names>` and `_list_<values>` of headers and cells.
        usual_student_no: pattern of a usual student number.
    """
    con.execute(TABLES)
    _words(con)
    columns = [c for c in contract.columns if c.type != "dropped"]
    wide = [c for c in columns if c.name in _of_cells(contract)]
    shared = [c for c in columns if c not in wide]
    numbers, texts = _encode(cells)
    for column in columns:
        _mean(con, column, contract, texts[column.name], usual_student_no)
    con.register("numbers", numbers)
    values = ", ".join(_columns(c) for c in shared)
    ids = ", ".join(f'n."{c.name}" as "i_{c.name}"' for c in columns)
    rest = [name for name in numbers.column_names if name.startswith("_list_")]
    con.execute(
        f"""
        create or replace temp table shared as
        select n.file_no, n.sheet, n.row, n.id, n._total, {ids}, {values}
            {"".join(f", n.{name}" for name in rest)}
            {", m_class_no.grade as _class_grade" if _has_class(contract) else ""}
        from numbers as n {" ".join(_join(c, f'n."{c.name}"') for c in shared)}
        """
    )
    con.unregister("numbers")
    if _has_class(contract):
        _read_classes(con, contract)
    _told(con, "shared", shared, contract)


def unfold(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    more: str = "",
    join: str = "",
    where: str = "true",
) -> None:
    """Make `typed` out of `shared`: one row a subject (or item) of each row.

    A status word in a score cell is a status (`缺考`); a score without a word is present.

    Args:
        con: as `clean` left it.
        contract: of the feed.
        more: SQL of further columns.
        join: SQL of what these come from.
        where: SQL of the rows that are kept.
    """
    columns = [c for c in contract.columns if c.name in _of_cells(contract)]
    if not columns:
        con.execute(
            "create or replace temp table typed as "
            f"select *, false as _wide, id * {SEATS} as seq from shared"
        )
        return
    assert contract.wide is not None
    names, values = contract.wide.names, contract.wide.values
    typed = {c.name: f'"m_{c.name}".value' for c in columns}
    if _has_status(contract):
        word, own, raw = "m_score.word", "m_status.value", "m_status.raw"
        typed["status"] = (
            f"coalesce(case when {word} <> coalesce({own}, {word}) then null "
            f"else coalesce({word}, {own}) end, case when m_score.raw is not null "
            f"and {word} is null and {raw} is null then 'present' end)"
        )
    picked = ", ".join(
        f'{value} as "{name}", "m_{name}".raw as "raw_{name}"' for name, value in typed.items()
    )
    joins = " ".join(_join(c, f't."i_{c.name}"') for c in columns)
    lists = f'"_list_{names}", "_list_{values}"'
    con.execute(
        f"""
        create or replace temp table typed as
        with unfolded as (
            select * exclude ({lists}), false as _wide, id * {SEATS} as seq
            from shared where "_list_{names}" is null
            union all by name
            select * exclude ({lists}, "i_{names}", "i_{values}"), true as _wide,
                unnest("_list_{names}") as "i_{names}", unnest("_list_{values}") as "i_{values}",
                id * {SEATS} + unnest(range(len("_list_{names}"))) as seq
            from shared where "_list_{names}" is not null
        )
        select t.*, {picked} {more} from unfolded as t {joins} {join} where {where}
        """
    )
    _told(con, "typed", columns, contract)
    if _has_status(contract):
        find(con, "typed", _status_faults(contract))


def _columns(column: Column) -> str:
    """SQL of a column's value and tidied text; of a student's number the value alone."""
    own = f'"m_{column.name}".value as "{column.name}"'
    if column.type == "student_no":
        return own
    return f'{own}, "m_{column.name}".raw as "raw_{column.name}"'


def _join(column: Column, number: str) -> str:
    return f'left join "m_{column.name}" on "m_{column.name}".id = {number}'


def _told(
    con: duckdb.DuckDBPyConnection, table: str, columns: list[Column], contract: Contract
) -> None:
    """Add the cells of a table whose text is wrong to `found`."""
    for column in columns:
        if not con.execute(f'select 1 from "f_{column.name}" limit 1').fetchall():
            continue
        con.execute(
            f"""
            insert into found
            select t.file_no, t.sheet, t.row, {_header(column, contract)}, f.rule, f.found,
                f.expected
            from {table} as t join "f_{column.name}" as f on f.id = t."i_{column.name}"
            """
        )


def _header(column: Column, contract: Contract) -> str:
    """SQL of the header under which a column's cells stand."""
    if contract.wide and column.name == contract.wide.values:
        return header_of_score(contract)
    return quoted(column.header)


def _of_cells(contract: Contract) -> set[str]:
    """Columns that hang on a cell of the wide form: its header, its value, the status in it."""
    if contract.wide is None:
        return set()
    own = {contract.wide.names, contract.wide.values}
    return own | ({"status"} if _has_status(contract) else set())


def _has_class(contract: Contract) -> bool:
    return any(c.type == "class" for c in contract.columns)


def _read_classes(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Grade out of the class where only that says it; a contradiction of the two is found."""
    name = next(c.name for c in contract.columns if c.type == "class")
    header, raw = quoted(contract.column(name).header), f'"raw_{name}"'
    # 703 is class 3 of grade 7 only where every class of that grade is written so.
    con.execute(
        f"""
        update shared as s set "{name}" = m.long_class, _class_grade = m.long_grade
        from "m_{name}" as m
        where m.id = s."i_{name}" and m.long_grade = s.grade and (s.file_no, s.grade) not in (
            select t.file_no, t.grade
            from shared as t join "m_{name}" as o on o.id = t."i_{name}"
            where t.grade is not null and o.raw is not null
                and o.long_grade is distinct from t.grade
        )
        """
    )
    con.execute(
        "update shared set grade = _class_grade "
        "where raw_grade is null and _class_grade is not null"
    )
    agrees = f'"{name}" <> {raw} and (_class_grade is null or _class_grade = grade)'
    shown = f"""concat_ws('/', grade, "{name}")"""
    faults = [
        Fault("_class_grade <> grade", "grade_beside_class", header, raw, "raw_grade"),
        Fault(agrees, "tidied_class", header, raw, shown),
    ]
    grade = contract.column("grade")
    if grade.required:
        told = quoted(grade.header)
        faults.append(Fault("raw_grade is null and grade is null", "required", told, "''", told))
    find(con, "shared", faults)


SEATS = 1024
"""So many landed rows a row of a file may give, at most."""


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
    """What can be wrong with a text of one column, on table `m_<name>`."""
    raw, value, header = "raw", "value", quoted(column.header)
    faults: list[Fault] = []

    def fault(where: str, rule: str, expected: str = "''", got: str = raw) -> None:
        faults.append(Fault(where, rule, header, got, expected))

    words = template_words(column.code_set)
    damaged = f"starts_with({raw}, '#') and regexp_full_match({raw}, {quoted(DAMAGED)})"
    unsound = f"({damaged} or starts_with({raw}, '='))"
    fault(damaged, "damaged_cell")
    fault(f"starts_with({raw}, '=')", "formula_without_value", got="''")
    fault(f"length({raw}) > {MAX_TEXT}", "too_long", f"'{MAX_TEXT}'", f"left({raw}, 20)")
    if column.required and not (column.type == "grade" and _has_class(contract)):
        fault(f"{raw} is null and {value} is null", "required", header, "''")
    if column.type in ("class", "item") or (column.pattern and column.type == "text"):
        a_day = f"regexp_full_match({raw}, {quoted(A_DAY)})"
        fault(a_day, "turned_into_date")
        unsound = f"({unsound} or {a_day})"
    wrong = f"{raw} is not null and {value} is null and not {unsound}"
    if column.type == "score":
        fault(f"{wrong} and word is null", "bad_score", absences())
    elif column.type in BAD and not (column.name == "status" and _has_status(contract)):
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
        fault(f"{usual} and not {CHECK_DIGIT.format(x=value)}", "check_digit", got=last)
    return faults


def _status_faults(contract: Contract) -> list[Fault]:
    header = header_of_score(contract)
    status = contract.column("status")
    return [
        Fault(
            "raw_status is not null and i_status in (select id from m_status where value is null) "
            "and raw_score is null",
            "bad_code",
            quoted(status.header),
            "raw_status",
            template_words(status.code_set),
        ),
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

"""Text cells to typed values, in SQL generated from a contract.

A column of a million cells holds few different texts, so each text is read once: its meaning, and
what is wrong with it, stand in a small table, and the rows carry its number there (`i_<name>`). In:
the cells of many files. `clean` makes table `shared`, one row a row of a file; `unfold` makes
`typed` of it, one row a landed row, with `seq`, which numbers rows in the order of the files. A
student's number stands in both as its hash; its text, like every tidied text of which checks speak
(`raw_<name>`), is looked up for the rows that are wrong. Both add rows to table `found`, one a cell
that is wrong.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

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
DAMAGED = (
    r"#(REF!|N/A|DIV/0!|VALUE!|NAME\?|NUM!|NULL!|GETTING_DATA|SPILL!|CALC!)"
    r"|(Err|错误):[0-9]{3}"
)
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

AS_THEY_ARE = ("file_no", "part", "row", "id", "_total")
"""Columns of the cells that are no texts of the contract."""
NEVER = "join_filter_pushdown"
"""What the engine does to spare rows of large tables; texts are so few that it costs more."""
MANY_TEXTS = 50_000
"""Of a column with more different texts, nothing is kept for the next piece of the file."""
CHUNK_ROWS = 20_000
"""So many rows go to a thread at a time."""

TABLES = """
create temp table found (
    file_no integer, part integer, row integer, col varchar,
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


def begin(con: duckdb.DuckDBPyConnection) -> None:
    """Tables `found`, still empty, and `words`: code sets, words and the codes that they mean."""
    con.execute(f"set disabled_optimizers = '{NEVER}'")
    con.execute(TABLES)
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
    con.execute("create temp table words as select * from words_in")
    con.unregister("words_in")


def _tidied(column: Column, source: str = "texts_in") -> str:
    """SQL of the texts (id, word) in a table as `id`, `word`, `raw`: without blanks around it.

    A mark for nothing is null. Prose keeps its full width. Step by step, since a long expression
    that stands three times in another would be planned, and run, three times.
    """
    prose = column.type == "text" and not (column.pattern or column.references)
    half = "word" if prose else half_width("word")
    # `not in (…)` would be planned as a join; a `nullif` around another doubles what is in it.
    marks = " ".join(f"when {quoted(mark)} then null" for mark in NOTHING)
    last = "raw"
    if column.type == "text" and not prose:
        # A code that was typed as a number, and shown with commas.
        grouped = "regexp_full_match(raw, '[0-9]{1,3}(,[0-9]{3})+')"
        last = f"if({grouped}, replace(raw, ',', ''), raw) as raw"
    return f"""
        halved as (select id, word, {half} as half from {source}),
        trimmed as (select id, word, trim(half, {quoted(BLANKS)}) as trimmed from halved),
        marked as (select id, word, case trimmed {marks} else trimmed end as raw from trimmed),
        tidied as (select id, word, {last} from marked)
    """


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


@dataclass
class Known:
    """The texts of each column that were read already, for a file that comes in pieces.

    A text keeps its number from piece to piece; a column of many texts starts anew with each.
    """

    texts: dict[str, pa.Array] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)
    """Columns of which a text was wrong: of these there is a table `f_<name>`."""

    def add(self, column: Column, texts: pa.Array) -> tuple[pa.Array, pa.Array, int]:
        """The number of each text, those that are new, and the number of the first of these."""
        before = self.texts.get(column.name, texts.slice(0, 0))
        if column.type == "student_no" or not 0 < len(before) <= MANY_TEXTS:
            self.texts[column.name] = texts
            return pa.array(np.arange(len(texts), dtype=np.int32)), texts, 0
        at = pc.index_in(texts, value_set=before)
        new = texts.filter(pc.is_null(at))
        self.texts[column.name] = pa.concat_arrays([before, new])
        if len(new):
            at = pc.index_in(texts, value_set=self.texts[column.name])
        return at, new, len(before)


def _numbered(*columns: pa.ChunkedArray) -> tuple[pa.Array, list[pa.Array]]:
    """The different texts of some columns together, and the number of each cell's there.

    An empty cell is an empty text. Columns may be dictionaries already.
    """
    lengths = [len(column) for column in columns]
    if all(column.null_count == len(column) for column in columns):
        zeros = [pa.array(np.zeros(n, np.int32)) for n in lengths]
        return pa.array([""], pa.string()), zeros
    chunks = [
        _dictionary(chunk)
        for column in columns
        for chunk in (column.chunks if _is_dictionary(column) else [column])
    ]
    # Chunks of one dictionary each become chunks of one dictionary in all.
    whole = pa.chunked_array([c for given in chunks for c in given.chunks]).unify_dictionaries()
    numbers = pa.concat_arrays([chunk.indices for chunk in whole.chunks])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return whole.chunk(0).dictionary, [
        numbers.slice(start, n) for start, n in zip(starts, lengths, strict=False)
    ]


def _is_dictionary(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_dictionary(column.type))


def _dictionary(texts: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray:
    if not isinstance(texts, pa.ChunkedArray):
        texts = pa.chunked_array([texts])
    if _is_dictionary(texts):
        if not texts.null_count:
            return texts
        texts = texts.cast(pa.string())
    return pc.fill_null(texts.cast(pa.string()), "").dictionary_encode()


def _mean(
    con: duckdb.DuckDBPyConnection,
    column: Column,
    contract: Contract,
    texts: pa.Array,
    first: int,
    usual_student_no: str,
    known: Known,
) -> None:
    """Tables `m_<name>` (id, raw, value, …) and `f_<name>` (id, rule, found, expected).

    The first says what each text means, the second, where there is one, what is wrong with some.
    Texts are numbered from `first`; from 0, the tables of an earlier call are replaced.
    """
    if first and not len(texts):
        return
    ids = np.arange(first, first + len(texts), dtype=np.int32)
    own = pa.table({"id": ids, "word": texts})
    con.register("texts_in", in_chunks(own))
    more, joins = "", ""
    if column.code_set:
        joins = f"left join words as w on w.code_set = {quoted(column.code_set)}"
        joins += f" and w.word = {as_word('raw')}"
    elif column.type == "score":
        more = ", w.code as word"
        joins = f"left join words as w on w.code_set = 'score_status' and w.word = {as_word('raw')}"
    elif column.type in ("class", "item"):
        _read(con, column)
        joins = f"left join {column.type}_words as c on c.word = raw"
        more = ", c.grade, c.long_grade, c.long_class" if column.type == "class" else ""
    query = (
        f"with {_tidied(column)} select id, raw, {_value(column)} as value {more} "
        f"from tidied {joins}"
    )
    odd = ""
    if column.type == "student_no":
        query = _student_numbers(column, usual_student_no)
        # One question of most numbers, which are usual, in place of one a fault.
        odd = "not sound"
    put = "insert into {}" if first else "create or replace temp table {} as"
    con.execute(f'{put.format(f""" "m_{column.name}" """)} {query}')
    con.unregister("texts_in")
    faults = _faults(column, contract, usual_student_no)
    odd = odd or " or ".join(f"({f.where})" for f in faults)
    each = " union all ".join(
        f"select id, '{f.rule}' as rule, coalesce(({f.found})::varchar, '') as found, "
        f"({f.expected})::varchar as expected from odd where {f.where}"
        for f in faults
    )
    # Most texts are right: one question tells whether any other is to be asked.
    wrong = con.execute(
        f'create or replace temp table odd as select * from "m_{column.name}" '
        f"where id >= {first} and ({odd})"
    )
    if not first:
        known.wrong.discard(column.name)
    if _count(wrong):
        put = (
            "insert into {}" if column.name in known.wrong else "create or replace temp table {} as"
        )
        con.execute(f'{put.format(f""" "f_{column.name}" """)} {each}')
        known.wrong.add(column.name)


def _count(made: duckdb.DuckDBPyConnection) -> int:
    """How many rows a table has that was just made."""
    return int(made.fetchall()[0][0])


def _any(con: duckdb.DuckDBPyConnection, table: str, where: str) -> bool:
    """Whether a table holds a row like that."""
    return bool(con.execute(f"select 1 from {table} where {where} limit 1").fetchall())


def _student_numbers(column: Column, usual_student_no: str) -> str:
    """The query of table `m_student_no`, in which stands too whether a number is sound.

    Nearly all are written plainly, which is asked first: these texts are the most.
    """
    tidied = f"upper(regexp_replace(raw, '^''|{ANY_BLANK}', '', 'g'))"
    return f"""
        with asked as (
            select id, word, regexp_full_match(word, '[0-9A-Z]+') as plain from texts_in
        ),
        {_tidied(column, "(from asked where not plain)")},
        read as (
            select id, word as raw, word as value from asked where plain
            union all
            select id, raw, {tidied} as value from tidied
        )
        select id, raw, value, case when value is not null then hash(value) end as hash,
            coalesce({_is_sound(usual_student_no)}, false) as sound
        from read
    """


def student_numbers(con: duckdb.DuckDBPyConnection, texts: pa.Array) -> pa.Table:
    """What texts say as students' numbers, as a column of a file is read: `id` from 0, `value`."""
    columns = load_contracts()["students"].columns
    column = next(c for c in columns if c.type == "student_no")
    ids = np.arange(len(texts), dtype=np.int32)
    con.register("texts_in", pa.table({"id": ids, "word": pc.fill_null(texts, "")}))
    query = f"select id, value from ({_student_numbers(column, '')}) order by id"
    numbers = con.sql(query).to_arrow_table()
    con.unregister("texts_in")
    return numbers


def _is_sound(usual_student_no: str) -> str:
    """SQL of whether a number is usual, and its check digit right."""
    usual = f"regexp_full_match(value, {quoted(usual_student_no)})"
    # A `case`, since both sides of an `or` are computed for each.
    digit = f"case when left(value, 1) in ('G', 'J') then {CHECK_DIGIT.format(x='value')} else true"
    return f"{usual} and {digit} end"


def _read(con: duckdb.DuckDBPyConnection, column: Column) -> None:
    """Table `class_words` or `item_words`: what the texts of a class or an item mean."""
    query = f"with {_tidied(column)} select distinct raw from tidied where raw is not null"
    known = [text for (text,) in con.execute(query).fetchall()]
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
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    cells: pa.Table,
    usual_student_no: str,
    known: Known,
    wide: pa.Table | None = None,
) -> set[str]:
    """Make `shared` out of cells, and add to `found`.

    Returns the columns of which some rows hold another value than that of their text.

    Args:
        con: as `begin` left it; the tables of an earlier call are replaced.
        contract: of the feed.
        cells: one row a row of a file: `file_no`, `part` (of which sheet it is), `row`, `id`
            (numbers the rows over all calls), `_total`, and one text column a canonical name.
        usual_student_no: pattern of a usual student number.
        known: of the calls before, where a file comes in pieces; new for other files.
        wide: the cells of rows in the wide form, row by row: `id`, `seat` (its place in the row),
            and two text columns, header and cell, under the names of the contract.
    """
    columns = [c for c in contract.columns if c.type != "dropped"]
    rows = {name: cells[name] for name in AS_THEY_ARE}
    unfolded = {} if wide is None else {"id": wide["id"], "seat": wide["seat"]}
    joins = []

    def cells_of(name: str) -> list[pa.ChunkedArray]:
        tables = [cells] if wide is None else [cells, wide]
        return [table[name] for table in tables if name in table.column_names]

    # Beside the database, which thinks longer about most columns than it works on them.
    thread = ThreadPoolExecutor(1)
    coming = [thread.submit(_numbered, *cells_of(column.name)) for column in columns]
    thread.shutdown(wait=False)
    for column, numbered in zip(columns, coming, strict=True):
        name = column.name
        texts, numbers = numbered.result()
        at, new, first = known.add(column, texts)
        _mean(con, column, contract, new, first, usual_student_no, known)
        rows[f"i_{name}"] = at.take(numbers[0])
        if len(numbers) > 1:
            unfolded[f"i_{name}"] = at.take(numbers[1])
        # Where all rows say the same, there is nothing to look up.
        number = f'n."i_{name}"' if len(texts) > 1 else str(at[0])
        joins.append(_join(column, number))
    con.register("numbers", in_chunks(pa.table(rows)))
    if wide is not None:
        con.register("unfolded", in_chunks(pa.table(unfolded)))
    values = ", ".join(f'{sql} as "{name}"' for name, sql in _values(contract, columns).items())
    ids = ", ".join(f'n."i_{c.name}"' for c in columns)
    con.execute(
        f"""
        create or replace temp table shared as
        select n.file_no, n.part, n.row, n.id, n._total, {ids}, {values}
            {", m_class_no.grade as _class_grade" if _has_class(contract) else ""}
        from numbers as n {" ".join(joins)}
        """
    )
    con.unregister("numbers")
    changed = {"status"} if _has_status(contract) else set()
    if _has_class(contract):
        changed |= _read_classes(con, contract)
    own = [c for c in columns if c.name not in of_cells(contract)]
    _told(con, "shared", own, contract, known)
    return changed


def in_chunks(table: pa.Table) -> pa.Table:
    """The same rows in batches, each of which is a thread's."""
    return pa.Table.from_batches(table.combine_chunks().to_batches(CHUNK_ROWS), table.schema)


def unfold(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    known: Known,
    wide: bool = False,
    join: str = "",
    where: str = "true",
) -> None:
    """Make `typed` out of `shared`: one row a subject (or item) of each row.

    A status word in a score cell is a status (`缺考`); a score without a word is present.

    Args:
        con: as `clean` left it.
        contract: of the feed.
        known: what `clean` was given.
        wide: whether `clean` was given rows in the wide form.
        join: SQL of what the next comes from.
        where: SQL of the cells of the wide form that are kept.
    """
    columns = [c for c in contract.columns if c.name in of_cells(contract)]
    rows = f"select * exclude (id, _total), false as _wide, id * {SEATS} as seq from shared"
    if wide:
        values = _values(contract, columns)
        picked = ", ".join(f'{sql} as "{name}"' for name, sql in values.items())
        unfolded = [c for c in columns if c.name != "status"]
        ids = [f"i_{c.name}" for c in unfolded]
        left_out = ", ".join(f'"{n}"' for n in ("id", "_total", *ids, *values))
        joins = " ".join(_join(c, f'{"u" if c in unfolded else "t"}."i_{c.name}"') for c in columns)
        # Joined as written: the cells, which are the most, pass by what they are looked up in, a
        # part of them in each thread.
        con.execute(f"set disabled_optimizers = '{NEVER},join_order,build_side_probe_side'")
        con.execute(
            f"""
            create or replace temp table typed as
            {rows} where id not in (select id from unfolded)
            union all by name
            select t.* exclude ({left_out}), true as _wide, u.id * {SEATS} + u.seat as seq,
                {", ".join(f'u."{n}"' for n in ids)}, {picked}
            from unfolded as u join shared as t using (id) {joins} {join} where {where}
            """
        )
        con.execute(f"set disabled_optimizers = '{NEVER}'")
    else:
        con.execute(f"create or replace temp view typed as {rows}")
    _told(con, "typed", columns, contract, known)
    if _has_status(contract):
        find(con, "typed", _status_faults(con, contract))


def _values(contract: Contract, columns: list[Column]) -> dict[str, str]:
    """Name → SQL of what stands in a row for a text: its value; of a student's number, its hash.

    Of scores stands too whether there is a text at all (`has_…`).
    """
    values = {
        c.name: f'"m_{c.name}".{"hash" if c.type == "student_no" else "value"}' for c in columns
    }
    if _has_status(contract) and "status" in values:
        word, own, raw = "m_score.word", "m_status.value", "m_status.raw"
        values |= {
            "status": f"coalesce(case when {word} <> coalesce({own}, {word}) then null "
            f"else coalesce({word}, {own}) end, case when m_score.raw is not null "
            f"and {word} is null and {raw} is null then 'present' end)",
            "has_score": "m_score.raw is not null",
            "has_status": f"{raw} is not null",
        }
    return values


def _join(column: Column, number: str) -> str:
    if number.isdigit():
        own = f'select * from "m_{column.name}" where id = {number}'
        return f'left join ({own}) as "m_{column.name}" on true'
    return f'left join "m_{column.name}" on "m_{column.name}".id = {number}'


def _told(
    con: duckdb.DuckDBPyConnection,
    table: str,
    columns: list[Column],
    contract: Contract,
    known: Known,
) -> None:
    """Add the cells of a table whose text is wrong to `found`."""
    for column in (c for c in columns if c.name in known.wrong):
        header = _header(column, contract)
        con.execute(
            f"""
            insert into found
            select t.file_no, t.part, t.row, {header}, f.rule, f.found, f.expected
            from {table} as t join "f_{column.name}" as f on f.id = t."i_{column.name}"
                {looked_up(raws(header), "t")}
            """
        )


def _header(column: Column, contract: Contract) -> str:
    """SQL of the header under which a column's cells stand."""
    if contract.wide and column.name == contract.wide.values:
        return header_of_score(contract)
    return quoted(column.header)


def of_cells(contract: Contract) -> set[str]:
    """Columns that hang on a cell of the wide form: its header, its value, the status in it."""
    if contract.wide is None:
        return set()
    own = {contract.wide.names, contract.wide.values}
    return own | ({"status"} if _has_status(contract) else set())


def _has_class(contract: Contract) -> bool:
    return any(c.type == "class" for c in contract.columns)


def _read_classes(con: duckdb.DuckDBPyConnection, contract: Contract) -> set[str]:
    """Grade out of the class where only that says it; a contradiction of the two is found.

    Returns the columns in which a row may have come to another value.
    """
    name = next(c.name for c in contract.columns if c.type == "class")
    header, raw = quoted(contract.column(name).header), f'"raw_{name}"'
    grade = contract.column("grade")
    ungraded = _any(con, "m_grade", "raw is null")
    # 703 is class 3 of grade 7 only where every class of that grade is written so.
    long = _any(con, f'"m_{name}"', "long_grade is not null")
    if long:
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
    if ungraded:
        con.execute(
            "update shared set grade = _class_grade where _class_grade is not null "
            "and i_grade in (select id from m_grade where raw is null)"
        )
    faults = []
    # Where each class is the plain number that was written, neither can be.
    if _any(con, f'"m_{name}"', "value <> raw or coalesce(grade, long_grade) is not null"):
        agrees = f'"{name}" <> {raw} and (_class_grade is null or _class_grade = grade)'
        shown = f"""concat_ws('/', grade, "{name}")"""
        faults = [
            Fault("_class_grade <> grade", "grade_beside_class", header, raw, '"raw_grade"'),
            Fault(agrees, "tidied_class", header, raw, shown),
        ]
    if grade.required and ungraded:
        told = quoted(grade.header)
        empty = '"raw_grade" is null and grade is null'
        faults.append(Fault(empty, "required", told, "''", told))
    if faults:
        find(con, "shared", faults)
    return {"grade", *([name] if long else [])}


SEATS = 1024
"""So many landed rows a row of a file may give, at most."""


@dataclass(frozen=True)
class Fault:
    """One rule as SQL over a table: which rows break it, and what to say of them.

    `"raw_<name>"`, in quotes, is the tidied text of a column.
    """

    where: str
    rule: str
    column: str
    found: str
    expected: str = "''"


RAW = re.compile('"raw_(\\w+)"')


def raws(*sql: str) -> list[str]:
    """The columns whose texts SQL speaks of, as `"raw_<name>"`."""
    return sorted({name for text in sql for name in RAW.findall(text)})


def looked_up(names: list[str], table: str) -> str:
    """SQL that joins the texts of these columns to a table."""
    return " ".join(
        f'left join (select id as "at_{name}", raw as "raw_{name}" from "m_{name}") '
        f'on "at_{name}" = {table}."i_{name}"'
        for name in names
    )


def find(con: duckdb.DuckDBPyConnection, table: str, faults: list[Fault]) -> None:
    """Add to `found` the rows of a table that break a rule.

    One pass tells which rows break any; the few that do are then asked which.
    """
    anything = " or ".join(f"({fault.where})" for fault in faults)
    suspects = con.execute(
        f"""
        create or replace temp table suspects as
        select t.* from {table} as t {looked_up(raws(anything), "t")} where {anything}
        """
    )
    if not _count(suspects):
        return
    for fault in faults:
        texts = raws(fault.where, fault.column, fault.found, fault.expected)
        con.execute(
            f"""
            insert into found
            select file_no, part, row, {fault.column}, '{fault.rule}',
                coalesce(({fault.found})::varchar, ''), ({fault.expected})::varchar
            from suspects as t {looked_up(texts, "t")} where {fault.where}
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
    # Asked by its beginning first, which few texts have.
    begins = " or ".join(f"starts_with({raw}, {quoted(sign)})" for sign in ("#", "Err:", "错误:"))
    damaged = f"({begins}) and regexp_full_match({raw}, {quoted(DAMAGED)})"
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


def _status_faults(con: duckdb.DuckDBPyConnection, contract: Contract) -> list[Fault]:
    header = header_of_score(contract)
    status = contract.column("status")
    faults = [
        Fault(
            "score is not null and (status <> 'present' or (status is null and not has_status))",
            "score_without_presence",
            header,
            'coalesce("raw_status", status)',
        ),
        Fault(
            "has_score and score is null and has_status and status is null",
            "score_without_presence",
            header,
            """ "raw_score" || ' / ' || "raw_status" """,
        ),
    ]
    if _any(con, "m_status", "raw is not null and value is null"):
        unread = "i_status in (select id from m_status where value is null)"
        faults.append(
            Fault(
                f"has_status and not has_score and {unread}",
                "bad_code",
                quoted(status.header),
                '"raw_status"',
                template_words(status.code_set),
            )
        )
    return faults

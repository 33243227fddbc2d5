"""What cells alone can't tell: totals, repeated rows, references, papers. In SQL on `typed`.

Each function adds rows to `found`; those that resolve or drop rows say so. Beside `typed` and
`found` they read `files(file_no, school_year, source_file)` and the views `register_<feed>` of
landed rows. A large file comes in pieces: `begin` once, `repeats` and `across_rows` at the end.
"""

from itertools import pairwise

import duckdb
import numpy as np

from pipelines.feeds import Contract, load_contracts
from pipelines.feeds.contract import Column, RowRule, quoted
from pipelines.intake.clean import (
    BLANKS,
    NOTHING,
    NUMBER,
    SEATS,
    TABLES,
    Fault,
    absences,
    as_word,
    find,
    half_width,
    header_of_score,
    shown_number,
)

SCHOOL_CODE = "[0-9]{10}"
"""A school's code in the name of a file."""


def begin(con: duckdb.DuckDBPyConnection) -> None:
    """The tables that grow with every piece."""
    con.execute(TABLES)
    con.execute(
        """
        create temp table keys (
            seq bigint, file_no integer, sheet varchar, row integer, shown varchar,
            key_hash ubigint, content ubigint
        );
        create temp table file_schools (file_no integer, school_code varchar)
        """
    )


def _plain(decimal: str) -> str:
    """SQL of a decimal as people write it: 80, 86.5."""
    return f"rtrim(rtrim({decimal}::varchar, '0'), '.')"


def row_rules(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """What the contract says of the columns of one row."""
    for rule in contract.rules:
        _rule(con, contract, rule)


def two_classes(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Students whom the rows of one file put into two classes; on `shared`."""
    names = [c.name for c in contract.columns]
    if not {"student_no", "school_code", "grade", "class_no"} <= set(names):
        return
    hashed, place = (
        "hash(school_code, grade, class_no)",
        "concat_ws('/', school_code, grade, class_no)",
    )
    con.execute(
        f"""
        insert into found
        with two as (
            select file_no, student_no from shared where student_no is not null
            group by file_no, student_no
            having min({hashed}) <> max({hashed})
        ),
        places as (
            select file_no, student_no, string_agg(distinct {place}, '、' order by {place}) as told
            from shared semi join two using (file_no, student_no) group by file_no, student_no
        )
        select t.file_no, t.sheet, t.row, {quoted(contract.column("class_no").header)},
            'two_classes', {shown_number("t.student_no")}, told
        from shared as t join places using (file_no, student_no)
        """
    )


def _rule(con: duckdb.DuckDBPyConnection, contract: Contract, rule: RowRule) -> None:
    columns = [contract.column(name) for name in rule.columns]
    first, last = columns[0], columns[-1]
    header, shown, expected = quoted(last.header), f"raw_{last.name}", quoted("")
    pairs: list[tuple[str, str, str, str]] = []
    match rule.rule:
        case "dates_out_of_order":
            where = f'"{first.name}" > "{last.name}"'
            pairs = [
                (where, header, shown, f"concat_ws(' ', {quoted(first.header)}, raw_{first.name})")
            ]
        case "more_than":
            where = f'"{first.name}" > "{last.name}"'
            told = f"concat_ws(' ', {quoted(last.header)}, raw_{last.name})"
            pairs = [(where, quoted(first.header), f"raw_{first.name}", told)]
        case "parts_and_whole":
            total = " + ".join(f'"{c.name}"' for c in columns[1:])
            where = f'abs("{first.name}" - ({total})) > 0.01'
            expected = f"{_plain(f'({total})')}"
            pairs = [(where, quoted(first.header), f"raw_{first.name}", expected)]
        case "mark_order":
            for low, high in pairwise(columns[:-1]):
                where = f'"{low.name}" > "{high.name}"'
                told = f"concat_ws(' ', {quoted(high.header)}, raw_{high.name})"
                pairs.append((where, quoted(low.header), f"raw_{low.name}", told))
    for where, column, found, wanted in pairs:
        con.execute(
            f"""
            insert into found
            select file_no, sheet, row, {column}, '{rule.rule}', {found}, {wanted}
            from typed where {where}
            """
        )


def totals(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """The total of a wide row against the sum of its scores; over 0.01 apart is an error."""
    if not contract.total:
        return
    con.execute(
        f"""
        insert into found
        with rows_with_total as (
            select file_no, sheet, row,
                any_value(trim({half_width("_total")}, {quoted(BLANKS)})) as total,
                coalesce(sum(score), 0) as points
            from typed where _wide and _total is not null group by file_no, sheet, row
        ),
        read as (
            select *, case when regexp_full_match(total, {quoted(NUMBER)})
                then try_cast(replace(total, ',', '') as decimal(12, 3)) end as number
            from rows_with_total where total not in ({", ".join(map(quoted, NOTHING))})
        )
        select file_no, sheet, row, {quoted(contract.total)},
            if(number is null, 'bad_number', 'wrong_total'), total,
            if(number is null, '', {_plain("points")})
        from read
        where abs(number - points) > 0.01 or (
            number is null
            and lower(total) not in (select word from words where code_set = 'score_status')
        )
        """
    )


def without_scores(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Rows of the wide form of which `unfold` kept nothing: every cell is empty, none was due."""
    if contract.wide is None:
        return
    con.execute(
        f"""
        insert into found
        select s.file_no, s.sheet, s.row, '', 'without_scores', '', ''
        from shared as s
        where "_list_{contract.wide.names}" is not null
            and id not in (select seq // {SEATS} from typed where _wide)
        """
    )


def keys(con: duckdb.DuckDBPyConnection, contract: Contract, shown: bool) -> None:
    """Keep the hash of each row's key, and of all its values."""
    names = [c.name for c in contract.columns if c.type != "dropped"]
    key = [name for name in contract.key if name in names]
    said = ", ".join(
        shown_number(f'"{k}"') if contract.column(k).type == "student_no" else f'"{k}"::varchar'
        for k in key
    )
    con.execute(
        f"""
        insert into keys
        select seq, file_no, sheet, row, {f"concat_ws('、', {said})" if shown else "''"},
            hash({", ".join(f'"{k}"' for k in key)}), hash({", ".join(f'"{n}"' for n in names)})
        from typed
        """
    )
    if "school_code" in names:
        con.execute(
            "insert into file_schools select distinct file_no, school_code from typed "
            "where school_code is not null"
        )


def repeats(con: duckdb.DuckDBPyConnection, contract: Contract) -> np.ndarray:
    """Rows of a file with one key: equal ones count once, others are errors.

    Returns the `seq` of the rows that are not to be landed, ascending.
    """
    names = [c.name for c in contract.columns if c.type != "dropped"]
    con.execute(
        """
        create or replace temp table repeated as
        with doubtful as (
            select file_no, key_hash from keys group by file_no, key_hash having count(*) > 1
        )
        select keys.*, row_number() over same_key as nth,
            min(content) over same_key <> max(content) over same_key as differs
        from keys semi join doubtful using (file_no, key_hash)
        window same_key as (
            partition by file_no, key_hash order by seq
            rows between unbounded preceding and unbounded following
        )
        """
    )
    headers = quoted("、".join(contract.column(k).header for k in contract.key if k in names))
    con.execute(
        f"""
        insert into found
        select file_no, sheet, row, {headers},
            if(differs, 'duplicate_key', 'repeated_row'), if(differs, shown, ''), ''
        from repeated where differs or nth > 1
        """
    )
    rows = con.execute(
        "select seq from repeated where nth > 1 and not differs order by seq"
    ).fetchnumpy()
    return np.asarray(rows["seq"])


def rows_due(con: duckdb.DuckDBPyConnection) -> dict[int, int]:
    """File → rows that are to be landed: those of `keys`, less equal ones that stand again."""
    return dict(
        con.execute(
            "select file_no, count(*) from keys where seq not in "
            "(select seq from repeated where nth > 1 and not differs) group by file_no"
        ).fetchall()
    )


def across_rows(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """A file whose name carries the code of a school that none of its rows is of."""
    if "schools" not in contract.depends_on or contract.column("school_code").type != "text":
        return
    con.execute(
        f"""
        insert into found
        with named as (
            select file_no,
                regexp_extract(parse_filename(source_file), '{SCHOOL_CODE}') as school_code
            from files
        )
        select file_no, '', null, '', 'other_school', named.school_code, (
            select string_agg(distinct s.school_code, '、' order by s.school_code)
            from file_schools as s where s.file_no = named.file_no
        )
        from named
        where named.school_code in (select school_code from register_schools)
            and exists (from file_schools as s where s.file_no = named.file_no)
            and not exists (
                from file_schools as s
                where s.file_no = named.file_no and s.school_code = named.school_code
            )
        """
    )


def references(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Codes and names of `shared` against the registers; a name that fits one becomes its code."""
    for column in contract.columns:
        if column.references:
            _resolve(con, column)


def _resolve(con: duckdb.DuckDBPyConnection, column: Column) -> None:
    feed, _, target = str(column.references).partition(".")
    register = load_contracts()[feed]
    yearly = "school_year" in register.key
    own = "f.school_year" if yearly else "''"
    year = "school_year" if yearly else "''"
    value, number, title = f'"{column.name}"', f'"i_{column.name}"', quoted(register.title)
    name = half_width(f"trim({column.resolve_by}, {quoted(BLANKS)})") if column.resolve_by else "''"
    con.execute(
        f"""
        create or replace temp table lookup as
        with known as (
            select distinct {year} as year, {target} as code, {name} as name from register_{feed}
        ),
        asked as (
            select distinct {own} as year, t.{number} as id, t.{value} as value
            from shared as t join files as f using (file_no) where t.{value} is not null
        )
        select asked.year, asked.id, asked.value, count(distinct named.code) as fitting,
            coalesce(
                any_value(coded.code), if(count(distinct named.code) = 1, min(named.code), null)
            ) as code,
            asked.year in (select year from known) as handed_in
        from asked
        left join known as coded on coded.year = asked.year and coded.code = asked.value
        left join known as named on named.year = asked.year and named.name = asked.value
        group by asked.year, asked.id, asked.value
        """
    )
    missing, named = con.execute(
        "select bool_or(code is null), bool_or(code <> value) from lookup"
    ).fetchall()[0]
    matched = f"l.year = {own} and l.id = t.{number}"
    if missing:
        con.execute(
            f"""
            insert into found
            select t.file_no, t.sheet, t.row, {quoted(column.header)},
                case when not handed_in then 'no_register'
                    when fitting > 1 then 'ambiguous_name' else 'unknown_reference' end,
                if(handed_in, l.value, {quoted(column.header)}),
                concat_ws(' ', {title}, nullif(l.year, ''))
            from shared as t join files as f using (file_no) join lookup as l on {matched}
            where l.code is null
            """
        )
    if named:
        con.execute(
            f"""
            update shared as t set {value} = l.code
            from files as f, lookup as l
            where f.file_no = t.file_no and {matched} and l.code <> l.value
            """
        )


def papers(con: duckdb.DuckDBPyConnection, contract: Contract) -> dict[str, str]:
    """What `unfold` is to add to results: the full mark of the paper, and the year of its wave.

    In the wide form an empty cell of a subject that the grade does not sit is no row, nor is an
    item without points.
    """
    if contract.feed == "item_results":
        return {"where": '(not _wide or "m_score".raw is not null)'}
    if contract.feed != "monitoring_results":
        return {}
    con.execute(
        """
        create or replace temp table papers as
        select wave_id, grade, subject, arg_max(full_mark, arrival) as full_mark,
            arg_max(school_year, arrival) as school_year
        from register_monitoring_waves group by all
        """
    )
    return {
        "more": ", p.full_mark as _full_mark, p.school_year as _wave_year",
        "join": "left join papers as p on p.wave_id = t.wave_id and p.grade = t.grade "
        "and p.subject = m_subject.value",
        "where": "not (_wide and m_score.raw is null and p.full_mark is null)",
    }


def marks(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Scores against the papers of their wave, points of items against the item's."""
    if contract.feed == "monitoring_waves":
        _full_marks(con, contract)
    elif contract.feed == "monitoring_results":
        _papers(con, contract)
    elif contract.feed == "item_results":
        _items(con, contract)


def _full_marks(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    for mark in ("low_mark", "pass_mark", "good_mark", "excellent_mark"):
        con.execute(
            f"""
            insert into found
            select file_no, sheet, row, {quoted(contract.column(mark).header)},
                'above_full_mark', raw_{mark}, raw_full_mark
            from typed where {mark} > full_mark
            """
        )


def _items(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Items against the map, where one was handed in for the paper; no points is no row."""
    header = header_of_score(contract)
    con.execute(
        f"""
        insert into found
        with items as (
            select wave_id, subject, item_no, max(full_mark) as full_mark
            from register_item_map group by all
        )
        select t.file_no, t.sheet, t.row, {header},
            case when i.item_no is null then 'no_item' else 'above_full_mark' end,
            case when i.item_no is null then t.item_no else t.raw_score end,
            case when i.item_no is null then '' else {_plain("i.full_mark")} end
        from typed as t left join items as i using (wave_id, subject, item_no)
        where (t.wave_id, t.subject) in (select wave_id, subject from items)
            and (i.item_no is null or t.score > i.full_mark)
        """
    )


def _papers(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    header = header_of_score(contract)
    plain = quoted(contract.column("subject").header)
    subject = f"case when _wide then raw_subject else {plain} end"
    present = "select word from words where code_set = 'score_status' and code = 'present'"
    missing = (
        "score is null and ((raw_score is null and (raw_status is null or status = 'present')) "
        f"or {as_word('raw_score')} in ({present}))"
    )
    stranger = (
        "_full_mark is null and grade is not null and subject is not null "
        "and wave_id in (select wave_id from papers)"
    )
    paper = "concat_ws(' ', wave_id, coalesce(raw_grade, grade::varchar), raw_subject)"
    find(
        con,
        "typed",
        [
            Fault(missing, "score_missing", header, "''", absences()),
            Fault(stranger, "not_in_wave", subject, paper),
            Fault(
                "score > _full_mark", "above_full_mark", header, "raw_score", _plain("_full_mark")
            ),
        ],
    )
    con.execute(
        """
        insert into found
        select t.file_no, '', null, '', 'other_year', t.wave_id, any_value(t._wave_year)
        from typed as t join files as f using (file_no)
        where t._wave_year <> f.school_year and not exists (
            from papers as q where q.wave_id = t.wave_id and q.school_year = f.school_year
        )
        group by t.file_no, t.wave_id
        """
    )

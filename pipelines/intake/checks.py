"""What cells alone can't tell: totals, repeated rows, references, papers. In SQL on `typed`.

Each function adds rows to `found`; those that resolve or drop rows say so. Beside `typed` and
`found` they read `files(file_no, school_year, source_file)` and the views `register_<feed>` of
landed rows. `begin` comes before any cells; a large file comes in pieces, `repeats` and
`across_rows` at the end.
"""

import difflib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.feeds import Contract, load_contracts
from pipelines.feeds.contract import PARTS_WITHIN, Column, RowRule, quoted
from pipelines.intake import clean
from pipelines.intake.clean import (
    BLANKS,
    DAMAGED,
    NOTHING,
    NUMBER,
    SEATS,
    Fault,
    absences,
    find,
    half_width,
    header_of_score,
    looked_up,
    raws,
    shown_number,
)

SCHOOL_CODE = "[0-9]{10}"
"""A school's code in the name of a file."""
TOO_LARGE = 1.5
"""A class of so many times the usual size may be two."""
LIKE, MANY_KINDS = 3, 200
"""So many kinds are offered in place of an unknown one, for so many unknown ones."""


def begin(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """The tables that grow with every piece, and those of what the registers say."""
    clean.begin(con)
    for column in contract.columns:
        if column.references:
            _known(con, column)
    if contract.feed == "monitoring_results":
        con.execute(
            """
            create temp table papers as
            select wave_id, grade, subject, arg_max(full_mark, arrival) as full_mark,
                arg_max(school_year, arrival) as school_year
            from register_monitoring_waves group by all
            """
        )
    con.execute(
        """
        create temp table keys (
            seq bigint, file_no integer, part integer, row integer, key_hash ubigint
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


def lost_zeros(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Classes such as 7.1 that may be 7.10, typed as a number; on `shared`.

    Where a file writes 7.10 too, its classes are texts, and nothing is doubtful. Else each such
    class is noted, and asked about if the school's other classes in the file leave room for a class
    10: they go on beyond it without one, or up to 9 with a class 1 too large by half.
    """
    names = {c.name for c in contract.columns}
    if not {"school_code", "grade", "class_no"} <= names:
        return
    written = "regexp_full_match(raw, '[0-9]{{1,2}}[.][1-9]{zero}')"
    con.execute(
        f"""
        create or replace temp table dotted as
        select id, raw, grade, value from m_class_no where {written.format(zero="")}
        """
    )
    if not con.execute("select 1 from dotted limit 1").fetchall():
        return
    header = quoted(contract.column("class_no").header)
    con.execute(
        f"""
        create or replace temp table pointed as
        select s.file_no, s.part, s.row, s.school_code, s.grade, s.class_no, d.raw
        from shared as s join dotted as d on d.id = s.i_class_no and d.grade = s.grade
        where s.file_no not in (
            select file_no from shared join m_class_no as m on m.id = i_class_no
            where {written.format(zero="0")}
        )
        """
    )
    con.execute(
        f"""
        insert into found
        select file_no, part, row, {header}, 'dotted_class', raw, '' from pointed
        union all
        select p.file_no, p.part, p.row, {header}, 'class_lost_zero', p.raw,
            concat(p.grade, '/', p.class_no, '、', p.grade, '/', p.class_no, '0')
        from pointed as p join (
            with class as (
                select file_no, school_code, grade, try_cast(class_no as integer) as number,
                    count(*) as n
                from shared
                where (file_no, school_code, grade)
                    in (select (file_no, school_code, grade) from pointed)
                group by all
            ),
            beside as (
                select *, max(number) over grades as top, median(n) over grades as usual,
                    list(number) over grades as numbers
                from class where number is not null
                window grades as (partition by file_no, school_code, grade)
            )
            select file_no, school_code, grade, number::varchar as class_no from beside
            where not list_contains(numbers, 10 * number)
                and (top > 10 * number or (top = 10 * number - 1 and n > {TOO_LARGE} * usual))
        ) as doubtful using (file_no, school_code, grade, class_no)
        """
    )


def two_classes(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Students whom the rows of one file put into two classes; on `shared`."""
    names = [c.name for c in contract.columns]
    if not {"student_no", "school_code", "grade", "class_no"} <= set(names):
        return
    # By the numbers of the texts first: different texts may say the same, equal ones do not differ.
    said = "hash(i_school_code, i_grade, i_class_no)"
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
            having min({said}) <> max({said})
        ),
        places as (
            select file_no, student_no, string_agg(distinct {place}, '、' order by {place}) as told
            from shared semi join two using (file_no, student_no) group by file_no, student_no
            having min({hashed}) <> max({hashed})
        )
        select t.file_no, t.part, t.row, {quoted(contract.column("class_no").header)},
            'two_classes', {shown_number("m_student_no.value")}, told
        from shared as t join places using (file_no, student_no)
        join m_student_no on m_student_no.id = t.i_student_no
        """
    )


def _rule(con: duckdb.DuckDBPyConnection, contract: Contract, rule: RowRule) -> None:
    columns = [contract.column(name) for name in rule.columns]
    first, last = columns[0], columns[-1]
    faults: list[Fault] = []

    def fault(where: str, shown: Column, expected: str) -> None:
        faults.append(Fault(where, rule.rule, quoted(shown.header), raw(shown), expected))

    def raw(column: Column) -> str:
        return f'"raw_{column.name}"'

    def told(column: Column) -> str:
        return f"concat_ws(' ', {quoted(column.header)}, {raw(column)})"

    match rule.rule:
        case "dates_out_of_order":
            fault(f'"{first.name}" > "{last.name}"', last, told(first))
        case "more_than":
            fault(f'"{first.name}" > "{last.name}"', first, told(last))
        case "parts_and_whole":
            total = " + ".join(f'"{c.name}"' for c in columns[1:])
            differs = f'abs("{first.name}" - ({total})) > {PARTS_WITHIN}'
            fault(differs, first, _plain(f"({total})"))
        case "mark_order":
            for low, high in pairwise(columns[:-1]):
                fault(f'"{low.name}" > "{high.name}"', low, told(high))
    if faults:
        find(con, "typed", faults)


def totals(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """The total of a wide row against the sum of its scores; over 0.01 apart is an error."""
    if not contract.total:
        return
    if not con.execute("select 1 from shared where _total is not null limit 1").fetchall():
        return
    con.execute(
        f"""
        insert into found
        with scores as (
            select seq // {SEATS} as id, coalesce(sum(score), 0) as points
            from typed where _wide group by 1
        ),
        rows_with_total as (
            select file_no, part, row, trim({half_width("_total")}, {quoted(BLANKS)}) as total,
                points
            from scores join shared using (id) where _total is not null
        ),
        read as (
            select *, case when regexp_full_match(total, {quoted(NUMBER)})
                then try_cast(replace(total, ',', '') as decimal(12, 3)) end as number
            from rows_with_total where total not in ({", ".join(map(quoted, NOTHING))})
        )
        select file_no, part, row, {quoted(contract.total)},
            case when number is not null then 'wrong_total'
                when regexp_full_match(total, {quoted(DAMAGED)}) then 'damaged_cell'
                when starts_with(total, '=') then 'formula_without_value'
                else 'bad_number' end as rule,
            if(rule = 'formula_without_value', '', total),
            if(number is null, '', {_plain("points")})
        from read
        where abs(number - points) > {PARTS_WITHIN} or (
            number is null
            and lower(total) not in (select word from words where code_set = 'score_status')
        )
        """
    )


def without_scores(con: duckdb.DuckDBPyConnection) -> None:
    """Rows of the wide form of which `unfold` kept nothing: every cell is empty, none was due."""
    ids = np.asarray(con.execute("select id from shared").fetchnumpy()["id"])
    kept = np.asarray(con.execute(f"select seq // {SEATS} as id from typed").fetchnumpy()["id"])
    # Numbers of rows are dense: to tick them off takes a tenth of a join.
    first = ids.min()
    is_kept = np.zeros(ids.max() - first + 1, dtype=bool)
    is_kept[kept - first] = True
    lost = ids[~is_kept[ids - first]]
    if not len(lost):
        return
    con.register("lost", pa.table({"id": lost}))
    con.execute(
        "insert into found select file_no, part, row, '', 'without_scores', '', '' "
        "from shared semi join lost using (id)"
    )
    con.unregister("lost")


def keys(con: duckdb.DuckDBPyConnection, contract: Contract, in_pieces: bool) -> None:
    """Keep the hash of each row's key, where the rows themselves are not kept."""
    names = [c.name for c in contract.columns if c.type != "dropped"]
    key = ", ".join(f'"{name}"' for name in contract.key if name in names)
    hashed = f"select seq, file_no, part, row, hash(file_no, {key}) as key_hash from typed"
    if in_pieces:
        con.execute(f"insert into keys {hashed}")
    else:
        con.execute(f"drop table keys; create temp view keys as {hashed}")
    if "school_code" in names:
        con.execute(
            "insert into file_schools select file_no, any_value(school_code) from shared "
            "where school_code is not null group by file_no, i_school_code"
        )


def _twice(hashes: np.ndarray) -> np.ndarray:
    """The hashes that stand more than once.

    Sorted outside the engine, which would group ten million of them at three times the cost; in
    two halves, each on a core of its own.
    """
    low = hashes < np.uint64(2**63)

    def within(own: np.ndarray) -> np.ndarray:
        ordered = np.sort(own)
        return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])

    with ThreadPoolExecutor(2) as threads:
        return np.concatenate(list(threads.map(within, (hashes[low], hashes[~low]))))


def repeats(con: duckdb.DuckDBPyConnection, contract: Contract, waiting: bool) -> np.ndarray:
    """Rows of a file with one key: equal ones count once, others are errors.

    The rows are those of `typed` or, where they came in pieces, `waiting`: as they would be landed.
    Returns the `seq` of the rows that are not to be landed, ascending.
    """
    doubtful = _twice(np.asarray(con.execute("select key_hash from keys").fetchnumpy()["key_hash"]))
    con.register("doubtful", pa.table({"key_hash": pa.array(doubtful, pa.uint64())}))
    own = [c for c in contract.columns if c.type != "dropped"]
    names = [str(c.landed_name) if waiting else c.name for c in own]
    con.execute(
        f"""
        create or replace temp table repeated as
        with again as (
            select keys.*, hash({", ".join(f'r."{n}"' for n in names)}) as content
            from keys semi join doubtful using (key_hash)
            join {"waiting" if waiting else "typed"} as r on r.seq = keys.seq
        )
        select *, row_number() over same_key as nth,
            min(content) over same_key <> max(content) over same_key as differs
        from again
        window same_key as (
            partition by file_no, key_hash order by seq
            rows between unbounded preceding and unbounded following
        )
        """
        if len(doubtful)
        else "create or replace temp table repeated as "
        "select *, 0 as nth, false as differs from keys where false"
    )
    con.unregister("doubtful")
    if not len(doubtful):
        return doubtful.astype(np.int64)
    names = [c.name for c in contract.columns if c.type != "dropped"]
    key = [name for name in contract.key if name in names]
    headers = quoted("、".join(contract.column(k).header for k in key))
    said, join = "''", ""
    if not waiting:
        columns = [contract.column(k) for k in key]
        numbers = [c.name for c in columns if c.type == "student_no"]
        texts = [
            shown_number(f'"raw_{c.name}"') if c.name in numbers else f't."{c.name}"::varchar'
            for c in columns
        ]
        said = f"concat_ws('、', {', '.join(texts)})"
        join = f"join typed as t using (seq) {looked_up(numbers, 't')}"
    con.execute(
        f"""
        insert into found
        select r.file_no, r.part, r.row, {headers},
            if(differs, 'duplicate_key', 'repeated_row'), if(differs, {said}, ''), ''
        from repeated as r {join} where differs or nth > 1
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
        select file_no, null, null, '', 'other_school', named.school_code, (
            select string_agg(distinct s.school_code, '、' order by s.school_code)
            from file_schools as s where s.file_no = named.file_no
        )
        from named
        where named.school_code in (select code from known_school_code)
            and exists (from file_schools as s where s.file_no = named.file_no)
            and not exists (
                from file_schools as s
                where s.file_no = named.file_no and s.school_code = named.school_code
            )
        """
    )


def references(con: duckdb.DuckDBPyConnection, contract: Contract) -> set[str]:
    """Codes and names of `shared` against the registers; a name that fits one becomes its code.

    Returns the columns in which that happened.
    """
    return {c.name for c in contract.columns if c.references and _resolve(con, c)}


def _known(con: duckdb.DuckDBPyConnection, column: Column) -> None:
    """Table `known_<name>`: the codes that a column may refer to, by year, with their names."""
    feed, _, target = str(column.references).partition(".")
    year = "school_year" if "school_year" in load_contracts()[feed].key else "''"
    name = half_width(f"trim({column.resolve_by}, {quoted(BLANKS)})") if column.resolve_by else "''"
    con.execute(
        f"create temp table known_{column.name} as "
        f"select distinct {year} as year, {target} as code, {name} as name from register_{feed}"
    )


def _resolve(con: duckdb.DuckDBPyConnection, column: Column) -> bool:
    register = load_contracts()[str(column.references).partition(".")[0]]
    own = "f.school_year" if "school_year" in register.key else "''"
    value, number, title = f'"{column.name}"', f'"i_{column.name}"', quoted(register.title)
    known = f"known_{column.name}"
    con.execute(
        f"""
        create or replace temp table lookup as
        with asked as (
            select distinct {own} as year, t.id, m.value
            from (select distinct file_no, {number} as id from shared) as t
            join files as f using (file_no) join "m_{column.name}" as m on m.id = t.id
            where m.value is not null
        )
        select asked.year, asked.id, asked.value, count(distinct named.code) as fitting,
            coalesce(
                any_value(coded.code), if(count(distinct named.code) = 1, min(named.code), null)
            ) as code,
            asked.year in (select year from {known}) as handed_in
        from asked
        left join {known} as coded on coded.year = asked.year and coded.code = asked.value
        left join {known} as named on named.year = asked.year and named.name = asked.value
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
            select t.file_no, t.part, t.row, {quoted(column.header)},
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
    return bool(named)


def usual_values(
    con: duckdb.DuckDBPyConnection, contract: Contract, kinds: Mapping[str, str]
) -> None:
    """Values of `shared` that are none of a column's usual ones, with those that are like them.

    Args:
        con: as `clean` left it.
        contract: of the feed.
        kinds: the kinds that the plan counts, and what they are; where it counts none, none is odd.
    """
    for column in contract.columns if kinds else ():
        if column.usual is None:
            continue
        asked = con.execute(f'select distinct value from "m_{column.name}"').fetchall()
        odd = sorted(value for (value,) in asked if value and value not in kinds)
        if not odd:
            continue
        # Of a file that is not what it says, the first few tell enough.
        like = [_like(value, kinds) if at < MANY_KINDS else "" for at, value in enumerate(odd)]
        con.register("odd_values", pa.table({"value": odd, "like_it": like}))
        con.execute(
            f"""
            insert into found
            select t.file_no, t.part, t.row, {quoted(column.header)}, 'unknown_kind', o.value,
                coalesce(nullif(o.like_it, ''), '—')
            from shared as t join odd_values as o on o.value = t."{column.name}"
            """
        )
        con.unregister("odd_values")


def _like(value: str, kinds: Mapping[str, str]) -> str:
    """The kinds that somebody who wrote this value, or its Chinese name, is likely to mean."""
    words = {word.casefold(): kind for kind, name in kinds.items() for word in (name, kind)}
    own = value.casefold()
    close = difflib.get_close_matches(own, words, LIKE)
    within = [word for word in words if len(own) > 1 and own in word]
    found = list(dict.fromkeys(words[word] for word in (*close, *within)))
    return "、".join(f"{kind} {kinds[kind]}" for kind in found[:LIKE])


def papers(contract: Contract) -> dict[str, str]:
    """What `unfold` is to add to results: the full mark of the paper, and the year of its wave.

    In the wide form an empty cell of a subject that the grade does not sit is no row, nor is an
    item without points.
    """
    if contract.feed == "item_results":
        return {"where": "m_score.raw is not null"}
    if contract.feed != "monitoring_results":
        return {}
    return {
        "join": "left join papers as p on p.wave_id = t.wave_id and p.grade = t.grade "
        "and p.subject = m_subject.value",
        "where": "not (m_score.raw is null and p.full_mark is null)",
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
    find(
        con,
        "typed",
        [
            Fault(
                f"{mark} > full_mark",
                "above_full_mark",
                quoted(contract.column(mark).header),
                f'"raw_{mark}"',
                '"raw_full_mark"',
            )
            for mark in ("low_mark", "pass_mark", "good_mark", "excellent_mark")
        ],
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
        select t.file_no, t.part, t.row, {header},
            case when i.item_no is null then 'no_item' else 'above_full_mark' end,
            case when i.item_no is null then t.item_no else raw_score end,
            case when i.item_no is null then '' else {_plain("i.full_mark")} end
        from typed as t left join items as i using (wave_id, subject, item_no)
            {looked_up(sorted({"score", *raws(header)}), "t")}
        where (t.wave_id, t.subject) in (select wave_id, subject from items)
            and (i.item_no is null or t.score > i.full_mark)
        """
    )


def _papers(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    header = header_of_score(contract)
    plain = quoted(contract.column("subject").header)
    subject = f'case when _wide then "raw_subject" else {plain} end'
    words = con.execute("select id from m_score where word = 'present'").fetchall()
    said = ", ".join(str(number) for (number,) in words) or "null"
    missing = (
        "score is null and ((not has_score and (not has_status or status = 'present')) "
        f"or i_score in ({said}))"
    )
    stranger = (
        "_full_mark is null and grade is not null and subject is not null "
        "and wave_id in (select wave_id from papers)"
    )
    paper = """concat_ws(' ', wave_id, coalesce("raw_grade", grade::varchar), "raw_subject")"""
    full = _plain("_full_mark")
    # Rows by number first: a file sits few papers, and most have nothing wrong.
    con.execute(
        f"""
        create or replace temp table sat_in as
        select file_no, any_value(wave_id) as wave_id, grade, any_value(subject) as subject,
            max(score) as best, bool_or({missing}) as missing
        from typed group by file_no, i_wave_id, grade, i_subject
        """
    )
    con.execute(
        """
        insert into found
        select t.file_no, null, null, '', 'other_year', t.wave_id, any_value(p.school_year)
        from sat_in as t join files as f using (file_no)
        join papers as p using (wave_id, grade, subject)
        where p.school_year <> f.school_year and not exists (
            from papers as q where q.wave_id = t.wave_id and q.school_year = f.school_year
        )
        group by t.file_no, t.wave_id
        """
    )
    wrong = con.execute(
        "select 1 from sat_in left join papers using (wave_id, grade, subject) "
        "where missing or full_mark is null or best > full_mark limit 1"
    ).fetchall()
    if not wrong:
        return
    con.execute(
        """
        create or replace temp view sat as
        select t.*, p.full_mark as _full_mark
        from typed as t left join papers as p using (wave_id, grade, subject)
        """
    )
    find(
        con,
        "sat",
        [
            Fault(missing, "score_missing", header, "''", absences()),
            Fault(stranger, "not_in_wave", subject, paper),
            Fault("score > _full_mark", "above_full_mark", header, '"raw_score"', full),
        ],
    )

"""What cells alone can't tell: totals, repeated rows, references, papers. In SQL on `typed`.

Each function adds rows to `found`; those that resolve or drop rows say so. Beside `typed` and
`found` they read `files(file_no, school_year)` and the views `register_<feed>` of landed rows.
"""

import duckdb

from pipelines.feeds import Contract, load_contracts
from pipelines.feeds.contract import Column, quoted
from pipelines.intake.clean import (
    BLANKS,
    NOTHING,
    NUMBER,
    as_word,
    half_width,
    header_of_score,
    shown_number,
    template_words,
)

MARKS = ("pass_mark", "good_mark", "excellent_mark", "low_mark")


def _plain(decimal: str) -> str:
    """SQL of a decimal as people write it: 80, 86.5."""
    return f"rtrim(rtrim({decimal}::varchar, '0'), '.')"


def check_totals(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """The total of a wide row against the sum of its scores; over 0.01 apart is an error."""
    if not contract.total:
        return
    con.execute(
        f"""
        insert into found
        with rows_with_total as (
            select file_no, sheet, row, any_value(trim(_total, {quoted(BLANKS)})) as total,
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


def check_repeats(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Rows of a file with one key: equal ones are counted once (dropped), others are errors."""
    names = [c.name for c in contract.columns if c.type != "dropped"]
    key = [name for name in contract.key if name in names]
    shown = ", ".join(
        shown_number(f'"{k}"') if contract.column(k).type == "student_no" else f'"{k}"::varchar'
        for k in key
    )
    keys = ", ".join(f'"{k}"' for k in key)
    values = ", ".join(f'"{n}"' for n in names)
    con.execute(
        f"""
        create or replace temp table repeated as
        select rowid as id, file_no, sheet, row, concat_ws('、', {shown}) as shown,
            row_number() over same_key as nth,
            min(hash({values})) over same_key <> max(hash({values})) over same_key as differs
        from typed
        window same_key as (
            partition by file_no, {keys} order by sheet, row
            rows between unbounded preceding and unbounded following
        )
        qualify count(*) over same_key > 1
        """
    )
    headers = quoted("、".join(contract.column(k).header for k in key))
    con.execute(
        f"""
        insert into found
        select file_no, sheet, row, {headers},
            if(differs, 'duplicate_key', 'repeated_row'), if(differs, shown, ''), ''
        from repeated where differs or nth > 1
        """
    )
    con.execute(
        "delete from typed where rowid in (select id from repeated where nth > 1 and not differs)"
    )


def resolve_references(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Codes and names against the registers; a name that fits one entry becomes its code."""
    for column in contract.columns:
        if column.references:
            _resolve(con, column)


def _resolve(con: duckdb.DuckDBPyConnection, column: Column) -> None:
    feed, _, target = str(column.references).partition(".")
    register = load_contracts()[feed]
    yearly = "school_year" in register.key
    own = "f.school_year" if yearly else "''"
    year = "school_year" if yearly else "''"
    value, title = f'"{column.name}"', quoted(register.title)
    name = half_width(f"trim({column.resolve_by}, {quoted(BLANKS)})") if column.resolve_by else "''"
    con.execute(
        f"""
        create or replace temp table lookup as
        with known as (
            select distinct {year} as year, {target} as code, {name} as name from register_{feed}
        ),
        asked as (
            select distinct {own} as year, t.{value} as value
            from typed as t join files as f using (file_no) where t.{value} is not null
        )
        select asked.year, asked.value, count(distinct named.code) as fitting,
            coalesce(
                any_value(coded.code), if(count(distinct named.code) = 1, min(named.code), null)
            ) as code,
            asked.year in (select year from known) as handed_in
        from asked
        left join known as coded on coded.year = asked.year and coded.code = asked.value
        left join known as named on named.year = asked.year and named.name = asked.value
        group by asked.year, asked.value
        """
    )
    matched = f"join lookup as l on l.year = {own} and l.value = t.{value}"
    con.execute(
        f"""
        insert into found
        select t.file_no, t.sheet, t.row, {quoted(column.header)},
            case when not handed_in then 'no_register'
                when fitting > 1 then 'ambiguous_name' else 'unknown_reference' end,
            if(handed_in, t.{value}, {quoted(column.header)}),
            concat_ws(' ', {title}, nullif(l.year, ''))
        from typed as t join files as f using (file_no) {matched} where l.code is null
        """
    )
    con.execute(
        f"""
        update typed as t set {value} = l.code
        from files as f, lookup as l
        where f.file_no = t.file_no and l.year = {own} and l.value = t.{value}
            and l.code <> t.{value}
        """
    )


def check_papers(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Scores against the papers of their wave, and marks of a paper against its full mark.

    In the wide form an empty cell of a subject that the grade does not sit is no row (dropped).
    """
    if contract.feed == "monitoring_waves":
        for mark in MARKS:
            con.execute(
                f"""
                insert into found
                select file_no, sheet, row, {quoted(contract.column(mark).header)},
                    'above_full_mark', raw_{mark}, raw_full_mark
                from typed where {mark} > full_mark
                """
            )
    if contract.feed != "monitoring_results":
        return
    con.execute(
        """
        create or replace temp table papers as
        select wave_id, grade, subject, arg_max(full_mark, arrival) as full_mark
        from register_monitoring_waves group by all
        """
    )
    paper = "(select 1 from papers as p where (p.wave_id, p.grade, p.subject)"
    same = "= (t.wave_id, t.grade, t.subject))"
    con.execute(
        f"delete from typed as t where _wide and raw_score is null and not exists {paper} {same}"
    )
    header, subject = header_of_score(contract), quoted(contract.column("subject").header)
    con.execute(
        f"""
        insert into found
        select t.file_no, t.sheet, t.row, {header}, 'score_missing', '',
            {template_words("score_status")}
        from typed as t
        where score is null and (
            (raw_score is null and (raw_status is null or status = 'present'))
            or {as_word("raw_score")} in (
                select word from words where code_set = 'score_status' and code = 'present'
            )
        )
        union all
        select t.file_no, t.sheet, t.row, {subject}, 'not_in_wave',
            concat_ws(' ', t.wave_id, t.raw_grade, t.raw_subject), ''
        from typed as t
        where t.wave_id in (select wave_id from papers) and t.grade is not null
            and t.subject is not null and not exists {paper} {same}
        union all
        select t.file_no, t.sheet, t.row, {header}, 'above_full_mark', t.raw_score,
            {_plain("p.full_mark")}
        from typed as t join papers as p using (wave_id, grade, subject)
        where t.score > p.full_mark
        """
    )

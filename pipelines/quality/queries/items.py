"""Queries on the items of a paper."""

from pipelines.quality.queries.base import LEVEL, place, place_of, query

ALIKE_PAIRS = 10
"""Pairs of a class with equal answers, below which nobody is asked: five students make ten."""
ALIKE_SHARE = 0.2
"""Share of the class that is in such a pair."""
LOCAL = 2
"""A class taught together may agree this many times as often as students of two schools do."""
ROUNDING = 0.01
"""Points by which a sum of items may differ from the score."""


@query("alike_answers", "item_results")
def alike_answers() -> str:
    """Pairs of a class with the same points on every item of a paper, more than chance makes.

    Method: as in indices of answer similarity (Wollack 1997, doi:10.1177/01466216970214002) the
    agreement is judged given the score, here without a model of the items: of pairs of students
    in different schools with one score, the share whose vectors are equal is what chance makes.
    Summed over the pairs of a class, and doubled for what a class is taught together, it is the
    mean of a Poisson variable. Perfect and empty papers are alike without help and left out.
    """
    paper = "wave_id, grade, subject"
    unit = f"{paper}, school_year, school_code, class_no"

    def pairs(n: str) -> str:
        return f"sum({n} * ({n} - 1) // 2)"

    return f"""
        with partial as (
            select * from answered where total > 0 and total < full_total and class_no is not null
        ),
        same as (
            select {paper}, school_code, total, answers, count(*)::bigint as n
            from partial group by all
        ),
        equal_all as (
            select {paper}, total, {pairs("n")} as equal from (
                select {paper}, total, answers, sum(n)::bigint as n from same group by all
            ) group by all
        ),
        equal_inside as (
            select {paper}, total, {pairs("n")} as equal from same group by all
        ),
        any_inside as (
            select {paper}, total, sum(n)::bigint as n, {pairs("n")} as pairs from (
                select {paper}, school_code, total, sum(n)::bigint as n from same group by all
            ) group by all
        ),
        chance as (
            select {paper}, total,
                (a.equal - i.equal + 1) / (n * (n - 1) // 2 - s.pairs + 1) as agree
            from equal_all as a
            join equal_inside as i using ({paper}, total)
            join any_inside as s using ({paper}, total)
        ),
        expected as (
            select {unit}, sum(n)::bigint as students,
                {LOCAL} * sum(n * (n - 1) // 2 * agree) as mean
            from (select {unit}, total, count(*)::bigint as n from partial group by all)
            join chance using ({paper}, total)
            group by {unit}
        ),
        groups as (
            select {unit}, answers, count(*)::bigint as n from partial
            group by all having count(*) > 1
        ),
        observed as (
            select {unit}, {pairs("n")}::bigint as equal, sum(n)::bigint as in_pairs
            from groups group by {unit}
        ),
        judged as (
            select {unit}, students, mean, coalesce(equal, 0) as equal,
                coalesce(in_pairs, 0) as in_pairs, count(*) over (partition by wave_id) as tests
            from expected left join observed using ({unit})
        ),
        odd as (
            select * from judged
            where equal >= {ALIKE_PAIRS} and in_pairs >= {ALIKE_SHARE} * students
                and poisson_tail(equal, mean) * tests <= {LEVEL}
        )
        select o.{unit.replace(", ", ", o.")}, p.source_file,
            {place_of("p")}, format('{{}} (n = {{}})', equal, students) as found,
            format('{{:.1f}}', mean) as expected, -ln(poisson_tail(equal, mean)) as strength
        from odd as o
        join groups as g using ({unit})
        join partial as p using ({unit}, answers)
        group by all
    """


@query("items_and_score", "item_results")
def items_and_score() -> str:
    """Students whose items add up to another sum than the score handed in for the paper."""
    return f"""
        with odd as (
            select *, abs(total - score) > {ROUNDING} as differs from answered
            where score is not null
        )
        select source_file, wave_id, school_year, subject,
            count(*) filter (where differs)::bigint as rows, {place(only="differs")},
            rows::varchar as found, count(*)::varchar as expected, rows as strength
        from odd group by source_file, wave_id, school_year, subject having rows > 0
    """


ITEMS = (alike_answers, items_and_score)

"""The aggregates that the queries share, so that no query reads the large feeds by itself."""

BAND = 0.03
"""Width of a band of scores beside the pass mark, as a share of the full mark."""

PAPER = """
create temp table paper as
select wave_id, grade, subject, full_mark,
    concat_ws(' ', wave_kind, level, district_code, school_code) as series,
    coalesce(pass_mark, full_mark * getvariable('pass_share'))::decimal(9, 3) as pass_mark,
    greatest(1, ceil(full_mark * {band}))::decimal(9, 3) as band,
    5 * floor((full_mark - 3) / 5) + 2 as last_whole
from monitoring_waves
"""
"""One row a paper; `series`: what follows each other from year to year, by kind and organiser."""

CELL = """
create temp table cell as
select wave_id, school_year, school_code, grade, subject, class_no, source_file, source_sheet,
    min(source_row) as row_first, max(source_row) as row_last,
    count(*)::bigint as rows, count(score)::bigint as n, min(score) as lowest,
    max(score) as highest,
    count(*) filter (where score >= pass_mark)::bigint as passed,
    {bands},
    count(*) filter (where score = floor(score))::bigint as n_whole,
    {folded}
from (
    select r.*, p.pass_mark, floor((score - pass_mark) / band)::integer as step,
        case when score between 3 and last_whole and score = floor(score)
            then score::integer % 5 end as fold
    from monitoring_results as r left join paper as p using (wave_id, grade, subject)
)
group by all
"""
"""Sums of each paper in each class and file.

`below2`, `below1`, `above1`, `above2`: scores in the two bands on each side of the pass mark.
`fold0` … `fold4`: whole scores by their remainder by 5, from 3 up to the last score with which
every remainder has come up equally often, so that neither end of the scale weighs in.
"""

SAT = """
create temp table sat as
select wave_id, school_year, school_code, grade, class_no, source_file, source_sheet,
    hash(student_key) as student, min(source_row) as source_row
from monitoring_results
group by all
"""
"""One row a student, wave, class and file."""

ROLL = """
create temp table roll as
select school_year, hash(student_key) as student, school_code, grade, class_no from students
"""

AGAINST_ROLL = """
create temp table against_roll as
select s.source_file, s.school_year, s.wave_id, s.student, s.source_sheet, s.source_row,
    s.school_code <> r.school_code as other_school,
    not other_school and (s.grade <> r.grade or coalesce(s.class_no <> r.class_no, false))
        as other_class
from sat as s join roll as r using (school_year, student)
"""
"""The rows of `sat` whose students are on the register, and whether elsewhere."""

ANSWERED = """
create temp table answered as
with mine as (
    select wave_id, subject, hash(student_key) as student, source_file, source_sheet,
        min(source_row) as source_row, count(score)::bigint as scored, sum(score) as total,
        bit_xor(hash(hash(item_no, score))) as answers
    from item_results
    group by all
),
items as (
    select wave_id, grade, subject, count(*)::bigint as items, sum(full_mark) as full_total
    from item_map group by all
)
select m.*, r.school_year, r.school_code, r.grade, r.class_no, r.score, i.full_total
from mine as m
join monitoring_results as r
    on r.wave_id = m.wave_id and r.subject = m.subject and hash(r.student_key) = m.student
join items as i on i.wave_id = r.wave_id and i.grade = r.grade and i.subject = r.subject
where m.scored = i.items
"""
"""One row a student and paper whose items all have a score; `answers` stands for the vector.

A pair is hashed twice: the first hash is an xor of its parts' hashes, so that the xor of all pairs
would only tell how many items were right.
"""

SHARED = (
    PAPER.format(band=BAND),
    CELL.format(
        bands=",\n    ".join(
            f"count(*) filter (where step = {step})::bigint as {name}"
            for step, name in ((-2, "below2"), (-1, "below1"), (0, "above1"), (1, "above2"))
        ),
        folded=",\n    ".join(
            f"count(*) filter (where fold = {fold})::bigint as fold{fold}" for fold in range(5)
        ),
    ),
    SAT,
    ROLL,
    AGAINST_ROLL,
    ANSWERED,
)

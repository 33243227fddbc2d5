{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

-- Students are never put in order: they are counted by score, and the scores are ordered.
with in_school as (
    select
        paper_no,
        school_code,
        school_year,
        score,
        cast(count(*) as bigint) as n
    from {{ concerned(ref('int_results'), 'wave_id, grade') }}
    where status <> 'transferred' and score is not null
    group by paper_no, school_code, school_year, score
),

units as (
    select
        paper_no,
        'school' as level,
        school_code as unit_code,
        score,
        n
    from in_school
    union all
    select
        in_school.paper_no,
        'district' as level,
        schools.district_code as unit_code,
        in_school.score,
        cast(sum(in_school.n) as bigint) as n
    from in_school
    inner join {{ ref('stg_schools') }} as schools
        on
            in_school.school_code = schools.school_code
            and in_school.school_year = schools.school_year
    where schools.district_code is not null
    group by in_school.paper_no, schools.district_code, in_school.score
    union all
    select
        paper_no,
        'city' as level,
        '{{ var("unit_code") }}' as unit_code,
        score,
        cast(sum(n) as bigint) as n
    from in_school
    group by paper_no, score
)

select
    papers.school_year,
    papers.wave_id,
    papers.wave_level,
    papers.grade,
    papers.subject,
    papers.full_mark,
    units.level,
    units.unit_code,
    units.score,
    units.n,
    cast(sum(units.n) over unit - sum(units.n) over from_here as bigint) as below,
    cast(sum(units.n) over unit as bigint) as unit_n
from units
inner join {{ ref('int_papers') }} as papers on units.paper_no = papers.paper_no
window
    unit as (partition by units.paper_no, units.level, units.unit_code),
    from_here as (
        partition by units.paper_no, units.level, units.unit_code
        order by units.score desc nulls last
        rows between unbounded preceding and current row
    )

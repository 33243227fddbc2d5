-- A failing row is a paper and level at which students are lost: the reasons don't add up to what
-- was handed in and owed (as at the city level), or those counted aren't the candidates of the mart.
with explained as (
    select
        wave_id,
        grade,
        subject,
        level,
        sum(students) as students,
        sum(case when is_counted then students else 0 end) as candidates,
        sum(case when reason = 'exempt' then students else 0 end) as exempt,
        sum(case when reason = 'present' then students else 0 end) as n
    from {{ ref('attainment_reconciliation') }}
    group by wave_id, grade, subject, level
),

counted as (
    select
        wave_id,
        grade,
        subject,
        level,
        group_kind,
        sum(candidates) as candidates,
        sum(exempt) as exempt,
        sum(n) as n
    from {{ ref('attainment') }}
    group by wave_id, grade, subject, level, group_kind
),

compared as (
    select
        explained.*,
        city.students as city_students,
        counted.candidates as mart_candidates,
        counted.exempt as mart_exempt,
        counted.n as mart_n
    from explained
    inner join explained as city
        on
            city.level = 'city'
            and explained.wave_id = city.wave_id
            and explained.grade = city.grade
            and explained.subject = city.subject
    left join counted
        on
            explained.level = counted.level
            and explained.wave_id = counted.wave_id
            and explained.grade = counted.grade
            and explained.subject = counted.subject
)

select *
from compared
where
    students <> city_students
    or candidates <> coalesce(mart_candidates, 0)
    or exempt <> coalesce(mart_exempt, 0)
    or n <> coalesce(mart_n, 0)

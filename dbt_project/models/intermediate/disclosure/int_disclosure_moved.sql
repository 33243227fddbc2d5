-- A figure that rests on all who sat a paper is another in every unit by what a few of them did: by
-- thousands of such figures, kept and new, that could be worked out. Where nothing is told of the
-- organiser's own cell, a few anywhere move them.
with cells as (
    select
        papers.wave_id,
        papers.grade,
        papers.subject,
        papers.stage,
        {{ is_annual('papers') }} as is_annual,
        cells.n,
        cells.level = case
            when papers.wave_level in ('district', 'school') then papers.wave_level
            else 'city'
        end as is_organiser,
        fates.fate in ('shown', 'total') as is_told,
        fates.last_n is not null as is_moved
    from {{ ref('int_disclosure_cell') }} as cells
    inner join {{ ref('int_disclosure_fate') }} as fates on cells.cell_no = fates.cell_no
    inner join {{ ref('int_papers') }} as papers
        on
            cells.wave_id = papers.wave_id
            and cells.grade = papers.grade
            and cells.subject = papers.subject
    where cells.topic = 'results' and cells.group_kind = 'all'
),

papers as (
    select
        wave_id,
        grade,
        subject,
        stage,
        is_annual,
        count_if(is_organiser and is_moved) > 0
        or (count_if(is_organiser and is_told) = 0 and count_if(is_moved) > 0) as is_moved,
        -- Of so many, ten are lost in the digits of a figure.
        sum(case when is_organiser then n else 0 end) >= {{ var('many_from') }} as is_many
    from cells
    group by wave_id, grade, subject, stage, is_annual
),

items as (
    select
        wave_id,
        grade,
        subject,
        count(last_n) > 0 as is_moved,
        min(n) >= {{ var('many_from') }} as is_many
    from {{ ref('int_disclosure_points') }}
    where level = 'city'
    group by wave_id, grade, subject
),

-- Earlier scores are those of all subjects, also of whoever was in another grade than the others.
later_waves as (
    select distinct following.following_wave_id as wave_id
    from {{ ref('int_wave_following') }} as following
    inner join papers on following.wave_id = papers.wave_id and papers.is_moved
)

select
    'paper' as rests_on,
    wave_id,
    grade,
    subject,
    stage,
    is_annual,
    is_many
from papers
where is_moved
union all
select
    'items' as rests_on,
    papers.wave_id,
    papers.grade,
    papers.subject,
    papers.stage,
    papers.is_annual,
    papers.is_many and items.is_many as is_many
from papers
inner join items
    on
        papers.wave_id = items.wave_id
        and papers.grade = items.grade
        and papers.subject = items.subject
where papers.is_moved or items.is_moved
union all
select
    'earlier' as rests_on,
    papers.wave_id,
    papers.grade,
    papers.subject,
    papers.stage,
    papers.is_annual,
    papers.is_many
from papers
left join later_waves on papers.wave_id = later_waves.wave_id
where papers.is_moved or later_waves.wave_id is not null

-- Members in towns are neither: the plan speaks of the countryside and of who leads it.
select
    cells.school_year,
    papers.stage,
    cells.subject,
    schools.community_code,
    cells.school_code,
    cells.grade,
    cells.wave_id,
    schools.locale = 'urban' as is_lead,
    cells.n,
    cells.mean_z,
    cells.squares_z
from {{ ref('int_equity_cells') }} as cells
inner join {{ ref('int_papers') }} as papers
    on
        cells.wave_id = papers.wave_id
        and cells.grade = papers.grade
        and cells.subject = papers.subject
inner join {{ ref('int_school') }} as schools
    on cells.school_code = schools.school_code and cells.school_year = schools.school_year
where
    cells.group_kind = 'all'
    and {{ is_annual('papers') }}
    and schools.community_code is not null
    and schools.locale in ('urban', 'rural')

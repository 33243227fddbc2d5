-- Of two annual waves in a school year the later counts.
with papers as (
    select
        paper_no,
        wave_id,
        school_year,
        grade,
        subject,
        row_number() over (
            partition by school_year, grade, subject
            order by held_on desc nulls last, paper_no desc nulls last
        ) as place
    from {{ ref('int_papers') }}
    where {{ is_annual() }}
)

select
    papers.school_year,
    papers.wave_id,
    cast(papers.grade as int) as grade,
    papers.subject,
    units.level,
    units.unit_code,
    units.effect,
    units.se,
    units.reliability,
    case units.level
        when 'school' then fits.variance_school
        else fits.variance_district
    end as variance_between
from {{ ref('int_value_added_effects') }} as units
inner join papers on units.paper_no = papers.paper_no and papers.place = 1
inner join {{ ref('int_value_added_fits') }} as fits
    on
        units.paper_no = fits.paper_no
        and units.model = fits.model
        and fits.levels = case units.level when 'school' then 2 else 3 end
where units.model = '{{ published_model() }}'

-- Years about the evidence, each with the windows that begin in it.
with years as (
    select distinct cast(extract(year from as_of) as int) as year from {{ ref('int_as_of') }}
    union
    select distinct cast(extract(year from as_of) as int) - 1 as year from {{ ref('int_as_of') }}
),

recurring as (
    select
        targets.target_id,
        targets.reading,
        case targets.window_kind
            when 'school_year'
                then make_date(years.year, {{ var('school_year_start_month') }}, 1)
            when 'calendar_year' then make_date(years.year, 1, 1)
            else {{ months_after(
                'targets.window_start',
                '(years.year - cast(extract(year from targets.window_start) as int))'
                ~ ' * targets.window_months'
            ) }}
        end as window_from,
        coalesce(targets.window_months, 12) as months
    from {{ ref('int_plan_target') }} as targets
    cross join years
    where
        targets.window_kind in ('school_year', 'calendar_year')
        or (
            targets.window_kind = 'cycle'
            and years.year >= extract(year from targets.window_start)
        )
)

select
    target_id,
    reading,
    window_from,
    {{ months_after('window_from', 'months') }} - 1 as window_to
from recurring
union all
select
    target_id,
    reading,
    case when window_kind = 'cumulative' then window_start else {{ first_of_days() }} end
        as window_from,
    {{ last_of_days() }} as window_to
from {{ ref('int_plan_target') }}
where window_kind in ('cumulative', 'standing', 'rolling')

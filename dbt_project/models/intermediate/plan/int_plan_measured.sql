-- Figures that others work out and the plan compares: a place among others, and the change of an
-- examination's pass rate against the year before.
with results as (
    select
        targets.target_id,
        targets.reading,
        cells.level,
        cells.unit_code,
        cells.school_year,
        cast(sum(cells.n) as bigint) as n,
        {{ ratio('sum(cells.passed)', 'sum(cells.n)') }} as pass_rate
    from {{ ref('int_attainment_cells') }} as cells
    inner join {{ ref('int_plan_target') }} as targets
        on cells.wave_kind = targets.selector and targets.stream = 'exam_growth'
    where cells.group_kind = 'all' and cells.level <> 'class' and cells.n > 0
    group by
        targets.target_id, targets.reading, cells.level, cells.unit_code, cells.school_year
),

exam_days as (
    select
        wave_kind,
        school_year,
        min(held_on) as held_on
    from {{ ref('int_papers') }}
    group by wave_kind, school_year
),

compared as (
    select
        *,
        lag(pass_rate) over (
            partition by target_id, reading, level, unit_code order by school_year asc nulls last
        ) as previous_rate
    from results
)

select
    targets.target_id,
    targets.reading,
    'city' as level,
    places.unit_code,
    make_date(places.year, 1, 1) as day,
    coalesce(
        make_date(
            lead(places.year) over (
                partition by targets.target_id, targets.reading order by places.year asc nulls last
            ), 1, 1
        ) - 1,
        {{ last_of_days() }}
    ) as valid_to,
    100 * {{ ratio('places.value', 'places.out_of') }} as actual,
    cast(places.out_of as bigint) as denominator,
    places.kind || '/' || cast(places.year as string) as record_key
from {{ ref('stg_external_benchmarks') }} as places
inner join {{ ref('int_plan_target') }} as targets
    on targets.stream = 'benchmark' and places.kind = targets.selector
where places.unit_code = '{{ var("unit_code") }}' and places.subject is null
union all
select
    compared.target_id,
    compared.reading,
    compared.level,
    compared.unit_code,
    exam_days.held_on as day,
    {{ next_year_start('compared.school_year') }} - 1 as valid_to,
    100 * (compared.pass_rate - compared.previous_rate) as actual,
    compared.n as denominator,
    compared.school_year as record_key
from compared
inner join {{ ref('int_plan_target') }} as targets
    on compared.target_id = targets.target_id and compared.reading = targets.reading
inner join exam_days
    on targets.selector = exam_days.wave_kind and compared.school_year = exam_days.school_year

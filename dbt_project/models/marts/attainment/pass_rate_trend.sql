{%- set rise = var('plan_rise_points') -%}

with rates as (
    select
        level,
        unit_code,
        stage,
        subject,
        school_year,
        students,
        n,
        papers,
        papers_in_baseline,
        {{ ratio('z_sum', 'z_n') }} as mean_z,
        {{ ratio('passed', 'n') }} as pass_rate,
        {{ effective_n(
            'students', 'n', 'passed', 'squares_passed', 'products', 'squares_sat'
        ) }} as effective_n
    from {{ ref('int_trend_cells') }}
),

intervals as (
    select
        *,
        {{ wilson_low('pass_rate', 'effective_n') }} as pass_low,
        {{ wilson_high('pass_rate', 'effective_n') }} as pass_high
    from rates
),

baseline as (
    select
        level,
        unit_code,
        stage,
        subject,
        students as baseline_students,
        pass_rate as baseline_rate,
        pass_low as baseline_low,
        pass_high as baseline_high,
        mean_z as baseline_z,
        papers as baseline_papers
    from intervals
    where school_year = '{{ var("plan_baseline_year") }}'
),

placed as (
    select
        intervals.*,
        baseline.baseline_students,
        baseline.baseline_rate,
        baseline.baseline_low,
        baseline.baseline_high,
        baseline.baseline_z,
        baseline.baseline_papers,
        lag(intervals.school_year) over chain as previous_year,
        lag(intervals.students) over chain as previous_students,
        lag(intervals.pass_rate) over chain as previous_rate,
        lag(intervals.pass_low) over chain as previous_low,
        lag(intervals.pass_high) over chain as previous_high,
        lag(intervals.mean_z) over chain as previous_z,
        case
            when baseline.baseline_rate is null then 'no_baseline'
            when intervals.school_year = '{{ var("plan_baseline_year") }}' then 'baseline_year'
            when intervals.school_year < '{{ var("plan_baseline_year") }}' then 'before_baseline'
            else 'compared'
        end as comparability,
        -- Points that the plan's straight line asks for by this school year.
        {{ rise }} * least(
            1e0,
            cast(
                {{ start_year('intervals.school_year') }}
                - {{ start_year("'" ~ var('plan_baseline_year') ~ "'") }}
                as double
            ) / {{ var('plan_years') }}
        ) as pace_points
    from intervals
    left join baseline
        on
            intervals.level = baseline.level
            and intervals.unit_code = baseline.unit_code
            and intervals.stage = baseline.stage
            and intervals.subject = baseline.subject
    window chain as (
        partition by intervals.level, intervals.unit_code, intervals.stage, intervals.subject
        order by intervals.school_year
    )
),

changes as (
    select
        *,
        case when comparability = 'compared' then 100 * (pass_rate - baseline_rate) end
            as change_points,
        case
            when comparability = 'compared'
                then 100 * {{ newcombe_low(
                    'pass_rate', 'pass_low', 'baseline_rate', 'baseline_high'
                ) }}
        end as change_low,
        case
            when comparability = 'compared'
                then 100 * {{ newcombe_high(
                    'pass_rate', 'pass_high', 'baseline_rate', 'baseline_low'
                ) }}
        end as change_high,
        case
            when comparability = 'compared'
                then 100 * (pass_rate - baseline_rate) / nullif(baseline_rate, 0)
        end as change_percent,
        100 * (pass_rate - previous_rate) as year_change_points,
        100 * {{ newcombe_low('pass_rate', 'pass_low', 'previous_rate', 'previous_high') }}
            as year_change_low,
        100 * {{ newcombe_high('pass_rate', 'pass_high', 'previous_rate', 'previous_low') }}
            as year_change_high
    from placed
)

select
    level,
    unit_code,
    stage,
    subject,
    school_year,
    students,
    n,
    effective_n,
    pass_rate,
    pass_low,
    pass_high,
    baseline_students,
    baseline_rate,
    change_points,
    change_low,
    change_high,
    change_percent,
    previous_year,
    previous_students,
    year_change_points,
    year_change_low,
    year_change_high,
    case
        when comparability in ('baseline_year', 'compared')
            then baseline_rate + pace_points / 100
    end as pace_rate,
    case
        when comparability <> 'compared' then cast(null as string)
        when change_low >= {{ rise }} then 'reached'
        when change_low >= pace_points then 'on_pace'
        when change_high < pace_points then 'behind'
        else 'not_distinguishable'
    end as status,
    comparability,
    mean_z,
    case when comparability = 'compared' then mean_z - baseline_z end as change_z,
    mean_z - previous_z as year_change_z,
    papers,
    case
        when
            comparability = 'compared'
            and (papers <> papers_in_baseline or papers <> baseline_papers)
            then 'other_papers'
        when comparability = 'compared' or previous_year is not null then 'not_equated'
    end as caution
from changes

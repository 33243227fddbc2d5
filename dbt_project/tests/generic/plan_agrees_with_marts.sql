{#- Fails with each figure of the plan that is not the one which the mart on its subject has: duties
    and visits, in-class checks, up-to-standard lessons and training. On the last day of a school
    year and on the last day with evidence a year's figures are the same; whose counting the city
    sets in another way (`observation_duties`, `training_windows`) than its plan is not compared. -#}
{% test plan_agrees_with_marts(model) %}
{%- set duties = var('observation_duties') -%}
with figures as (
    select
        figures.*,
        days.school_year,
        days.is_latest,
        targets.stream,
        targets.selector,
        targets.population_code,
        targets.target_value,
        targets.window_months,
        targets.entity_type
    from {{ model }} as figures
    inner join {{ ref('int_plan_target') }} as targets
        on figures.target_id = targets.target_id and figures.reading = targets.reading
    inner join {{ ref('int_plan_as_of') }} as days on figures.as_of = days.as_of
    where targets.population_districts = ''
),

of_year as (
    select *
    from figures
    where is_latest or as_of = {{ next_year_start('school_year') }} - 1
),

windows as (
    {{ training_windows() }}
),

pairs as (
    select
        of_year.target_id,
        of_year.reading,
        of_year.as_of,
        of_year.level,
        of_year.unit_code,
        of_year.numerator as ours,
        case when of_year.stream = 'visit' then duty.visits_met else duty.lessons_met end as theirs,
        of_year.denominator as our_total,
        duty.persons - duty.not_due as their_total
    from of_year
    inner join {{ ref('observation_duty_unit') }} as duty
        on
            of_year.school_year = duty.school_year
            and of_year.level = duty.level
            and of_year.unit_code = duty.unit_code
            and case of_year.population_code
                when 'duty_head' then 'principal_or_secretary'
                when 'duty_leader' then 'school_leader'
                else 'education_official'
            end = duty.role
            and case of_year.population_code
                when 'duty_head' then {{ duties['principal']['lessons'] }}
                when 'duty_leader' then {{ duties['school_leader']['lessons'] }}
                when 'duty_official' then {{ duties['education_official']['lessons'] }}
                else {{ duties['education_official']['visits'] }}
            end = of_year.target_value
    where of_year.stream in ('observed_lessons', 'visit')
    union all
    select
        of_year.target_id,
        of_year.reading,
        of_year.as_of,
        of_year.level,
        of_year.unit_code,
        of_year.numerator as ours,
        lessons.covered as theirs,
        case when not of_year.is_latest then of_year.denominator end as our_total,
        case when not of_year.is_latest then lessons.total end as their_total
    from of_year
    inner join {{ ref('standard_lesson_coverage') }} as lessons
        on
            of_year.school_year = lessons.school_year
            and of_year.level = lessons.level
            and of_year.unit_code = lessons.unit_code
            and of_year.stream = 'standard_lesson_' || lessons.population
    union all
    select
        of_year.target_id,
        of_year.reading,
        of_year.as_of,
        of_year.level,
        of_year.unit_code,
        case
            when of_year.is_share then of_year.numerator
            else cast(round(of_year.actual * of_year.denominator / 100) as bigint)
        end as ours,
        case when of_year.is_share then checks.schools_met else checks.passed end as theirs,
        case when not of_year.is_share then of_year.denominator end as our_total,
        case when not of_year.is_share then checks.tested end as their_total
    from of_year
    inner join {{ ref('inclass_check') }} as checks
        on
            of_year.school_year = checks.school_year
            and of_year.level = checks.level
            and of_year.unit_code = checks.unit_code
            and (
                not of_year.is_share
                or of_year.target_value = 100 * cast({{ var('inclass_share') }} as decimal(6, 4))
            )
    where of_year.stream = 'inclass_school'
    union all
    select
        figures.target_id,
        figures.reading,
        figures.as_of,
        figures.level,
        figures.unit_code,
        figures.numerator as ours,
        training.covered as theirs,
        figures.denominator as our_total,
        training.persons as their_total
    from figures
    inner join {{ ref('training_coverage') }} as training
        on
            figures.as_of = training.as_of
            and figures.level = training.level
            and figures.unit_code = training.unit_code
            and figures.population_code = training.population
    inner join windows
        on
            training.population = windows.population
            and figures.window_months = windows.months
            and figures.selector = coalesce(windows.mode, '')
    where figures.stream = 'training_completed'
)

select *
from pairs
where
    coalesce(ours, 0) <> coalesce(theirs, 0)
    or coalesce(our_total, 0) <> coalesce(their_total, 0)
{% endtest %}

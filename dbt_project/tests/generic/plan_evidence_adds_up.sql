{#- Fails with each target whose list of records and of lacking entities does not give its figure:
    records that count add up to a count, and of the entities those that lack nothing meet it. -#}
{% test plan_evidence_adds_up(model) %}
with listed as (
    select
        target_id,
        reading,
        as_of,
        sum(case when counts then value else 0 end) as value,
        count(distinct case when reason in ('missing', 'short') then entity_code end) as lacking
    from {{ model }}
    group by target_id, reading, as_of
)

select
    figures.target_id,
    figures.reading
from {{ ref('plan_target') }} as figures
inner join {{ ref('int_plan_target') }} as targets
    on figures.target_id = targets.target_id and figures.reading = targets.reading
inner join {{ ref('int_plan_as_of') }} as days on figures.as_of = days.as_of and days.is_latest
left join listed
    on
        figures.target_id = listed.target_id
        and figures.reading = listed.reading
        and figures.as_of = listed.as_of
where
    figures.level = 'city'
    and figures.actual is not null
    and (
        (
            targets.rule in ('count', 'count_cycle')
            and coalesce(listed.value, 0) <> figures.actual
        )
        or (
            figures.is_share
            and targets.population_code <> 'student'
            and coalesce(listed.lacking, 0) <> figures.denominator - figures.numerator
        )
    )
{% endtest %}

{#- Fails with each target and day for which the districts hold more entities that meet it, or more
    entities at all, than the city: a district's are among the city's. -#}
{% test plan_parts_sum(model) %}
select
    target_id,
    reading,
    as_of
from {{ model }}
where is_share and numerator is not null
group by target_id, reading, as_of
having
    sum(case when level = 'district' then numerator end)
    > sum(case when level = 'city' then numerator end)
    or sum(case when level = 'district' then denominator end)
    > sum(case when level = 'city' then denominator end)
{% endtest %}

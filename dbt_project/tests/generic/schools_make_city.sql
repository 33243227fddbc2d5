{#- Fails with each city row whose column is below the sum of its districts, or not equal to that of
    its schools, which include those without a district. -#}
{% test schools_make_city(model, by, columns) %}
with sums as (
    select
        {{ by | join(', ') }},
        {% for column in columns %}
        sum(case when level = 'city' then {{ column }} else 0 end) as city_{{ column }},
        sum(case when level = 'district' then {{ column }} else 0 end) as district_{{ column }},
        sum(case when level = 'school' then {{ column }} else 0 end) as school_{{ column }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from {{ model }}
    group by {{ by | join(', ') }}
)

select *
from sums
where
    {% for column in columns -%}
    city_{{ column }} <> school_{{ column }} or city_{{ column }} < district_{{ column }}
    {{- ' or ' if not loop.last }}
    {% endfor -%}
{% endtest %}

{#- Rows (population, months, mode): whose training counts how long; population is the post. -#}
{% macro training_windows() -%}
    {% for population, window in var('training_windows').items() -%}
    select
        '{{ population }}' as population,
        {{ window['months'] }} as months,
        {% if window.get('mode') -%}
        '{{ window["mode"] }}' as mode
        {%- else -%}
        cast(null as string) as mode
        {%- endif %}
    {{ 'union all' if not loop.last }}
    {% endfor %}
{%- endmacro %}

{#- First day of which it no longer holds that the day so many months before lies before `day`. That
    of 29 February is 1 March where the later year has no such day. -#}
{% macro lapse_day(day, months) -%}
    case
        when {{ months_after(months_after(day, months), '-' ~ months) }} < {{ day }}
            then {{ months_after(day, months) }} + 1
        else {{ months_after(day, months) }}
    end
{%- endmacro %}

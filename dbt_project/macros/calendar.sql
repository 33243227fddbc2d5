{#- First day of a school year (`2023-2024`). -#}
{% macro year_start(school_year) -%}
    make_date({{ start_year(school_year) }}, {{ var('school_year_start_month') }}, 1)
{%- endmacro %}

{#- First day of the school year that follows. -#}
{% macro next_year_start(school_year) -%}
    make_date({{ start_year(school_year) }} + 1, {{ var('school_year_start_month') }}, 1)
{%- endmacro %}

{#- School year (`2023-2024`) in which a day lies. -#}
{% macro school_year_of(day) -%}
    {%- set first -%}
        (extract(year from {{ day }})
        - case
            when extract(month from {{ day }}) < {{ var('school_year_start_month') }} then 1
            else 0
        end)
    {%- endset -%}
    cast({{ first }} as string) || '-' || cast({{ first }} + 1 as string)
{%- endmacro %}

{#- Whole days from one day to a later one. -#}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between')(earlier, later)) }}
{%- endmacro %}

{% macro default__days_between(earlier, later) -%}
    cast({{ later }} - {{ earlier }} as int)
{%- endmacro %}

{% macro spark__days_between(earlier, later) -%}
    datediff({{ later }}, {{ earlier }})
{%- endmacro %}

{#- The day so many months after another (before it, where negative); the end of a shorter month. -#}
{% macro months_after(day, months) -%}
    {{ return(adapter.dispatch('months_after')(day, months)) }}
{%- endmacro %}

{% macro default__months_after(day, months) -%}
    cast({{ day }} + to_months({{ months }}) as date)
{%- endmacro %}

{% macro spark__months_after(day, months) -%}
    add_months({{ day }}, {{ months }})
{%- endmacro %}

{#- Select of one column `day`: every day from the first to the last, both given as expressions over
    the one row of a relation; no row where one of them is null. -#}
{% macro days_from_to(first, last, relation) -%}
    {{ return(adapter.dispatch('days_from_to')(first, last, relation)) }}
{%- endmacro %}

{% macro default__days_from_to(first, last, relation) -%}
    select cast(unnest(generate_series({{ first }}, {{ last }}, interval 1 day)) as date) as day
    from {{ relation }}
{%- endmacro %}

{% macro spark__days_from_to(first, last, relation) -%}
    select explode(sequence({{ first }}, {{ last }}, interval 1 day)) as day
    from {{ relation }}
    where {{ first }} <= {{ last }}
{%- endmacro %}

{#- Day of the week, 1 Monday to 7 Sunday (ISO 8601). -#}
{% macro weekday(day) -%}
    {{ return(adapter.dispatch('weekday')(day)) }}
{%- endmacro %}

{% macro default__weekday(day) -%}
    cast(isodow({{ day }}) as int)
{%- endmacro %}

{% macro spark__weekday(day) -%}
    (weekday({{ day }}) + 1)
{%- endmacro %}

{#- Disclosure control of counts of persons whose parts add up to a published whole. -#}

{#- Whether a share tells too exactly of a few: those who meet it, or those who do not. -#}
{% macro is_rare(met, persons) -%}
    ({{ met }} < {{ var('rare_below') }} or {{ persons }} - {{ met }} < {{ var('rare_below') }})
{%- endmacro %}

{#- What is said of such a share instead of itself, in percent: `>=95`, `<=5`. -#}
{% macro banded(met, persons) -%}
    case
        {% for least, edge in var('bands').items() | sort(reverse=true) -%}
        when {{ persons }} >= {{ least }} and {{ met }} < {{ var('rare_below') }} then '<={{ 100 - edge }}'
        when {{ persons }} >= {{ least }} then '>={{ edge }}'
        {% endfor -%}
    end
{%- endmacro %}

{#- A percent or a difference of two as published: whole on a small n, else one decimal. -#}
{% macro published_percent(value, n) -%}
    case
        when {{ n }} < {{ var('whole_percent_below') }} then {{ rounded(value, 0) }}
        else {{ rounded(value, 1) }}
    end
{%- endmacro %}

{#- Siblings that are withheld beside those that may not be told in full: rows (key, unit_code).

    Whoever knows a whole and some of its parts knows the rest together. The rest must therefore be
    what the rules allow for one cell: as many persons as may be shown, and neither those who meet
    what is asked nor those who do not fewer than three. Parts that may not be told come first, then
    the smallest, until that holds. What the whole has beyond its parts is one of them.

    cells: a relation (key, level, unit_code, persons, met) of the city and its districts.
    key: the columns within which parts add up. -#}
{% macro partners(cells, key) -%}
{%- set keys = key | join(', ') %}
    with parts as (
        select
            {{ keys }},
            unit_code,
            persons,
            met,
            false as is_beyond
        from {{ cells }}
        where level = 'district' and persons > 0
        union all
        select
            {{ keys }},
            '' as unit_code,
            sum(case when level = 'city' then persons else -persons end) as persons,
            sum(case when level = 'city' then met else -met end) as met,
            true as is_beyond
        from {{ cells }}
        where level in ('city', 'district')
        group by {{ keys }}
        having sum(case when level = 'city' then persons else -persons end) > 0
    ),

    judged as (
        select
            *,
            is_beyond or not {{ shown('persons') }} or {{ is_rare('met', 'persons') }} as is_untold
        from parts
    ),

    together as (
        select
            *,
            row_number() over line as place,
            sum(persons) over line as sum_persons,
            sum(met) over line as sum_met,
            count_if(is_untold) over (partition by {{ keys }}) as untold
        from judged
        window line as (
            partition by {{ keys }}
            order by is_untold desc, persons asc, unit_code asc nulls last
            rows between unbounded preceding and current row
        )
    ),

    reached as (
        select
            *,
            min(case
                when
                    place >= untold
                    and {{ shown('sum_persons') }}
                    and not {{ is_rare('sum_met', 'sum_persons') }}
                    then place
            end) over (partition by {{ keys }}) as enough
        from together
    )

    select
        {{ keys }},
        unit_code
    from reached
    where untold > 0 and not is_untold and place <= coalesce(enough, place)
{%- endmacro %}

{#- Whether a cell of persons is withheld, and whether its share is told as a band.

    cell: alias of the cell; partner: alias of its row among the partners. -#}
{% macro is_withheld(cell, partner) -%}
    (({{ cell }}.persons > 0 and not {{ shown(cell ~ '.persons') }})
    or ({{ cell }}.level = 'district' and {{ partner }}.unit_code is not null))
{%- endmacro %}

{% macro is_banded(cell) -%}
    ({{ cell }}.met is not null and {{ is_rare(cell ~ '.met', cell ~ '.persons') }})
{%- endmacro %}

{#- The CTEs `partners` and `fates`: of each of the cells whether it is withheld, and whether its
    share is told as a band. Arguments as of `partners`. -#}
{% macro fates_of_persons(cells, key) -%}
partners as (
    {{ partners(cells, key) }}
),

fates as (
    select
        {{ cells }}.*,
        {{ is_withheld(cells, 'partners') }} as is_withheld,
        {{ is_banded(cells) }} as is_banded
    from {{ cells }}
    left join partners
        on
            {{ cells }}.unit_code = partners.unit_code
            {% for column in key %}
            and {{ cells }}.{{ column }} = partners.{{ column }}
            {% endfor %}
)
{%- endmacro %}

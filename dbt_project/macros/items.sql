{#- How figures of items come from exact sums. The letters are those of the sums over the n students
    of a paper of whom every item is known: x the points on an item, t their sum over the items. -#}

{#- n times the sum of products less the product of the sums: n squared times a covariance (with a
    sum of squares: a variance), exact. -#}
{% macro spread(n, product_sum, sum_x, sum_t) -%}
    (cast({{ n }} as decimal(12, 0)) * cast({{ product_sum }} as decimal(26, 6))
    - cast({{ sum_x }} as decimal(19, 3)) * cast({{ sum_t }} as decimal(19, 3)))
{%- endmacro %}

{#- Cronbach's alpha (1951) of k items, from the sum of the items' spreads and the spread of their
    sum. In the quotient it does not matter which n the variances are divided by. Null for fewer
    than two items and where the sums do not differ; never above 1, whatever the rounding. -#}
{% macro cronbach_alpha(k, item_spreads, total_spread) -%}
    case
        when {{ k }} > 1 and {{ total_spread }} > 0
            then least(1e0,
                cast({{ k }} as double)
                * cast({{ total_spread }} - ({{ item_spreads }}) as double)
                / (cast({{ k }} - 1 as double) * cast({{ total_spread }} as double))
            )
    end
{%- endmacro %}

{#- Spread of the sum without the item. -#}
{% macro rest_spread(total_spread, item_spread, joint_spread) -%}
    ({{ total_spread }} + {{ item_spread }} - {{ joint_spread }} - {{ joint_spread }})
{%- endmacro %}

{#- Correlation of an item with the sum of the others: cov(x, t) - var(x) over the deviations of x
    and of t - x. Null where one of them does not differ. -#}
{% macro item_rest(item_spread, joint_spread, total_spread) -%}
    {%- set rest = rest_spread(total_spread, item_spread, joint_spread) -%}
    case
        when {{ item_spread }} > 0 and {{ rest }} > 0
            then greatest(-1e0, least(1e0,
                cast({{ joint_spread }} - {{ item_spread }} as double)
                / sqrt(cast({{ item_spread }} as double) * cast({{ rest }} as double))
            ))
    end
{%- endmacro %}

{#- Points on an item in the 27 % of n students at one end of the sums (Kelley 1939), times 100 and
    the students at the cut. `whole` students lie beyond the sum at which the cut falls, `cut`
    students have just that sum: of their points such a share is taken as fills up the 27 %. -#}
{% macro points_of_end(n, whole, whole_sum, cut, cut_sum) -%}
    cast(
        cast(100 * greatest({{ cut }}, 1) as decimal(15, 0))
        * cast({{ whole_sum }} as decimal(19, 3))
        + cast(27 * {{ n }} - 100 * {{ whole }} as decimal(15, 0))
        * cast({{ cut_sum }} as decimal(19, 3))
        as decimal(26, 3)
    )
{%- endmacro %}

{#- Discrimination D of an item (Kelley 1939): mean points at the upper end less those at the lower
    end, as a share of the full mark. Reads the columns that the sums of items give both ends. One
    division of exact sums: an item that stands just at a mark is not judged by a rounding. -#}
{% macro discrimination(n, full_mark) -%}
    {%- set upper, lower = 'greatest(upper_cut, 1)', 'greatest(lower_cut, 1)' -%}
    {%- set gap -%}
        {{ points_of_end(n, 'upper_whole', 'upper_whole_sum', 'upper_cut', 'upper_cut_sum') }}
        * cast({{ lower }} as decimal(12, 0))
        - {{ points_of_end(n, 'lower_whole', 'lower_whole_sum', 'lower_cut', 'lower_cut_sum') }}
        * cast({{ upper }} as decimal(12, 0))
    {%- endset -%}
    {%- set scale -%}
        cast(27 * {{ n }} as decimal(19, 0)) * cast({{ upper }} * {{ lower }} as decimal(19, 0))
        * cast({{ full_mark }} as decimal(9, 3))
    {%- endset -%}
    {{ ratio(gap, scale) }}
{%- endmacro %}

{#- What a score on part of a paper can be by: kind of dimension -> the columns of the map that
    make it, each value (or combination of values) of theirs being one dimension. -#}
{% macro dimension_kinds() -%}
    {{ return({
        'competency': ['competency'],
        'content_domain': ['content_domain'],
        'cognitive_level': ['cognitive_level'],
        'competency_content': ['competency', 'content_domain'],
        'competency_content_level': ['competency', 'content_domain', 'cognitive_level'],
    }) }}
{%- endmacro %}

{#- A number among the rows of a wave that no other wave has, by a ranking function and what it goes
    by; `wave` names the columns of the wave and of its number. -#}
{% macro number_within_wave(ranking, wave, by) -%}
    (
        {{ wave.split(', ')[1] }} * 1000000000
        + cast(
            {{ ranking }} over (
                partition by {{ wave }} order by {{ by | join(' asc nulls last, ') }} asc nulls last
            ) as bigint
        )
    )
{%- endmacro %}

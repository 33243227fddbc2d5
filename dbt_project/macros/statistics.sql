{#- Two-sided 95 % quantile of the standard normal distribution. -#}
{% macro z95() %}1.959963984540054e0{% endmacro %}

{#- The one division of a figure: exact sums in, one double out, null for a denominator of 0. -#}
{% macro ratio(numerator, denominator) -%}
    (cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0))
{%- endmacro %}

{#- Lower end of Wilson's score interval (Wilson 1927) of a rate on n trials; null where n is 0.
    The ends at a rate of 0 and 1 are exact, whatever the rounding of the root. -#}
{% macro wilson_low(rate, n) -%}
    case
        when {{ rate }} = 0 then 0e0
        when {{ rate }} is not null
            then greatest(0e0, {{ _wilson_centre(rate, n) }} - {{ _wilson_half(rate, n) }})
    end
{%- endmacro %}

{% macro wilson_high(rate, n) -%}
    case
        when {{ rate }} = 1 then 1e0
        when {{ rate }} is not null
            then least(1e0, {{ _wilson_centre(rate, n) }} + {{ _wilson_half(rate, n) }})
    end
{%- endmacro %}

{% macro _wilson_centre(rate, n) -%}
    (({{ rate }} + {{ z95() }} * {{ z95() }} / (2e0 * nullif({{ n }}, 0)))
    / (1e0 + {{ z95() }} * {{ z95() }} / nullif({{ n }}, 0)))
{%- endmacro %}

{% macro _wilson_half(rate, n) -%}
    ({{ z95() }} * sqrt(
        {{ rate }} * (1e0 - {{ rate }}) / nullif({{ n }}, 0)
        + {{ z95() }} * {{ z95() }} / (4e0 * nullif({{ n }}, 0) * nullif({{ n }}, 0))
    ) / (1e0 + {{ z95() }} * {{ z95() }} / nullif({{ n }}, 0)))
{%- endmacro %}

{#- Hybrid score interval of the difference of two independent rates (Newcombe 1998, method 10).
    The other rate is the one taken away. -#}
{% macro newcombe_low(rate, low, other_rate, other_high) -%}
    (({{ rate }} - {{ other_rate }}) - sqrt(
        ({{ rate }} - {{ low }}) * ({{ rate }} - {{ low }})
        + ({{ other_high }} - {{ other_rate }}) * ({{ other_high }} - {{ other_rate }})
    ))
{%- endmacro %}

{% macro newcombe_high(rate, high, other_rate, other_low) -%}
    (({{ rate }} - {{ other_rate }}) + sqrt(
        ({{ high }} - {{ rate }}) * ({{ high }} - {{ rate }})
        + ({{ other_rate }} - {{ other_low }}) * ({{ other_rate }} - {{ other_low }})
    ))
{%- endmacro %}

{#- Number of independent trials that carry as much as n clustered ones: p (1 - p) / Var(p), with
    Var(p) = sum of (a_i - p m_i)^2 / (sum of m_i)^2 over students who pass a_i of m_i subjects.
    Never above n (Korn & Graubard 1998). With all or none passed the data show no variance:
    then each student counts once. DuckDB keeps the product of decimals of at most 18 digits within
    18 digits, which a city's cubes do not fit: hence 19. -#}
{% macro effective_n(students, n, passed, squares_passed, products, squares_sat) -%}
    {%- set spread -%}
        (cast({{ n }} as decimal(19, 0)) * cast({{ n }} as decimal(19, 0))
        * cast({{ squares_passed }} as decimal(19, 0))
        - cast({{ passed }} as decimal(19, 0)) * cast({{ n }} as decimal(19, 0))
        * cast({{ products }} as decimal(19, 0))
        - cast({{ passed }} as decimal(19, 0)) * cast({{ n }} as decimal(19, 0))
        * cast({{ products }} as decimal(19, 0))
        + cast({{ passed }} as decimal(19, 0)) * cast({{ passed }} as decimal(19, 0))
        * cast({{ squares_sat }} as decimal(19, 0)))
    {%- endset -%}
    case
        when {{ passed }} = 0 or {{ passed }} = {{ n }} then cast({{ students }} as double)
        when {{ spread }} = 0 then cast({{ n }} as double)
        else least(
            cast({{ n }} as double),
            cast({{ passed }} as double) * cast({{ n }} - {{ passed }} as double)
            * cast({{ n }} as double) * cast({{ n }} as double)
            / cast({{ spread }} as double)
        )
    end
{%- endmacro %}

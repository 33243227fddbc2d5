-- Runs with the model whose intervals it vouches for. depends_on: {{ ref('attainment') }}
-- A failing row is an interval that differs from its published value: Wilson's interval of 81/263
-- (Newcombe 1998, Statistics in Medicine 17:857, table I), and the hybrid interval of the
-- difference 56/70 - 48/80 (ibid. 17:873, table II, method 10).
with rates as (
    select
        cast(81 as double) / 263 as rate,
        cast(56 as double) / 70 as first_rate,
        cast(48 as double) / 80 as second_rate
),

single as (
    select
        rates.*,
        {{ wilson_low('rate', '263e0') }} as low,
        {{ wilson_high('rate', '263e0') }} as high,
        {{ wilson_low('first_rate', '70e0') }} as first_low,
        {{ wilson_high('first_rate', '70e0') }} as first_high,
        {{ wilson_low('second_rate', '80e0') }} as second_low,
        {{ wilson_high('second_rate', '80e0') }} as second_high
    from rates
),

found as (
    select 'wilson low' as figure, low as actual, 0.2553 as expected from single
    union all
    select 'wilson high' as figure, high as actual, 0.3662 as expected from single
    union all
    select
        'newcombe low' as figure,
        {{ newcombe_low('first_rate', 'first_low', 'second_rate', 'second_high') }} as actual,
        0.0524 as expected
    from single
    union all
    select
        'newcombe high' as figure,
        {{ newcombe_high('first_rate', 'first_high', 'second_rate', 'second_low') }} as actual,
        0.3339 as expected
    from single
)

select figure, actual, expected
from found
where abs(actual - expected) > 0.00005

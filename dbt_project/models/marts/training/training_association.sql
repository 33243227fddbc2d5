-- Pearson's correlation over schools, each counting once; shares are taken to 12 digits, so that
-- sums are exact. Interval by Fisher's z.
with scopes as (
    select 'all' as scope
    union all
    select 'stage' as scope
),

points as (
    select
        schools.school_year,
        case scopes.scope when 'all' then 'all' else schools.stage end as stage,
        cast(schools.training_rate as decimal(13, 12)) as x,
        cast(schools.inclass_rate as decimal(13, 12)) as y
    from {{ ref('training_inclass') }} as schools
    cross join scopes
),

sums as (
    select
        school_year,
        stage,
        cast(count(*) as bigint) as schools,
        cast(count(*) as decimal(9, 0)) as n,
        cast(sum(x) as decimal(18, 12)) as x,
        cast(sum(y) as decimal(18, 12)) as y,
        cast(sum(x * x) as decimal(29, 24)) as xx,
        cast(sum(y * y) as decimal(29, 24)) as yy,
        cast(sum(x * y) as decimal(29, 24)) as xy
    from points
    where stage is not null
    group by school_year, stage
),

moments as (
    select
        school_year,
        stage,
        schools,
        cast(n * xx - x * x as double) as spread_x,
        cast(n * yy - y * y as double) as spread_y,
        cast(n * xy - x * y as double) as product
    from sums
),

correlations as (
    select
        *,
        case
            when schools > 2 and spread_x > 0 and spread_y > 0
                then greatest(-1e0, least(1e0, product / sqrt(spread_x * spread_y)))
        end as correlation
    from moments
),

scaled as (
    select
        *,
        case
            when schools > 3 and correlation > -1 and correlation < 1
                then ln((1e0 + correlation) / (1e0 - correlation)) / 2e0
        end as fisher_z,
        case when schools > 3 then {{ z95() }} / sqrt(schools - 3) end as half
    from correlations
)

select
    school_year,
    stage,
    'inclass_rate' as outcome,
    schools,
    correlation,
    {% for end, sign in {'ci_low': '-', 'ci_high': '+'}.items() %}
    (exp(2e0 * (fisher_z {{ sign }} half)) - 1e0) / (exp(2e0 * (fisher_z {{ sign }} half)) + 1e0)
        as {{ end }},
    {% endfor %}
    case
        when schools < {{ var('association_schools') }} then 'association_only_few_schools'
        else 'association_only'
    end as caution
from scaled

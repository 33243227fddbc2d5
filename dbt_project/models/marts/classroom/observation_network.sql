with pairs as (
    select
        school_year,
        observer_school_code,
        school_code as observed_school_code,
        cast(count(*) as bigint) as records,
        cast(sum(lessons) as bigint) as lessons,
        cast(count(distinct observer_code) as bigint) as observers,
        cast(count(distinct teacher_code) as bigint) as teachers
    from {{ ref('fact_observation') }}
    where is_dated and observer_school_code <> school_code
    group by school_year, observer_school_code, school_code
)

select
    pairs.school_year,
    pairs.observer_school_code,
    pairs.observed_school_code,
    pairs.records,
    pairs.lessons,
    pairs.observers,
    pairs.teachers,
    observing.district_code as observer_district_code,
    observed.district_code as observed_district_code,
    observing.locale as observer_locale,
    observed.locale as observed_locale,
    observing.community_code as observer_community_code,
    observed.community_code as observed_community_code,
    coalesce(observing.community_code = observed.community_code, false) as same_community,
    (observing.locale = 'rural') <> (observed.locale = 'rural') as is_rural_link
from pairs
left join {{ ref('int_school_span') }} as observing
    on
        pairs.observer_school_code = observing.school_code
        and pairs.school_year >= observing.first_year
        and pairs.school_year < observing.year_after
left join {{ ref('int_school_span') }} as observed
    on
        pairs.observed_school_code = observed.school_code
        and pairs.school_year >= observed.first_year
        and pairs.school_year < observed.year_after

{{ config(alias='equity') }}

{#- With a withheld school among few students, how far schools lie apart would tell of it: rounded
    as below, what ten students add to the spread of many is lost. -#}
{%- set students_of_a_spread = var('many_from') %}

with figures as (
    select
        equity.*,
        case
            when equity.dimension in ('locale_rural', 'locale_town') then 'locale'
            when equity.measure in ('gradient_within', 'gradient_between') then 'subsidised'
            else equity.dimension
        end as group_kind,
        coalesce(equity.group_a, 'yes') as one_value,
        coalesce(equity.group_b, 'no') as other_value,
        case
            when equity.measure in ('gap_d', 'gap_v') and equity.dimension = 'district'
                then 'district'
            when equity.measure in ('gap_d', 'gap_v', 'gradient_within', 'gradient_between')
                then 'group'
            else 'spread'
        end as family
    from {{ ref('equity') }} as equity
    where
        equity.measure in (
            {% for measure in published_equity_measures() %}
            '{{ measure }}'{{ ',' if not loop.last }}
            {% endfor %}
        )
),

-- Schools whose results are not told, by the unit that they are in.
silent as (
    select
        cells.wave_id,
        cells.grade,
        cells.subject,
        above.level,
        above.unit_code,
        count(*) as schools
    from {{ ref('disclosure_cell') }} as cells
    inner join {{ ref('unit') }} as schools
        on cells.level = schools.level and cells.unit_code = schools.unit_code
    inner join {{ ref('unit') }} as above
        on
            above.level = 'city'
            or (above.level = 'district' and schools.parent_code = above.unit_code)
    where
        cells.topic = 'results'
        and cells.level = 'school'
        and cells.group_kind = 'all'
        and (cells.fate not in ('shown', 'nobody') or cells.is_revised is true)
    group by cells.wave_id, cells.grade, cells.subject, above.level, above.unit_code
),

-- Of the two groups that are compared the smaller, and whether one is withheld where it is told.
compared as (
    select
        figures.wave_id,
        figures.grade,
        figures.subject,
        figures.measure,
        figures.dimension,
        figures.level,
        figures.unit_code,
        count(*) as groups_known,
        min(sizes.n) as fewest,
        count_if(
            cells.fate is not null and (cells.fate <> 'shown' or cells.is_revised is true)
        ) as groups_silent
    from figures
    inner join {{ ref('attainment') }} as sizes
        on
            figures.wave_id = sizes.wave_id
            and figures.grade = sizes.grade
            and figures.subject = sizes.subject
            and figures.level = sizes.level
            and figures.unit_code = sizes.unit_code
            and figures.group_kind = sizes.group_kind
            and sizes.group_value in (figures.one_value, figures.other_value)
    left join {{ ref('disclosure_cell') }} as cells
        on
            cells.topic = 'results'
            and cells.is_published
            and sizes.wave_id = cells.wave_id
            and sizes.grade = cells.grade
            and sizes.subject = cells.subject
            and sizes.level = cells.level
            and sizes.unit_code = cells.unit_code
            and sizes.group_kind = cells.group_kind
            and sizes.group_value = cells.group_value
    where figures.family = 'group'
    group by
        figures.wave_id, figures.grade, figures.subject, figures.measure, figures.dimension,
        figures.level, figures.unit_code
),

-- A district whose results are told, in a city whose results are, is told against the others.
fates as (
    select
        figures.*,
        case figures.family
            when 'group' then compared.fewest
            else figures.n
        end as fewest,
        case figures.family
            when 'group'
                then
                    coalesce(compared.groups_known, 0) < 2
                    or compared.groups_silent > 0
                    or not {{ shown('compared.fewest') }}
            when 'district' then coalesce(cells.fate, '') <> 'shown' or cells.is_revised is true
            else
                coalesce(silent.schools, 0) > 0 and figures.n < {{ students_of_a_spread }}
        end as is_withheld
    from figures
    left join compared
        on
            figures.wave_id = compared.wave_id
            and figures.grade = compared.grade
            and figures.subject = compared.subject
            and figures.measure = compared.measure
            and figures.dimension = compared.dimension
            and figures.level = compared.level
            and figures.unit_code = compared.unit_code
    left join silent
        on
            figures.wave_id = silent.wave_id
            and figures.grade = silent.grade
            and figures.subject = silent.subject
            and figures.level = silent.level
            and figures.unit_code = silent.unit_code
    left join {{ ref('disclosure_cell') }} as cells
        on
            cells.topic = 'results'
            and cells.group_kind = 'all'
            and figures.wave_id = cells.wave_id
            and figures.grade = cells.grade
            and figures.subject = cells.subject
            and figures.level = cells.level
            and figures.unit_code = cells.unit_code
),

{%- set told = "fates.state = 'estimated' and not fates.is_withheld" %}

told as (
    select
        fates.*,
        {% for figure in ['value', 'ci_low', 'ci_high'] %}
        {% set places -%}
            case
                when fates.measure = 'theil_between' then {{ rounded('fates.' ~ figure, 4) }}
                when fates.measure in ('theil', 'theil_within')
                    then
                        case
                            when fates.fewest < {{ 2 * students_of_a_spread }}
                                then {{ rounded('fates.' ~ figure, 3) }}
                            else {{ rounded('fates.' ~ figure, 4) }}
                        end
                else {{ rounded('fates.' ~ figure, 2) }}
            end
        {%- endset -%}
        {{ where_told(told, held(figure, places)) }} as {{ figure }}_told,
        {% endfor %}
        {{ where_told(told, held('stands', stands('fates.ci_low', 'fates.ci_high'), 'string')) }}
            as stands
    from fates
    {{ with_held('fates', 'equity') }}
)

select
    school_year,
    wave_id,
    grade,
    subject,
    measure,
    dimension,
    level,
    unit_code,
    group_a,
    group_b,
    value_told as value,
    ci_low_told as ci_low,
    ci_high_told as ci_high,
    stands,
    case when not is_withheld then reason end as reason,
    case
        when is_withheld then 'c'
        when state <> 'estimated' then 'z'
        when value_told is null then 'c'
        when fewest < {{ var('small_below') }} then 'u'
    end as mark
from told
order by school_year, wave_id, grade, subject, level, unit_code, measure, dimension

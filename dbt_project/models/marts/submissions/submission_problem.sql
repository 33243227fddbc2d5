-- What holds a file up: of a file that was returned its errors, else the queries without an answer.
with waiting as (
    select
        submission_id,
        feed,
        school_year,
        source_file,
        state,
        return_workbook
    from {{ source('ops', 'submission') }}
    where state in ('returned', 'awaiting_explanation')
),

-- A district's code may stand in that of a school, so the school goes first.
named as (
    select
        waiting.submission_id,
        units.level,
        units.unit_code,
        units.parent_code,
        rank() over (partition by waiting.submission_id order by units.level desc nulls last)
            as place
    from waiting
    inner join {{ ref('unit') }} as units
        on units.level <> 'city' and contains(waiting.source_file, units.unit_code)
),

concerned as (
    select
        submission_id,
        level,
        unit_code,
        parent_code
    from named
    where place = 1
    union
    select
        owed.submission_id,
        owed.level,
        owed.unit_code,
        units.parent_code
    from {{ source('ops', 'owed') }} as owed
    inner join waiting on owed.submission_id = waiting.submission_id
    left join {{ ref('unit') }} as units
        on owed.level = units.level and owed.unit_code = units.unit_code
),

counted as (
    select
        submission_id,
        count_if(level = 'city') as of_city,
        count_if(level = 'district') as of_district,
        count_if(level = 'school') as schools,
        min(case when level = 'school' then unit_code end) as school_code,
        count(distinct case level when 'school' then parent_code else unit_code end) as districts,
        min(case level when 'school' then parent_code else unit_code end) as district_code
    from concerned
    group by submission_id
),

-- A file is of the smallest unit that holds all whom it concerns; nobody else is told of it.
owners as (
    select
        waiting.submission_id,
        case
            when counted.submission_id is null or counted.of_city > 0 then 'city'
            when counted.of_district = 0 and counted.schools = 1 then 'school'
            when counted.districts = 1 then 'district'
            else 'city'
        end as level,
        counted.school_code,
        counted.district_code
    from waiting
    left join counted on waiting.submission_id = counted.submission_id
)

select
    waiting.submission_id,
    row_number() over (
        partition by waiting.submission_id
        order by
            problems.sheet asc nulls first, problems.row_first asc nulls first,
            problems.rule asc nulls last, problems.column asc nulls last,
            problems.says_zh asc nulls last
    ) as place,
    waiting.feed,
    waiting.school_year,
    owners.level,
    {{ unit_of('owners.level', 'owners.district_code', 'owners.school_code') }} as unit_code,
    waiting.state,
    waiting.source_file as file,
    waiting.return_workbook,
    problems.severity,
    problems.rule,
    problems.title_zh,
    problems.title_en,
    problems.sheet,
    cast(problems.row_first as bigint) as row_first,
    cast(problems.row_last as bigint) as row_last,
    problems.count as cells,
    problems.column as column_name,
    problems.says_zh,
    problems.says_en
from waiting
inner join owners on waiting.submission_id = owners.submission_id
inner join {{ source('ops', 'problem') }} as problems
    on waiting.submission_id = problems.submission_id
where problems.severity = 'error' or problems.open_query

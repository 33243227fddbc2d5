-- As of the end of the last day with evidence: what is dated after it has not happened yet.
with standing as (
    select
        findings.*,
        evidence.last_day as as_of,
        case when findings.closed_on <= evidence.last_day then findings.closed_on end as ended_on
    from {{ ref('int_finding') }} as findings
    cross join {{ ref('int_evidence_day') }} as evidence
),

judged as (
    select
        *,
        coalesce(ended_on, as_of) as until_day,
        case
            when as_of is null or found_on > as_of then null
            when ended_on <= due_on then 'closed_in_time'
            when ended_on is not null then 'closed_late'
            when due_on <= as_of then 'overdue'
            else 'open'
        end as status
    from standing
)

select
    finding_id,
    district_code,
    school_code,
    school_year,
    handed_in_year,
    found_on,
    due_on,
    closed_on,
    topic,
    as_of,
    status,
    case when status is not null then status in ('closed_in_time', 'closed_late') end as is_closed,
    case when status is not null then status in ('closed_late', 'overdue') end as is_late,
    case
        when status is not null and until_day >= found_on
            then {{ days_between('found_on', 'until_day') }}
    end as days_open,
    case
        when status in ('closed_late', 'overdue') then {{ days_between('due_on', 'until_day') }}
        when status is not null then 0
    end as days_late
from judged

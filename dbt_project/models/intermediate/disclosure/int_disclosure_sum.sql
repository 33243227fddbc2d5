{#- Which cells are parts of what kind of sum, and where the total's key is not the part's. -#}
{%- set sums = [
    (
        'units', 'parent_level is not null',
        {'level': 'parent_level', 'unit_code': 'parent_code'},
    ),
    (
        'papers', "trend_stage <> 'all'",
        {'topic': "'trend'", 'wave_id': "'all'", 'grade': '0', 'stage': 'trend_stage'},
    ),
    (
        'stages', "trend_stage = 'all'",
        {'topic': "'trend'", 'wave_id': "'all'", 'grade': '0'},
    ),
    ('stages', "topic in ('trend', 'students') and stage <> 'all'", {'stage': "'all'"}),
    ('subjects', "topic = 'trend' and subject <> 'all'", {'subject': "'all'"}),
    ('students', "topic = 'trend' and subject <> 'all'", {
        'topic': "'students'", 'subject': "'all'",
    }),
    ('results', "topic = 'students'", {'topic': "'trend'"}),
    ('matched', "topic = 'matched'", {'topic': "'results'"}),
] -%}
{%- for group in published_groups() if group != 'all' -%}
    {%- do sums.append((
        group, "topic = 'results' and group_kind = '" ~ group ~ "'",
        {'group_kind': "'all'", 'group_value': "'all'"},
    )) -%}
{%- endfor -%}
{#- Of these the total is at least each part by itself. -#}
{%- set loose = ['students', 'results', 'matched'] %}

-- How the cells add up, one row a part: the girls and the boys of a school make the school, as its
-- classes do, papers a stage. A bound has one part: results are no fewer than their students. That
-- a unit has nobody is told by the rows which it does not have: nobody is part of nothing.
with cells as (
    select *
    from {{ ref('int_disclosure_cell') }}
    where n > 0
),

parts as (
    {% for kind, condition, changed in sums %}
    select
        '{{ kind }}' as kind,
        {{ 'true' if kind in loose else 'false' }} as is_loose,
        cell_no as part_no,
        n,
        {{ key_of_total(changed) }}
    from cells
    where {{ condition }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

numbered as (
    select
        parts.kind,
        parts.is_loose,
        parts.part_no,
        parts.n,
        totals.cell_no as total_no,
        totals.n as total_n,
        dense_rank() over (
            order by
                parts.kind asc nulls last,
                totals.cell_no asc nulls last,
                case when parts.is_loose then parts.part_no end asc nulls last
        ) as sum_no
    from parts
    inner join cells as totals
        on {{ same_key('parts', 'totals') }}
    -- Who sits a subject in two waves of a year has more results than there are students.
    where not parts.is_loose or totals.n >= parts.n
)

select
    cast(sum_no as bigint) as sum_no,
    kind,
    is_loose,
    total_no,
    part_no,
    case
        when is_loose then cast(0 as bigint)
        else cast(total_n - sum(n) over (partition by sum_no) as bigint)
    end as beyond
from numbered

-- Of sums that tell all of all their members there is nothing to work out.
with withheld as (
    select cell_no
    from {{ ref('disclosure_cell') }}
    where
        fate <> 'shown'
        or last_n is not null
        {% for outcome in ['passed', 'good', 'excellent', 'low'] %}
        or ({{ outcome }} is not null and coalesce({{ outcome }}_told, '') <> 'exact')
        {% endfor %}
),

telling as (
    select sums.sum_no
    from {{ ref('int_disclosure_sum') }} as sums
    inner join withheld on sums.part_no = withheld.cell_no
    union
    select sums.sum_no
    from {{ ref('int_disclosure_sum') }} as sums
    inner join withheld on sums.total_no = withheld.cell_no
)

select
    sums.sum_no,
    sums.kind,
    sums.is_loose,
    sums.total_no,
    sums.part_no,
    sums.beyond
from {{ ref('int_disclosure_sum') }} as sums
inner join telling on sums.sum_no = telling.sum_no

-- How well the prior scores were measured. A paper without item results has no alpha.
with counted as (
    select
        paper_no,
        prior_paper_no,
        count(*) as n
    from {{ ref('int_prior_scores') }}
    where prior_z is not null
    group by paper_no, prior_paper_no
),

-- Each item knows the alpha of its paper.
alphas as (
    select
        papers.paper_no,
        max(items.alpha) as alpha
    from {{ ref('int_item_figures') }} as items
    inner join {{ ref('int_papers') }} as papers
        on
            items.wave_id = papers.wave_id
            and items.grade = papers.grade
            and items.subject = papers.subject
    group by papers.paper_no
)

select
    counted.paper_no,
    counted.prior_paper_no,
    counted.n,
    alphas.alpha
from counted
left join alphas on counted.prior_paper_no = alphas.paper_no

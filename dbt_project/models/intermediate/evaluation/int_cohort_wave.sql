-- The cohort of a paper sat those of its own grade, less the years that have passed, before.
{%- set reach = var('prior_months') %}

select
    papers.paper_no,
    earlier.paper_no as earlier_paper_no,
    earlier.wave_id as earlier_wave_id,
    cast(
        row_number() over (
            partition by papers.paper_no
            order by earlier.held_on desc nulls last, earlier.paper_no desc nulls last
        ) as int
    ) as back
from {{ ref('int_papers') }} as papers
inner join {{ ref('int_papers') }} as earlier
    on
        papers.subject = earlier.subject
        and earlier.wave_level in ('city', 'province')
        and papers.grade - earlier.grade
        = {{ start_year('papers.school_year') }} - {{ start_year('earlier.school_year') }}
        and earlier.held_on >= {{ months_after('papers.held_on', -reach.most) }}
        and earlier.held_on <= {{ months_after('papers.held_on', -reach.least) }}
qualify back <= {{ var('growth_priors') }}

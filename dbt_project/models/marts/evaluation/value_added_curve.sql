{%- set published = var('value_added_models').keys() | first -%}
{%- set extra = var('value_added_models')[published] -%}
{%- set columns = ['prior_z', 'prior_squared', 'others', 'no_others'] -%}
{%- for name in extra if name != 'school_prior' -%}{%- do columns.append(name) -%}{%- endfor %}

with cells as (
    select
        cells.paper_no,
        cells.band,
        cells.n,
        cells.z_sum,
        {% for column in columns %}
        cells.{{ column }}_sum as {{ column }},
        {% endfor %}
        cells.n * {{ ratio('schools.sum_prior_z', 'schools.n') }} as school_prior
    from {{ ref('int_progress_cells') }} as cells
    inner join {{ ref('int_value_added_sums') }} as schools
        on
            cells.paper_no = schools.paper_no
            and cells.school_code = schools.school_code
    -- A paper on which all scores are equal has no z, and no curve.
    where cells.z_sum is not null
),

-- Sums in one order, since means of schools are no exact numbers.
bands as (
    select
        paper_no,
        band,
        sum(n) as n,
        sum(z_sum) as z_sum,
        {% for column in columns %}
        sum({{ column }}) as {{ column }},
        {% endfor %}
        sum(cast(school_prior as decimal(18, 9))) as school_prior
    from cells
    group by paper_no, band
)

select
    papers.school_year,
    papers.wave_id,
    cast(papers.grade as int) as grade,
    papers.subject,
    bands.band,
    cast(bands.n as bigint) as n,
    {{ ratio('bands.prior_z', 'bands.n') }} as mean_prior,
    {{ ratio('bands.z_sum', 'bands.n') }} as mean_z,
    -- A term that was dropped has no coefficient, and adds nothing.
    fits.coefficients[1]
    {%- for column in columns + (['school_prior'] if 'school_prior' in extra else []) %}
    + coalesce(
        fits.coefficients[list_position(fits.terms, '{{ column }}')]
        * {{ ratio('bands.' ~ column, 'bands.n') }},
        case when fits.coefficients[1] is not null then 0e0 end
    )
    {%- endfor %} as fitted_mean
from bands
inner join {{ ref('int_papers') }} as papers on bands.paper_no = papers.paper_no
inner join {{ ref('int_value_added_fits') }} as fits
    on
        bands.paper_no = fits.paper_no
        and fits.model = '{{ published }}'
        and fits.levels = 2

"""Whether effects go with whom the schools teach."""


def model(dbt, session):
    """The correlations of every paper and model."""
    from pipelines import estimates

    return estimates.fairness(
        dbt.ref("int_value_added_fits").to_arrow_table(),
        dbt.ref("int_value_added_school").to_arrow_table(),
    )

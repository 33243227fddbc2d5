"""Value added with and without correction for measurement error of the prior score."""


def model(dbt, session):
    """Every paper's linear model, with the effects of its schools."""
    from pipelines import again, estimates

    return estimates.measurement_error(
        dbt.ref("int_value_added_sums").to_arrow_table(),
        dbt.ref("int_value_added_priors").to_arrow_table(),
        fewest=dbt.config.meta_get("fewest"),
        before=again.of_last_build(session, str(dbt.this)),
    )

"""Growth percentiles from the histories of scores."""


def model(dbt, session):
    """Every paper's students, units and fits."""
    from pipelines import again, estimates

    return estimates.growth(
        dbt.ref("int_score_histories").to_arrow_table(),
        fewest=dbt.config.meta_get("fewest"),
        before=again.of_last_build(session, str(dbt.this)),
    )

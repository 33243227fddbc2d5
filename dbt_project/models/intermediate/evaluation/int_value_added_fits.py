"""Estimates of value added from the sums of the schools."""


def model(dbt, session):
    """Every model of every paper, with the effects of its units."""
    from pipelines import again, estimates

    return estimates.value_added(
        dbt.ref("int_value_added_sums").to_arrow_table(),
        dbt.ref("int_progress_cells").to_arrow_table(),
        models=dbt.config.meta_get("models"),
        fewest=dbt.config.meta_get("fewest"),
        before=again.of_last_build(session, str(dbt.this)),
    )

"""How sure the standing of a school is."""


def model(dbt, session):
    """The checks of every school with scores."""
    from pipelines import estimates

    return estimates.standing(
        dbt.ref("int_value_added_fits").to_arrow_table(),
        dbt.ref("int_value_added_school").to_arrow_table(),
        published=dbt.config.meta_get("published"),
        margin=dbt.config.meta_get("margin"),
    )

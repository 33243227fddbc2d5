"""How severely observers judge, from the lessons that they observed."""


def model(dbt, session):
    """Every school year's observers."""
    from pipelines import again, estimates

    return estimates.severity(
        dbt.ref("int_observed_scores").to_arrow_table(),
        before=again.of_last_build(session, str(dbt.this)),
    )

"""Equity from the cells of schools and the distributions of groups."""


def model(dbt, session):
    """Every measure of every paper, of the city and of its districts."""
    from pipelines import again, estimates

    return estimates.equity(
        dbt.ref("int_equity_cells").to_arrow_table(),
        dbt.ref("int_group_distribution").to_arrow_table(),
        city=dbt.config.meta_get("city"),
        before=again.of_last_build(session, str(dbt.this)),
    )

"""How evenly resources lie over the schools."""


def model(dbt, session):
    """Coefficients of variation of each indicator, of the city and of its districts."""
    from pipelines import estimates

    return estimates.resources(
        dbt.ref("int_resource_cells").to_arrow_table(), city=dbt.config.meta_get("city")
    )

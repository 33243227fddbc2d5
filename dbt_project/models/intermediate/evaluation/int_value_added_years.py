"""Effects of several years joined, and how alike they are."""


def model(dbt, session):
    """Every window of years, with its units and its pairs of years."""
    from pipelines import estimates

    return estimates.years(dbt.ref("int_value_added_annual").to_arrow_table())

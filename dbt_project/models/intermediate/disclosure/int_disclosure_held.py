"""What the release before told of rows that may not move with a few others."""


def model(dbt, session):
    """Of every table with such figures its rows of papers that a few have moved."""
    from pipelines.quality import disclosure

    return disclosure.figures_served(
        dbt.config.meta_get("tables"), dbt.ref("int_disclosure_moved").to_arrow_table()
    )

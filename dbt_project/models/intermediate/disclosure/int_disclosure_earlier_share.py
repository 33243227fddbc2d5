"""What releases before told of how those who passed (or are good, excellent, low) add up."""


def model(dbt, session):
    """Sums of all releases before that hold a withheld share, and are no longer told so."""
    from pipelines.quality import disclosure

    return disclosure.shares_before(
        dbt.ref("int_disclosure_cell").to_arrow_table(),
        dbt.ref("int_disclosure_sum").to_arrow_table(),
        dbt.ref("int_disclosure_persons").to_arrow_table(),
        disclosure.rows_served,
        disclosure.load_rules(),
    )

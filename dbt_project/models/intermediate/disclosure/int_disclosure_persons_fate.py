"""What becomes of every number of persons."""


def model(dbt, session):
    """The fate of every number, so that no withheld one can be worked out."""
    from pipelines import again
    from pipelines.quality import disclosure

    return disclosure.fates_of_persons(
        dbt.ref("int_disclosure_persons").to_arrow_table(),
        disclosure.load_rules(),
        disclosure.rows_served("disclosure_persons"),
        (
            dbt.ref("int_disclosure_earlier").to_arrow_table(),
            dbt.ref("int_disclosure_earlier_share").to_arrow_table(),
        ),
        again.of_last_build(session, str(dbt.this)),
    )

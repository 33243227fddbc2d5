"""What becomes of every number of students."""


def model(dbt, session):
    """The fate of every cell, so that no withheld one can be worked out.

    What is as it was in the release before has its fate of then, since that may have been kept; and
    what all releases before told together is held against what this one tells.
    """
    from pipelines import again
    from pipelines.quality import disclosure

    return disclosure.fates(
        dbt.ref("int_disclosure_cell").to_arrow_table(),
        dbt.ref("int_disclosure_sum").to_arrow_table(),
        disclosure.load_rules(),
        disclosure.rows_served("disclosure_cell"),
        (
            dbt.ref("int_disclosure_earlier").to_arrow_table(),
            dbt.ref("int_disclosure_earlier_share").to_arrow_table(),
        ),
        again.of_last_build(session, str(dbt.this)),
    )

"""Whether rural members of the communities come nearer to those that lead."""


def model(dbt, session):
    """Gaps of every community and of all, year by year, and their slopes."""
    from pipelines import estimates

    return estimates.communities(dbt.ref("int_community_cells").to_arrow_table())

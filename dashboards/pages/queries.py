"""What pages ask of the published layer."""

from collections.abc import Sequence

from dashboards.pages.base import Published, Row, Unit, unit_labels
from dashboards.pages.marks import NOT_APPLICABLE, NOT_REPORTED
from pipelines.wording.labels import STAGE_ORDER, SUBJECT_ORDER, rank

TREND_COLUMNS = (
    "level",
    "unit_code",
    "stage",
    "subject",
    "school_year",
    "students",
    "n",
    "pass_rate",
    "pass_band",
    "pass_low",
    "pass_high",
    "previous_year",
    "year_change_points",
    "year_change_low",
    "year_change_high",
    "baseline_rate",
    "change_points",
    "change_low",
    "change_high",
    "change_percent",
    "pace_rate",
    "status",
    "comparability",
    "mark",
)

CITY = f"""
    select {", ".join(TREND_COLUMNS)}
    from published.pass_rate_trend
    where level = 'city' and unit_code = ?
    order by stage, subject, school_year
"""

DISTRICTS = f"""
    select {", ".join(TREND_COLUMNS)}
    from published.pass_rate_trend
    where level = 'district' and stage = 'all' and subject = 'all' and school_year = ?
    order by unit_code
"""

UNITS = """
    select unit_code, unit_name
    from published.unit
    where level = 'district'
    order by unit_code
"""

REPORTING = """
    select school_year, wave_id, level, unit_code,
        schools_expected, schools_reported, schools_not_reported, files_returned
    from published.reporting
    where school_year = (select max(school_year) from published.reporting)
    order by wave_id, level, unit_code
"""


def city_trend(published: Published, unit: Unit) -> list[Row]:
    """The city's pass rates by stage, subject and school year, in the order of pages."""
    return sorted(
        published.rows(CITY, [unit.code]),
        key=lambda row: (
            rank(row["stage"], STAGE_ORDER),
            rank(row["subject"], SUBJECT_ORDER),
            row["school_year"],
        ),
    )


def reporting_state(published: Published) -> list[Row]:
    """How many schools have reported and how many files were returned, in the newest year."""
    return published.rows(REPORTING)


def district_rates(published: Published, reporting: Sequence[Row], year: str) -> list[Row]:
    """Every district in the order of codes, also those without a figure.

    A row has the columns of the trend, `unit_name`, and `label`: the name, with the code where
    districts share a name.
    """
    names = {row["unit_code"]: row["unit_name"] for row in published.rows(UNITS)}
    known = {row["unit_code"]: row for row in published.rows(DISTRICTS, [year])}
    silent = {
        row["unit_code"]
        for row in reporting
        if row["level"] == "district"
        and row["school_year"] == year
        and row["schools_not_reported"]
        and not row["schools_reported"]
    }
    names = {code: names.get(code, code) for code in sorted(names | known)}
    labels = unit_labels(names)
    rows = []
    for code, name in names.items():
        empty: Row = dict.fromkeys(TREND_COLUMNS) | {
            "level": "district",
            "unit_code": code,
            "stage": "all",
            "subject": "all",
            "school_year": year,
            "mark": NOT_REPORTED if code in silent else NOT_APPLICABLE,
        }
        rows.append({**known.get(code, empty), "unit_name": name, "label": labels[code]})
    return rows

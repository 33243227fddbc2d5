"""What the build writes about itself: the tables of `ops`, and a release's record."""

import json
from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import dagster as dg

from pipelines import intake, quality, release, warehouse
from pipelines.release.build import code_digest
from pipelines.settings import Settings


def submissions_and_problems(
    settings: Settings,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of `ops.submission` and of `ops.problem`."""
    submissions, problems = [], []
    for each in intake.Ledger(settings).submissions():
        found = [intake.Problem(**problem) for problem in each["problems"]]
        submissions.append({**each, "rows": each["rows_read"], "problems": len(found)})
        if each["state"] in ("landed", "returned"):
            ids = {"submission_id": each["submission_id"], "feed": each["feed"]}
            problems += [{**ids, **_without_words(problem).as_dict()} for problem in found]
    problems += [
        # Between two files, so of neither submission alone.
        {"submission_id": "", "feed": problem.file.partition("/")[0], **problem.as_dict()}
        for problem in intake.freeze(settings).problems
    ]
    return submissions, problems


def questions(settings: Settings, findings: Iterable[quality.Finding]) -> list[dict[str, Any]]:
    """Rows of `ops.problem` for what is odd between feeds and over time; never a pupil's words."""
    landed = intake.Ledger(settings).submissions(state="landed")
    ids = {s["source_file"]: s["submission_id"] for s in landed}
    names = [field.name for field in fields(intake.Problem)]
    return [
        {
            "submission_id": ids.get(finding.file, ""),
            "feed": finding.feed,
            **intake.Problem(**{name: getattr(finding, name) for name in names}).as_dict(),
        }
        for finding in findings
    ]


def _without_words(problem: intake.Problem) -> intake.Problem:
    """A problem without what stood in the cell, or in a row taken for the header.

    Somebody's name may stand where it does not belong. Quarantine has the words.
    """
    spoken = problem.column or problem.rule == "missing_column"
    return replace(problem, found="…") if spoken and problem.found else problem


def checks(building: release.Building) -> list[dict[str, Any]]:
    """Rows of `ops.quality_check`: the suites of the feeds, then dbt's tests."""
    suites = [
        {
            "source": "great_expectations",
            "on_table": f"standing.{row['feed']}",
            "on_column": row["column"],
            **row,
        }
        for row in json.loads(building.quality.read_text(encoding="utf-8"))
    ]
    return [*suites, *warehouse.dbt_checks(building.dbt)]


def recorded_suites(building: release.Building) -> list[dict[str, Any]]:
    """The outcome of the suites as a complete release holds them."""
    rows = warehouse.read(
        building.warehouse,
        "select * from ops.quality_check where source = 'great_expectations'",
    )
    return [{**row, "feed": row["on_table"].removeprefix("standing.")} for row in rows]


def headline(building: release.Building) -> list[dict[str, Any]]:
    """The city's published pass rate by school year, all stages and subjects together."""
    return warehouse.read(
        building.warehouse,
        "select school_year, n, pass_rate, pass_low, pass_high, change_points, status "
        "from published.pass_rate_trend "
        "where level = 'city' and stage = 'all' and subject = 'all' order by school_year",
    )


def release_row(
    settings: Settings, building: release.Building, view: intake.Standing
) -> dict[str, Any]:
    """The row of `ops.release`."""
    return {
        "release_id": building.release_id,
        "made_at": datetime.now(UTC).replace(tzinfo=None),
        "inputs": view.digest,
        "code": code_digest(),
        "settings": json.dumps(settings.figures(), ensure_ascii=False, sort_keys=True),
    }


def stages(context: dg.AssetExecutionContext) -> list[dict[str, Any]]:
    """Seconds, rows and bytes of every step of this run so far, as Dagster recorded them."""
    instance, run = context.instance, context.run_id
    told: dict[str, dict[str, int]] = {}
    for entry in instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        event = entry.get_dagster_event()
        metadata = event.step_materialization_data.materialization.metadata
        numbers = told.setdefault(str(event.step_key), {"rows": 0, "bytes": 0, "files": 0})
        for name in numbers:
            value = metadata.get(name) or (
                metadata.get("dagster/row_count") if name == "rows" else None
            )
            numbers[name] += int(value.value) if value else 0
    steps = sorted(instance.get_run_step_stats(run), key=lambda s: s.start_time or 0)
    return [
        {
            "stage": step.step_key,
            "seconds": round(step.end_time - step.start_time, 3),
            **told.get(step.step_key, {}),
        }
        for step in steps
        if step.start_time and step.end_time
    ]


def release_record(
    settings: Settings,
    building: release.Building,
    view: intake.Standing,
    steps: list[dict[str, Any]],
    links: int,
) -> dict[str, Any]:
    """What `release.json` says."""
    submissions = intake.Ledger(settings).submissions()
    outcomes = warehouse.read(
        building.warehouse,
        "select source, count(*) as rules, count(*) filter (where not passed) as failed "
        "from ops.quality_check group by source order by source",
    )
    return {
        "release_id": building.release_id,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs_digest": view.digest,
        "inputs": [
            {
                name: s[name]
                for name in ("feed", "school_year", "source_file", "file_sha256", "state")
            }
            for s in submissions
            if s["state"] in ("landed", "returned")
        ],
        "code": {"version": version("education-quality-monitor"), "digest": code_digest()},
        "settings": settings.figures(),
        "rows": warehouse.row_counts(building.warehouse),
        "standing_rows": view.rows,
        "checks": outcomes,
        "links_followed": links,
        "stages": steps,
    }

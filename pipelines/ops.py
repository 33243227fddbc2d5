"""What the build writes about itself: the tables of `ops`, and a release's record."""

import json
from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pipelines import intake, kept, quality, release, warehouse
from pipelines.feeds import rules
from pipelines.metrics import load_metrics
from pipelines.release import code_digest, software
from pipelines.settings import Settings
from pipelines.wording import translator


def pointed(settings: Settings) -> list[str]:
    """Lists of lessons that write classes in a way that may have lost a zero, as intake noted."""
    landed = intake.Ledger(settings).submissions(
        "lesson_observations", "landed", as_of=settings.as_of_utc
    )
    return [
        s["source_file"] for s in landed if any(p["rule"] == "dotted_class" for p in s["problems"])
    ]


def between(
    view: intake.Standing, findings: Iterable[quality.Finding]
) -> tuple[list[intake.Problem], list[intake.Problem]]:
    """The queries between files and over time, and notes on how many more there are.

    A query is of the file that it names, a note of a feed's school year; neither names a pupil.
    """
    names = [field.name for field in fields(intake.Problem)]
    found = [intake.Problem(**{name: getattr(one, name) for name in names}) for one in findings]
    queries = [problem for problem in found if problem.severity == "query"]
    return [*view.problems, *queries], [p for p in found if p.severity != "query"]


def ask(
    settings: Settings,
    building: release.Building,
    queries: list[intake.Problem] | None = None,
) -> None:
    """Ask the queries between files, unless they are those of the past.

    They stay with the release, so that one that is used again (`queries` is none) asks its own.
    """
    if queries is None:
        told = json.loads(building.questions.read_text(encoding="utf-8"))
        queries = [intake.Problem(**problem) for problem in told]
    else:
        told = json.dumps([asdict(problem) for problem in queries], ensure_ascii=False)
        building.questions.write_text(told, encoding="utf-8")
    if not settings.as_of:
        intake.ask(settings, queries)


def submissions_and_problems(
    settings: Settings, queries: list[intake.Problem], notes: list[intake.Problem]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of `ops.submission`, of `ops.problem` and of `ops.owed`.

    They are read in the release that is being made: what it is made from is published in it.

    Args:
        settings: the home.
        queries: those between files that the release found.
        notes: what else it has to say of them.
    """
    # Of a moment of the past: what had been published then.
    states = intake.submissions(settings, queries, releasing=not settings.as_of)
    problems = [
        {"submission_id": "", "feed": note.file.partition("/")[0], **_told(note)} for note in notes
    ]
    for file in states:
        if file.present:
            ids = {"submission_id": file.submission_id, "feed": file.feed}
            found = [(each, _without_words(intake.Problem(**each))) for each in file.problems]
            found += [(each, intake.Problem(**each)) for each in file.asked]
            problems += [
                {**ids, **_told(told), "open_query": file.awaits(each)} for each, told in found
            ]
    owed = [asdict(each) for each in intake.owed(settings, states)]
    rows = [{**file.as_row(), "return_workbook": intake.return_name(file)} for file in states]
    return rows, problems, owed


def made_with(settings: Settings) -> list[dict[str, Any]]:
    """Rows of `ops.made_with`: software that decides figures and pages, and the settings."""
    return [
        *(
            {"kind": "software", "name": name, "value": number}
            for name, number in software().items()
        ),
        *(
            {"kind": "setting", "name": name, "value": json.dumps(value, ensure_ascii=False)}
            for name, value in settings.figures().items()
        ),
    ]


def metrics() -> list[dict[str, Any]]:
    """Rows of `ops.metric`: what each published figure is called and how it is worked out."""
    entries = load_metrics().values()
    return [{"place": place, **entry.model_dump()} for place, entry in enumerate(entries, 1)]


def record_published(settings: Settings) -> int:
    """Tell the ledger what the release that is served was made from; answers how much is new."""
    served = release.current(settings)
    if served is None:
        return 0
    files = [
        (entry["source_file"], entry["file_sha256"])
        for entry in release.show(settings, served)["inputs"]
        if entry["state"] == "landed"
    ]
    return intake.published(settings, served, files)


def _told(problem: intake.Problem) -> dict[str, Any]:
    """A problem with what its rule is called, and what is the matter without where."""
    title = rules()[problem.rule].title
    return {
        **problem.as_dict(),
        "title_zh": translator("zh").gettext(title),
        "title_en": title,
        "says_zh": problem.says("zh"),
        "says_en": problem.says("en"),
    }


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
    return [*suites, *kept.made(building).tests.values()]


def recorded_suites(building: release.Building) -> list[dict[str, Any]]:
    """The outcome of the suites as a complete release holds them."""
    rows = warehouse.read(
        building.warehouse,
        "select * from ops.quality_check where source = 'great_expectations'",
    )
    return [{**row, "feed": row["on_table"].removeprefix("standing.")} for row in rows]


def recorded_tests(building: release.Building) -> list[dict[str, Any]]:
    """The outcome of dbt's tests as a complete release holds them."""
    return warehouse.read(
        building.warehouse, "select * from ops.quality_check where source = 'dbt'"
    )


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
        "as_of": settings.as_of_utc,
        "inputs": view.digest,
        "code": code_digest(),
        "software": ", ".join(f"{name} {number}" for name, number in software().items()),
        "settings": json.dumps(settings.figures(), ensure_ascii=False),
    }


def stages(context: dg.AssetExecutionContext) -> list[dict[str, Any]]:
    """Seconds, rows, bytes, files of every step of this run so far, and what was used again.

    Used again are files of a feed, tables and pages, each as Dagster recorded it.
    """
    instance, run = context.instance, context.run_id
    told: dict[str, dict[str, int]] = {}
    for entry in instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        event = entry.get_dagster_event()
        metadata = event.step_materialization_data.materialization.metadata
        nothing = {"rows": 0, "bytes": 0, "files": 0, "reused": 0}
        numbers = told.setdefault(str(event.step_key), nothing)
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
    submissions = [file for file in intake.submissions(settings) if file.present]
    moment = settings.as_of_utc
    outcomes = warehouse.read(
        building.warehouse,
        "select source, count(*) as rules, count(*) filter (where not passed) as failed "
        "from ops.quality_check group by source order by source",
    )
    return {
        "release_id": building.release_id,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        # The moment whose figures these are, UTC; none where it is that of the making.
        "as_of": moment and moment.replace(tzinfo=UTC).isoformat(),
        "inputs_digest": view.digest,
        "inputs": [
            {
                "feed": file.feed,
                "school_year": file.school_year,
                "source_file": file.source_file,
                "file_sha256": file.file_sha256,
                "state": "landed" if file.stands else file.state,
            }
            for file in submissions
        ],
        "code": {
            "version": software()["education-quality-monitor"],
            "digest": code_digest(),
            "software": software(),
        },
        "settings": settings.figures(),
        "rows": warehouse.row_counts(building.warehouse),
        "standing_rows": view.rows,
        "checks": outcomes,
        "links_followed": links,
        "stages": steps,
        "models": [
            {"model": name.split(".")[-1], "seconds": own}
            for name, own in warehouse.seconds(building.dbt).items()
            if name.startswith("model.")
        ],
    }

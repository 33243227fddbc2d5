"""What stands where: feeds, submissions, the release that is served, the next run."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from pipelines import intake, release, retention, warehouse
from pipelines.feeds import load_contracts
from pipelines.settings import Settings

HEARTBEAT_SECONDS = 300
"""A scheduler that has not been heard of for so long is not running."""
NAMED = 3
"""So many units are named in a summary."""


@dataclass(frozen=True)
class FeedStatus:
    """One feed."""

    feed: str
    files: int
    """Files in the raw folder now."""
    landed: int
    refused: int
    rows: int
    """Rows landed of the files that stand."""
    newest: datetime | None
    """Arrival of the newest file that stands, UTC."""


@dataclass(frozen=True)
class ReleaseStatus:
    """The release that is served."""

    release_id: str
    made_at: str
    files: int
    checks: int
    failed_checks: int


@dataclass(frozen=True)
class OwedStatus:
    """What all units together owe of one feed, in one school year or wave."""

    feed: str
    school_year: str
    wave_id: str
    due_on: date
    due_assumed: bool
    """Whether that day is only assumed."""
    level: str
    """Who owes it: city, district or school."""
    expected: int
    not_submitted: int
    returned: int
    overdue: int
    names: list[str]
    """The first few units that are late; of none the first that have not handed in."""


@dataclass(frozen=True)
class Status:
    """The whole."""

    feeds: list[FeedStatus]
    states: dict[str, int]
    """Files by state of the workflow, those of nought left out."""
    waiting: list[dict[str, Any]]
    """Files that wait for somebody: refused, or with a query that is not answered."""
    files: list[dict[str, Any]]
    """Every file that counts, with its state."""
    owed: list[intake.Owed]
    owing: list[OwedStatus]
    """`owed` in short, where something is missing, what is due last first."""
    release: ReleaseStatus | None
    over: list[retention.Due]
    """School years whose time is over, by the setting `retention_years`; they stay until told."""
    missing: list[tuple[str, str, int, int]]
    """Feed, school year, schools that reported, schools expected: where some have not."""
    last_run: tuple[str, datetime] | None
    """How the last build ended (SUCCESS, FAILURE, …) and when it started, UTC; none before any."""
    next_run: datetime
    scheduler_running: bool


def status(settings: Settings) -> Status:
    """The state of a home; of a new one it makes the empty ledger, and nothing else."""
    states = [file for file in intake.submissions(settings) if file.present]
    owed = intake.owed(settings, states)
    feeds = []
    files = intake.files_by_feed(settings)
    for name in load_contracts():
        own = [file for file in states if file.feed == name]
        landed = [file for file in own if file.state != "returned"]
        feeds.append(
            FeedStatus(
                name,
                files.get(name, 0),
                len(landed),
                len(own) - len(landed),
                sum(file.rows_landed for file in landed),
                max((file.received_at for file in landed), default=None),
            )
        )
    counted = Counter(file.state for file in states)
    known = {(file.feed, file.source_file) for file in states}
    counted["checking"] += sum(where not in known for where in intake.in_hand(settings))
    rows = [file.as_row() for file in states]
    served = release.current(settings)
    last_run, running = _dagster(settings)
    return Status(
        feeds,
        {state: counted[state] for state in intake.STATES if counted[state]},
        [row for row in rows if row["state"] in ("returned", "awaiting_explanation")],
        rows,
        owed,
        _owing(owed),
        _release(settings, served) if served else None,
        retention.due(settings),
        _missing(settings) if served else [],
        last_run,
        next_run(settings, datetime.now(ZoneInfo(settings.time_zone))),
        running,
    )


def next_run(settings: Settings, now: datetime) -> datetime:
    """When the nightly build starts next, in the city's time."""
    hour, minute = map(int, settings.nightly_at.split(":"))
    today = now.astimezone(ZoneInfo(settings.time_zone)).replace(
        hour=hour, minute=minute, second=0, microsecond=0
    )
    return today if today > now else today + timedelta(days=1)


def _owing(owed: list[intake.Owed]) -> list[OwedStatus]:
    groups: dict[tuple[str, str, str], list[intake.Owed]] = {}
    for one in owed:
        groups.setdefault((one.feed, one.school_year, one.wave_id), []).append(one)
    owing = []
    for (feed, year, wave), own in groups.items():
        missing = [one for one in own if one.state == "not_submitted"]
        returned = [one for one in own if one.state == "returned"]
        late = [one for one in own if one.overdue]
        if missing or returned:
            named = [one.unit_name or one.unit_code for one in late or missing or returned]
            owing.append(
                OwedStatus(
                    feed, year, wave, own[0].due_on, own[0].due_assumed, own[0].level, len(own),
                    len(missing), len(returned), len(late), named[:NAMED],
                )
            )  # fmt: skip
    return sorted(owing, key=lambda o: (o.due_on, o.feed), reverse=True)


def _release(settings: Settings, name: str) -> ReleaseStatus:
    record = release.show(settings, name)
    return ReleaseStatus(
        name,
        record["made_at"],
        len(record["inputs"]),
        sum(c["rules"] for c in record["checks"]),
        sum(c["failed"] for c in record["checks"]),
    )


def _missing(settings: Settings) -> list[tuple[str, str, int, int]]:
    rows = warehouse.read(
        settings.current / "warehouse.duckdb",
        "select school_year, wave_id, schools_reported, schools_expected from marts.reporting "
        "where level = 'city' and schools_not_reported > 0 order by school_year, wave_id",
    )
    return [
        (f"monitoring_results {r['wave_id']}", r["school_year"], r["schools_reported"],
         r["schools_expected"])
        for r in rows
    ]  # fmt: skip


def _dagster(settings: Settings) -> tuple[tuple[str, datetime] | None, bool]:
    """The last run, and whether a scheduler is running."""
    if not (settings.dagster / "dagster.yaml").exists():
        return None, False
    import dagster as dg

    try:
        with dg.DagsterInstance.from_config(str(settings.dagster)) as instance:
            beat = instance.get_daemon_heartbeats().get("SCHEDULER")
            records = instance.get_run_records(limit=1)
    except sa.exc.SQLAlchemyError:  # a full disk: then nothing runs either
        return None, False
    now = datetime.now().timestamp()
    running = beat is not None and now - beat.timestamp < HEARTBEAT_SECONDS
    if not records:
        return None, running
    return (records[0].dagster_run.status.value, records[0].create_timestamp), running

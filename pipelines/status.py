"""What stands where: feeds, submissions, the release that is served, the next run."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from pipelines import intake, release, warehouse
from pipelines.feeds import load_contracts
from pipelines.settings import Settings

HEARTBEAT_SECONDS = 300
"""A scheduler that has not been heard of for so long is not running."""


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
class Status:
    """The whole."""

    feeds: list[FeedStatus]
    release: ReleaseStatus | None
    missing: list[tuple[str, str, int, int]]
    """Feed, school year, schools that reported, schools expected: where some have not."""
    last_run: tuple[str, datetime] | None
    """How the last build ended (SUCCESS, FAILURE, …) and when it started, UTC; none before any."""
    next_run: datetime
    scheduler_running: bool


def status(settings: Settings) -> Status:
    """The state of a home; of a new one it makes the empty ledger, and nothing else."""
    submissions = intake.Ledger(settings).submissions()
    feeds = []
    files = intake.files_by_feed(settings)
    for name in load_contracts():
        own = [s for s in submissions if s["feed"] == name]
        landed = [s for s in own if s["state"] == "landed"]
        feeds.append(
            FeedStatus(
                name,
                files.get(name, 0),
                len(landed),
                sum(s["state"] == "returned" for s in own),
                sum(s["rows_landed"] for s in landed),
                max((s["received_at"] for s in landed), default=None),
            )
        )
    served = release.current(settings)
    last_run, running = _dagster(settings)
    return Status(
        feeds,
        _release(settings, served) if served else None,
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

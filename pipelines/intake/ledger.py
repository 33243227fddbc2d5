"""The ledger: every submission that ever arrived, its state, and what was wrong with it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipelines.intake.problems import Problem
from pipelines.settings import Settings

METADATA = sa.MetaData()

SUBMISSION = sa.Table(
    "submission",
    METADATA,
    sa.Column("submission_id", sa.String(16), primary_key=True),
    sa.Column("feed", sa.String(40), nullable=False, index=True),
    sa.Column("school_year", sa.String(9), nullable=False),
    sa.Column("source_file", sa.Text, nullable=False),
    sa.Column("file_sha256", sa.String(64), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("rows_read", sa.Integer, nullable=False),
    sa.Column("rows_landed", sa.Integer, nullable=False),
    sa.Column("problems", sa.JSON, nullable=False),
    sa.Column("received_at", sa.DateTime, nullable=False),
)


class Ledger:
    """Submissions in a database: SQLite in the home, or Postgres by an address.

    States: `landed` (its rows stand), `returned` (refused), `replaced` (a newer version of the
    same path stands), `withdrawn` (no longer in the raw folder).
    """

    def __init__(self, settings: Settings) -> None:
        url = sa.make_url(settings.ledger)
        if url.database and url.get_backend_name() == "sqlite":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._engine = sa.create_engine(url)
        METADATA.create_all(self._engine)

    def submissions(
        self, feed: str | None = None, state: str | None = None
    ) -> list[dict[str, Any]]:
        """Submissions of a feed in a state (all by default), by path and time."""
        query = sa.select(SUBMISSION).order_by(
            SUBMISSION.c.feed, SUBMISSION.c.source_file, SUBMISSION.c.received_at
        )
        if feed is not None:
            query = query.where(SUBMISSION.c.feed == feed)
        if state is not None:
            query = query.where(SUBMISSION.c.state == state)
        with self._engine.connect() as con:
            return [dict(row) for row in con.execute(query).mappings()]

    def record(self, rows: Iterable[dict[str, Any]], states: dict[str, str]) -> None:
        """Add or renew submissions, then set the states of others, in one transaction."""
        added = list(rows)
        with self._engine.begin() as con:
            if added:
                same = SUBMISSION.c.submission_id == sa.bindparam("renewed")
                con.execute(
                    sa.delete(SUBMISSION).where(same),
                    [{"renewed": row["submission_id"]} for row in added],
                )
                con.execute(sa.insert(SUBMISSION), added)
            for submission_id, state in states.items():
                con.execute(
                    sa.update(SUBMISSION)
                    .where(SUBMISSION.c.submission_id == submission_id)
                    .values(state=state)
                )


def arrival(submission: Mapping[str, Any]) -> tuple[datetime, str, str]:
    """Sorts submissions as they arrived, the newest last.

    Of files that arrived together the later by name counts as the newer, so that `成绩-更正.csv`
    comes after `成绩.csv`: what a copy changes, such as a file's own time, decides nothing.
    """
    path = submission["source_file"]
    return submission["received_at"], path.rpartition(".")[0] or path, path


def now() -> datetime:
    """The time of arrival, UTC, to the microsecond."""
    return datetime.now(UTC).replace(tzinfo=None)


def as_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Problems as the ledger keeps them; `Problem(**each)` gives them back."""
    return [asdict(p) for p in problems]

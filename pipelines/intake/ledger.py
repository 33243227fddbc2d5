"""The ledger: every submission that ever arrived, every event of it, and what was wrong with it.

`submission` holds one row a reading of a file (the same bytes read under other code or against
other registers are another reading). Its `state` says whether its rows stand:

- `landed`: its rows stand,
- `returned`: it was refused and lies in the raw folder,
- `replaced`: something newer stands in its place,
- `withdrawn`: taken out of the raw folder, or taken back by somebody.

`event` is append-only: each change of that state, and what happened to the bytes handed in on
their way (`pipelines.intake.states` derives from it where a file is in the workflow). As every
change is an event, the ledger tells what stood at any moment since its beginning.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipelines.intake.problems import Problem
from pipelines.settings import Settings

METADATA = sa.MetaData()
MACHINE = "eqm"
"""Who causes what no person caused."""
STANDING = ("landed", "returned", "replaced", "withdrawn")
"""States of a submission; each change of them is an event."""
PRESENT = ("landed", "returned")
"""States of submissions that count: their rows stand, or they wait to be mended."""
BATCH = 500
"""So many values stand in one SQL list."""

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
    # Ledgers made before these columns have them empty.
    sa.Column("sheets", sa.JSON, nullable=True, default=list),
    # Rows left out of what was read, since their students are forgotten.
    sa.Column("rows_forgotten", sa.Integer, nullable=True, default=0),
)
HEAVY = ("problems", "sheets")
"""Columns that most questions do without."""

EVENT = sa.Table(
    "event",
    METADATA,
    sa.Column("event_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("by", sa.String(100), nullable=False),
    sa.Column("state", sa.String(30), nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("feed", sa.String(40), nullable=False, default="", index=True),
    sa.Column("source_file", sa.Text, nullable=False, default=""),
    sa.Column("file_sha256", sa.String(64), nullable=False, default=""),
    sa.Column("submission_id", sa.String(16), nullable=False, default="", index=True),
    # Of a change of standing: the arrival that decides which of two files is the newer.
    sa.Column("received_at", sa.DateTime, nullable=True),
    sa.Column("detail", sa.JSON, nullable=True),
)

CARRIES = sa.Table(
    "carries",
    METADATA,
    sa.Column("submission_id", sa.String(16), nullable=False, index=True),
    sa.Column("wave_id", sa.Text, nullable=False),
    sa.Column("unit_code", sa.Text, nullable=False),
)
"""Whose rows a landed submission holds: schools and districts (empty: nobody's), by wave."""

SEEN = sa.Table(
    "seen",
    METADATA,
    sa.Column("source_file", sa.Text, primary_key=True),
    sa.Column("feed", sa.String(40), nullable=False, index=True),
    sa.Column("stat", sa.Text, nullable=False),
    sa.Column("file_sha256", sa.String(64), nullable=False),
    # Of a path that holds a name: what it is known by.
    sa.Column("path_key", sa.String(32), nullable=True),
)
"""The raw folder as the last scan found it, so that unchanged files are not hashed again."""
NAMING = (SUBMISSION, EVENT, SEEN)
"""Tables that name files by their paths."""


class Ledger:
    """Submissions and events in a database: SQLite in the home, or Postgres by an address.

    An older ledger is brought to the present form when it is opened.
    """

    def __init__(self, settings: Settings) -> None:
        url = sa.make_url(settings.ledger)
        if url.database and url.get_backend_name() == "sqlite":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._engine = sa.create_engine(url)
        METADATA.create_all(self._engine)
        self._migrate()

    def _migrate(self) -> None:
        """Add the columns that an older ledger lacks, and the events that it did not keep."""
        look = sa.inspect(self._engine)
        missing = []
        for table in (SUBMISSION, SEEN):
            have = {column["name"] for column in look.get_columns(table.name)}
            missing += [column for column in table.columns if column.name not in have]
        with self._engine.begin() as con:
            for column in missing:
                kind = column.type.compile(self._engine.dialect)
                add = f"alter table {column.table.name} add column {column.name} {kind}"
                con.execute(sa.text(add))
            eventless = con.execute(sa.select(EVENT.c.event_id).limit(1)).first() is None
            if eventless:
                query = sa.select(SUBMISSION).order_by(SUBMISSION.c.received_at)
                old = con.execute(query).mappings()
                events = list(_reconstructed([dict(row) for row in old]))
                if events:
                    con.execute(sa.insert(EVENT), events)

    def submissions(
        self,
        feed: str | None = None,
        state: str | None = None,
        as_of: datetime | None = None,
        full: bool = True,
    ) -> list[dict[str, Any]]:
        """Submissions of a feed in a state (all by default), by path and time.

        Args:
            feed: its name.
            state: whether the rows stand, as the module says.
            as_of: the moment to tell of (UTC); later arrivals are left out, states and times of
                arrival are those of then.
            full: with problems and sheets, which may be large.
        """
        columns: dict[str, sa.ColumnElement[Any]] = {
            c.name: c for c in SUBMISSION.columns if full or c.name not in HEAVY
        }
        source: sa.FromClause = SUBMISSION
        if as_of is not None:
            nth = sa.func.row_number().over(
                partition_by=EVENT.c.submission_id, order_by=EVENT.c.event_id.desc()
            )
            ranked = (
                sa.select(EVENT.c.submission_id, EVENT.c.state, EVENT.c.received_at, nth.label("n"))
                .where(EVENT.c.state.in_(STANDING), EVENT.c.submission_id != "")
                .where(EVENT.c.at <= as_of)
                .subquery()
            )
            last = sa.select(ranked).where(ranked.c.n == 1).subquery()
            source = SUBMISSION.join(last, SUBMISSION.c.submission_id == last.c.submission_id)
            columns |= {"state": last.c.state, "received_at": last.c.received_at}
        query = (
            sa.select(*(column.label(name) for name, column in columns.items()))
            .select_from(source)
            .order_by(columns["feed"], columns["source_file"], columns["received_at"])
        )
        if feed is not None:
            query = query.where(columns["feed"] == feed)
        if state is not None:
            query = query.where(columns["state"] == state)
        with self._engine.connect() as con:
            found = [dict(row) for row in con.execute(query).mappings()]
        for row in found if full else ():
            row["sheets"] = row["sheets"] or []
        for row in found:
            row["rows_forgotten"] = row["rows_forgotten"] or 0
        return found

    def record(
        self,
        rows: Iterable[dict[str, Any]],
        states: Mapping[str, str],
        *,
        arrived: Mapping[str, datetime] | None = None,
        carries: Mapping[str, Iterable[tuple[str, str]]] | None = None,
        by: str = MACHINE,
        reason: str = "",
    ) -> None:
        """Add or renew submissions, set the states of others, and tell of both as events.

        Args:
            rows: submissions, whole.
            states: submission → its new state.
            arrived: submission → when it arrived (again).
            carries: submission → the (wave, unit) pairs of its rows.
            by: who caused the states.
            reason: why.
        """
        added = [{"sheets": [], "rows_forgotten": 0, **row} for row in rows]
        at = now()
        with self._engine.begin() as con:
            if added:
                same = SUBMISSION.c.submission_id == sa.bindparam("renewed")
                renewed = [{"renewed": row["submission_id"]} for row in added]
                con.execute(sa.delete(SUBMISSION).where(same), renewed)
                con.execute(sa.insert(SUBMISSION), added)
            for moment in _pairs(arrived or {}, "arrived"):
                con.execute(
                    sa.update(SUBMISSION)
                    .where(SUBMISSION.c.submission_id == sa.bindparam("its_id"))
                    .values(received_at=sa.bindparam("arrived")),
                    moment,
                )
            for change in _pairs(states, "became"):
                con.execute(
                    sa.update(SUBMISSION)
                    .where(SUBMISSION.c.submission_id == sa.bindparam("its_id"))
                    .values(state=sa.bindparam("became")),
                    change,
                )
            for ids in _batches([*states, *(row["submission_id"] for row in added)]):
                one = SUBMISSION.c.submission_id
                told = sa.select(
                    sa.literal(at), sa.literal(by), SUBMISSION.c.state, sa.literal(reason),
                    SUBMISSION.c.feed, SUBMISSION.c.source_file, SUBMISSION.c.file_sha256, one,
                    SUBMISSION.c.received_at,
                ).where(one.in_(ids)).order_by(SUBMISSION.c.received_at, one)  # fmt: skip
                names = (
                    "at", "by", "state", "reason", "feed", "source_file", "file_sha256",
                    "submission_id", "received_at",
                )  # fmt: skip
                con.execute(sa.insert(EVENT).from_select(names, told, include_defaults=False))
            if carries:
                for ids in _batches(carries):
                    con.execute(sa.delete(CARRIES).where(CARRIES.c.submission_id.in_(ids)))
                held = [
                    {"submission_id": one, "wave_id": wave, "unit_code": unit}
                    for one, pairs in carries.items()
                    for wave, unit in pairs
                ]
                if held:
                    con.execute(sa.insert(CARRIES), held)

    def tell(self, events: Iterable[Mapping[str, Any]], by: str = MACHINE) -> None:
        """Append events that change no rows' standing; each needs `state`, the rest as it fits."""
        blank = {
            "reason": "", "feed": "", "source_file": "", "file_sha256": "", "submission_id": "",
            "received_at": None, "detail": None,
        }  # fmt: skip
        at = now()
        told = [{**blank, "at": at, "by": by, **event} for event in events]
        if told:
            with self._engine.begin() as con:
                con.execute(sa.insert(EVENT), told)

    def end_forgetting(self, event: Mapping[str, Any], landed: Mapping[str, int]) -> None:
        """A student is forgotten: files are known with the rows that they have now.

        Which files held the student is known no more.

        Args:
            event: that of the forgetting; its detail says under `files` of how many records each
                was freed: lists of feed, school year, submission, records.
            landed: submission → rows that are landed of it now.
        """
        detail = dict(event["detail"])
        gone = {one: records for _, _, one, records in detail.pop("files")}
        own = EVENT.c.event_id == event["event_id"]
        blank = {"reason": "", "feed": "", "source_file": "", "file_sha256": "",
                 "submission_id": "", "received_at": None}  # fmt: skip
        told = {"at": now(), "by": MACHINE, "state": "forgotten",
                "detail": {"event_id": event["event_id"]}}  # fmt: skip
        already = sa.func.coalesce(SUBMISSION.c.rows_forgotten, 0)
        with self._engine.begin() as con:
            self._overwrite(con)
            for one, rows in landed.items():
                con.execute(
                    sa.update(SUBMISSION)
                    .where(SUBMISSION.c.submission_id == one)
                    .values(rows_landed=rows, rows_forgotten=already + gone.get(one, 0))
                )
            con.execute(sa.update(EVENT).where(own).values(detail=detail))
            con.execute(sa.insert(EVENT), [{**blank, **told}])

    def strip(self, submissions: Collection[str]) -> None:
        """Of these, what was found in their cells and sheets is known no more."""
        with self._engine.begin() as con:
            self._overwrite(con)
            for ids in _batches(submissions):
                own = SUBMISSION.c.submission_id.in_(ids)
                con.execute(sa.update(SUBMISSION).where(own).values(problems=[], sheets=[]))
                asked = EVENT.c.submission_id.in_(ids) & (EVENT.c.state == "asked")
                con.execute(sa.update(EVENT).where(asked).values(detail=[]))

    def _overwrite(self, con: sa.Connection) -> None:
        """What is overwritten in this transaction must not be found in the file."""
        if self._engine.dialect.name == "sqlite":
            con.exec_driver_sql("pragma secure_delete = on")

    def events(
        self,
        states: Collection[str] | None = None,
        feed: str | None = None,
        source_file: str | None = None,
        as_of: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Events as they happened: of these states, a feed, a file; up to a moment (UTC)."""
        query = sa.select(EVENT).order_by(EVENT.c.event_id)
        if states is not None:
            query = query.where(EVENT.c.state.in_(list(states)))
        if feed is not None:
            query = query.where(EVENT.c.feed == feed)
        if source_file is not None:
            query = query.where(EVENT.c.source_file == source_file)
        if as_of is not None:
            query = query.where(EVENT.c.at <= as_of)
        with self._engine.connect() as con:
            return [dict(row) for row in con.execute(query).mappings()]

    def begins_at(self) -> datetime | None:
        """Time of the first event (UTC); none in a new ledger."""
        with self._engine.connect() as con:
            return con.execute(sa.select(sa.func.min(EVENT.c.at))).scalar()

    def carried(self) -> list[tuple[str, str, str]]:
        """Submission, wave and unit of all landed rows, standing or not."""
        with self._engine.connect() as con:
            return [(str(s), str(w), str(u)) for s, w, u in con.execute(sa.select(CARRIES))]

    def seen(self, feed: str) -> dict[str, tuple[str, str]]:
        """Path → (stat, SHA-256) of a feed's files as the last scan found them."""
        query = sa.select(SEEN).where(SEEN.c.feed == feed)
        with self._engine.connect() as con:
            rows = con.execute(query).mappings()
            return {row["source_file"]: (row["stat"], row["file_sha256"]) for row in rows}

    def named(self, feed: str | None = None) -> dict[str, str]:
        """What paths that hold a name are known by → how they are told; of one feed or all."""
        query = sa.select(SEEN.c.path_key, SEEN.c.source_file).where(SEEN.c.path_key.is_not(None))
        if feed is not None:
            query = query.where(SEEN.c.feed == feed)
        with self._engine.connect() as con:
            return {str(key): str(told) for key, told in con.execute(query)}

    def rename(self, told: Mapping[str, str]) -> None:
        """From now on files go by other paths, as if they had never gone by the earlier ones."""
        with self._engine.begin() as con:
            self._overwrite(con)
            for table in NAMING:
                for before, after in told.items():
                    con.execute(
                        sa.update(table)
                        .where(table.c.source_file == before)
                        .values(source_file=after)
                    )

    def keep_seen(
        self,
        feed: str,
        before: Mapping[str, tuple[str, str]],
        after: Mapping[str, tuple[str, str]],
        named: Mapping[str, str],
    ) -> None:
        """Keep what a scan found; only what differs from the scan before is written.

        Args:
            feed: whose files these are.
            before: what the scan before found.
            after: what this one found.
            named: path as it is told → what it is known by, where it holds a name.
        """
        over = [name for name, value in before.items() if after.get(name) != value]
        new = [
            {
                "source_file": name,
                "feed": feed,
                "stat": stat,
                "file_sha256": digest,
                "path_key": named.get(name),
            }
            for name, (stat, digest) in after.items()
            if before.get(name) != (stat, digest)
        ]
        with self._engine.begin() as con:
            for names in _batches(over):
                con.execute(sa.delete(SEEN).where(SEEN.c.source_file.in_(names)))
            if new:
                con.execute(sa.insert(SEEN), new)


def _batches(values: Iterable[str]) -> Iterable[list[str]]:
    whole = list(values)
    return [whole[i : i + BATCH] for i in range(0, len(whole), BATCH)]


def _pairs(values: Mapping[str, Any], name: str) -> list[list[dict[str, Any]]]:
    """Parameters of one `executemany`; no list at all where there are none."""
    rows = [{"its_id": one, name: value} for one, value in values.items()]
    return [rows] if rows else []


def _reconstructed(old: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Events of a ledger that kept none: outcomes at arrival, ends at the next arrival, or now."""
    reason = "an earlier ledger kept no events"
    for row in old:
        event = {
            "at": row["received_at"], "by": MACHINE, "reason": reason, "feed": row["feed"],
            "source_file": row["source_file"], "file_sha256": row["file_sha256"],
            "submission_id": row["submission_id"], "received_at": row["received_at"],
            "detail": None,
        }  # fmt: skip
        yield {**event, "state": "landed" if row["rows_landed"] else "returned"}
        if row["state"] in ("replaced", "withdrawn"):
            later = [
                other["received_at"]
                for other in old
                if other["source_file"] == row["source_file"]
                and other["received_at"] > row["received_at"]
            ]
            ended = min(later) if later and row["state"] == "replaced" else now()
            yield {**event, "state": row["state"], "at": ended}


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


def as_json(items: Iterable[Any]) -> list[dict[str, Any]]:
    """Dataclasses as the ledger keeps them; `Problem(**each)` gives a problem back."""
    return [asdict(item) for item in items]


def severity(problem: Mapping[str, Any]) -> str:
    """Of a problem as the ledger keeps it; of a rule that is no more, a note."""
    try:
        return Problem(**problem).severity
    except (KeyError, TypeError):
        return "note"

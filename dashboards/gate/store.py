"""The gate's database and key: SQLite in the home, or Postgres by an address.

Moments are seconds since 1970, so that a session is looked up without parsing a date.
"""

import hmac
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipelines.settings import Settings

METADATA = sa.MetaData()
LEAST_AUDIT_DAYS = 184
"""No line of the audit log is younger than this when it goes: six months, whichever they are."""

ACCOUNT = sa.Table(
    "gate_account",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    # As argon2 writes it; empty for who signs in at the city's own provider.
    sa.Column("password", sa.Text, nullable=False, default=""),
    # What that provider calls the person for good; bound at the first sign-in.
    sa.Column("subject", sa.Text, nullable=False, default=""),
    sa.Column("level", sa.String(10), nullable=False),
    sa.Column("unit_code", sa.String(64), nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False, default=False),
    sa.Column("demonstration", sa.Boolean, nullable=False, default=False),
    sa.Column("made_at", sa.BigInteger, nullable=False),
    sa.Column("signed_in_at", sa.BigInteger, nullable=True),
)

SESSION = sa.Table(
    "gate_session",
    METADATA,
    # Of what the cookie holds: whoever reads this table can't enter by it.
    sa.Column("digest", sa.String(64), primary_key=True),
    # The same through all the ids that a session takes on.
    sa.Column("family", sa.String(32), nullable=False, index=True),
    sa.Column("account", sa.String(64), nullable=False, index=True),
    sa.Column("issued_at", sa.BigInteger, nullable=False),
    sa.Column("seen_at", sa.BigInteger, nullable=False),
    sa.Column("ends_at", sa.BigInteger, nullable=False),
    sa.Column("replaced", sa.Boolean, nullable=False, default=False),
)

ATTEMPT = sa.Table(
    "gate_attempt",
    METADATA,
    sa.Column("key", sa.String(160), primary_key=True),
    sa.Column("since", sa.BigInteger, nullable=False, index=True),
    sa.Column("failures", sa.Integer, nullable=False),
)
"""Sign-ins that were tried, by account and by address, since the first of a window."""

LINK = sa.Table(
    "gate_link",
    METADATA,
    sa.Column("nonce", sa.String(32), primary_key=True),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("ends_at", sa.BigInteger, nullable=False),
)
"""One-time links that were not used yet."""

AUDIT = sa.Table(
    "gate_audit",
    METADATA,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    # Text, so that every database gives back what the digest was made of.
    sa.Column("at", sa.String(27), nullable=False, index=True),
    sa.Column("event", sa.String(40), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)

AUDIT_HEAD = sa.Table(
    "gate_audit_head",
    METADATA,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)
"""The end of the chain, which also lets one line after the other in."""

_SQLITE_GUARD = (
    "create trigger if not exists gate_audit_kept before update on gate_audit "
    "begin select raise(abort, 'the audit log is append-only'); end",
    "create trigger if not exists gate_audit_held before delete on gate_audit "
    f"when old.at > strftime('%Y-%m-%dT%H:%M:%f', 'now', '-{LEAST_AUDIT_DAYS} days') "
    "begin select raise(abort, 'the audit log is kept for six months'); end",
)
_POSTGRES_GUARD = (
    f"""
    create or replace function gate_audit_guard() returns trigger as $$
    begin
        if tg_op = 'DELETE' and old.at < to_char(
            (now() at time zone 'utc') - interval '{LEAST_AUDIT_DAYS} days',
            'YYYY-MM-DD"T"HH24:MI:SS.US'
        ) then
            return old;
        end if;
        raise exception 'the audit log is append-only and kept for six months';
    end
    $$ language plpgsql
    """,
    "create or replace trigger gate_audit_kept before update or delete on gate_audit "
    "for each row execute function gate_audit_guard()",
)

_MAKING = 8400_2026
"""Name of the lock under which the tables are made; any number that nobody else uses."""


class Store:
    """The database of a home's gate, made when it is opened first, and the gate's key.

    Raises:
        OSError, SQLAlchemyError: the folder or the database can't be had.
    """

    def __init__(self, settings: Settings) -> None:
        settings.gate.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._key = _key(settings.gate / "key")
        url = sa.make_url(settings.accounts)
        self._lite = url.get_backend_name() == "sqlite"
        if self._lite and url.database:
            path = Path(url.database)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # SQLite gives its own files beside it the same mode.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        # SQLite lets writers in by chance; those of one process come in their turn.
        self._turn = threading.Lock() if self._lite else nullcontext()
        self.engine = sa.create_engine(url, **({} if self._lite else {"pool_pre_ping": True}))
        if self._lite:
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
        with self.write() as con:
            if not self._lite:
                # Workers that start together would make the same things at the same time.
                con.exec_driver_sql(f"select pg_advisory_xact_lock({_MAKING})")
            METADATA.create_all(con)
            for statement in _SQLITE_GUARD if self._lite else _POSTGRES_GUARD:
                con.exec_driver_sql(statement)
            kind = sqlite if self._lite else postgresql
            first = {"one": 1, "seq": 0, "digest": ""}
            con.execute(kind.insert(AUDIT_HEAD).values(first).on_conflict_do_nothing())

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer comes into the way of."""
        with self._turn, self.engine.connect() as con:
            if self._lite:
                # From the start, since a reader that turns writer can be refused.
                con.exec_driver_sql("begin immediate")
            yield con
            con.commit()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for questions."""
        with self.engine.connect() as con:
            yield con

    def question(self, query: sa.Select[Any]) -> "Question":
        """A query made ready once, to be asked at every request."""
        return Question(self.engine, query)

    def tried(self, con: sa.Connection, key: str, now: int, window: int) -> int:
        """Count one more sign-in under a key; answers how many there were in its window."""
        kind = sqlite if self._lite else postgresql
        fresh = kind.insert(ATTEMPT).values(key=key, since=now, failures=1)
        over = ATTEMPT.c.since <= now - window
        counted = fresh.on_conflict_do_update(
            index_elements=[ATTEMPT.c.key],
            set_={
                "since": sa.case((over, now), else_=ATTEMPT.c.since),
                "failures": sa.case((over, 1), else_=ATTEMPT.c.failures + 1),
            },
        ).returning(ATTEMPT.c.failures)
        return int(con.execute(counted).scalar_one())

    def seal(self, purpose: str, text: str) -> str:
        """A keyed digest of a text, for one purpose; nobody without the key can make it."""
        return hmac.new(self._key, f"{purpose}\0{text}".encode(), sha256).hexdigest()


class StoreFault(sa.exc.SQLAlchemyError):
    """The database does not answer; the text says of what kind the fault is."""


class Question:
    """One prepared query, asked past SQLAlchemy's own work, which takes longer than the answer."""

    def __init__(self, engine: sa.Engine, query: sa.Select[Any]) -> None:
        self._engine = engine
        self._fault: type[Exception] = engine.dialect.loaded_dbapi.Error
        compiled = query.compile(engine)
        self._text = str(compiled)
        self._names = compiled.positiontup

    def ask(self, **values: Any) -> Any:
        """The first row, a plain tuple; none without one.

        Raises:
            StoreFault: the database does not answer.
        """
        given: Any = values if self._names is None else [values[name] for name in self._names]
        con = self._engine.raw_connection()
        try:
            cursor = con.cursor()
            cursor.execute(self._text, given)
            row = cursor.fetchone()
            cursor.close()
            return row
        except self._fault as error:
            raise StoreFault(type(error).__name__) from error
        finally:
            con.close()


def _prepare_sqlite(connection: Any, record: object) -> None:
    # The transactions are `Store.write`'s own affair, not the driver's.
    connection.isolation_level = None
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    connection.execute("pragma busy_timeout = 10000")


def _key(path: Path) -> bytes:
    """The gate's key, made on first use.

    Raises:
        PermissionError: somebody else could read it.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise PermissionError(f"{path} can be read by others; chmod 600 {path}")
    key = path.read_text(encoding="ascii").strip()
    if len(key) < 64:
        raise PermissionError(f"{path} holds no key; restore it from its backup")
    return bytes.fromhex(key)

"""Dagster's log of a run, kept in the same SQLite files at a third of the time.

Dagster opens a connection, with an engine and an empty cache of statements, for each of the two
thousand reads and writes of a build. Here each file has one engine, so one connection, as long as
the run lasts. Whatever else reads the log (`eqm status`, Dagster's interface) finds it as Dagster
would have written it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS


class EventLog(SqliteEventLogStorage):
    """Dagster's own storage, but for how it connects."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: dict[str, sa.Engine] = {}
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> "EventLog":
        """As Dagster makes it out of the configuration."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
            if shard not in self._engines:
                engine = sa.create_engine(
                    self.conn_string_for_shard(shard),
                    connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
                )
                sa.event.listen(engine, "connect", _hurry)
                self._initdb(engine)
                self._engines[shard] = engine
            with self._engines[shard].begin() as connection:
                yield connection

    def has_table(self, table_name: str) -> bool:
        """Whether the log has such a table. It is asked before most writes; tables stay."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        """Close the files."""
        super().dispose()
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()


def _hurry(connection: Any, _: Any) -> None:
    """The disk is waited for now and then: a power cut may cost the last lines, not the log."""
    connection.execute("pragma synchronous = normal")


def instance(folder: str) -> dg.DagsterInstance:
    """Dagster's instance of a folder with a `dagster.yaml`, for a run in this process."""
    log = {
        "module": EventLog.__module__,
        "class": EventLog.__name__,
        "config": {"base_dir": f"{folder}/history/runs"},
    }
    return dg.DagsterInstance.from_ref(
        InstanceRef.from_dir(folder, overrides={"event_log_storage": log})
    )

"""Students who are forgotten, since somebody had a right to it: their rows are read no more.

Of each, the ledger keeps a digest of the number under a key of its own, which stays when the key
of the pseudonyms is changed. So a file that still holds such a student, or holds the student again,
is known to under whatever key it is read, and no number is kept anywhere.
"""

from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.clean import student_numbers
from pipelines.intake.ledger import Ledger
from pipelines.intake.problems import IntakeError, NoKey
from pipelines.intake.pseudonym import key_id, make_key, read_key, student_keys
from pipelines.settings import Settings
from pipelines.wording import bilingual

BEGUN, DONE = "forgetting", "forgotten"
"""Events: a student is to be forgotten, from then on left out of all that is read; and nothing of
the student is left in what had been read before."""


@dataclass(frozen=True)
class Forgotten:
    """Whose rows are left out."""

    key: bytes = b""
    digests: frozenset[str] = frozenset()

    def among(self, con: duckdb.DuckDBPyConnection, numbers: pa.Table) -> pa.Array:
        """Those ids of a table of numbers (id from 0, value) whose students are forgotten."""
        if not self.digests or not numbers.num_rows:
            return pa.array([], pa.int64())
        found = student_keys(con, self.key, numbers)
        asked = pa.array(sorted(self.digests), pa.string())
        return pc.indices_nonzero(pc.is_in(found, value_set=asked))

    def are_in(self, texts: pa.Array) -> bool:
        """Whether one of these texts is the number of such a student, however it is written."""
        with duckdb.connect() as con:
            return len(self.among(con, student_numbers(con, texts))) > 0


NOBODY = Forgotten()


def the_forgotten(settings: Settings, ledger: Ledger) -> Forgotten:
    """Everybody who is forgotten in a home, whatever moment it is built of.

    Raises:
        NoKey: somebody is, and the key is missing or another one: they would come back unnoticed.
    """
    events = ledger.events([BEGUN])
    if not events:
        return NOBODY
    path = settings.forgotten_key_file
    known = {event["detail"]["key_id"] for event in events}
    key = read_key(path) if path.exists() else b""
    if not key or known != {key_id(key)}:
        raise NoKey(
            bilingual(
                "{count} students are forgotten, and the key by which they are known is not at "
                "{path}. Restore it from its backup; without it their rows would come back.",
                count=len({event["detail"]["person"] for event in events}),
                path=path,
            )
        )
    return Forgotten(key, frozenset(event["detail"]["person"] for event in events))


def own_key(settings: Settings, ledger: Ledger) -> bytes:
    """The key of the digests; made when the first student is forgotten (mode 0600).

    Raises:
        NoKey: students are forgotten under a key that is not there.
    """
    held = the_forgotten(settings, ledger)
    if not held.key and not settings.forgotten_key_file.exists():
        make_key(settings.forgotten_key_file)
    return held.key or read_key(settings.forgotten_key_file)


def digest_of(key: bytes, number: str) -> str:
    """What a number, however it is written, is known by under a key: as intake has it.

    Raises:
        IntakeError: there is no number.
    """
    with duckdb.connect() as con:
        numbers = student_numbers(con, pa.array([number], pa.string()))
        if numbers["value"][0].as_py() is None:
            raise IntakeError(bilingual("That is no student's number."))
        return str(student_keys(con, key, numbers)[0])


def unfinished(ledger: Ledger) -> list[dict[str, Any]]:
    """Forgettings of which something may be left, as a process that was killed leaves them."""
    done = {event["detail"]["event_id"] for event in ledger.events([DONE])}
    return [event for event in ledger.events([BEGUN]) if event["event_id"] not in done]

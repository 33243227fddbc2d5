"""The audit log: who signed in, was refused, took a table away, was granted what, and by whom.

Each line carries a keyed digest of itself and of the line before it. So a line that was changed,
left out or put in is found by whoever has the gate's key; and nobody without it can write a line
that holds. That the newest lines were cut off shows at the end that was noted earlier.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dashboards.gate.store import AUDIT, AUDIT_HEAD, LEAST_AUDIT_DAYS, Store

_LONGEST = 300
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True)
class Line:
    """One line of the log."""

    seq: int
    at: str
    """ISO time, UTC."""
    event: str
    actor: str
    address: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What came of reading the whole log."""

    lines: int
    end: str
    """`SEQ:DIGEST` of the newest line; to be noted elsewhere and given to a later check."""
    faults: list[str]


class AuditLog:
    """The log of a gate."""

    def __init__(self, store: Store, keep_days: int = LEAST_AUDIT_DAYS) -> None:
        self._store = store
        self._keep = timedelta(days=max(keep_days, LEAST_AUDIT_DAYS))

    def tell(self, event: str, actor: str, address: str = "", **detail: Any) -> None:
        """Append a line in a transaction of its own."""
        with self._store.write() as con:
            self.add(con, event, actor, address, **detail)

    def add(
        self, con: sa.Connection, event: str, actor: str, address: str = "", **detail: Any
    ) -> None:
        """Append a line in the transaction of what it tells of."""
        head = sa.select(AUDIT_HEAD.c.seq, AUDIT_HEAD.c.digest).with_for_update()
        end: Any = con.execute(head).one()
        seq, before = end
        # Within the lock, so that times go the way of the numbers.
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        line = (
            seq + 1, at, event, _fit(actor), _fit(address)[:64],
            json.dumps({k: _fit(v) for k, v in detail.items()}, sort_keys=True),
        )  # fmt: skip
        digest = self._digest(before, line)
        names = ("seq", "at", "event", "actor", "address", "detail")
        con.execute(sa.insert(AUDIT).values(**dict(zip(names, line, strict=True)), digest=digest))
        con.execute(sa.update(AUDIT_HEAD).values(seq=seq + 1, digest=digest))

    def lines(self, last: int | None = None) -> list[Line]:
        """The lines in order; only the newest so many where that is given."""
        query = sa.select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(last)
        with self._store.read() as con:
            rows = con.execute(query).mappings().all()
        names = ("seq", "at", "event", "actor", "address")
        return [
            Line(**{name: row[name] for name in names}, detail=json.loads(row["detail"]))
            for row in reversed(rows)
        ]

    def verify(self, noted: str = "") -> Verdict:
        """Reads every line and holds it against its digest and against the line before it.

        Args:
            noted: an end (`SEQ:DIGEST`) that an earlier check gave; the log must still hold it.
        """
        faults: list[str] = []
        wanted_seq, _, wanted = noted.partition(":")
        found, lines, first = not noted, 0, 1
        expected, before = 1, ""
        pruned = sa.select(AUDIT.c.detail).where(AUDIT.c.event == "audit_pruned")
        with self._store.read() as con:
            told: Any = con.execute(pruned).scalars()
            cuts = [json.loads(detail) for detail in told]
            ends = {int(cut["through"]): str(cut["digest"]) for cut in cuts}
            rows: Any = con.execute(sa.select(AUDIT).order_by(AUDIT.c.seq))
            for row in rows:
                *line, digest = row
                seq = line[0]
                if not lines and seq - 1 in ends:
                    # The line that this one hangs on was removed in good order.
                    first, expected, before = seq, seq, ends[seq - 1]
                if seq != expected:
                    faults.append(f"lines {expected} to {seq - 1} are missing")
                elif self._digest(before, tuple(line)) != digest:
                    faults.append(f"line {seq} was changed")
                if str(seq) == wanted_seq:
                    found = digest == wanted
                expected, before, lines = seq + 1, digest, lines + 1
            head = sa.select(AUDIT_HEAD.c.seq, AUDIT_HEAD.c.digest)
            end: Any = con.execute(head).one()
        head_seq, head_digest = end
        if (head_seq, head_digest) != (expected - 1, before):
            faults.append(f"lines after {expected - 1} are missing")
        if not found and int(wanted_seq) >= first:
            faults.append(f"line {wanted_seq} is not the one that was noted")
        return Verdict(lines, f"{head_seq}:{head_digest}", faults)

    def prune(self, by: str) -> int:
        """Remove the lines that are older than has to be kept; answers how many went.

        A line tells of it, and up to which one: the chain holds from there.
        """
        before = (datetime.now(UTC) - self._keep).strftime("%Y-%m-%dT%H:%M:%S.%f")
        with self._store.write() as con:
            old = sa.select(sa.func.max(AUDIT.c.seq), sa.func.count()).where(AUDIT.c.at < before)
            found: Any = con.execute(old).one()
            through, gone = found
            if not gone:
                return 0
            last = sa.select(AUDIT.c.digest).where(AUDIT.c.seq == through)
            digest: Any = con.execute(last).scalar_one()
            con.execute(sa.delete(AUDIT).where(AUDIT.c.seq <= through))
            self.add(con, "audit_pruned", by, through=through, digest=digest)
        return int(gone)

    def _digest(self, before: str, line: tuple[Any, ...]) -> str:
        return self._store.seal("audit", json.dumps([before, *line], separators=(",", ":")))


def _fit(value: Any) -> Any:
    """A value that can neither break a line nor fill the disk."""
    return _UNFIT.sub("?", value)[:_LONGEST] if isinstance(value, str) else value


class Tally:
    """Says when the same thing, done over and over, is worth another line: an attack on the log.

    The first twenty are, then the hundredth, thousandth and so on; the line carries the count. A
    key that was quiet for an hour begins anew.
    """

    FULL, QUIET, KEYS = 20, 3600, 10_000

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int]] = {}

    def count(self, key: str, now: int) -> int | None:
        """The count of this occurrence if it is worth a line."""
        number, seen = self._counts.pop(key, (0, now))
        number = 1 if now - seen > self.QUIET else number + 1
        self._counts[key] = (number, now)
        if len(self._counts) > self.KEYS:
            # The key that was quiet longest stands first.
            for oldest in self._oldest():
                self._counts.pop(oldest, None)
        told = number <= self.FULL or str(number).strip("0") == "1"
        return number if told else None

    def _oldest(self) -> Iterator[str]:
        yield from list(self._counts)[: self.KEYS // 10]
